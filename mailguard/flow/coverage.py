"""Which way of mail has not been seen lately, though mail of other ways was."""

from datetime import datetime, timedelta

from mailguard.policy.mail_kind import DAYS, MailKind, kinds_missing
from mailguard.ports import Figures
from mailguard.report.schedule import Schedule, count_school_days

SCHOOL_DAYS = 4
"""Of these days at least so many must have been school days, this one included: in a holiday the
world still writes to a school, and nobody in it writes to anybody."""


async def find_unseen(figures: Figures, schedule: Schedule, now: datetime) -> tuple[MailKind, ...]:
    """The ways of which nothing was seen in the last week; none while MailGuard is new, in and
    after a holiday, and where there was no mail at all. Raises StoreUnavailable."""
    if count_school_days(now - timedelta(days=DAYS), now, schedule) < SCHOOL_DAYS:
        return ()
    traffic = await figures.traffic(DAYS)
    return kinds_missing(traffic.relationships) if traffic.is_whole else ()
