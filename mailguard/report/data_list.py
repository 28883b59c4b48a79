"""The data protection lead's weekly list: what went back to its author, and what became of it.

It has people's names, as the digest has, and the reasons that authors gave; no subject, no value
and no word of a message.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo

from mailguard.report import words
from mailguard.report.digest import Item
from mailguard.report.page import Card, Fact, Page, Section

SHOWN = 50
"""Messages of a section: more than anybody looks into in a week. The rest is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One message."""

    item: Item
    reason: str = ""
    """Why its author had it sent, in the author's words."""

    answered: datetime | None = None
    """When the author said so."""

    is_told: bool = True
    """False where the mail server refused our mail to the author."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataList:
    """The list for one person."""

    school_name: str
    recipient: str
    day: date
    since: datetime | None
    until: datetime
    zone: tzinfo
    returned: tuple[Entry, ...]
    """Gone back since the last list, and not sent by its author since."""

    sent: tuple[Entry, ...]
    """Sent after all since the last list, for a reason that its author gave."""

    held: tuple[Entry, ...]
    """Held now, for nothing but data: somebody has to decide."""

    @property
    def total(self) -> int:
        """Messages in all."""
        return len(self.returned) + len(self.sent) + len(self.held)


def compose_subject(data: DataList) -> str:
    """No name, no kind of data: it may stand on a locked screen."""
    day = words.describe_day(data.day, data.until.astimezone(data.zone).date())
    return f"MailGuard data protection list – {day} – {words.count(data.total, 'message')}"


def compose_page(data: DataList) -> Page:
    """Say all of it."""
    zone, until = data.zone, data.until
    day = words.describe_day(data.day, until.astimezone(zone).date())
    end = words.describe_moment(until, until, zone)
    since = words.describe_moment(data.since, until, zone) if data.since else "the beginning"
    waiting = len(data.held)
    return Page(
        title="MailGuard data protection list",
        subtitle=(f"{data.school_name} · {day}", f"From {since} to {end}"),
        summary=(
            f"{words.count(waiting, 'message')} held. Nobody gets what is held until you decide."
            if waiting
            else "Nothing waits for you. This is for your information."
        ),
        warnings=(),
        sections=(
            _section("1. Held: please decide", data.held, data, is_urgent=bool(waiting)),
            _section(
                "2. Sent by their authors, with a reason",
                data.sent,
                data,
                note="If a reason does not convince you, speak with the author. What should not "
                "have been sent may be a breach, for which the law gives 72 hours from when the "
                "school knows of it.",
            ),
            _section(
                "3. Back with their authors",
                data.returned,
                data,
                note="Nothing to do: the authors were told what was found, and what they can do. "
                "If one kind comes again and again, a word to all staff may help.",
            ),
            Section(
                heading="What you can do",
                points=(
                    "release: it may be delivered after all",
                    "confirm: it was right to stop it; it stays here as evidence",
                ),
                commands=(
                    'mailguard quarantine release MG-… --reason "…"',
                    'mailguard quarantine confirm MG-… --reason "…"',
                ),
                note="Whoever looks after MailGuard can enter this for you. "
                "What is held here is in nobody else's list.",
            ),
            Section(
                heading="Why you get this",
                lead=(
                    f"It comes on Mondays to {data.recipient}, named under people.data_lead, when "
                    "there is something in it. Nobody gets a line about a message that they wrote "
                    "or received. Nobody reads answers to this mail."
                ),
            ),
        ),
    )


def _section(
    heading: str,
    entries: Sequence[Entry],
    data: DataList,
    *,
    note: str = "",
    is_urgent: bool = False,
) -> Section:
    more = len(entries) - SHOWN
    unseen = f"There are {more} more than are shown here. " if more > 0 else ""
    return Section(
        heading=f"{heading} ({len(entries)})",
        lead="" if entries else "None.",
        cards=tuple(_card(entry, data) for entry in entries[:SHOWN]),
        note=(unseen + (note if entries else "")).strip(),
        is_urgent=is_urgent,
    )


def _card(entry: Entry, data: DataList) -> Card:
    item = entry.item
    return Card(
        reference=item.reference,
        title=f"{words.describe_categories(item)}, {words.describe_relationships(item)}",
        facts=tuple((name, value) for name, value in _facts(entry, data) if value),
        reasons=item.reasons,
        command=f"mailguard quarantine show {item.reference}",
    )


def _facts(entry: Entry, data: DataList) -> Iterator[Fact]:
    item = entry.item
    yield "Received", words.describe_moment(item.received, data.until, data.zone)
    yield "State", words.describe_states(item)
    yield "From", item.sender
    yield "To", words.join_words(item.recipients) if item.recipients else ""
    if entry.answered:
        yield "Answered", words.describe_moment(entry.answered, data.until, data.zone)
    yield "Reason given", entry.reason
    if not entry.is_told:
        yield "Author", "could not be told: the mail server refused our mail"
