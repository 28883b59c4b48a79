"""When a way of mail counts as not seen."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from mailguard.flow.coverage import find_unseen
from mailguard.policy.mail_kind import MailKind
from mailguard.ports import Counts, Traffic
from mailguard.report.own_mail import Mark
from mailguard.report.schedule import Schedule

TERM = Schedule(zone=ZoneInfo("Europe/London"), time=time(7, 30), days=frozenset(range(5)))
MONDAY = datetime(2026, 11, 23, 7, 30, tzinfo=UTC)

INBOUND_ONLY = Traffic(relationships={"outside→staff": 90, "governor→pupil": 1}, is_whole=True)
UNSEEN = (MailKind.OUTBOUND, MailKind.INTERNAL)


@dataclass
class FakeFigures:
    found: Traffic
    asked: int = 0

    async def count(self, since: Mark) -> Counts:
        raise NotImplementedError

    async def traffic(self, days: int) -> Traffic:
        self.asked = days
        return self.found


async def test_what_was_not_seen_for_a_week_is_told_where_other_mail_was() -> None:
    figures = FakeFigures(INBOUND_ONLY)

    assert await find_unseen(figures, TERM, MONDAY) == UNSEEN
    assert figures.asked == 7


async def test_a_ledger_that_is_younger_than_a_week_tells_nothing() -> None:
    young = replace(INBOUND_ONLY, is_whole=False)

    assert await find_unseen(FakeFigures(young), TERM, MONDAY) == ()


async def test_no_mail_at_all_is_another_matter() -> None:
    nothing = Traffic(relationships={}, is_whole=True)

    assert await find_unseen(FakeFigures(nothing), TERM, MONDAY) == ()


@pytest.mark.parametrize(
    ("holiday", "told"),
    [
        ((date(2026, 11, 9), date(2026, 11, 20)), False),
        ((date(2026, 11, 20), date(2026, 11, 23)), False),
        ((date(2026, 11, 20), date(2026, 11, 20)), True),
    ],
    ids=["first day after a holiday", "in a holiday", "one day off"],
)
async def test_a_week_of_holiday_tells_nothing(holiday: tuple[date, date], told: bool) -> None:
    schedule = replace(TERM, holidays=(holiday,))

    found = await find_unseen(FakeFigures(INBOUND_ONLY), schedule, MONDAY)

    assert found == (UNSEEN if told else ())
