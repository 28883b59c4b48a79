"""What is remembered of messages so that none arrives twice: replies that nobody read, and who has
a message already."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mailguard.mail.reply import Replies
from mailguard.ports.keeping import AuditEntry
from mailguard.quarantine.held import HeldId, HeldMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadReply:
    """What a client was told and may never have read."""

    replies: Replies
    """Empty while the message is still being judged or passed on, for a client that has gone."""

    queue_id: str
    """Of the message that it was about."""

    held_id: HeldId | None = None
    """That message waits in quarantine."""


class Receipts(Protocol):
    """Fingerprints are those of :mod:`mailguard.mail.fingerprint`, and time is counted.

    The `has_` methods never raise and never take long: they say what this process knew a moment
    ago. All others raise StoreUnavailable when the database cannot do it now; what was kept for
    another process is then not known, and mail must go on without it.
    """

    async def has_unread(self, fingerprint: str) -> bool:
        """Whether the reply to this very message may be one that its client never read."""
        ...

    async def has_any_unread(self) -> bool:
        """Whether there is any such reply: otherwise no message need be hashed."""
        ...

    async def has_similar(self, trace_free: str) -> bool:
        """Whether such a reply was to a message like this but for its ``Received:`` fields."""
        ...

    async def has_any_delivered(self) -> bool:
        """Whether there is anything for :meth:`delivered` to say of any message."""
        ...

    async def keep_unread(
        self, fingerprint: str, replies: Replies, queue_id: str, *, trace_free: str
    ) -> None:
        """Remember for 24 hours the replies to a message, which its client may not have read; none
        while they are not known yet. Durable on return.
        """
        ...

    async def drop_unread(self, fingerprint: str, queue_id: str) -> None:
        """Forget that a reply was to come: the message was not taken after all."""
        ...

    async def forget_unread(self, fingerprint: str, *, but: str) -> bool:
        """Forget what is remembered of any message like this but the one with this queue id: it has
        come again, and is answered. True if there was anything."""
        ...

    async def take_unread(
        self, fingerprint: str, merged: Callable[[HeldMessage], AuditEntry]
    ) -> UnreadReply | None:
        """The replies to this message, each at most once, whoever asks. Those that are not known
        yet may be asked for again.

        None when there are none, or a person has decided about the message meanwhile. If it waits
        in quarantine, the entry `merged` is committed with it.
        """
        ...

    async def delivered(self, fingerprint: str) -> frozenset[str]:
        """The RCPT addresses that have this message already."""
        ...

    async def note_delivered(self, fingerprint: str, addresses: Sequence[str]) -> None:
        """Remember for 7 days that these have it. Durable on return."""
        ...

    async def forget_delivered(self, fingerprint: str, addresses: Sequence[str]) -> None:
        """The sender does not send it to these again."""
        ...
