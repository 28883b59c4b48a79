"""What lasts about what people are told: our own mail, figures, self-tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from mailguard.ports.keeping import AuditEntry
from mailguard.quarantine.held import HeldId, HeldMessage
from mailguard.report.own_mail import Kind, Mark, OwnMail, Standing


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What passed in the last days, by who wrote to whom."""

    relationships: Mapping[str, int]
    """Messages by the ledger's relationship: ``pupil→staff``."""

    is_whole: bool
    """The ledger goes back to before that time. It does not while MailGuard is new."""


class Figures(Protocol):
    """Counts for people. All methods raise StoreUnavailable when the database cannot do it now."""

    async def count(self, since: Mark) -> Counts:
        """What happened since then, in one snapshot."""
        ...

    async def traffic(self, days: int) -> Traffic:
        """What passed in the last `days` days. They are counted, never read off the wall clock."""
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
