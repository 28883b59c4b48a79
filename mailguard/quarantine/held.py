"""A message in quarantine: its states, and the only moves between them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import NewType

from mailguard.errors import IllegalTransition, UnknownItem, UserError
from mailguard.policy.taxonomy import DATA
from mailguard.scan.finding import Level

HeldId = NewType("HeldId", str)
"""26 characters, sortable by time (a ULID); safe as a folder name."""

TEST_SCHOOL = "*self-test*"
"""Whose messages those of a self-test are: no school can be named so. What of them is found in the
spool was left by a process that died, and is no evidence of anything."""

RANDOM_BYTES = 10
"""What a ULID has beside its 48 bits of milliseconds: 80 random bits."""

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""The 32 digits of a ULID, in sorting order: no I, L, O, U, which people misread."""


def new_held_id(now: datetime, random_bytes: bytes) -> HeldId:
    """Name a held message after `now` (aware) and :data:`RANDOM_BYTES` random bytes."""
    if len(random_bytes) != RANDOM_BYTES:
        raise ValueError(f"{RANDOM_BYTES} random bytes, not {len(random_bytes)}")
    milliseconds = max(0, int(now.timestamp() * 1000))
    number = (milliseconds << 80) | int.from_bytes(random_bytes)
    return HeldId("".join(CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5)))


def folder_for(held_id: HeldId, received: datetime) -> str:
    """Where the evidence lies, relative to the spool's root: ``YYYY/MM/DD/<id>``, in UTC."""
    day = received.astimezone(UTC)
    return f"{day.year:04}/{day.month:02}/{day.day:02}/{held_id}"


class State(StrEnum):
    """Where a message, or one recipient's copy of it, stands."""

    PENDING = "pending"
    """Stored, while the next hop is being asked to take the rest of the transaction."""

    DELIVERED = "delivered"
    """The next hop took it; kept as evidence of a flag."""

    HELD = "held"
    UNDELIVERABLE = "undeliverable"
    """The next hop refused it for good after it had taken the message for others: the technician
    sends it again, or closes it."""

    RETURNED = "returned"
    """It went back to its author, who may correct it, or have it sent with a reason: data was on
    its way to where it may not go."""

    RELEASING = "releasing"
    """A person released it; the next hop has not yet taken it."""

    RELEASED = "released"
    CONFIRMED = "confirmed"
    """A reviewer confirmed the offence; it stays here."""

    SEALED = "sealed"
    PURGED = "purged"
    """Content deleted by retention; the row is its tombstone."""


class Act(StrEnum):
    """What can happen to a stored message."""

    TAKE = "take"
    """The rest of a mixed transaction was delivered: the held part is now held."""

    RETURN = "return"
    """The same for what goes back to its author."""

    DELIVER = "deliver"
    BOUNCE = "bounce"
    """The next hop refused for good what the sender can no longer be told of."""

    RELEASE = "release"
    SENT = "sent"
    REFUSE = "refuse"
    """The next hop refused for good what had been held and was released."""

    CONFIRM = "confirm"
    CLOSE = "close"
    """A person has looked at what was delivered with a flag, sealed or undeliverable, and is done
    with it."""

    EXPIRE = "expire"


DECISIONS = frozenset({Act.RELEASE, Act.CONFIRM, Act.CLOSE})
"""The acts that are a person's, with a name and a reason."""

TRANSITIONS: Mapping[tuple[State, Act], State] = {
    (State.PENDING, Act.TAKE): State.HELD,
    (State.PENDING, Act.RETURN): State.RETURNED,
    (State.PENDING, Act.DELIVER): State.DELIVERED,
    (State.HELD, Act.RELEASE): State.RELEASING,
    (State.HELD, Act.CONFIRM): State.CONFIRMED,
    (State.RETURNED, Act.RELEASE): State.RELEASING,
    (State.RETURNED, Act.CONFIRM): State.CONFIRMED,
    (State.DELIVERED, Act.CONFIRM): State.CONFIRMED,
    (State.DELIVERED, Act.CLOSE): State.DELIVERED,
    (State.SEALED, Act.CLOSE): State.SEALED,
    (State.UNDELIVERABLE, Act.RELEASE): State.RELEASING,
    (State.UNDELIVERABLE, Act.CLOSE): State.UNDELIVERABLE,
    (State.RELEASING, Act.SENT): State.RELEASED,
    (State.RELEASING, Act.REFUSE): State.HELD,
    (State.RELEASING, Act.BOUNCE): State.UNDELIVERABLE,
    (State.DELIVERED, Act.EXPIRE): State.PURGED,
    (State.RETURNED, Act.EXPIRE): State.PURGED,
    (State.UNDELIVERABLE, Act.EXPIRE): State.PURGED,
    (State.RELEASED, Act.EXPIRE): State.PURGED,
    (State.CONFIRMED, Act.EXPIRE): State.PURGED,
}
"""What is absent is policy too: no (HELD, EXPIRE), since mail that nobody has reviewed never
disappears by itself, and nothing leads out of SEALED. What is undeliverable expires only once it
was closed: see :mod:`mailguard.quarantine.retention`."""

