"""What of our own mail is late, and from when on."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from mailguard.flow.alarm import Alarm, Trouble, alarms, late_digests
from mailguard.quarantine.held import HeldMessage
from mailguard.report.own_mail import Kind, OwnMail, Standing
from mailguard.store.engine import Database
from mailguard.store.held_store import SqlHeldStore
from mailguard.store.own_mail import SqlOwnMailStore
from mailguard.testing.quarantine import audit_entry, held_message

LONDON = ZoneInfo("Europe/London")
HEAD, DSL = "head@elmpark.example", "dsl@elmpark.example"
DAY = date(2026, 7, 6)
MORNING = datetime(2026, 7, 6, 6, 30, tzinfo=UTC)
BEFORE_NOON = datetime(2026, 7, 6, 10, 59, 59, tzinfo=UTC)
NOON_THERE = datetime(2026, 7, 6, 11, 0, tzinfo=UTC)
"""In summer time it is an hour ahead of UTC."""


def digest(
    about: str = "2026-07-06", standing: Standing = Standing.WAITING, recipient: str = HEAD
) -> OwnMail:
    return OwnMail(
        school="main",
        kind=Kind.DIGEST,
        about=about,
        recipient=recipient,
        message_id=f"<{about}.{recipient}>",
        created=MORNING,
        raw=b"x",
        standing=standing,
        reply="451 Later",
    )


def troubles(*digests: OwnMail, now: datetime = NOON_THERE) -> list[tuple[Trouble, str]]:
    found = late_digests(digests, now=now, zone=LONDON)
    return [(alarm.trouble, alarm.about) for alarm in found]


@pytest.mark.parametrize(
    ("digests", "now", "expected"),
    [
        ([digest()], BEFORE_NOON, []),
        ([digest()], NOON_THERE, [(Trouble.DIGEST_LATE, "2026-07-06")]),
        ([digest(standing=Standing.ACCEPTED)], NOON_THERE, []),
        (
            [digest(standing=Standing.REFUSED)],
            MORNING,
            [(Trouble.DIGEST_REFUSED, "2026-07-06")],
        ),
        (
            [digest(standing=Standing.UNKNOWN)],
            MORNING,
            [(Trouble.DIGEST_UNKNOWN, "2026-07-06")],
        ),
        (
            [digest(standing=Standing.UNKNOWN), digest("2026-07-06/2", Standing.ACCEPTED)],
            NOON_THERE,
            [],
        ),
        ([digest("2026-07-03"), digest(standing=Standing.ACCEPTED)], NOON_THERE, []),
        (
            [digest("2026-07-03", Standing.SUPERSEDED), digest()],
            NOON_THERE,
            [(Trouble.DIGEST_LATE, "2026-07-06")],
        ),
        (
            [digest(standing=Standing.ACCEPTED), digest(recipient=DSL)],
            NOON_THERE,
            [(Trouble.DIGEST_LATE, "2026-07-06")],
        ),
    ],
    ids=[
        "before noon",
        "at noon",
        "accepted",
        "refused",
        "no last word",
        "another copy accepted",
        "a later one accepted",
        "a later one waits",
        "somebody else's",
    ],
)
def test_digest_not_accepted_by_noon_is_an_alarm(
    digests: list[OwnMail], now: datetime, expected: list[tuple[Trouble, str]]
) -> None:
    assert troubles(*digests, now=now) == expected


@pytest.mark.parametrize(
    ("digests", "now", "expected"),
    [
        ([], BEFORE_NOON, []),
        ([], NOON_THERE, [HEAD]),
        ([digest("2026-07-03", Standing.ACCEPTED)], NOON_THERE, [HEAD]),
        ([digest(standing=Standing.ACCEPTED)], NOON_THERE, []),
        (
            [digest(standing=Standing.ACCEPTED), digest("2026-07-03", Standing.ACCEPTED)],
            NOON_THERE,
            [],
        ),
    ],
    ids=["before noon", "none ever", "only an old one", "made", "an older one made by hand since"],
)
def test_a_digest_that_was_not_even_made_is_an_alarm(
    digests: list[OwnMail], now: datetime, expected: list[str]
) -> None:
    found = late_digests(digests, now=now, zone=LONDON, due=DAY, recipients=[HEAD])

    assert [(alarm.trouble, alarm.recipient) for alarm in found] == [
        (Trouble.DIGEST_MISSING, person) for person in expected
    ]


@pytest.mark.parametrize(
    ("due", "expected"),
    [(DAY, [(Trouble.DIGEST_REFUSED, "dls@elmpark.example")]), (date(2026, 7, 7), [])],
    ids=["on its day", "once the next is due"],
)
def test_what_an_address_refused_that_is_corrected_since_is_no_alarm_for_ever(
    due: date, expected: list[tuple[Trouble, str]]
) -> None:
    digests = [
        digest(standing=Standing.REFUSED, recipient="dls@elmpark.example"),
        digest(standing=Standing.ACCEPTED),
        digest("2026-07-07", Standing.ACCEPTED),
    ]

    found = late_digests(
        digests, now=NOON_THERE + timedelta(days=1), zone=LONDON, due=due, recipients=[HEAD]
    )

    assert [(alarm.trouble, alarm.recipient) for alarm in found] == expected


def with_alert(received: datetime) -> HeldMessage:
    return replace(held_message(received=received, school="main"), alert=True)


@pytest.mark.parametrize(
    ("age", "is_late"),
    [
        (timedelta(seconds=59), False),
        (timedelta(seconds=61), True),
        (timedelta(days=-365), True),
    ],
    ids=["fresh", "a minute", "the clock went back"],
)
async def test_an_alert_that_nobody_took_for_a_minute_is_an_alarm(
    database: Database, age: timedelta, is_late: bool
) -> None:
    mails, held = SqlOwnMailStore(database, "main"), SqlHeldStore(database, "main")
    untold = with_alert(MORNING)
    await held.add(untold, audit_entry())
    waiting = replace(digest("01HELD", recipient=DSL), kind=Kind.ALERT)
    await mails.owe([waiting])

    found = await alarms(mails, now=MORNING + age, zone=LONDON)

    expected = [
        Alarm(trouble=Trouble.ALERT_LATE, about="01HELD", recipient=DSL, reply="451 Later"),
        Alarm(trouble=Trouble.ALERT_UNTOLD, about=untold.id),
    ]
    assert found == (expected if is_late else [])


@pytest.mark.parametrize(
    ("kind", "trouble"),
    [(Kind.NOTICE, Trouble.NOTICE_LATE), (Kind.RETURN, Trouble.RETURN_LATE)],
)
async def test_a_notice_that_nobody_took_for_ten_minutes_is_an_alarm(
    database: Database, kind: Kind, trouble: Trouble
) -> None:
    mails = SqlOwnMailStore(database, "main")
    await mails.owe([replace(digest("01HELD", recipient="pat@it.example"), kind=kind)])
    late = Alarm(trouble=trouble, about="01HELD", recipient="pat@it.example", reply="451 Later")

    found = [
        await alarms(mails, now=MORNING + timedelta(minutes=age), zone=LONDON) for age in (9, 10)
    ]

    assert found == [[], [late]]


@pytest.mark.parametrize(
    ("standing", "now", "expected"),
    [
        (Standing.WAITING, BEFORE_NOON, []),
        (Standing.WAITING, NOON_THERE, [Trouble.LIST_LATE]),
        (Standing.REFUSED, BEFORE_NOON, [Trouble.LIST_LOST]),
        (Standing.UNKNOWN, NOON_THERE + timedelta(days=6), [Trouble.LIST_LOST]),
        (Standing.REFUSED, NOON_THERE + timedelta(days=7), []),
        (Standing.ACCEPTED, NOON_THERE, []),
    ],
)
async def test_a_data_list_that_was_not_taken_is_an_alarm_for_its_week(
    database: Database, standing: Standing, now: datetime, expected: list[Trouble]
) -> None:
    mails = SqlOwnMailStore(database, "main")
    accepted = digest("2026-06-29", Standing.ACCEPTED)
    of_monday = digest(standing=standing)
    await mails.owe([replace(each, kind=Kind.DATA) for each in (accepted, of_monday)])

    found = await alarms(mails, now=now, zone=LONDON)

    assert expected == [alarm.trouble for alarm in found]


async def test_all_is_well_is_no_alarm(database: Database) -> None:
    mails = SqlOwnMailStore(database, "main")
    await mails.owe([digest(standing=Standing.ACCEPTED)])

    assert await alarms(mails, now=NOON_THERE, zone=LONDON, due=DAY, recipients=[HEAD]) == []
