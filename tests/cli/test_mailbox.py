"""Finding messages on disk."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.cli.mailbox import Found, Unreadable, find_files, read_messages


def names(path: Path) -> list[str]:
    """What is found below `path`, by name relative to it; errors with their reasons."""
    return [
        f"{found.name}: {found.reason}"
        if isinstance(found, Unreadable)
        else str(found.relative_to(path))
        for found in find_files(str(path))
    ]


def contents(file: Path) -> list[tuple[str, bytes]]:
    """The messages in a file."""
    found = list(read_messages(file))
    assert all(isinstance(each, Found) for each in found)
    return [(each.name, bytes(each.content)) for each in found if isinstance(each, Found)]


def make(root: Path, *files: str) -> Path:
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"Subject: x\n\nHello\n")
    return root


def test_a_file_is_found_whatever_its_name(tmp_path: Path) -> None:
    make(tmp_path, "letter.txt")

    assert [tmp_path / "letter.txt"] == list(find_files(str(tmp_path / "letter.txt")))


def test_a_folder_gives_its_eml_files_and_those_of_folders_inside(tmp_path: Path) -> None:
    make(tmp_path, "b.eml", "a.EML", "notes.txt", "deep/er/c.eml")

    assert names(tmp_path) == ["a.EML", "b.eml", "deep/er/c.eml"]


def test_a_maildir_gives_what_is_new_and_read_but_not_what_is_half_written(tmp_path: Path) -> None:
    make(tmp_path, "cur/1:2,S", "new/2", "tmp/3", "new/.hidden", ".Sent/cur/4:2,", ".Sent/new/5")

    assert names(tmp_path) == ["cur/1:2,S", "new/2", ".Sent/cur/4:2,", ".Sent/new/5"]


def test_a_maildir_may_be_empty(tmp_path: Path) -> None:
    for name in ("cur", "new", "tmp"):
        (tmp_path / name).mkdir()

    assert names(tmp_path) == []


def test_a_folder_without_messages_is_named(tmp_path: Path) -> None:
    make(tmp_path, "notes.txt")

    assert [f"{tmp_path}: has no .eml file in it and is no Maildir"] == names(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    make(tmp_path, "a.eml", "secret/b.eml")
    (tmp_path / "secret").chmod(0)

    assert ["a.eml", f"{tmp_path}/secret: Permission denied"] == names(tmp_path)


def test_a_link_that_leads_round_is_not_followed(tmp_path: Path) -> None:
    make(tmp_path, "a.eml")
    (tmp_path / "again").symlink_to(tmp_path)

    assert names(tmp_path) == ["a.eml"]


@pytest.mark.parametrize(
    "content",
    [b"", b"\0", b"Subject: x\n\nFrom here on.\n", b"Fromage\n", b"no header at all", b"\xff" * 10],
    ids=["empty", "NUL", "From inside", "a word", "no header", "no text"],
)
def test_any_other_file_is_one_message(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "f"
    file.write_bytes(content)

    assert [(str(file), content)] == contents(file)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_an_mbox_gives_its_messages_by_number(tmp_path: Path, end: bytes) -> None:
    first, second = b"Subject: 1" + end * 2 + b"One" + end, b"Subject: 2" + end * 2 + b"Two" + end
    line = b"From ana@elmpark.example Mon Mar  2 12:00:00 2026" + end
    file = tmp_path / "box"
    file.write_bytes(line + first + end + line + second + end)

    assert [(f"{file}#1", first), (f"{file}#2", second)] == contents(file)


def test_from_amid_a_paragraph_does_not_begin_a_message(tmp_path: Path) -> None:
    message = b"Subject: 1\n\nHello\nFrom now on I am quiet.\n"
    file = tmp_path / "box"
    file.write_bytes(b"From a\n" + message + b"\n")

    assert [(f"{file}#1", message)] == contents(file)


@given(
    st.lists(
        st.binary(max_size=60)
        .map(lambda body: body.replace(b"From ", b"Frum ").replace(b"\r", b"") + b"\n")
        .filter(lambda body: not body.startswith(b"\n") and b"\n\n\n" not in b"\n" + body),
        min_size=1,
        max_size=5,
    )
)
def test_what_was_put_into_an_mbox_comes_out(
    tmp_path_factory: pytest.TempPathFactory, bodies: list[bytes]
) -> None:
    file = tmp_path_factory.mktemp("box") / "box"
    file.write_bytes(b"".join(b"From a\n" + body + b"\n" for body in bodies))

    assert bodies == [content for _, content in contents(file)]


@given(st.binary(max_size=300))
def test_any_bytes_after_a_from_line_are_some_messages(
    tmp_path_factory: pytest.TempPathFactory, rest: bytes
) -> None:
    file = tmp_path_factory.mktemp("box") / "box"
    file.write_bytes(b"From " + rest)

    assert contents(file)


def test_a_missing_file_is_unreadable_and_says_why(tmp_path: Path) -> None:
    file = tmp_path / "gone.eml"

    assert [Unreadable(name=str(file), reason="No such file or directory")] == list(
        read_messages(file)
    )


def test_a_device_is_not_read() -> None:
    (found,) = read_messages(Path("/dev/zero"))

    assert Unreadable(name="/dev/zero", reason="is neither a file nor a folder") == found


def test_a_message_beyond_every_limit_is_unreadable(tmp_path: Path) -> None:
    file = tmp_path / "huge.eml"
    with file.open("wb") as stream:
        stream.truncate((200 << 20) + 1)

    (found,) = read_messages(file)

    assert isinstance(found, Unreadable)
