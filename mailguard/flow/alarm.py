"""What of our own mail is late, so that somebody sees to it: for `check`, metrics and digests."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from enum import StrEnum

from mailguard.ports import OwnMailStore
from mailguard.report.own_mail import Kind, OwnMail, Standing

NOON = time(12)
"""Local time by which a day's digest must have been accepted: the morning for which it is made is
over then."""

ALERT_LATE = timedelta(minutes=1)
"""After so long an alert that nobody was sent, or that the next hop has not taken, is an alarm. It
normally takes two seconds."""

NOTICE_LATE = timedelta(minutes=10)
"""After so long a notice, to a technician or an author, that the next hop has not taken is an
alarm."""

WEEK = timedelta(days=7)

LOOKED_THROUGH = 200
"""Digests looked through: several weeks of them for the people of a large school."""


class Trouble(StrEnum):
    """What is wrong."""

    DIGEST_MISSING = "digest_missing"
    """It is past noon, and today's digest was not even made."""

    DIGEST_LATE = "digest_late"
    """It is past noon, and the next hop has not taken it; it is tried again."""

    DIGEST_REFUSED = "digest_refused"
    """The next hop refused it for good."""

    DIGEST_UNKNOWN = "digest_unknown"
    """The next hop gave no last word: ask the recipient, or send it again by hand."""

    ALERT_LATE = "alert_late"
    """The next hop has not taken an alert; it is tried again."""

    ALERT_UNTOLD = "alert_untold"
    """An alert was made for nobody yet: there is nobody who may be told, the jobs do not run, or
    there are so many that they are gathered."""

    NOTICE_LATE = "notice_late"
    """The next hop has not taken a notice to a technician; it is tried again."""

    RETURN_LATE = "return_late"
    """The next hop has not taken what an author is told; it is tried again."""

    LIST_LATE = "list_late"
    """It is past noon, and the next hop has not taken a data lead's list; it is tried again."""

    LIST_LOST = "list_lost"
    """The next hop refused it for good, or gave no last word: next week's covers it too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One thing that is late."""

    trouble: Trouble
    about: str
    """The school's day, a held id or (of an alert without a copy) a queue id."""

    recipient: str = ""
    """Who should have got it; ``""`` where that is nobody."""

    reply: str = ""
    """The next hop's last, ``""`` for none."""


async def alarms(
    mails: OwnMailStore,
    *,
    now: datetime,
    zone: tzinfo,
    due: date | None = None,
    recipients: Iterable[str] = (),
) -> Sequence[Alarm]:
    """Everything of our own mail that is late at `now`, an aware time; digests first.

    `due` is the last school day whose digest is due (:mod:`mailguard.report.schedule`), and
    `recipients` those who get one every day: what was not even made for them is an alarm too. A
    digest counts as late from noon of its day in `zone` on, one that was refused or has no last
    word at once, until the same person's next one is accepted, or the next is due to others and
    they are owed none: they no longer stand in, or are not named any more. Raises StoreUnavailable.
    """
    digests = await mails.recent(Kind.DIGEST, LOOKED_THROUGH)
    found = list(late_digests(digests, now=now, zone=zone, due=due, recipients=recipients))
    waiting = await mails.waiting()
    found += [
        Alarm(
            trouble=Trouble.ALERT_LATE, about=mail.about, recipient=mail.recipient, reply=mail.reply
        )
        for mail in waiting
        if mail.kind is Kind.ALERT and _is_over(mail.created, now)
    ]
    found += [
        Alarm(
            trouble=_NOTICES[mail.kind],
            about=mail.about,
            recipient=mail.recipient,
            reply=mail.reply,
        )
        for mail in waiting
        if mail.kind in _NOTICES and _is_over(mail.created, now, NOTICE_LATE)
    ]
    found += _late_lists(await mails.recent(Kind.DATA, LOOKED_THROUGH), now, zone)
    found += [
        Alarm(trouble=Trouble.ALERT_UNTOLD, about=held.id)
        for held in await mails.untold()
        if _is_over(held.received, now)
    ]
    return found


def late_digests(
    digests: Sequence[OwnMail],
    *,
    now: datetime,
    zone: tzinfo,
    due: date | None = None,
    recipients: Iterable[str] = (),
) -> Iterable[Alarm]:
    """The alarms among `digests`, which are oldest first; see :func:`alarms`."""
    recipients = tuple(recipients)
    latest = {mail.recipient: mail for mail in digests}
    for recipient, mail in latest.items():
        day = day_of(mail)
        if due is not None and day < due and recipient not in recipients:
            continue
        same_day = [each for each in digests if each.recipient == recipient and day_of(each) == day]
        if any(each.standing is Standing.ACCEPTED for each in same_day):
            continue
        trouble = _TROUBLES.get(mail.standing, Trouble.DIGEST_LATE)
        if trouble is not Trouble.DIGEST_LATE or _is_past_noon(day, now, zone):
            yield Alarm(trouble=trouble, about=mail.about, recipient=recipient, reply=mail.reply)
    if due is None or not _is_past_noon(due, now, zone):
        return
    # Not the one made last: a person may have sent that of an earlier day by hand since.
    made = {(mail.recipient, day_of(mail)) for mail in digests}
    for recipient in recipients:
        if not any(person == recipient and day >= due for person, day in made):
            yield Alarm(trouble=Trouble.DIGEST_MISSING, about=due.isoformat(), recipient=recipient)


def _late_lists(lists: Sequence[OwnMail], now: datetime, zone: tzinfo) -> Iterable[Alarm]:
    """The alarms among the data leads' lists, oldest first. After a week the next one covers it, or
    somebody else is named."""
    for recipient, mail in {each.recipient: each for each in lists}.items():
        day = day_of(mail)
        if mail.standing is Standing.ACCEPTED or now.astimezone(zone).date() - day >= WEEK:
            continue
        is_lost = mail.standing is not Standing.WAITING
        if is_lost or _is_past_noon(day, now, zone):
            trouble = Trouble.LIST_LOST if is_lost else Trouble.LIST_LATE
            yield Alarm(trouble=trouble, about=mail.about, recipient=recipient, reply=mail.reply)


def day_of(digest: OwnMail) -> date:
    """The school's day that a digest or list is for."""
    return date.fromisoformat(digest.about.partition("/")[0])


_TROUBLES = {
    Standing.REFUSED: Trouble.DIGEST_REFUSED,
    Standing.UNKNOWN: Trouble.DIGEST_UNKNOWN,
}


_NOTICES = {Kind.NOTICE: Trouble.NOTICE_LATE, Kind.RETURN: Trouble.RETURN_LATE}


def _is_past_noon(day: date, now: datetime, zone: tzinfo) -> bool:
    return now >= datetime.combine(day, NOON, zone)


def _is_over(since: datetime, now: datetime, late: timedelta = ALERT_LATE) -> bool:
    # What seems to come from the future was made before the clock went back.
    return not timedelta(0) <= now - since < late
