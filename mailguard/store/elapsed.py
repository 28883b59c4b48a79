"""Count the time that really passes, so that a clock that jumps deletes nothing early.

The wall clock can be set ahead by a year, by mistake or for a minute, and come back from a flat
battery to a date long past. So retention never reads it. Each school's row in `clocks` counts the
machine's uptime, which only goes on at its own pace: whatever was counted has passed. Time while
the machine was off is not counted, nor what passed between the last count and a restart; content is
then kept that much longer, never shorter.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, bindparam, insert, select, update

from mailguard.store.tables import Clocks

STEP = 60
"""Seconds that must have passed before the row is written again: it costs a write each time."""


CLOCK = select(Clocks.seconds, Clocks.boot, Clocks.uptime).where(
    Clocks.school == bindparam("school")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Uptime:
    """Which start of the machine, and seconds since then."""

    boot: str
    seconds: int


Stopwatch = Callable[[], Uptime]


def machine_uptime() -> Uptime:
    """What the Linux kernel says. Raises OSError where there is no ``/proc``."""
    return Uptime(
        boot=Path("/proc/sys/kernel/random/boot_id").read_text("utf-8").strip(),
        seconds=int(Path("/proc/uptime").read_text("utf-8").split(".")[0]),
    )


def counted_in(connection: Connection, school: str, uptime: Uptime) -> int:
    """The seconds counted for `school` by now; nothing is written."""
    row = connection.execute(CLOCK, {"school": school}).one_or_none()
    if row is None:
        return 0
    passed = uptime.seconds - row.uptime if uptime.boot == row.boot else 0
    return int(row.seconds) + max(0, passed)


def count_in(connection: Connection, school: str, uptime: Uptime) -> int:
    """Count what has passed since the last call, in this write transaction; return the seconds
    counted so far."""
    row = connection.execute(CLOCK, {"school": school}).one_or_none()
    if row is None:
        connection.execute(
            insert(Clocks).values(school=school, seconds=0, boot=uptime.boot, uptime=uptime.seconds)
        )
        return 0
    passed = uptime.seconds - row.uptime if uptime.boot == row.boot else 0
    if uptime.boot == row.boot and 0 <= passed < STEP:
        return int(row.seconds)
    seconds = int(row.seconds) + max(0, passed)
    connection.execute(
        update(Clocks)
        .where(Clocks.school == school)
        .values(seconds=seconds, boot=uptime.boot, uptime=uptime.seconds)
    )
    return seconds
