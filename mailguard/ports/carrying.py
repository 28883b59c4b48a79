"""The way on: a next hop, and one transaction at it."""

from typing import Protocol

from mailguard.mail.envelope import Session
from mailguard.mail.raw import Raw
from mailguard.mail.reply import Replies, Reply


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

    async def data(self, head: bytes, raw: Raw) -> Replies:
        """Send DATA, then `head` and `raw`, dot-stuffed, and return a reply for each recipient
        that was accepted since MAIL, in that order: over LMTP each has its own (RFC 2033 §4.2),
        over SMTP, and where DATA was not answered with 354, all have the same.

        NO_LAST_WORD stands for those that a connection which broke amid the replies still owed.
        """
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
