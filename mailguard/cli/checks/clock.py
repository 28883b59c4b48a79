"""Is the machine's clock right, and when is the next digest due?"""

import ctypes
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mailguard.cli.checks.result import Result, Scene
from mailguard.cli.checks.storage import has_database
from mailguard.cli.output import local_time
from mailguard.report.schedule import next_due
from mailguard.service.compose import zone_of
from mailguard.service.digest import schedule_of

SLACK = timedelta(minutes=1)
"""A clock that a time service corrects moves by seconds."""

SYNCHRONIZED = Path("/run/systemd/timesync/synchronized")
"""There once systemd-timesyncd has set the clock (systemd-timesyncd.service(8))."""

_TIME_ERROR = 5
"""adjtimex(2): the clock is not synchronised."""

_TIMEX_BYTES = 512
"""More than a `struct timex` has; its first field 0 means to change nothing."""

_SET_IT = "Set the machine's clock, and let a time service keep it."


async def check_clock(scene: Scene) -> AsyncIterator[Result]:
    """Can it be that late, or that early?"""
    now = scene.stores.clock.now()
    zone = scene.config.school.timezone
    what = f"It is {local_time(now, zone)} in {zone}"
    problem = ""
    if now < _built() - SLACK:
        problem = f"{what}, before this MailGuard was installed."
    elif await _is_behind(scene, now):
        problem = f"{what}, before the newest entry of the audit log."
    advice = "" if _is_kept() else "No time service keeps it. Install chrony or systemd-timesyncd."
    yield Result(
        name="clock",
        ok=not problem,
        what=problem or f"{what}.",
        do=_SET_IT if problem else advice,
    )
    due = next_due(now, schedule_of(scene.config))
    if due is None:
        what, do = "None is ever due.", "Set digest.days, unless nobody is to get one."
    else:
        local = due.astimezone(zone_of(scene.config))
        what = f"The next one is due on {local:%A}, {local.day} {local:%B %Y}, at {local:%H:%M}."
        do = ""
    yield Result(name="digest", ok=True, what=what, do=do)


def _built() -> datetime:
    """The time of the newest file of this MailGuard: it cannot be earlier now."""
    package = Path(__file__).parents[2]
    newest = max(file.stat().st_mtime for file in package.rglob("*.py"))
    return datetime.fromtimestamp(newest, UTC)


async def _is_behind(scene: Scene, now: datetime) -> bool:
    if not has_database(scene):
        return False
    return any(entry.at > now + SLACK for entry in await scene.stores.audit.entries(limit=1))


def _is_kept() -> bool:
    """Whether a time service has set it; True where the kernel cannot be asked."""
    if SYNCHRONIZED.exists():
        return True
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return True
    return bool(state != _TIME_ERROR)
