"""Seeing what is held, and why."""

import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mailguard.policy.disposition import Action
from mailguard.testing import CANARY, mail

Mailguard = Callable[..., Any]
Hold = Callable[..., Any]


def actions_in_the_audit_log(mailguard: Mailguard, held_id: str) -> list[tuple[str, str]]:
    done = mailguard("audit", "list", "--subject", held_id, "--json")
    return [(line["actor"], line["action"]) for line in done.json]


def test_list_has_exactly_the_keys_that_programs_rely_on(mailguard: Mailguard, hold: Hold) -> None:
    held = hold()

    (row,) = mailguard("quarantine", "list", "--json").json

    assert row == {
        "id": held.id,
        "received": "2026-03-02T12:00:00+00:00",
        "state": "held",
        "level": 2,
        "categories": {"abuse": 2},
        "from": "ana@pupils.elmpark.example",
        "recipients": [{"address": "ben@pupils.elmpark.example", "state": "held"}],
        "symbols": ["ABUSE_TEST"],
        "sha256": hashlib.sha256(mail()).hexdigest(),
        "listener": "mail",
    }


def test_list_in_a_pipe_is_lines_with_tabs_and_no_content(mailguard: Mailguard, hold: Hold) -> None:
    held = hold()

    heading, line = mailguard("quarantine", "list").out.splitlines()

    assert heading.split("\t")[:3] == ["id", "received", "state"]
    assert line.split("\t")[:4] == [held.id, "2 Mar 2026, 12:00:00", "held", "L2"]
    assert CANARY not in line


@pytest.mark.parametrize(
    ("session", "words"),
    [
        ({}, "from 192.0.2.10, called client.example"),
        (
            {"auth": "ana", "via": "10.0.0.5"},
            "from 192.0.2.10, called client.example, logged in as ana, passed on by 10.0.0.5",
        ),
        (
            {"peer": "", "via": "127.0.0.1"},
            "from an unknown address, called client.example, passed",
        ),
    ],
)
def test_show_says_where_it_came_from(
    session: dict[str, str], words: str, mailguard: Mailguard, hold: Hold
) -> None:
    held = hold(**session)

    shown = mailguard("quarantine", "show", held.id).out

    assert words in " ".join(shown.split())


def test_list_can_be_narrowed_to_states(mailguard: Mailguard, hold: Hold) -> None:
    held, sealed = hold(), hold(Action.SEAL)

    done = mailguard("quarantine", "list", "--json", "--state", "sealed")

    assert [row["id"] for row in done.json] == [sealed.id]
    assert held.id not in done.out


def test_list_can_be_limited_to_the_oldest(mailguard: Mailguard, hold: Hold) -> None:
    oldest, _ = hold(), hold()

    done = mailguard("quarantine", "list", "--json", "--limit", "1")

    assert [row["id"] for row in done.json] == [oldest.id]


def test_without_a_database_the_sentence_says_how_to_make_one(
    mailguard: Mailguard, config_file: Path
) -> None:
    done = mailguard("quarantine", "list")

    assert done.status == 1
    assert "there is no database at" in done.err
    assert "`mailguard db migrate`" in done.err


def test_show_says_who_when_why_and_what_happened_but_no_content(
    mailguard: Mailguard, hold: Hold
) -> None:
    held = hold()

    done = mailguard("quarantine", "show", held.id)

    assert done.status == 0
    assert CANARY not in done.out
    for part in (
        "ana@pupils.elmpark.example",
        "ben@pupils.elmpark.example (pupil→pupil), held",
        "2 Mar 2026, 12:00:00",
        "A sentence.",
        "symphony:3.1.2",
        held.sha256,
        "mailguard  hold",
    ):
        assert part in done.out


def test_show_as_json_is_one_object_with_evidence_and_history(
    mailguard: Mailguard, hold: Hold
) -> None:
    held = hold()

    (shown,) = mailguard("quarantine", "show", held.id, "--json").json

    assert shown["id"] == held.id
    assert shown["evidence"]["findings"][0]["symbol"] == "ABUSE_TEST"
    assert [entry["action"] for entry in shown["history"]] == ["hold"]
    assert "content" not in shown


def test_content_is_shown_when_asked_for_and_the_look_is_recorded(
    mailguard: Mailguard, hold: Hold
) -> None:
    held = hold(raw=mail("Nobody likes you.", subject="You"))

    done = mailguard("quarantine", "show", held.id, "--content", "--by", "G. Okafor")

    assert "Nobody likes you." in done.out
    assert "You zq7canary" in done.out
    assert actions_in_the_audit_log(mailguard, held.id)[-1] == ("G. Okafor", "look")


def test_a_look_without_content_is_not_recorded(mailguard: Mailguard, hold: Hold) -> None:
    held = hold()

    mailguard("quarantine", "show", held.id)

    assert actions_in_the_audit_log(mailguard, held.id) == [("mailguard", "hold")]


