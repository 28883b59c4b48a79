"""Who may have which returned message sent, and for how long: in time that has really passed."""

from datetime import timedelta

from sqlalchemy import select

from mailguard.quarantine.held import HeldId
from mailguard.store.engine import Database
from mailguard.store.tables import Tickets
from mailguard.store.tickets import SqlTickets
from mailguard.testing import SCHOOL

HELD = HeldId("01KJQ6PSG0MXJKYAK2PEP1DKCE")
ANA = "ana@elmpark.example"


async def test_a_ticket_is_found_by_its_token_and_only_its_hash_is_stored(
    database: Database, stopwatch: object
) -> None:
    tickets = SqlTickets(database, SCHOOL.name, stopwatch=stopwatch)  # type: ignore[arg-type]

    token = await tickets.issue(HELD, ANA)
    found = await tickets.find(token)
    (stored,) = await database.read(lambda connection: connection.scalars(select(Tickets.token)))

    assert found is not None
    assert (HELD, ANA, timedelta(0), False) == (
        found.held_id,
        found.author,
        found.age,
        found.is_over,
    )
    assert token not in stored
    assert await tickets.find(token[::-1]) is None
    assert await SqlTickets(database, "Another school").find(token) is None


async def test_it_is_over_after_seven_days_that_passed_whatever_the_clock_says(
    database: Database, stopwatch: object
) -> None:
    tickets = SqlTickets(database, SCHOOL.name, stopwatch=stopwatch)  # type: ignore[arg-type]
    token = await tickets.issue(HELD, ANA)

    stopwatch.advance(days=7, seconds=-1)  # type: ignore[attr-defined]
    before = await tickets.find(token)
    stopwatch.advance(seconds=1)  # type: ignore[attr-defined]
    after = await tickets.find(token)

    assert (False, True) == (before and before.is_over, after and after.is_over)


async def test_it_is_forgotten_a_month_later(database: Database, stopwatch: object) -> None:
    tickets = SqlTickets(database, SCHOOL.name, stopwatch=stopwatch)  # type: ignore[arg-type]
    old = await tickets.issue(HELD, ANA)
    stopwatch.advance(days=36)  # type: ignore[attr-defined]
    new = await tickets.issue(HELD, ANA)
    kept = await tickets.expire()
    stopwatch.advance(days=1)  # type: ignore[attr-defined]

    gone = await tickets.expire()

    assert (0, 1) == (kept, gone)
    assert (None, HELD) == (await tickets.find(old), (await tickets.find(new)).held_id)  # type: ignore[union-attr]
