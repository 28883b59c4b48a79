import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mailguard.quarantine.retention import Retention
from mailguard.store.engine import Database
from mailguard.store.ledger import CAPACITY, GROUP, SqlLedger
from mailguard.store.lock import locked
from mailguard.testing import SCHOOL
from mailguard.testing.quarantine import ledger_row

Query = Callable[..., list[Any]]


@pytest.fixture
def ledger(database: Database, stopwatch: Any) -> SqlLedger:
    return SqlLedger(database, stopwatch=stopwatch)


@pytest.fixture
def query(url: str) -> Query:
    def run(sql: str) -> list[Any]:
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            return connection.execute(sql).fetchall()

    return run


async def count_becomes(query: Query, wanted: int) -> bool:
    """Whether the database has that many rows within a few seconds."""
    async with asyncio.timeout(5):
        while query("SELECT count(*) FROM ledger_rows") != [(wanted,)]:
            await asyncio.sleep(0.005)
    return True


async def test_rows_are_written_as_they_were_recorded(ledger: SqlLedger, query: Query) -> None:
    ledger.record(ledger_row())
    await ledger.close()

    (row,) = query(
        "SELECT queue_id, school, received, sender, recipients, relationship, outcome, unscanned,"
        " size, ident FROM ledger_rows"
    )
    assert row[:4] == ("QUEUE1", SCHOOL.name, "2026-03-02 12:00:00.000000", "ana@elmpark.example")
    assert json.loads(row[4]) == ["ben@elmpark.example", "kim@elmpark.example"]
    assert row[5:] == ("pupil→pupil", "relayed", '["format"]', 100, "4cSh2W1xYz")


async def test_rows_keep_their_order(ledger: SqlLedger, query: Query) -> None:
    for number in range(2 * GROUP + 3):
        ledger.record(ledger_row(number))
    await ledger.close()

    written = [queue_id for (queue_id,) in query("SELECT queue_id FROM ledger_rows ORDER BY id")]
    assert written == [f"QUEUE{number}" for number in range(2 * GROUP + 3)]


async def test_a_lone_row_is_written_soon(ledger: SqlLedger, query: Query) -> None:
    ledger.record(ledger_row())

    assert await count_becomes(query, 1)


async def test_only_a_full_group_does_not_wait(
    ledger: SqlLedger, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailguard.store.ledger.INTERVAL", 3600)
    for number in range(GROUP + 1):
        ledger.record(ledger_row(number))

    assert await count_becomes(query, GROUP)
    await ledger.close()
    assert await count_becomes(query, GROUP + 1)


async def test_rows_wait_while_the_database_is_away(
    url: str, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailguard.store.ledger.INTERVAL", 0.001)
    database = Database(url, patience=0)
    ledger = SqlLedger(database)
    with locked(Path(url.removeprefix("sqlite:///") + ".lock"), patience=0):
        ledger.record(ledger_row())
        await asyncio.sleep(0.05)

    assert await count_becomes(query, 1)
    assert ledger.lost == 0
    await database.close()


async def test_closing_while_the_database_is_away_counts_what_is_lost(url: str) -> None:
    ledger = SqlLedger(Database(url, patience=0))
    ledger.record(ledger_row(1))
    ledger.record(ledger_row(2))

    with locked(Path(url.removeprefix("sqlite:///") + ".lock"), patience=0):
        await ledger.close()

    assert ledger.lost == 2


async def test_memory_is_bounded_and_what_does_not_fit_is_counted(
    ledger: SqlLedger, query: Query
) -> None:
    row = ledger_row()
    for _ in range(CAPACITY + 7):
        ledger.record(row)
    await ledger.close()

    assert ledger.lost == 7
    assert query("SELECT count(*) FROM ledger_rows") == [(CAPACITY,)]


async def test_rows_that_the_database_refuses_do_not_stop_later_ones(
    ledger: SqlLedger, url: str, query: Query
) -> None:
    query("CREATE TRIGGER refuse BEFORE INSERT ON ledger_rows BEGIN SELECT RAISE(ABORT, 'no'); END")
    ledger.record(ledger_row(1))
    async with asyncio.timeout(5):
        while not ledger.lost:
            await asyncio.sleep(0.005)
    query("DROP TRIGGER refuse")

    ledger.record(ledger_row(2))
    await ledger.close()

    assert query("SELECT queue_id FROM ledger_rows") == [("QUEUE2",)]


async def test_closing_an_unused_ledger_is_no_work(ledger: SqlLedger) -> None:
    await ledger.close()

    assert ledger.lost == 0


async def test_rows_expire_with_the_time_that_passes(
    ledger: SqlLedger, stopwatch: Any, query: Query
) -> None:
    ledger.record(ledger_row(1))
    ledger.record(ledger_row(2, school="Oak Lane"))
    await count_becomes(query, 2)
    stopwatch.advance(days=29)
    ledger.record(ledger_row(3))
    await ledger.close()
    early = await ledger.expire(Retention())
    stopwatch.advance(days=1)

    assert (early, await ledger.expire(Retention())) == (0, 2)
    assert query("SELECT queue_id FROM ledger_rows") == [("QUEUE3",)]
