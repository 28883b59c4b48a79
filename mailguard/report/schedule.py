"""When a digest is due: the school's days, and its time of day through every change of the clock.

Pure: what time it is now is an argument, so that a jump of the clock is just another argument.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

ONE_DAY = timedelta(days=1)
ONE_SECOND = timedelta(seconds=1)

LONGEST_BREAK = 400
"""Days looked through for a school day: more than a year without one is a mistake of the
configuration, and then nothing is due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The school's days, and the local time of its digest."""

    zone: tzinfo
    time: time
    days: frozenset[int]
    """Days of the week, Monday is 0."""

    holidays: tuple[tuple[date, date], ...] = ()
    """First and last day of each."""

    def has(self, day: date) -> bool:
        """Whether `day` is a school day."""
        return day.weekday() in self.days and not any(
            first <= day <= last for first, last in self.holidays
        )


def moment_of(day: date, at: time, zone: tzinfo) -> datetime:
    """When it is `at` on `day`, in UTC.

    A time that the clock skips in spring means the first moment after the gap; one that it shows
    twice in autumn means the first of the two.
    """
    local = datetime.combine(day, at, tzinfo=zone)
    first = local.astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return first
    # In a gap. Read with the offset of before it lies after the change, read with that of after it
    # lies before (PEP 495): the change is in between.
    early, late = local.replace(fold=1).astimezone(UTC), first
    offset = early.astimezone(zone).utcoffset()
    while late - early > ONE_SECOND:
        middle = early + (late - early) / 2
        if middle.astimezone(zone).utcoffset() == offset:
            early = middle
        else:
            late = middle
    return late.replace(microsecond=0)


def due_at(day: date, schedule: Schedule) -> datetime:
    """When the digest of `day` is due, in UTC."""
    return moment_of(day, schedule.time, schedule.zone)


def latest_due(now: datetime, schedule: Schedule) -> date | None:
    """The last school day whose digest is due at `now` (aware); None if no day is."""
    # A time in a gap at midnight may be of the day before, so begin a day later.
    today = now.astimezone(schedule.zone).date()
    for day in _days(today + ONE_DAY, -ONE_DAY):
        if schedule.has(day) and due_at(day, schedule) <= now:
            return day
    return None


def next_due(now: datetime, schedule: Schedule) -> datetime | None:
    """When the next digest after `now` (aware) is due, in UTC; None if none ever is."""
    today = now.astimezone(schedule.zone).date()
    for day in _days(today - ONE_DAY, ONE_DAY):
        if schedule.has(day) and (moment := due_at(day, schedule)) > now:
            return moment
    return None


def count_school_days(since: datetime, until: datetime, schedule: Schedule) -> int:
    """How many school days have begun after the day of `since`, the day of `until` among them.

    What came yesterday in term has waited 1 school day; what came on Friday has on Monday too.
    """
    day, last = (moment.astimezone(schedule.zone).date() for moment in (since, until))
    if last <= day:
        return 0
    # Long waits and broken clocks: past a year the exact number tells nobody anything.
    span = min((last - day).days, LONGEST_BREAK)
    return sum(schedule.has(last - timedelta(days=back)) for back in range(span))


def _days(first: date, step: timedelta) -> Iterator[date]:
    return (first + step * number for number in range(LONGEST_BREAK))
