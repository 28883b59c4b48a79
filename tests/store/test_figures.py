"""Counts since a mark, on a real database."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert

from mailguard.ports import AuditEntry
from mailguard.report.own_mail import Mark
from mailguard.store.audit_log import append_in
from mailguard.store.engine import Database
from mailguard.store.figures import SqlFigures
from mailguard.store.ledger import COLUMNS, SqlLedger
from mailguard.store.tables import CanaryRuns, LedgerRows
from mailguard.testing import NOON, SCHOOL
from mailguard.testing.quarantine import audit_entry, ledger_row

MANY = 100_000


@pytest.fixture
def figures(database: Database) -> SqlFigures:
    return SqlFigures(database, SCHOOL.name)


async def add_rows(
    database: Database, number: int, *, school: str = SCHOOL.name, **values: object
) -> None:
    """Ledger rows, as the relay writes them."""
    row = replace(ledger_row(school=school), **values)
    values = {name: getattr(row, name) for name in COLUMNS} | {"written": 0}
    await database.write(lambda c: c.execute(insert(LedgerRows), [values] * number))


async def add_entries(database: Database, entries: Sequence[AuditEntry]) -> None:
    def work(connection: Connection) -> None:
        for entry in entries:
            append_in(connection, SCHOOL.name, entry)

    await database.write(work)


async def add_run(database: Database, failure: str = "", *, school: str = SCHOOL.name) -> None:
    values = {"school": school, "at": NOON, "listener": "mail", "failure": failure}
    await database.write(lambda c: c.execute(insert(CanaryRuns), values))


async def test_an_empty_database_counts_nothing(figures: SqlFigures) -> None:
    counts = await figures.count(Mark())

    assert (0, {}, {}, {}) == (counts.checked, counts.unread, counts.outcomes, counts.actions)
    assert (0, 0, Mark()) == (counts.tests, counts.failed_tests, counts.upto)


async def test_messages_are_counted_by_outcome_and_by_what_was_not_read(
    database: Database, figures: SqlFigures
) -> None:
    await add_rows(database, 3, unscanned=())
    await add_rows(database, 2, unscanned=("encrypted", "encrypted", "image"), outcome="held")

    counts = await figures.count(Mark())

    assert 5 == counts.checked
    assert {"relayed": 3, "held": 2} == counts.outcomes
    assert {"encrypted": 2, "image": 2} == counts.unread


async def test_only_what_came_after_the_mark_counts(
    database: Database, figures: SqlFigures
) -> None:
    await add_rows(database, 3)
    await add_entries(database, [audit_entry("hold", subject="A")])
    await add_run(database, "No reply within 30 s")
    mark = (await figures.count(Mark())).upto

    await add_rows(database, 2)
    await add_entries(database, [audit_entry("hold", subject="B"), audit_entry("release")])
    await add_run(database)
    counts = await figures.count(mark)

    assert 2 == counts.checked
    assert {"hold": 1, "release": 1} == counts.actions
    assert ["B"] == list(counts.about["hold"])
    assert (1, 0) == (counts.tests, counts.failed_tests)


async def test_failed_self_tests_are_counted(database: Database, figures: SqlFigures) -> None:
    await add_run(database)
    await add_run(database, "No reply within 30 s")

    counts = await figures.count(Mark())

    assert (2, 1) == (counts.tests, counts.failed_tests)


async def test_ledger_ids_that_began_anew_are_all_counted(
    database: Database, figures: SqlFigures
) -> None:
    await add_rows(database, 5)
    mark = (await figures.count(Mark())).upto
    await database.write(lambda c: c.execute(delete(LedgerRows)))
    await add_rows(database, 2)

    counts = await figures.count(mark)

    assert 2 == counts.checked
    assert 2 == counts.upto.ledger


async def test_another_schools_rows_are_not_counted(
    database: Database, figures: SqlFigures
) -> None:
    await add_rows(database, 1, school="Oak Hill Primary")
    await add_run(database, "No reply", school="Oak Hill Primary")

    counts = await figures.count(Mark())

    assert (0, {}, 0) == (counts.checked, counts.unread, counts.tests)
    assert Mark() == counts.upto


async def test_a_hundred_thousand_messages_are_counted_within_a_second(
    database: Database, figures: SqlFigures
) -> None:
    await add_rows(database, MANY, unscanned=("image",))

    started = time.process_time()
    counts = await figures.count(Mark())

    assert MANY == counts.unread["image"]
    assert time.process_time() - started < 1.0


# What passed in the last days.


async def test_traffic_is_what_was_written_in_counted_days(
    database: Database, stopwatch: Any
) -> None:
    figures = SqlFigures(database, SCHOOL.name, stopwatch=stopwatch)
    ledger = SqlLedger(database, stopwatch=stopwatch)
    for relationship, days in (("staff→staff", 3.0), ("outside→staff", 5.0), ("staff→pupil", 0)):
        ledger.record(replace(ledger_row(), relationship=relationship, received=NOON))
        ledger.record(replace(ledger_row(school="Oak Lane"), relationship="pupil→pupil"))
        await ledger.close()
        stopwatch.advance(days=days)

    week = await figures.traffic(7)
    month = await figures.traffic(30)

    assert ({"outside→staff": 1, "staff→pupil": 1}, True) == (week.relationships, week.is_whole)
    assert (3, False) == (len(month.relationships), month.is_whole)


async def test_time_while_the_machine_was_off_does_not_count(
    database: Database, stopwatch: Any
) -> None:
    ledger = SqlLedger(database, stopwatch=stopwatch)
    ledger.record(ledger_row())
    await ledger.close()
    stopwatch.boot = "second"
    stopwatch.advance(days=20)

    traffic = await SqlFigures(database, SCHOOL.name, stopwatch=stopwatch).traffic(7)

    assert ({"pupil→pupil": 1}, False) == (traffic.relationships, traffic.is_whole)


async def test_a_new_installation_has_no_traffic_and_no_past(figures: SqlFigures) -> None:
    traffic = await figures.traffic(7)

    assert ({}, False) == (traffic.relationships, traffic.is_whole)