def test_an_attachment_is_named_and_not_opened(mailguard: Mailguard, hold: Hold) -> None:
    raw = mail(
        "--x\r\nContent-Type: text/plain\r\n\r\nSee the file.\r\n"
        "--x\r\nContent-Type: text/csv\r\nContent-Disposition: attachment; filename=a.csv\r\n\r\n"
        "secret,row\r\n--x--",
        content_type="multipart/mixed; boundary=x",
    )
    held = hold(raw=raw)

    done = mailguard("quarantine", "show", held.id, "--content")

    assert "See the file." in done.out
    assert "'a.csv', text/csv" in done.out
    assert "secret" not in done.out


def test_what_a_message_contains_cannot_move_the_cursor(mailguard: Mailguard, hold: Hold) -> None:
    held = hold(raw=mail("red \x1b[31malert\x07"), sender="a\x1b[2Jna@pupils.elmpark.example")

    done = mailguard("quarantine", "show", held.id, "--content")

    assert "\x1b" not in done.out
    assert "a\\x1b[2Jna@pupils.elmpark.example" in done.out


@pytest.mark.parametrize("address", ["ANA@pupils.elmpark.example", "ben+x@pupils.elmpark.example"])
def test_nobody_is_shown_a_message_they_have_a_part_in(
    mailguard: Mailguard, hold: Hold, address: str
) -> None:
    held = hold()

    shown = mailguard("quarantine", "show", held.id, "--content", "--as", address)
    listed = mailguard("quarantine", "list", "--json", "--as", address)

    assert shown.status == 1
    assert "it goes to head@elmpark.example" in shown.err
    assert (shown.out, listed.out) == ("", "")
    assert actions_in_the_audit_log(mailguard, held.id) == [("mailguard", "hold")]


def test_who_is_named_in_from_has_a_part_in_it_too(mailguard: Mailguard, hold: Hold) -> None:
    held = hold(raw=mail(from_="The Head <head@elmpark.example>"))

    done = mailguard("quarantine", "show", held.id, "--as", "head@elmpark.example")

    assert done.status == 1
    assert "it goes to dsl@elmpark.example" in done.err


def test_an_unknown_id_is_said_to_be_unknown(mailguard: Mailguard, hold: Hold) -> None:
    hold()

    done = mailguard("quarantine", "show", "01ARZ3NDEKTSV4RRFFQ69G5FAV")

    assert done.status == 1
    assert "01ARZ3NDEKTSV4RRFFQ69G5FAV" in done.err


def test_export_writes_what_a_third_party_can_check(
    mailguard: Mailguard, hold: Hold, tmp_path: Path
) -> None:
    held = hold()
    folder = tmp_path / "case" / "12"

    done = mailguard("quarantine", "export", held.id, str(folder), "--by", "G. Okafor")

    assert done.status == 0, done.err
    assert (folder / "message.eml").read_bytes() == mail()
    assert json.loads((folder / "evidence.json").read_bytes())["id"] == held.id
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=folder, check=True)
    assert {oct(file.stat().st_mode)[-3:] for file in folder.iterdir()} == {"600"}
    assert actions_in_the_audit_log(mailguard, held.id)[-1] == ("G. Okafor", "export")


def test_export_overwrites_nothing(mailguard: Mailguard, hold: Hold, tmp_path: Path) -> None:
    held = hold()
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / "message.eml").write_text("another case")

    done = mailguard("quarantine", "export", held.id, str(tmp_path / "case"))

    assert done.status == 1
    assert "is not empty" in done.err
    assert (tmp_path / "case" / "message.eml").read_text() == "another case"
    assert actions_in_the_audit_log(mailguard, held.id) == [("mailguard", "hold")]


def test_export_to_standard_output_gives_the_exact_bytes(mailguard: Mailguard, hold: Hold) -> None:
    held = hold()

    done = mailguard("quarantine", "export", held.id, "-")

    assert hashlib.sha256(done.out.encode()).hexdigest() == held.sha256
    assert actions_in_the_audit_log(mailguard, held.id)[-1][1] == "export"


@pytest.mark.parametrize(
    "words",
    [("show", "--content"), ("export", "-"), ("release", "--reason", "x")],
    ids=["content", "export", "release"],
)
def test_what_is_sealed_is_opened_for_nobody(
    mailguard: Mailguard, hold: Hold, words: tuple[str, ...]
) -> None:
    held = hold(Action.SEAL)
    name, *more = words

    done = mailguard("quarantine", name, held.id, *more)

    assert (done.status, done.out) == (1, "")
    assert "sealed" in done.err
    assert actions_in_the_audit_log(mailguard, held.id) == [("mailguard", "seal")]


def test_a_sealed_message_is_shown_without_its_content(mailguard: Mailguard, hold: Hold) -> None:
    held = hold(Action.SEAL)

    done = mailguard("quarantine", "show", held.id)

    assert done.status == 0
    assert "nobody may open or send it" in done.out
    assert "The safeguarding lead should know of this at once." in done.out


def test_a_row_without_its_files_is_still_shown(
    mailguard: Mailguard, hold: Hold, tmp_path: Path
) -> None:
    held = hold()
    (tmp_path / "spool" / held.folder / "evidence.json").unlink()

    done = mailguard("quarantine", "show", held.id)

    assert done.status == 0
    assert "missing or damaged" in done.out
