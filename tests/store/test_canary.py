"""What self-tests leave in the database."""

from datetime import timedelta

from sqlalchemy import func, select

from mailguard.ports import CanaryRun
from mailguard.store.canary import KEPT, SqlCanaryStore
from mailguard.store.engine import Database
from mailguard.store.tables import CanaryMarks, CanaryRuns
from mailguard.testing import NOON, SCHOOL
from mailguard.testing.fakes import FakeClock


def store_of(database: Database, school: str = SCHOOL.name) -> SqlCanaryStore:
    return SqlCanaryStore(database, school, FakeClock())


def run(number: int = 0, *, listener: str = "mail", failure: str = "") -> CanaryRun:
    return CanaryRun(at=NOON + timedelta(minutes=number), listener=listener, failure=failure)


async def test_the_last_run_of_each_listener_is_known(database: Database) -> None:
    store = store_of(database)
    await store.note(run(1, failure="It came out."))
    await store.note(run(2))
    await store.note(run(1, listener="other", failure="No reply within 30 s."))

    latest = await store.latest()

    assert latest == {
        "mail": run(2),
        "other": run(1, listener="other", failure="No reply within 30 s."),
    }


async def test_one_school_does_not_see_anothers(database: Database) -> None:
    await store_of(database, "Oak Hill").note(run())
    await store_of(database, "Oak Hill").mark("token", "held")

    assert await store_of(database).latest() == {}
    assert await store_of(database).take_marks("token") == []


async def test_runs_older_than_the_last_thousand_are_forgotten(database: Database) -> None:
    store = store_of(database)
    rows = [{"school": SCHOOL.name, "at": NOON, "listener": "old", "failure": ""}] * KEPT
    await database.write(lambda c: c.execute(CanaryRuns.__table__.insert(), rows))

    await store.note(run())
    await store.note(run())

    count = await database.read(lambda c: c.scalar(select(func.count(CanaryRuns.id))))
    oldest = await database.read(lambda c: c.scalar(select(func.min(CanaryRuns.id))))
    assert (count, oldest) == (KEPT, 3)


async def test_marks_are_taken_once_in_the_order_they_were_made(database: Database) -> None:
    store = store_of(database)
    await store.mark("other", "held")
    await store.mark("token", "came out")
    await store.mark("token", "held")

    first, second = await store.take_marks("token"), await store.take_marks("token")

    assert (first, second) == (["came out", "held"], [])
    assert await store.take_marks("other") == ["held"]


async def test_marks_that_nobody_takes_go_in_time_whatever_the_clock_did(
    database: Database,
) -> None:
    clock = FakeClock()
    store = SqlCanaryStore(database, SCHOOL.name, clock)
    for hours in (-2, 0, 2):
        clock.at = NOON + timedelta(hours=hours)
        await store.mark(f"{hours}", "held")

    await store.note(run())

    left = await database.read(lambda c: c.scalars(select(CanaryMarks.token)).all())
    assert left == ["0"]
