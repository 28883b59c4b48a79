"""What flow needs of the world, as protocols. Adapters live in smtp, store and extract."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from mailguard.mail.envelope import Session, Transaction
from mailguard.mail.message import Message
from mailguard.mail.raw import Raw
from mailguard.mail.reply import Reply
from mailguard.mail.text import Extract
from mailguard.policy.judge import Judgement
from mailguard.quarantine.held import Act, HeldId, HeldMessage, State
from mailguard.quarantine.retention import Retention
from mailguard.report.own_mail import Kind, Mark, OwnMail, Standing


class Clock(Protocol):
    """Wall-clock time, so that tests can set it."""

    def now(self) -> datetime:
        """The current time, aware, in UTC."""
        ...


class Delivery(Protocol):
    """One transaction at the next hop, on a connection of its own until it ends.

    Replies are the next hop's, whatever their code. Every method raises
    :class:`~mailguard.errors.NextHopUnavailable` when the connection fails or time runs out.
    """

    async def mail(self, argument: bytes) -> Reply:
        """Send ``MAIL FROM:`` with exactly `argument`. A pooled connection that turns out to be
        dead is replaced once, unseen."""
        ...

    async def rcpt(self, argument: bytes) -> Reply:
        """Send ``RCPT TO:`` with exactly `argument`."""
        ...

    async def data(self, head: bytes, raw: Raw) -> Reply:
        """Send DATA, then `head` and `raw`, dot-stuffed, and return the reply to the final dot
        (or to DATA, if that was not 354)."""
        ...

    async def reset(self) -> None:
        """Send RSET and wait for its reply: the same connection can then begin anew."""
        ...

    async def close(self) -> None:
        """Finish: give the connection back for reuse where that is safe (after a reply to the
        final dot, or by RSET), drop it otherwise. Never raises; may be called twice."""
        ...


class NextHop(Protocol):
    """The mail server behind us."""

    async def open(self, session: Session | None = None, ident: str = "") -> Delivery:
        """Get a connection that has said EHLO, from the pool or new.

        With `session`, the next hop is told with each MAIL whose message it is and its `ident`
        here, where it wants to know (XFORWARD). Raises NextHopUnavailable.
        """
        ...

    @property
    def keywords(self) -> tuple[str, ...]:
        """EHLO lines to announce: those of its last EHLO that we can pass through, SIZE as it
        said; 8BITMIME and SIZE before the first."""
        ...


class Extractor(Protocol):
    """Looks at attachments outside the judging core."""

    async def extract(self, message: Message) -> tuple[Extract, ...]:
        """One Extract for each attachment. Never raises for what a message contains."""
        ...


class Judge(Protocol):
    """Forms the opinion; the adapter decides where (in this process, or in one it can kill)."""

    async def judge(self, transaction: Transaction) -> Judgement:
        """Judge one transaction within its time budget.

        An engine that fails or overruns is an `unscanned` finding in the report. Raises
        ScanFailed only when no judgement could be made at all.
        """
        ...


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
    """hold, flag, seal, release, confirm, released, refused, export, purge, withdraw,
    configuration, …"""

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

    async def withdraw(self, held_id: HeldId, entry: AuditEntry) -> None:
        """Delete a `pending` row whose transaction was answered otherwise."""
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


class OwnMailStore(Protocol):
    """The rows of MailGuard's own mail. All methods raise StoreUnavailable when the database cannot
    do it now."""

    async def secret(self) -> bytes:
        """The key under which our mail is signed: 32 random bytes, made at the first call."""
        ...

    async def owe(self, mails: Sequence[OwnMail], *, told: Sequence[HeldId] = ()) -> int:
        """Insert those whose (kind, about, recipient) has no row yet; return how many they were.

        With `told`, these held messages are marked, in the same transaction, as ones that somebody
        was told about; if one of them is marked already, nothing is done: somebody else was faster.
        Digests of the same recipient that still wait become superseded.
        """
        ...

    async def waiting(self) -> Sequence[OwnMail]:
        """All that wait to be sent: alerts before digests, oldest first."""
        ...

    async def latest(
        self, kind: Kind, recipient: str, standing: Standing | None = None
    ) -> OwnMail | None:
        """The one made last for this person, of those with `standing` if given."""
        ...

    async def of(self, kind: Kind, about: str) -> Sequence[OwnMail]:
        """All that were made about this day or held message, oldest first."""
        ...

    async def recent(self, kind: Kind, limit: int) -> Sequence[OwnMail]:
        """The `limit` made last, oldest first."""
        ...

    async def exists(self, message_ids: Sequence[str]) -> bool:
        """Whether one of these is the Message-ID of a mail of ours."""
        ...

    async def note_failure(self, mail: OwnMail, reply: str) -> None:
        """Record the reply to an attempt after which it goes on waiting."""
        ...

    async def end(self, mail: OwnMail, standing: Standing, reply: str, entry: AuditEntry) -> None:
        """Record how it ended, with the audit entry, and forget its content."""
        ...

    async def settle_alert(self, held_id: HeldId, entry: AuditEntry) -> None:
        """Mark a held message as told though no mail was made; `entry` says why."""
        ...

    async def untold(self) -> Sequence[HeldMessage]:
        """The held messages that carry an alert nobody was sent yet, oldest first; not those that
        are still `pending`, nor those whose content is gone."""
        ...

    async def spend(self, message_id: str) -> bool:
        """Use up the key of one of our mails, which comes back through a listener; False when there
        is no such mail, or its key was used before."""
        ...

    async def give_back(self, message_id: str) -> None:
        """The next hop did not take it after all: its key is good once more."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What happened between two marks."""

    checked: int
    """Messages judged."""

    unread: Mapping[str, int]
    """Messages of which something could not be read, by reason."""

    outcomes: Mapping[str, int]
    """Messages by what became of them: relayed, held, refused, deferred."""

    actions: Mapping[str, int]
    """Audit entries by action: hold, flag, seal, release, confirm, close, released, …"""

    tests: int
    """Self-tests."""

    failed_tests: int
    upto: Mark
    """How far the tables have grown now."""

    about: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What the audit entries are about, by action, oldest first: so that whoever may not know of a
    message can be given totals without it."""


class Figures(Protocol):
    """Counts for people. All methods raise StoreUnavailable when the database cannot do it now."""

    async def count(self, since: Mark) -> Counts:
        """What happened since then, in one snapshot."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryRun:
    """One self-test of one listener."""

    at: datetime
    listener: str
    failure: str = ""
    """What went wrong, as a sentence; empty when all went well."""


class CanaryStore(Protocol):
    """What the self-tests leave behind: nothing else does. All methods raise StoreUnavailable when
    the database cannot do it now."""

    async def note(self, run: CanaryRun) -> None:
        """Record one run, and forget those that are older than the last thousand."""
        ...

    async def latest(self) -> Mapping[str, CanaryRun]:
        """The last run of each listener."""
        ...

    async def mark(self, token: str, event: str) -> None:
        """Record that the test message `token` was held or came out. Durable on return."""
        ...

    async def take_marks(self, token: str) -> Sequence[str]:
        """The events recorded for `token`, oldest first; they are deleted."""
        ...


class Lock(Protocol):
    """A lock that only one process on this store can have, gone when its holder dies."""

    def hold(self) -> AbstractAsyncContextManager[bool]:
        """Enter with True when the lock was got, False when another process has it."""
        ...
