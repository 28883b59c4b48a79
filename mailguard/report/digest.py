"""What a digest says, before anything is put into words: pure facts, and how they are picked.

There is no field for a subject, a word of a message or the name of a file, so none can get in.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from mailguard.policy.directory import Directory
from mailguard.policy.mail_kind import MailKind
from mailguard.quarantine.held import ATTENTION, HeldMessage, HeldRecipient, State
from mailguard.report.own_mail import Standing
from mailguard.report.people import describe_people
from mailguard.report.reference import reference_of
from mailguard.report.schedule import Schedule, count_school_days
from mailguard.scan.finding import Category, Level

SHOWN = 30
"""Items of a section: more than a head reads at breakfast. The rest is counted."""

Detail = Literal["people", "reference"]

NAMEABLE = frozenset(Category) - {
    Category.DISCLOSURE,
    Category.SELF_HARM,
    Category.GROOMING,
    Category.CONDUCT,
}
"""Nobody is named where any other category is concerned, not even at level 0."""


KNOWN = frozenset(Category)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A message in quarantine with what its evidence says about why it is there."""

    held: HeldMessage
    reasons: tuple[str, ...] = ()
    """The rules' own sentences, weightiest first."""

    clauses: tuple[str, ...] = ()
    is_readable: bool = True
    """Its evidence is there and whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One line of a digest."""

    reference: str
    categories: tuple[Category, ...]
    """Those that brought it here, weightiest first."""

    relationships: tuple[str, ...]
    """``pupil→pupil``, each once."""

    level: Level
    is_alert: bool
    is_sealed: bool
    states: tuple[State, ...]
    """Of all copies, each once, the one that most needs attention first."""

    refusal: str
    """The code of the next hop's last reply, where a released message does not get through."""

    may_be_twice: bool
    is_readable: bool
    reasons: tuple[str, ...]
    clauses: tuple[str, ...]
    sender: str
    """Who, in words; empty where nobody is named."""

    recipients: tuple[str, ...]
    received: datetime
    waited: int
    """School days."""

    @property
    def is_urgent(self) -> bool:
        """It needs somebody today."""
        return self.is_alert or self.is_sealed or self.level >= Level.SERIOUS or self.waited > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """The items of a section, most urgent first."""

    shown: tuple[Item, ...]
    total: int

    @property
    def left_out(self) -> int:
        """How many there are beside those that are shown."""
        return self.total - len(self.shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutData:
    """Messages stopped for nothing but data: the data lead has the list, a digest only numbers."""

    returned: int = 0
    """Gone back to their authors."""

    held: int = 0
    has_lead: bool = True
    """Somebody is named as data lead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """What happened to the reader's own cases since the last digest."""

    held: int = 0
    flagged: int = 0
    """Delivered with a copy kept, those of level 1 among them."""

    minor: int = 0
    """Those of level 1: they have no line of their own."""

    sealed: int = 0
    released: int = 0
    confirmed: int = 0
    closed: int = 0
    oldest_waited: int | None = None
    """School days that the oldest open item has waited."""

    elsewhere: int = 0
    """Open items that go to somebody else, and that the reader may know of."""

    data: AboutData = AboutData()


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTest:
    """The last self-test of one listener."""

    at: datetime
    listener: str
    failure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """A mail of ours that the mail server did not take."""

    what: Literal["digest", "alert"]
    about: str
    """A day, or the reference of a message."""

    reply: str
    """The code of its last reply; empty when there was none."""

    standing: Standing
    """How it stands; a digest that another one replaces is SUPERSEDED."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is looked for."""

    count: int = 0
    """Rules and detectors that are used; 0 when that is not known."""

    fingerprint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undelivered:
    """Messages that the mail server took for some of their recipients and refused for others."""

    count: int = 0
    """Those that nobody has seen to yet."""

    told: Literal["told", "late", "nobody"] = "told"
    """Whether the technician knows: `late` while the mail server has not taken the notice,
    `nobody` where no technician is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """Whether MailGuard itself is well."""

    checked: int
    unread: tuple[tuple[str, int], ...]
    """Reason and count, most frequent first."""

    rules: Rules
    self_tests: tuple[SelfTest, ...]
    tests: int
    failed_tests: int
    """Since the last digest."""

    observes: bool
    any_origin: tuple[str, ...]
    """Listeners that do not know where their mail comes from."""

    missed: tuple[Missed, ...]
    undelivered: Undelivered = Undelivered()
    blind_to: tuple[MailKind, ...] = ()
    """Ways of mail that do not come by MailGuard, as it is set up."""

    unseen: tuple[MailKind, ...] = ()
    """Others of which there was no mail in the last week, though there was of the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """The daily summary for one person."""

    school_name: str
    recipient: str
    is_principal: bool
    """It is this person's every day; others get one when they stand in."""

    day: date
    since: datetime | None
    until: datetime
    schedule: Schedule
    today: Items
    waiting: Items
    changes: Since
    system: System
    clauses: tuple[str, ...]
    """Of all items shown, each once."""

    helplines: tuple[str, ...]

    @property
    def to_review(self) -> int:
        """Items in all."""
        return self.today.total + self.waiting.total


def is_open(held: HeldMessage) -> bool:
    """Whether a person should still look at this message.

    A decision about one copy is a look at the message; but a copy that is held waits until it is
    decided about itself. Copies of level 1 that were delivered need nobody, unless they alert.
    """
    is_decided = any(recipient.decision for recipient in held.recipients)
    return any(_is_open(recipient, held, is_decided) for recipient in held.recipients)


def _is_open(recipient: HeldRecipient, held: HeldMessage, is_decided: bool) -> bool:
    match recipient.state:
        case State.HELD:
            return True
        case State.RELEASING:
            # With a reply the next hop has been asked, and did not take it.
            return bool(recipient.reply) and not recipient.bounced
        case State.SEALED:
            return not is_decided
        case State.DELIVERED | State.UNDELIVERABLE:
            # That it was refused is the technician's matter; what it says may be the reviewer's.
            return not is_decided and (held.alert or held.level >= Level.HOLD)
        case _:
            return False


def compose_item(
    case: Case, *, until: datetime, schedule: Schedule, detail: Detail, directory: Directory
) -> Item:
    """Put down what a digest may say of `case`."""
    held = case.held
    is_named = detail == "people" and not held.sealed and held.categories.keys() <= NAMEABLE
    sender, recipients = describe_people(held, directory) if is_named else ("", ())
    refusals = (r.reply for r in held.recipients if r.state is State.RELEASING and r.reply)
    states = {recipient.state for recipient in held.recipients}
    return Item(
        reference=reference_of(held.id),
        categories=_weighty(held),
        relationships=tuple(dict.fromkeys(r.relationship for r in held.recipients)),
        level=Level(held.level),
        is_alert=held.alert,
        is_sealed=held.sealed or State.SEALED in states,
        states=tuple(state for state in ATTENTION if state in states),
        refusal=code_of(next(refusals, "")),
        may_be_twice=held.dup_risk,
        is_readable=case.is_readable,
        reasons=case.reasons,
        clauses=case.clauses,
        sender=sender,
        recipients=recipients,
        received=held.received,
        waited=count_school_days(held.received, until, schedule),
    )


def arrange(items: Iterable[Item]) -> tuple[Items, Items]:
    """Part the items into what needs somebody today and what waits, each most urgent first."""
    in_order = sorted(
        items, key=lambda i: (not i.is_sealed, not i.is_alert, -i.level, i.received, i.reference)
    )
    urgent = [item for item in in_order if item.is_urgent]
    waiting = [item for item in in_order if not item.is_urgent]
    return _items(urgent), _items(waiting)


def clauses_of(*sections: Items) -> tuple[str, ...]:
    """The clauses of every item shown, each once."""
    found = (clause for items in sections for item in items.shown for clause in item.clauses)
    return tuple(sorted(set(found)))


def code_of(reply: str) -> str:
    """The codes of a reply without its text, which may be anything: ``550 5.1.1``."""
    code, _, rest = reply.partition(" ")
    enhanced = rest.split(" ", 1)[0]
    if not (len(code) == 3 and code.isdigit()):
        return ""
    is_enhanced = enhanced.count(".") == 2 and enhanced.replace(".", "").isdigit()
    return f"{code} {enhanced}" if is_enhanced else code


def _items(items: Sequence[Item]) -> Items:
    return Items(shown=tuple(items[:SHOWN]), total=len(items))


def _weighty(held: HeldMessage) -> tuple[Category, ...]:
    """The categories of at least level 2, or else the highest there are; three at most.

    A name that this version does not know is left out, and stops nothing.
    """
    known = [(Category(name), level) for name, level in held.categories.items() if name in KNOWN]
    ranked = sorted(known, key=lambda pair: -pair[1])
    least = min(Level.HOLD, ranked[0][1]) if ranked else 0
    return tuple(category for category, level in ranked if level >= least)[:3]
