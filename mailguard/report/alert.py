"""The alert: that a message needs somebody now, and what to do; never what it says or who wrote it.

It is read on a lock screen, in a staff room, by whoever looks over a shoulder. So it has a
reference and no name, no category, no word of the message.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import Enum

from mailguard.quarantine.held import HeldMessage, State
from mailguard.report.page import Page, Section
from mailguard.report.reference import reference_of
from mailguard.report.words import LEVELS, count, describe_day, describe_moment
from mailguard.scan.finding import Level

LISTED = 50
"""References named one by one in a mail about many messages."""


class Whereabouts(Enum):
    """Where the message is, as its reader must know it."""

    DELIVERED = "It was delivered: whoever it was sent to has it, or can have it at any moment."
    HELD = "It is held: nobody got it."
    SPLIT = "It was delivered to some of those it was sent to, and is held for the others."
    UNDELIVERABLE = (
        "The mail server refused it, so it did not arrive for some it was sent to; the technician "
        "is told of that."
    )
    RELEASING = "It was released and is being delivered."
    REVIEWED = "Somebody at the school has already decided about it."
    SEALED = "It is sealed: nobody got it, and nobody can open it in MailGuard."
    REFUSED = "It was refused and went back to its sender, as the school's settings say."


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What there is to say about one message."""

    reference: str
    level: Level
    received: datetime
    whereabouts: Whereabouts
    has_copy: bool = True
    """False where no copy could be kept, so that there is nothing to show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The school, as an alert shows it."""

    name: str
    zone: tzinfo
    helplines: tuple[str, ...]


def alert_about(held: HeldMessage) -> Alert:
    """The alert about a message in quarantine."""
    return Alert(
        reference=reference_of(held.id),
        level=Level(held.level),
        received=held.received,
        whereabouts=_whereabouts(held),
    )


def compose_subject(alerts: Sequence[Alert]) -> str:
    """No name and no category: it stands on a locked screen. One alert at least."""
    if len(alerts) == 1:
        return f"MailGuard alert – {alerts[0].reference} – look at it now"
    return f"MailGuard alert – {count(len(alerts), 'message')} – look at them now"


def compose_page(alerts: Sequence[Alert], place: Place, now: datetime) -> Page:
    """One mail about one message, or about all of many that came within minutes."""
    at = now.astimezone(place.zone)
    sections = _about_one(alerts[0], place, now) if len(alerts) == 1 else _about_many(alerts)
    return Page(
        title="MailGuard alert",
        subtitle=(place.name, f"{describe_day(at.date(), at.date())} {at.year}, {at:%H:%M}"),
        summary=(
            "A message needs you now."
            if len(alerts) == 1
            else f"{count(len(alerts), 'more message')} need you now."
        ),
        warnings=(),
        sections=(*sections, _help(place), _why()),
    )


def _about_one(alert: Alert, place: Place, now: datetime) -> tuple[Section, ...]:
    message = Section(
        heading="The message",
        facts=(
            ("Reference", alert.reference),
            ("Level", describe_level(alert)),
            ("Received", describe_moment(alert.received, now, place.zone)),
            ("Where it is", alert.whereabouts.value),
        ),
        is_urgent=True,
    )
    return (message, _what_to_do(alert))


def describe_level(alert: Alert) -> str:
    """``critical (level 4)``; ``sealed``."""
    if alert.whereabouts is Whereabouts.SEALED:
        return "sealed"
    return f"{LEVELS[alert.level]} (level {int(alert.level)})"


def _what_to_do(alert: Alert) -> Section:
    if not alert.has_copy:
        return Section(
            heading="What to do now",
            lead="No copy of it could be kept, so MailGuard cannot show it.",
            points=(
                "Ask your technician to find it in the mail server's log: the reference above is "
                "in it, with the sender, the recipients and the time.",
                "Speak with the people it concerns today.",
            ),
            is_urgent=True,
        )
    if alert.whereabouts is Whereabouts.SEALED:
        return Section(
            heading="What to do now",
            points=(
                "Do not look for it anywhere else, and do not ask anybody to send or show it.",
                "Follow your school's procedure for suspected illegal pictures; call the police "
                "on 101, or 999 if a child is in danger now.",
                "When and by which way it came, without its content:",
            ),
            commands=(f"mailguard quarantine show {alert.reference}",),
            is_urgent=True,
        )
    return Section(
        heading="What to do now",
        points=(
            "If a child may be in danger now, do not wait for anything: see the numbers below.",
            "See what it is about, or have your technician call it up while you sit beside:",
        ),
        commands=(f"mailguard quarantine show {alert.reference}",),
        note="You decide what follows. MailGuard does nothing more by itself.",
        is_urgent=True,
    )


def _about_many(alerts: Sequence[Alert]) -> tuple[Section, ...]:
    left_out = len(alerts) - LISTED
    return (
        Section(
            heading="The messages",
            lead=(
                "So many alerts came within an hour that these are told in one mail. "
                "Each of them counts."
            ),
            points=(
                *(
                    f"{alert.reference}: {describe_level(alert)}. {alert.whereabouts.value}"
                    for alert in alerts[:LISTED]
                ),
                *([f"and {left_out} more"] if left_out > 0 else []),
            ),
            is_urgent=True,
        ),
        Section(
            heading="What to do now",
            points=(
                "If a child may be in danger now, do not wait for anything: see the numbers below.",
                "See all of them, the alerts marked as such, and one by its reference:",
            ),
            commands=(
                "mailguard quarantine list",
                f"mailguard quarantine show {alerts[0].reference}",
            ),
            is_urgent=True,
        ),
    )


def _help(place: Place) -> Section:
    return Section(heading="Help at once", points=place.helplines)


def _why() -> Section:
    return Section(
        heading="Why you get this",
        lead=(
            "MailGuard tells one office of the school at once, and never somebody who wrote or "
            "received the message: the safeguarding lead, else the headteacher, the deputy or the "
            "chair of governors. It repeats this mail until your mail server has taken it, and "
            "tells the next in that line if it refuses to. It is not an emergency service, and "
            "nobody else is watching."
        ),
    )


def _whereabouts(held: HeldMessage) -> Whereabouts:
    # What went back to its author has not arrived any more than what is held.
    stopped = {State.RETURNED: State.HELD}
    states = {stopped.get(recipient.state, recipient.state) for recipient in held.recipients}
    if held.sealed or State.SEALED in states:
        return Whereabouts.SEALED
    if states == {State.DELIVERED}:
        return Whereabouts.DELIVERED
    if states == {State.HELD}:
        return Whereabouts.HELD
    if State.UNDELIVERABLE in states:
        return Whereabouts.UNDELIVERABLE
    if states == {State.DELIVERED, State.HELD}:
        return Whereabouts.SPLIT
    if states <= {State.RELEASING, State.DELIVERED}:
        return Whereabouts.RELEASING
    return Whereabouts.REVIEWED
