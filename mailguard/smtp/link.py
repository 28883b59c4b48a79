"""One connection to a next hop: bytes out, replies in, and what went wrong."""

import asyncio
import ipaddress
import ssl
from collections import deque
from collections.abc import Sequence
from typing import cast

from mailguard.errors import NextHopUnavailable
from mailguard.mail.reply import Reply
from mailguard.smtp.deadline import Deadline
from mailguard.smtp.dialog import NoReply, ReplyReader, command
from mailguard.smtp.tls import TlsFailed, TlsLayer

UNREAD_BYTES = 1 << 20
"""Of replies that wait to be read: an LMTP server's to one message with a thousand recipients."""


class SaidFarewell(NextHopUnavailable):
    """421: what was asked is refused for now, and the connection ends (RFC 5321 §3.8)."""


class Link(asyncio.Protocol):
    """Strictly one command after the other. Once broken it stays so, and says why.

    The reason names `peer` and never quotes a reply: it goes to the log.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, peer: str, *, is_local: bool = False
    ) -> None:
        self._loop = loop
        self.peer = peer
        self._is_local = is_local
        self._transport: asyncio.Transport | None = None
        self._reader = ReplyReader()
        self._replies: deque[Reply] = deque()
        self._unread = 0
        self._owed = 0
        self._waiter: asyncio.Future[None] | None = None
        self._is_full = False
        self._broken = ""
        self._deadline = Deadline(loop, self._expire)
        self._tls: TlsLayer | None = None
        self.messages = 0
        """Messages sent over it so far."""

        self.is_spent = False
        """It has become some client's, and is nobody else's ever again."""

        self.answers_each = False
        """After the final dot comes a reply for each recipient (RFC 2033 §4.2)."""

        self.offers: dict[str, str] = {}
        """What the next hop's EHLO offered on it: see :func:`mailguard.smtp.dialog.offers`."""

    @property
    def is_quiet(self) -> bool:
        """It works, every command has had its reply, and nothing else was said."""
        return not self._broken and self._owed == 0 and not self._replies

    @property
    def is_private(self) -> bool:
        """Nobody can listen in: it is encrypted, or does not leave this machine."""
        if self._is_local or (self._tls is not None and self._tls.is_ready):
            return True
        peer = self._transport.get_extra_info("peername") if self._transport else None
        if not peer:
            return False
        return ipaddress.ip_address(peer[0].partition("%")[0]).is_loopback

    async def ask(self, line: bytes, timeout: float) -> Reply:
        """Write a command line and return the reply. Raises NextHopUnavailable."""
        self.write(line)
        return await self.reply(timeout)

    async def ask_all(self, lines: Sequence[bytes], timeout: float) -> list[Reply]:
        """Ask several, in one packet where the next hop has PIPELINING. Raises
        NextHopUnavailable."""
        if "PIPELINING" not in self.offers:
            return [await self.ask(line, timeout) for line in lines]
        self.write(b"".join(lines))
        self._owed += len(lines)
        replies = []
        for _ in lines:
            replies.append(await self.reply(timeout))
            self._owed -= 1
        return replies

    async def reply(self, timeout: float) -> Reply:
        """Return the next reply. Raises NextHopUnavailable; where it was a 421, SaidFarewell."""
        self._owed += 1
        self._deadline.set(timeout)
        try:
            while not self._replies:
                await self._wait()
        finally:
            self._deadline.clear()
        self._owed -= 1
        reply = self._replies.popleft()
        if not self._replies:
            self._unread = 0
        if reply.code == 421:
            self._break("closed with 421")
            raise SaidFarewell(str(self._unavailable()))
        return reply

    def write(self, data: bytes) -> None:
        """Hand `data` to the kernel or its queue. Raises NextHopUnavailable, with nothing written,
        when the link is broken already.

        A reply that nobody has asked for breaks it: were it taken for the answer to what comes
        next, a message could be thought delivered.
        """
        if self._replies:
            self._break("replied out of turn")
        if self._broken or self._transport is None:
            raise self._unavailable()
        try:
            self._put(data)
        except TlsFailed as error:
            self._break(f"failed at TLS: {error}")
            raise self._unavailable() from error

    async def start_tls(self, context: ssl.SSLContext, host: str, timeout: float) -> None:
        """Shake hands, once the next hop has agreed to; raises NextHopUnavailable.

        What it said in the clear before that is worth nothing: the link is broken where it has
        already said more (a reply to what we are only going to ask).
        """
        if self._replies or not self._reader.is_at_start:
            self._break("spoke in the clear behind STARTTLS")
        if self._broken or self._transport is None:
            raise self._unavailable()
        self._tls = TlsLayer(context, is_server=False, host=host)
        self._tls.begin()
        self._transport.write(self._tls.take())
        self.offers = {}
        self._deadline.set(timeout)
        try:
            while not self._tls.is_ready:
                await self._wait()
        finally:
            self._deadline.clear()

    async def drain(self, timeout: float) -> None:
        """Wait until the next hop has taken most of what was written. Raises NextHopUnavailable."""
        self._deadline.set(timeout)
        try:
            while self._is_full and not self._replies:
                await self._wait()
        finally:
            self._deadline.clear()

    def rest(self, seconds: float) -> None:
        """Nobody uses it now: close it politely unless it is used again within `seconds`."""
        self._deadline.set(seconds)

    def wake(self) -> None:
        """It is used again."""
        self._deadline.clear()

    def quit(self) -> None:
        """Close politely, waiting for nothing."""
        if self._transport is not None and not self._broken:
            self._put(command(b"QUIT"))
            if self._tls is not None:
                self._tls.close()
                self._transport.write(self._tls.take())
            self._transport.close()
        self._broken = self._broken or "was closed by us"

    def abort(self) -> None:
        """Close at once: the next hop throws away what has no final dot."""
        self._break("was dropped by us")

    async def _wait(self) -> None:
        """Until something changes."""
        if self._broken:
            raise self._unavailable()
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the way out."""
        # uvloop's transports do not inherit from asyncio's, so nothing can be asserted.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Collect replies."""
        try:
            replies = self._reader.feed(self._decrypt(data))
        except TlsFailed as error:
            self._break(f"failed at TLS: {error}")
            return
        except NoReply as error:
            # What was said before stands: over LMTP it is about another recipient.
            self._replies.extend(error.before)
            self._break(str(error))
            return
        self._replies.extend(replies)
        self._unread += len(data)
        if self._unread > UNREAD_BYTES:
            self._break("said too much at a time")
            return
        self._rouse()

    def connection_lost(self, error: Exception | None) -> None:
        """The next hop closed, or we did."""
        self._break("closed the connection")

    def pause_writing(self) -> None:
        """The kernel takes no more for now."""
        self._is_full = True

    def resume_writing(self) -> None:
        """It does again."""
        self._is_full = False
        self._rouse()

    def _decrypt(self, data: bytes) -> bytes:
        if self._tls is None:
            return data
        assert self._transport is not None
        try:
            return self._tls.feed(data)
        finally:
            self._transport.write(self._tls.take())

    def _put(self, data: bytes) -> None:
        assert self._transport is not None
        if self._tls is not None:
            self._tls.write(data)
            data = self._tls.take()
        self._transport.write(data)

    def _expire(self) -> None:
        if self._waiter is None:
            self.quit()
        else:
            self._break("did not answer in time")

    def _break(self, why: str) -> None:
        self._broken = self._broken or why
        self._deadline.cancel()
        if self._transport is not None:
            self._transport.abort()
        self._rouse()

    def _rouse(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _unavailable(self) -> NextHopUnavailable:
        return NextHopUnavailable(f"{self.peer} {self._broken or 'is not connected'}")
