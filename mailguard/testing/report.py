"""Builders of digests: a school, its cases, and what becomes of them by Tuesday morning."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from mailguard.policy.directory import Person, build_directory
from mailguard.policy.mail_kind import MailKind
from mailguard.policy.taxonomy import Group
from mailguard.quarantine.held import Decision, HeldMessage, HeldRecipient, State
from mailguard.report.digest import (
    Case,
    Detail,
    Digest,
    Item,
    Missed,
    Rules,
    SelfTest,
    Since,
    System,
    arrange,
    clauses_of,
    compose_item,
)
from mailguard.report.helplines import DEFAULT_HELPLINES
from mailguard.report.own_mail import Standing
from mailguard.report.schedule import Schedule
from mailguard.scan.school import School
from mailguard.testing.quarantine import held_message

LONDON = ZoneInfo("Europe/London")

SCHEDULE = Schedule(zone=LONDON, time=time(7, 30), days=frozenset(range(5)))

TUESDAY = datetime(2026, 3, 3, 7, 30, tzinfo=UTC)
"""In term, and in winter: Greenwich time."""

SAYS = "Somebody is told that nobody wants them."
CLAUSES = ("allesley:cyber-bullying", "symphony:3.1.5k")

DIRECTORY = build_directory(
    School(name="Elm Park Primary", domains=frozenset({"elmpark.example"})),
    people=(
        Person(address="ava@pupils.elmpark.example", name="Ava Reed", group=Group.PUPIL),
        Person(address="ben@pupils.elmpark.example", name="Ben Cole", group=Group.PUPIL),
        Person(address="j.reed@post.example", name="Joanna Reed", group=Group.PARENT),
        Person(address="chair@hills.example", name="", group=Group.GOVERNOR),
    ),
    pupils=("*@pupils.elmpark.example",),
    staff=("*@elmpark.example",),
)


def copy_for(
    address: str = "ava@pupils.elmpark.example",
    relationship: str = "pupil→pupil",
    *,
    state: State = State.HELD,
    reply: str = "",
    decided: bool = False,
) -> HeldRecipient:
    """One recipient's copy."""
    return HeldRecipient(
        address=address,
        argument=b"<>",
        relationship=relationship,
        state=state,
        reply=reply,
        decision=Decision(by="Grace Okafor", at=TUESDAY) if decided else None,
    )


def held_for(
    *recipients: HeldRecipient,
    number: int = 1,
    level: int = 2,
    category: str = "abuse",
    hours: float = 18,
    **values: Any,
) -> HeldMessage:
    """A message that came so many hours before Tuesday's digest."""
    received = TUESDAY - timedelta(hours=hours)
    held = held_message(number, level=level, received=received)
    changes: dict[str, Any] = {
        "sender": "ben@pupils.elmpark.example",
        "recipients": recipients or (copy_for(),),
        "categories": {category: level},
    }
    return replace(held, **{**changes, **values})


def item_of(held: HeldMessage, *, detail: Detail = "people", **case: Any) -> Item:
    """Its line in Tuesday's digest."""
    facts: dict[str, Any] = {"reasons": (SAYS,), "clauses": CLAUSES, **case}
    return compose_item(
        Case(held=held, **facts),
        until=TUESDAY,
        schedule=SCHEDULE,
        detail=detail,
        directory=DIRECTORY,
    )


def digest_of(*items: Item, **values: Any) -> Digest:
    """Tuesday's digest for the headteacher, of these lines."""
    today, waiting = arrange(items)
    system = System(
        checked=1284,
        unread=(("image", 12), ("encrypted", 2)),
        rules=Rules(count=124, fingerprint="9ab6e165f148d727"),
        self_tests=(
            SelfTest(at=TUESDAY - timedelta(minutes=15), listener="submission", failure=""),
            SelfTest(at=TUESDAY - timedelta(minutes=14), listener="mx", failure=""),
        ),
        tests=192,
        failed_tests=0,
        observes=False,
        any_origin=(),
        missed=(),
    )
    digest = Digest(
        school_name="Elm Park Primary",
        recipient="head@elmpark.example",
        is_principal=True,
        day=date(2026, 3, 3),
        since=TUESDAY - timedelta(days=1),
        until=TUESDAY,
        schedule=SCHEDULE,
        today=today,
        waiting=waiting,
        changes=Since(
            held=3, flagged=9, minor=8, released=3, confirmed=1, closed=0, oldest_waited=1
        ),
        system=system,
        clauses=clauses_of(today, waiting),
        helplines=DEFAULT_HELPLINES,
    )
    return replace(digest, **values)


def busy_digest() -> Digest:
    """One with every kind of line, and everything that can be wrong."""
    forged = copy_for("office@elmpark.example", "spoofed→staff", state=State.DELIVERED)
    items = [
        item_of(held_for(number=1, level=3, category="threat")),
        item_of(
            held_for(
                copy_for("head2@elmpark.example", "pupil→staff", state=State.DELIVERED),
                number=2,
                level=3,
                category="disclosure",
                alert=True,
            ),
            reasons=("A child says that they are being hurt at home.",),
            clauses=("allesley:report-uncomfortable-email",),
        ),
        item_of(held_for(number=3, hours=3, level=2)),
        item_of(
            held_for(forged, number=4, level=2, category="phishing", sender="head@elmpark.example"),
            reasons=(
                "The sender's address is the school's own, but the message came from outside.",
            ),
            clauses=(),
        ),
        item_of(
            held_for(
                copy_for(state=State.SEALED), number=5, level=4, category="imagery", sealed=True
            ),
            reasons=("A picture and its words suggest an indecent image.",),
        ),
        item_of(
            held_for(
                copy_for(
                    "j.reed@post.example",
                    "staff→parent",
                    state=State.RELEASING,
                    reply="550 5.1.1 no such user here",
                    decided=True,
                ),
                number=6,
                category="personal_data",
                sender="office@elmpark.example",
                hours=90,
            ),
            is_readable=False,
        ),
    ]
    digest = digest_of(*items)
    system = replace(
        digest.system,
        self_tests=(
            SelfTest(at=TUESDAY, listener="mx", failure="A message that must be held came out."),
        ),
        failed_tests=4,
        observes=True,
        any_origin=("mail",),
        blind_to=(MailKind.OUTBOUND,),
        unseen=(MailKind.INTERNAL,),
        missed=(
            Missed(what="digest", about="Mon 2 Mar", reply="550 5.1.1", standing=Standing.REFUSED),
            Missed(what="alert", about="MG-7K3QFM", reply="", standing=Standing.WAITING),
        ),
    )
    changes = replace(digest.changes, sealed=1, elsewhere=2)
    return replace(digest, system=system, changes=changes)
