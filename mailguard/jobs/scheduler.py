"""When things are done: APScheduler as the alarm clock, in memory, calling what it is given.

What is owed is in the database, never in the scheduler: a job that comes late, or after a restart,
finds the same work (docs/design.md §9).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from mailguard import events


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Something done again and again."""

    name: str
    every_s: float
    act: Callable[[], Awaitable[object]]


def make_scheduler(jobs: tuple[Job, ...]) -> AsyncIOScheduler:
    """A scheduler, not yet started, that runs each job now and then at its interval.

    A job never overlaps itself; one that breaks is logged and runs again at its next time.
    """
    scheduler = AsyncIOScheduler(timezone="UTC")
    for job in jobs:
        scheduler.add_job(
            _guarded(job),
            IntervalTrigger(seconds=job.every_s, timezone="UTC"),
            id=job.name,
            max_instances=1,
            coalesce=True,
            # APScheduler's default of 1 s drops a job silently after a busy second.
            misfire_grace_time=None,
        )
    return scheduler


def _guarded(job: Job) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        try:
            await job.act()
        except Exception as error:
            events.job_failed(job.name, error)

    return run