CLOSABLE = frozenset(state for state, act in TRANSITIONS if act is Act.CLOSE)
"""States in which nothing has to be done any more, but somebody should have looked."""

STANDING: Mapping[State, str] = {
    State.PENDING: "is still being delivered",
    State.DELIVERED: "was delivered",
    State.HELD: "is held and waits for a decision",
    State.UNDELIVERABLE: "was refused by the next hop",
    State.RETURNED: "went back to its author",
    State.RELEASING: "is being released",
    State.RELEASED: "was released",
    State.CONFIRMED: "was confirmed",
    State.SEALED: "is sealed, and nobody may open or send it",
    State.PURGED: "was deleted because its time was up",
}
"""How each state reads to a reviewer, after "The message"."""

DONE: Mapping[Act, str] = {
    Act.TAKE: "taken into quarantine",
    Act.RETURN: "given back to its author",
    Act.DELIVER: "marked as delivered",
    Act.BOUNCE: "marked as undeliverable",
    Act.RELEASE: "released",
    Act.SENT: "marked as sent",
    Act.REFUSE: "marked as refused",
    Act.CONFIRM: "confirmed",
    Act.CLOSE: "closed",
    Act.EXPIRE: "deleted",
}
"""How each act reads to a reviewer, after "cannot be"."""

_ADVICE: Mapping[tuple[State, Act], str] = {
    (State.HELD, Act.CLOSE): " Release or confirm it.",
    (State.RETURNED, Act.CLOSE): " Its author may still answer; or release or confirm it.",
    (State.UNDELIVERABLE, Act.CONFIRM): " Release or close it.",
}
"""What can be done instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Who did something to a message, when, and why."""

    by: str
    at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRecipient:
    """One recipient's copy: the unit of every decision."""

    address: str
    argument: bytes
    """The RCPT argument as received, used again at release."""

    relationship: str
    state: State
    reply: str = ""
    """The next hop's last reply about it, since it was last released if ever."""

    decision: Decision | None = None
    """The last release, confirmation or closing, by a person; None while there was none. A release
    that came to nothing, because the next hop refused the copy again, is taken back."""

    bounced: bool = False
    """The next hop refused it when the message came: nobody holds it back, and what is refused
    again is `undeliverable` again."""

    @property
    def closed(self) -> Decision | None:
        """Who closed it, when and why; None while nobody has."""
        # No other decision leaves a copy in these states.
        return self.decision if self.state in CLOSABLE else None

    @property
    def refusal(self) -> Act:
        """The act that records that the next hop refused to take it at its release, for good."""
        return Act.BOUNCE if self.bounced else Act.REFUSE


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldMessage:
    """One message in quarantine, as its row has it. Content is in the spool only."""

    id: HeldId
    school: str
    queue_id: str
    listener: str
    received: datetime
    sender: str
    sender_argument: bytes
    recipients: tuple[HeldRecipient, ...]
    level: int
    categories: Mapping[str, int]
    symbols: tuple[str, ...]
    sealed: bool
    alert: bool
    sha256: str
    size: int
    ruleset: str
    folder: str
    """Relative to the spool's root: ``YYYY/MM/DD/<id>``."""

    dup_risk: bool = False
    exported: bool = False
    """Somebody copied the evidence to where the school keeps its records."""

    @property
    def state(self) -> State:
        """The message as a whole: the state that most needs attention among its recipients."""
        return min((r.state for r in self.recipients), key=ATTENTION.index)

    @property
    def closed(self) -> Decision | None:
        """The last closing, once every copy that can be closed is, and no other waits."""
        if self.state not in CLOSABLE:
            return None
        closings = [r.closed for r in self.recipients if r.state in CLOSABLE]
        made = [closing for closing in closings if closing is not None]
        return max(made, key=lambda each: each.at) if len(made) == len(closings) else None

    @property
    def is_about_data(self) -> bool:
        """Whether only personal data or passwords keep it here: the data lead's matter, not the
        headteacher's."""
        heavy = {name for name, level in self.categories.items() if level >= Level.HOLD}
        return bool(heavy) and heavy <= DATA and not self.alert and not self.sealed

    @property
    def is_bounced(self) -> bool:
        """It is here only because the next hop refused it, and holds no copy for a reviewer."""
        return all(recipient.bounced for recipient in self.recipients)

    @property
    def is_undelivered(self) -> bool:
        """Whether the technician still has to see to a copy that the next hop refused."""
        return any(r.state is State.UNDELIVERABLE and r.closed is None for r in self.recipients)


