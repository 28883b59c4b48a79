"""Creating and looking at the database."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

Mailguard = Callable[..., Any]


def test_migrate_creates_it_and_status_says_so(
    mailguard: Mailguard, config_file: Path, tmp_path: Path
) -> None:
    before = mailguard("db", "status", "--json")
    migrated = mailguard("db", "migrate")
    after = mailguard("db", "status", "--json")

    assert (before.status, migrated.status, after.status) == (1, 0, 0)
    assert before.json[0]["schema"] == ""
    assert after.json[0]["schema"] == after.json[0]["newest"]
    assert after.json[0]["database"] == str(tmp_path / "mailguard.db")
    assert after.json[0]["newest"] in migrated.out


def test_status_of_a_missing_database_makes_none(
    mailguard: Mailguard, config_file: Path, tmp_path: Path
) -> None:
    done = mailguard("db", "status")

    assert done.status == 1
    assert "it has not been created yet" in done.out
    assert not (tmp_path / "mailguard.db").exists()


def test_migrating_again_changes_nothing(mailguard: Mailguard, config_file: Path) -> None:
    first = mailguard("db", "migrate")
    second = mailguard("db", "migrate")

    assert (second.status, second.out) == (0, first.out)
