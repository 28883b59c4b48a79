"""Jobs go on whatever becomes of the machine's clock."""

import asyncio
from datetime import UTC, datetime, timedelta

from mailguard.jobs.scheduler import Every, Job, make_scheduler

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


async def test_a_job_that_takes_long_never_overlaps_itself() -> None:
    running, most, runs = 0, 0, 0
    thrice = asyncio.Event()

    async def act() -> None:
        nonlocal running, most, runs
        running, runs = running + 1, runs + 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running -= 1
        if runs == 3:
            thrice.set()

    clock = make_scheduler((Job(name="slow", every_s=0.01, act=act),))
    clock.start()

    async with asyncio.timeout(10):
        await thrice.wait()
    clock.shutdown()

    assert most == 1


async def test_a_job_that_breaks_runs_again() -> None:
    runs = 0
    twice = asyncio.Event()

    async def act() -> None:
        nonlocal runs
        runs += 1
        if runs == 2:
            twice.set()
        raise ValueError

    clock = make_scheduler((Job(name="broken", every_s=0.01, act=act),))
    clock.start()

    async with asyncio.timeout(10):
        await twice.wait()
    clock.shutdown()


async def test_a_clock_that_was_set_back_keeps_no_job_waiting() -> None:
    ran = asyncio.Event()

    async def act() -> None:
        ran.set()

    clock = make_scheduler((Job(name="job", every_s=60, act=act),))
    clock.start()

    # What the scheduler sees after a clock went back by a year.
    clock._scheduler.modify_job("job", next_run_time=datetime.now(UTC) + timedelta(days=365))

    async with asyncio.timeout(10):
        await ran.wait()
    clock.shutdown()


def test_a_clock_that_was_set_ahead_leaves_nothing_to_catch_up() -> None:
    trigger = Every(timedelta(seconds=1))

    assert trigger.get_next_fire_time(NOW - timedelta(days=365), NOW) == NOW + timedelta(seconds=1)
