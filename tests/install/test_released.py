"""What each released version left behind works with today's code."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mailguard.testing.service import Service
from mailguard.testing.sink import Sink

RELEASED = Path(__file__).parents[1] / "released"
RELEASES = sorted(folder.name for folder in RELEASED.iterdir() if folder.is_dir())

pytestmark = pytest.mark.slow


def rows(file: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What every version keeps of who wrote what to whom, and of who did what."""
    with closing(sqlite3.connect(file)) as database:
        return {
            name: database.execute(f"SELECT {columns} FROM {table} ORDER BY 1, 2").fetchall()
            for name, table, columns in (
                ("messages", "held_messages", "id, queue_id, sender, level, sha256, folder"),
                ("recipients", "held_recipients", "held_id, address, state, decided_by, reason"),
                ("audit", "audit_entries", "seq, school, at, actor, action, subject, hash"),
                ("ledger", "ledger_rows", "id, queue_id, sender, disposition, outcome"),
            )
        }


@pytest.mark.parametrize("version", RELEASES)
def test_database_and_spool_of_a_release_are_upgraded_whole_and_go_on(
    version: str, tmp_path: Path, make_service: Callable[..., Service], sink: Sink
) -> None:
    folder = tmp_path / "school"
    shutil.copytree(RELEASED / version / "spool", folder / "spool")
    with closing(sqlite3.connect(folder / "mailguard.db")) as database:
        database.executescript((RELEASED / version / "mailguard.sql").read_text("utf-8"))
    before = rows(folder / "mailguard.db")

    service = make_service(sink.port)
    after = rows(folder / "mailguard.db")
    listed = service.command("quarantine", "list", "--state", "held", "--json").stdout
    held = json.loads(listed.splitlines()[0])
    verified = service.command("audit", "verify", "--evidence")
    released = service.command(
        "quarantine", "release", held["id"], "--reason", "a play", "--wait", "30"
    )

    assert {name: len(found) for name, found in before.items() if not found} == {}
    assert after == before
    assert (verified.returncode, released.returncode) == (0, 0), verified.stdout + released.stderr
    evidence = folder / "spool" / next(row[5] for row in before["messages"] if row[0] == held["id"])
    assert sink.messages() == [(evidence / "message.eml").read_bytes()]
