"""When a digest is due, over whole years and every change of the clock."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.report.schedule import (
    Schedule,
    count_school_days,
    due_at,
    latest_due,
    moment_of,
    next_due,
)

LONDON, MELBOURNE = ZoneInfo("Europe/London"), ZoneInfo("Australia/Melbourne")
WEEKDAYS, EVERY_DAY = frozenset(range(5)), frozenset(range(7))
CHRISTMAS = (date(2026, 12, 21), date(2027, 1, 1))

TERM = Schedule(zone=LONDON, time=time(7, 30), days=WEEKDAYS, holidays=(CHRISTMAS,))

zones = st.sampled_from((LONDON, MELBOURNE))
times = st.times().map(lambda at: at.replace(second=0, microsecond=0))
dates = st.dates(date(2024, 1, 1), date(2030, 12, 31))
moments = st.datetimes(datetime(2024, 1, 1), datetime(2030, 12, 31), timezones=st.just(UTC))
schedules = st.builds(
    Schedule,
    zone=zones,
    time=times,
    days=st.frozensets(st.integers(0, 6), min_size=1),
    holidays=st.lists(dates.map(lambda day: (day, day + timedelta(days=13))), max_size=3).map(
        tuple
    ),
)


@pytest.mark.parametrize(
    ("day", "at", "zone", "expected"),
    [
        pytest.param("2026-01-15", "07:30", LONDON, "2026-01-15T07:30", id="winter"),
        pytest.param("2026-06-15", "07:30", LONDON, "2026-06-15T06:30", id="summer"),
        # At 01:00 UTC the clock goes from 01:00 to 02:00, in autumn from 02:00 to 01:00.
        pytest.param("2026-03-29", "00:59", LONDON, "2026-03-29T00:59", id="just before the gap"),
        pytest.param("2026-03-29", "01:00", LONDON, "2026-03-29T01:00", id="the gap begins"),
        pytest.param("2026-03-29", "01:30", LONDON, "2026-03-29T01:00", id="in the gap"),
        pytest.param("2026-03-29", "02:00", LONDON, "2026-03-29T01:00", id="the gap ends"),
        pytest.param("2026-03-29", "02:30", LONDON, "2026-03-29T01:30", id="after the gap"),
        pytest.param("2026-10-25", "01:30", LONDON, "2026-10-25T00:30", id="the first of two"),
        pytest.param("2026-10-25", "02:30", LONDON, "2026-10-25T02:30", id="after both"),
        pytest.param("2026-10-04", "02:30", MELBOURNE, "2026-10-03T16:00", id="southern gap"),
        pytest.param("2026-04-05", "02:30", MELBOURNE, "2026-04-04T15:30", id="southern autumn"),
    ],
)
def test_a_local_time_is_one_moment(day: str, at: str, zone: ZoneInfo, expected: str) -> None:
    moment = moment_of(date.fromisoformat(day), time.fromisoformat(at), zone)

    assert datetime.fromisoformat(expected).replace(tzinfo=UTC) == moment


@given(dates, times, zones)
def test_the_moment_shows_its_time_or_is_the_end_of_a_gap(
    day: date, at: time, zone: ZoneInfo
) -> None:
    moment = moment_of(day, at, zone)

    local = moment.astimezone(zone)
    shown_before = (moment - timedelta(seconds=1)).astimezone(zone)
    jump = local.replace(tzinfo=None) - shown_before.replace(tzinfo=None)
    assert local.time() == at or jump > timedelta(seconds=1)
    assert local.replace(tzinfo=None) >= datetime.combine(day, at)


@pytest.mark.parametrize("zone", [LONDON, MELBOURNE], ids=str)
@pytest.mark.parametrize("at", ["00:00", "01:30", "02:30", "07:30", "23:59"])
def test_over_a_year_each_day_is_due_once_and_in_order(zone: ZoneInfo, at: str) -> None:
    schedule = Schedule(zone=zone, time=time.fromisoformat(at), days=EVERY_DAY)
    start = datetime(2026, 1, 1, tzinfo=UTC)

    # Every quarter of an hour, as a job that looks now and then would.
    seen = [latest_due(start + timedelta(minutes=15 * step), schedule) for step in range(366 * 96)]

    days = list(dict.fromkeys(seen))
    assert all(b - a == timedelta(days=1) for a, b in pairwise(days))
    assert seen == sorted(seen)
    assert len(days) in (366, 367)


@given(moments, schedules)
def test_what_is_due_is_a_school_day_that_has_come_and_the_last_one(
    now: datetime, schedule: Schedule
) -> None:
    due = latest_due(now, schedule)

    assert due is not None
    assert schedule.has(due)
    assert due_at(due, schedule) <= now
    later = (due + timedelta(days=step) for step in range(1, 40))
    assert all(due_at(day, schedule) > now for day in later if schedule.has(day))


@given(moments, schedules)
def test_the_next_one_is_due_after_now_and_then_it_is_the_last(
    now: datetime, schedule: Schedule
) -> None:
    moment = next_due(now, schedule)

    assert moment is not None
    assert moment > now
    before, then = latest_due(now, schedule), latest_due(moment, schedule)
    assert before is not None
    assert then is not None
    assert before < then
    assert latest_due(moment - timedelta(seconds=1), schedule) == before


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param("2026-11-20T07:29", "2026-11-19", id="a minute too early"),
        pytest.param("2026-11-20T07:30", "2026-11-20", id="at its time"),
        pytest.param("2026-11-22T20:00", "2026-11-20", id="at the weekend"),
        pytest.param("2026-12-28T12:00", "2026-12-18", id="in the holidays"),
        pytest.param("2027-01-04T07:30", "2027-01-04", id="after the holidays"),
    ],
)
def test_the_last_school_day_is_due(now: str, expected: str) -> None:
    due = latest_due(datetime.fromisoformat(now).replace(tzinfo=UTC), TERM)

    assert date.fromisoformat(expected) == due


@pytest.mark.parametrize("look", [latest_due, next_due], ids=["latest", "next"])
def test_nothing_is_ever_due_without_a_school_day(
    look: Callable[[datetime, Schedule], object],
) -> None:
    assert look(datetime(2026, 3, 2, tzinfo=UTC), replace(TERM, days=frozenset())) is None


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        pytest.param("2027-01-04T07:00", 0, id="today"),
        pytest.param("2027-01-03T14:10", 1, id="on Sunday"),
        pytest.param("2026-12-18T14:10", 1, id="before the holidays"),
        pytest.param("2026-12-17T23:59", 2, id="the day before that"),
        pytest.param("2027-03-01T00:00", 0, id="in the future, after a jump"),
    ],
)
def test_only_school_days_count_as_waiting(since: str, expected: int) -> None:
    monday = datetime(2027, 1, 4, 7, 30, tzinfo=UTC)

    waited = count_school_days(datetime.fromisoformat(since).replace(tzinfo=UTC), monday, TERM)

    assert expected == waited


def test_a_wait_of_decades_is_counted_in_no_time() -> None:
    waited = count_school_days(
        datetime(1970, 1, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC), TERM
    )

    assert waited > 200