ATTENTION = (
    State.SEALED,
    State.PENDING,
    State.RELEASING,
    State.HELD,
    State.UNDELIVERABLE,
    State.RETURNED,
    State.CONFIRMED,
    State.RELEASED,
    State.DELIVERED,
    State.PURGED,
)
"""States from most to least in need of attention."""


def apply(state: State, act: Act) -> State:
    """Return the state that `act` leads to; IllegalTransition, in plain words, if to none."""
    after = TRANSITIONS.get((state, act))
    if after is None:
        raise IllegalTransition(f"The message {STANDING[state]}, so it cannot be {DONE[act]}.")
    return after


def apply_to(
    held: HeldMessage, act: Act, addresses: Sequence[str], decision: Decision, *, reply: str = ""
) -> HeldMessage:
    """Apply `act` to the copies of `addresses`, all or none, and return the message as it is then.

    A release, confirmation or closing leaves `decision` with each copy. `reply`, if any, becomes
    the next hop's last; a release forgets the one before. Raises IllegalTransition, naming who
    decided what and when; UnknownItem for an address that is no recipient; UserError when there is
    no address at all.
    """
    wanted = frozenset(addresses)
    if not wanted:
        raise UserError(f"Name at least one recipient of {held.id}.")
    if unknown := wanted - {recipient.address for recipient in held.recipients}:
        raise UnknownItem(f"{held.id} was not addressed to {', '.join(sorted(unknown))}.")
    return replace(
        held,
        recipients=tuple(
            _applied(recipient, act, decision, reply) if recipient.address in wanted else recipient
            for recipient in held.recipients
        ),
    )


def _applied(recipient: HeldRecipient, act: Act, decision: Decision, reply: str) -> HeldRecipient:
    is_again = act is Act.CLOSE and recipient.closed is not None
    if is_again or (recipient.state, act) not in TRANSITIONS:
        raise IllegalTransition(_refusal(recipient, act))
    return replace(
        recipient,
        state=apply(recipient.state, act),
        # What was said before a release says nothing about how that goes.
        reply=reply or ("" if act is Act.RELEASE else recipient.reply),
        decision=_decision_after(act, decision, recipient.decision),
        bounced=recipient.bounced or act is Act.BOUNCE,
    )


def _decision_after(act: Act, made: Decision, before: Decision | None) -> Decision | None:
    if act in DECISIONS:
        return made
    # Must: what stays with an undeliverable copy is a closing, and nothing else.
    return None if act is Act.BOUNCE else before


def _refusal(recipient: HeldRecipient, act: Act) -> str:
    standing = f"The message to {recipient.address} {STANDING[recipient.state]}"
    # A held copy with a decision was released and then refused: that release no longer stands.
    if recipient.decision and recipient.state is not State.HELD:
        at = recipient.decision.at.astimezone(UTC)
        done = " and closed" if recipient.closed else ""
        standing += f"{done} ({recipient.decision.by}, {at.day} {at:%B %Y, %H:%M} UTC)"
    advice = _ADVICE.get((recipient.state, act), "")
    return f"{standing}, so it cannot be {DONE[act]}.{advice}"
