"""What lasts about mail: evidence, rows, the audit log and the ledger."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from mailguard.mail.raw import Raw
from mailguard.quarantine.held import Act, HeldId, HeldMessage, State
from mailguard.quarantine.retention import Retention
from mailguard.quarantine.ticket import Ticket


class Spool(Protocol):
    """The evidence files."""

    async def store(self, held_id: HeldId, folder: str, raw: Raw, evidence: bytes) -> None:
        """Make ``message.eml`` and ``evidence.json`` durable under `folder`.

        On return both files and every folder above them are on stable storage. Raises
        SpoolUnavailable, leaving nothing behind that a restart would take for evidence.
        """
        ...

    async def read(self, held: HeldMessage) -> Raw:
        """The exact bytes, checked against the row's SHA-256. Raises EvidenceDamaged."""
        ...

    async def evidence(self, held: HeldMessage) -> bytes:
        """The bytes of ``evidence.json``. Raises EvidenceDamaged when it is gone."""
        ...

    async def evidence_at(self, folder: str) -> bytes:
        """The same by folder, for one that has no row."""
        ...

    async def remove(self, folder: str) -> None:
        """Delete both files and their folder. Missing ones are not an error."""
        ...

    async def set_aside(self, folder: str) -> bool:
        """Move a folder that makes no sense to where only people look; False when it is gone."""
        ...

    async def has_room(self) -> bool:
        """Whether a message of the largest allowed size would still fit."""
        ...

    async def folders(self) -> Sequence[str]:
        """Every ``YYYY/MM/DD/<id>`` that holds evidence, oldest first."""
        ...

    async def sweep(self) -> int:
        """At start: delete what a crash left half-written; return how many there were."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One line of the audit log, before it is chained. Holds no message content."""

    at: datetime
    actor: str
    """A person's name for decisions, ``mailguard`` for what the system did."""

    action: str
    """hold, flag, seal, undeliverable, release, confirm, released, refused, export, purge,
    withdraw, configuration, …"""

    subject: str
    """What it is about: a held id, or a file's fingerprint."""

    detail: dict[str, str | int | list[str]]


class HeldStore(Protocol):
    """The rows of held messages. Each change and its audit entry commit together or not at all.

    All methods raise StoreUnavailable when the database cannot do it now.
    """

    @property
    def school(self) -> str:
        """The id of the school whose rows these are."""
        ...

    async def add(self, held: HeldMessage, entry: AuditEntry) -> None:
        """Insert a row whose files are already durable. Durable on return."""
        ...

    async def by_id(self, held_id: str) -> HeldMessage:
        """Look one up. Raises UnknownItem."""
        ...

    async def select(
        self, *, states: Iterable[State] = (), limit: int | None = None
    ) -> Sequence[HeldMessage]:
        """All messages with a recipient in one of `states` (all when empty), oldest first."""
        ...

    async def inventory(self) -> Mapping[str, HeldId]:
        """The id of every message whose evidence must be in the spool, by its folder; cheap."""
        ...

    async def act(
        self,
        held_id: HeldId,
        act: Act,
        addresses: Sequence[str],
        entry: AuditEntry,
        *,
        reply: str = "",
        dup_risk: bool = False,
    ) -> HeldMessage:
        """Apply `act` to these recipients, all or none, as a compare-and-set; `dup_risk` marks the
        message as one that may also have been delivered.

        Raises IllegalTransition, naming who decided what and when, if any of them is not in a
        state from which TRANSITIONS allows it. Returns the message as it is now.
        """
        ...

    async def due(self, retention: Retention) -> Sequence[HeldMessage]:
        """The messages whose content is to be deleted now, oldest first. Their age is counted,
        never read off the wall clock: a clock that jumps deletes nothing early."""
        ...

    async def expire(self, held_id: HeldId, retention: Retention, entry: AuditEntry) -> bool:
        """Turn a message into its tombstone if it is still due; False when it no longer is, since
        somebody decided about it meanwhile."""
        ...

    async def withdraw(
        self, held_id: HeldId, entry: AuditEntry, addresses: Sequence[str] = ()
    ) -> None:
        """Delete a `pending` row whose transaction was answered otherwise; where `addresses` are
        given, only their copies, if another's is left."""
        ...

    async def note_attempt(self, held_id: HeldId, at: datetime) -> bool:
        """Record that sending is about to begin. True when an earlier attempt has no recorded
        end: the message may then arrive twice."""
        ...

    async def note_failure(self, held_id: HeldId, reply: str) -> None:
        """Record that an attempt ended without the next hop taking the message."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """One judged message, without content: who, to whom, what became of it."""

    queue_id: str
    school: str
    received: datetime
    listener: str
    sender: str
    """``""`` for the null sender and for mail with a helpline."""

    recipients: tuple[str, ...]
    """Empty for mail with a helpline."""

    relationship: str
    level: int
    categories: tuple[str, ...]
    symbols: tuple[str, ...]
    disposition: str
    """What policy said, the strictest over recipients; also in `observe` mode, which relays."""

    outcome: str
    """relayed, held, refused, deferred."""

    unscanned: tuple[str, ...]
    """Reasons."""

    size: int
    ms: int
    """From the final dot to the verdict."""

    ident: str = ""
    """What the mail server that handed it over calls it: its own queue id, where it told us.
    ``""`` for mail with a helpline: that server's log has addresses."""


class Ledger(Protocol):
    """Rows for every judged message, written in groups; a crash may lose the last group."""

    def record(self, row: LedgerRow) -> None:
        """Queue a row. Never blocks or raises."""
        ...


class AuditLog(Protocol):
    """The hash-chained log, for entries that come with no change of a held message."""

    async def append(self, entry: AuditEntry) -> None:
        """Chain and commit one entry."""
        ...


class ReleaseKeys(Protocol):
    """Which keys on released messages are good. All methods raise StoreUnavailable when the
    database cannot do it now."""

    async def issue(self) -> str:
        """Make the token of one attempt to send a message. Durable on return."""
        ...

    async def is_good(self, token: str) -> bool:
        """Whether it was issued and not used yet."""
        ...

    async def spend(self, token: str) -> bool:
        """Use it up; False when it was not issued, or was used before. Of two at once only one
        hears True."""
        ...

    async def give_back(self, token: str) -> None:
        """The message was not taken after all: it is good once more."""
        ...


class Tickets(Protocol):
    """Who may have which returned message sent after all. All methods raise StoreUnavailable when
    the database cannot do it now."""

    async def issue(self, held_id: HeldId, author: str) -> str:
        """Make a token for this message, and for its author alone. Durable on return."""
        ...

    async def find(self, token: str) -> Ticket | None:
        """What `token` is good for; None when there is no such token."""
        ...

    async def expire(self) -> int:
        """Forget those that have been over for a month; return how many."""
        ...
