"""Reading one file with what is inside it: which reader, and how far."""

import io
import zipfile
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailguard.extract import reading as module
from mailguard.extract.format import Format, Formats
from mailguard.extract.found import Limits, Missed, Opened, Piece
from mailguard.extract.item import About, Feature, Item, Member, Miss, Name, Text
from mailguard.extract.reading import read_file

Read = Callable[[bytes, About], Iterator[Item]]
Install = Callable[..., None]


def form(name: str, read: Read, *, types: str = "", endings: str = "") -> Format:
    return Format(
        name=name,
        types=frozenset(types.split()),
        endings=tuple(endings.split()),
        read=read,
        sample=b"",
    )


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Replace the readers that there are."""

    def replace(*readers: Format) -> None:
        monkeypatch.setattr(module, "FORMATS", Formats(readers=readers, failed=()))

    return replace


def yielding(*items: Item) -> Read:
    return lambda data, about: iter(items)


def doll(data: bytes, about: About) -> Iterator[Item]:
    """A file inside a file inside a file."""
    yield Text("", "layer")
    if len(data) > 1:
        yield Member("inner.doll", data[1:])


def test_a_file_is_read_by_what_it_is(install: Install) -> None:
    install(
        form("page", yielding(Text("", "a page")), types="text/html"),
        form("pdf", yielding(Text("", "a document")), types="application/pdf", endings=".pdf"),
    )

    reading = read_file(b"%PDF-1.7\n", About(name="unnamed"))

    assert (reading.text, reading.misses) == ("a document", ())
    assert reading.found[0] == Opened(
        path="unnamed", declared="", sniffed="application/pdf", size=9, reader="pdf"
    )


def test_what_is_plain_by_its_content_is_read_by_its_name(install: Install) -> None:
    install(
        form("text", yielding(Text("", "plain")), types="text/plain"),
        form("table", yielding(Text("", "rows")), endings=".csv"),
    )

    assert read_file(b"name,year\nAna,4\n", About(name="Class.CSV. ")).text == "rows"


def test_a_file_that_is_two_things_is_read_as_both(install: Install) -> None:
    install(
        form("pdf", yielding(Text("", "a document")), types="application/pdf"),
        form("table", yielding(Text("", "rows"), Miss("broken")), endings=".csv"),
    )

    reading = read_file(b"%PDF-1.7\n", About(name="a.csv"))

    assert (reading.text, reading.misses) == ("a document\n\nrows", ())


def test_the_declared_type_is_the_last_to_ask(install: Install) -> None:
    install(form("odd", yielding(Text("", "odd")), types="application/x-odd"))

    assert read_file(b"\1\2\3", About(declared="application/x-odd")).text == "odd"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1", "image", id="picture"),
        pytest.param(b"\1\2\3", "format", id="unknown"),
    ],
)
def test_what_no_reader_knows_is_missed(install: Install, data: bytes, reason: str) -> None:
    install()

    assert read_file(data, About(name="a")).misses == (reason,)


def test_a_reader_that_breaks_keeps_what_it_found(install: Install) -> None:
    def breaking(data: bytes, about: About) -> Iterator[Item]:
        yield Text("", "before")
        raise RuntimeError

    install(form("bad", breaking, endings=".bad"))

    reading = read_file(b"x", About(name="a.bad"))

    assert (reading.text, reading.misses) == ("before", ("broken",))


def test_files_inside_are_read_where_they_are(install: Install) -> None:
    install(
        form("box", yielding(Member("a/b.note", b"x"), Name("locked.note")), endings=".box"),
        form("note", yielding(Text("comment", "hello"), Feature("hidden")), endings=".note"),
    )

    reading = read_file(b"x", About(name="c.box"))

    assert reading.names == ("a/b.note", "locked.note")
    assert reading.features == ("hidden",)
    assert Piece(path="c.box/a/b.note", where="comment", text="hello") in reading.found


def test_depth_ends_what_is_nested_and_not_the_rest(install: Install) -> None:
    install(form("doll", doll, endings=".doll"))

    reading = read_file(b"x" * 9, About(name="a.doll"), Limits(depth=3))

    assert reading.text.count("layer") == 4
    assert reading.misses == ("too_deep",)


@pytest.mark.parametrize(
    ("limits", "items", "reason"),
    [
        pytest.param(Limits(members=3), [Member("m", b"")] * 4, "too_many_parts", id="members"),
        pytest.param(Limits(bytes_out=9), [Member("m", b"x" * 5)] * 2, "too_long", id="bytes"),
        pytest.param(
            Limits(ratio=3, ratio_from=6), [Member("m", b"x" * 5)] * 2, "bomb", id="ratio"
        ),
        pytest.param(Limits(text=9), [Text("", "hello")] * 2, "too_long", id="text"),
        pytest.param(Limits(text=9), [Name("hello")] * 2, "too_long", id="names"),
        pytest.param(Limits(text=9), [Feature("hello")] * 2, "too_long", id="features"),
        pytest.param(Limits(text=9), [Text("hello", "")] * 2, "too_long", id="places"),
        pytest.param(Limits(text=9), [Miss("hello")] * 2, "too_long", id="misses"),
        pytest.param(Limits(seconds=0), [Text("", "x")], "timeout", id="seconds"),
    ],
)
def test_a_limit_ends_the_reading_and_says_so(
    install: Install, limits: Limits, items: list[Item], reason: str
) -> None:
    install(form("box", yielding(*items, Text("", "never")), endings=".box"))

    reading = read_file(b"x", About(name="a.box"), limits)

    assert reason in reading.misses
    assert "never" not in reading.text
    assert sum(isinstance(found, Missed) and found.reason == reason for found in reading.found) == 1


def test_items_without_anything_in_them_have_an_end(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ITEMS", 10)
    install(form("box", lambda data, about: iter(lambda: Text("", ""), None), endings=".box"))

    assert read_file(b"x", About(name="a.box")).misses == ("too_many_parts",)


def test_a_reader_is_told_how_much_may_come_out(install: Install) -> None:
    rooms = []

    def measuring(data: bytes, about: About) -> Iterator[Item]:
        rooms.append(about.room)
        if len(rooms) < 2:
            yield Member("b.box", b"xxx")

    install(form("box", measuring, endings=".box"))
    read_file(b"x", About(name="a.box"), Limits(bytes_out=10))

    assert rooms == [10, 7]


def test_a_marker_is_found_wherever_it_is_packed() -> None:
    data = b"The marker: pineapple.\n"
    for number in range(4):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("note.txt" if number == 0 else f"{number}.zip", data)
        data = packed.getvalue()

    reading = read_file(data, About(name="letters.zip"))

    assert "pineapple" in reading.text
    assert reading.misses == ()
    assert "letters.zip/3.zip/2.zip/1.zip/note.txt" in {
        found.path for found in reading.found if isinstance(found, Piece)
    }


@settings(max_examples=60, deadline=None)
@given(
    data=st.binary(max_size=300),
    start=st.sampled_from([b"", b"PK\3\4", b"%PDF-1.4\n", b"{\\rtf1 ", b"\x1f\x8b\x08", b"BEGIN:"]),
    name=st.text(max_size=20) | st.sampled_from(["a.csv", "a.docx", "a.zip", "a.eml", "a.doc"]),
    declared=st.sampled_from(["", "application/pdf", "text/html", "application/ms-tnef"]),
)
def test_any_bytes_are_read_or_missed(data: bytes, start: bytes, name: str, declared: str) -> None:
    reading = read_file(start + data, About(name=name, declared=declared), Limits(seconds=5))

    assert "timeout" not in reading.misses
    assert reading.found
