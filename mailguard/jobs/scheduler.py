"""When things are done: APScheduler as the alarm clock, in memory, calling what it is given.

What is owed is in the database, never in the scheduler: a job that comes late, or after a restart,
finds the same work (docs/design.md §9).
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from mailguard import events


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Something done again and again."""

    name: str
    every_s: float
    act: Callable[[], Awaitable[object]]
    at_once: bool = False
    """First when the scheduler starts; otherwise when the interval has passed."""


class Every(BaseTrigger):  # type: ignore[misc]
    """Fires again an interval after now.

    APScheduler's own counts from the last time and through all that were missed: after a clock that
    was set ahead by a week, half a million of them, while the process does nothing else.
    """

    def __init__(self, interval: timedelta) -> None:
        self.interval = interval

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        """When to fire next."""
        return now + self.interval


LOOK_EVERY_S = 1.0
"""How soon a clock that was set back is noticed."""


class AlarmClock:
    """Runs jobs from start to shutdown, whatever becomes of the machine's clock meanwhile."""

    def __init__(self, scheduler: AsyncIOScheduler) -> None:
        self._scheduler = scheduler
        self._look: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin, on the event loop that is running."""
        self._scheduler.start()
        self._look_again()

    def shutdown(self, *, wait: bool = False) -> None:
        """Start no job any more."""
        if self._look is not None:
            self._look.cancel()
        self._scheduler.shutdown(wait=wait)

    def _look_again(self) -> None:
        """Move up each job that is further away than its interval: the clock was set back, and
        APScheduler would wait until it shows the old time again, for days or years."""
        now = datetime.now(UTC)
        for job in self._scheduler.get_jobs():
            if job.next_run_time - now > job.trigger.interval + timedelta(seconds=LOOK_EVERY_S):
                job.modify(next_run_time=now)
        # By the loop's own time, which never jumps.
        self._look = asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._look_again)


def make_scheduler(jobs: tuple[Job, ...]) -> AlarmClock:
    """A scheduler, not yet started, that runs each job now and then at its interval.

    A job never overlaps itself; one that breaks is logged and runs again at its next time.
    """
    scheduler = AsyncIOScheduler(timezone="UTC")
    for job in jobs:
        scheduler.add_job(
            _guarded(job),
            Every(timedelta(seconds=job.every_s)),
            id=job.name,
            # One that runs, and one that finds it running and goes: with one APScheduler would
            # write a warning every second that a job takes longer.
            max_instances=2,
            coalesce=True,
            # APScheduler's default of 1 s drops a job silently after a busy second.
            misfire_grace_time=None,
            **({"next_run_time": datetime.now(UTC)} if job.at_once else {}),
        )
    return AlarmClock(scheduler)


def _guarded(job: Job) -> Callable[[], Awaitable[None]]:
    under_way = asyncio.Lock()

    async def run() -> None:
        if under_way.locked():
            return
        async with under_way:
            try:
                await job.act()
            except Exception as error:
                events.job_failed(job.name, error)

    return run
