"""Reading and proving the audit log."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

Mailguard = Callable[..., Any]
Hold = Callable[..., Any]


def change(database: Path, statement: str) -> None:
    """Do what the database's own guards refuse."""
    with closing(sqlite3.connect(database)) as connection:
        triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in triggers.fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(statement)
        connection.commit()


def test_verify_prints_count_and_head(mailguard: Mailguard, hold: Hold) -> None:
    hold()
    hold()

    done = mailguard("audit", "verify", "--evidence")
    (told,) = mailguard("audit", "verify", "--json").json

    assert done.status == 0
    assert done.out == f"2 entries, head {told['head']}\n"
    assert (told["count"], told["problem"], len(told["head"])) == (2, "", 64)


def test_verify_names_the_first_broken_link(
    mailguard: Mailguard, hold: Hold, tmp_path: Path
) -> None:
    hold()
    hold()
    change(tmp_path / "mailguard.db", "UPDATE audit_entries SET actor = 'x' WHERE seq = 2")

    done = mailguard("audit", "verify")

    assert done.status == 1
    assert "The chain is broken. Entry 2 was changed" in done.out


def test_verify_finds_evidence_that_is_gone_or_changed(
    mailguard: Mailguard, hold: Hold, tmp_path: Path
) -> None:
    gone, changed, sound = hold(), hold(), hold()
    (tmp_path / "spool" / gone.folder / "message.eml").unlink()
    with (tmp_path / "spool" / changed.folder / "message.eml").open("ab") as file:
        file.write(b"!")

    without = mailguard("audit", "verify")
    done = mailguard("audit", "verify", "--evidence", "--json")

    assert (without.status, done.status) == (0, 1)
    assert set(done.json[0]["damaged"]) == {gone.id, changed.id}
    assert sound.id not in done.out


def test_list_says_who_did_what(mailguard: Mailguard, hold: Hold) -> None:
    held = hold()
    mailguard("quarantine", "confirm", held.id, "--reason", "bullying", "--by", "G. Okafor")

    heading, first, second = mailguard("audit", "list").out.splitlines()

    assert heading.split("\t") == ["when", "who", "did", "to", "why"]
    assert first.split("\t")[1:] == ["mailguard", "hold", held.id, ""]
    assert second.split("\t")[1:] == ["G. Okafor", "confirm", held.id, "bullying"]


def test_list_can_be_limited_to_the_newest(mailguard: Mailguard, hold: Hold) -> None:
    hold()
    newest = hold()

    (line,) = mailguard("audit", "list", "--limit", "1", "--json").json

    assert line["subject"] == newest.id
