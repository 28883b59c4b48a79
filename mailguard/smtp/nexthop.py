"""The next hop over SMTP: deliveries on pooled connections."""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from mailguard import metrics
from mailguard.errors import NextHopUnavailable
from mailguard.mail.raw import Raw
from mailguard.mail.reply import Reply
from mailguard.smtp.dialog import BEFORE_FIRST_EHLO, command, passed_through, stuff
from mailguard.smtp.link import Link

POOLED = 20
"""Connections kept for reuse: the processes that Postfix's own example gives a proxy filter."""

MESSAGES_EACH = 100
"""Messages sent over one connection, so that a next hop's load balancer gets to choose again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds. None alone uses up the 80 s for a whole answer, nor the 100 s that Postfix's
    `smtpd_proxy_timeout` allows for a reply."""

    connect: float = 10
    greeting: float = 20
    """For the greeting, and for the reply to EHLO; Postfix's postscreen takes 6."""

    command: float = 60
    final: float = 60
    """From the final dot to its reply. RFC 5321 §4.5.3.2.6 wants ten minutes; our own client does
    not wait so long, and a late 250 is a message delivered twice."""

    idle: float = 60
    """A connection unused for so long is closed. Postfix closes after 300."""


class SmtpNextHop:
    """A mail server at a host name, IPv4 or IPv6 address and port. See ports.NextHop."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        hostname: str,
        timeouts: Timeouts | None = None,
        pooled: int = POOLED,
    ) -> None:
        self._host = host
        self._port = port
        self._hostname = hostname.encode("ascii")
        self._timeouts = timeouts or Timeouts()
        self._pooled = pooled
        self._idle: list[Link] = []
        self._keywords: tuple[str, ...] = BEFORE_FIRST_EHLO

    @property
    def keywords(self) -> tuple[str, ...]:
        """See ports.NextHop."""
        return self._keywords

    async def open(self) -> "SmtpDelivery":
        """See ports.NextHop."""
        while self._idle:
            link = self._idle.pop()
            if link.is_quiet:
                link.wake()
                return SmtpDelivery(self, link, self._timeouts, is_fresh=False)
        return SmtpDelivery(self, await self.connect(), self._timeouts, is_fresh=True)

    async def probe(self) -> None:
        """Learn the next hop's keywords now. Raises NextHopUnavailable."""
        self.keep(await self.connect())

    async def close(self) -> None:
        """Close the pooled connections; those in use are closed after use."""
        self._pooled = 0
        while self._idle:
            self._idle.pop().quit()

    async def connect(self) -> Link:
        """A new connection that has said EHLO. Raises NextHopUnavailable."""
        loop = asyncio.get_running_loop()
        peer = f"{self._host}:{self._port}"
        try:
            async with asyncio.timeout(self._timeouts.connect):
                _, link = await loop.create_connection(
                    lambda: Link(loop, peer), self._host, self._port
                )
        except OSError as error:  # TimeoutError is one
            raise NextHopUnavailable(f"{peer} cannot be reached: {type(error).__name__}") from error
        try:
            self._keywords = await self._introduce(link, peer)
        except BaseException:
            link.abort()
            raise
        return link

    async def _introduce(self, link: Link, peer: str) -> tuple[str, ...]:
        """Read the greeting and say EHLO, or HELO where that is not known (RFC 5321 §3.2)."""
        greeting = await link.reply(self._timeouts.greeting)
        if greeting.code != 220:
            raise NextHopUnavailable(f"{peer} greeted with {greeting.code}")
        ehlo = await link.ask(command(b"EHLO ", self._hostname), self._timeouts.greeting)
        if ehlo.is_positive:
            return passed_through(ehlo)
        helo = await link.ask(command(b"HELO ", self._hostname), self._timeouts.greeting)
        if not helo.is_positive:
            raise NextHopUnavailable(f"{peer} answered HELO with {helo.code}")
        return ()

    def keep(self, link: Link) -> None:
        """Take back a connection on which no transaction is open."""
        self._idle = [idle for idle in self._idle if idle.is_quiet]
        if len(self._idle) >= self._pooled or link.messages >= MESSAGES_EACH:
            link.quit()
            return
        link.rest(self._timeouts.idle)
        self._idle.append(link)


class SmtpDelivery:
    """One transaction. See ports.Delivery."""

    def __init__(
        self, next_hop: SmtpNextHop, link: Link, timeouts: Timeouts, *, is_fresh: bool
    ) -> None:
        self._next_hop = next_hop
        self._link = link
        self._timeouts = timeouts
        self._is_fresh = is_fresh
        self._is_open = False
        self._is_closed = False

    async def mail(self, argument: bytes) -> Reply:
        """See ports.Delivery."""
        line = command(b"MAIL FROM:", argument)
        was_fresh, self._is_fresh = self._is_fresh, True
        self._is_open = True
        try:
            reply = await self._ask(line)
        except NextHopUnavailable:
            if was_fresh:
                raise
            self._link = await self._next_hop.connect()
            reply = await self._ask(line)
        self._is_open = reply.is_positive
        metrics.next_hop_replied("mail", reply.code)
        return reply

    async def rcpt(self, argument: bytes) -> Reply:
        """See ports.Delivery."""
        reply = await self._ask(command(b"RCPT TO:", argument))
        metrics.next_hop_replied("rcpt", reply.code)
        return reply

    async def data(self, head: bytes, raw: Raw) -> Reply:
        """See ports.Delivery."""
        link = self._link
        reply = await link.ask(command(b"DATA"), self._timeouts.command)
        metrics.next_hop_replied("data", reply.code)
        if reply.is_temporary or reply.is_permanent:
            return reply
        if reply.code != 354:
            # Must: before the final dot no 2xx can mean that the message was taken.
            raise self._out_of_turn(reply)
        try:
            reply = await self._send(stuff(_with_head(head, raw)))
        except BaseException:
            # Must: a command on a link amid data would become part of the message.
            link.abort()
            raise
        metrics.next_hop_replied("dot", reply.code)
        link.messages += 1
        self._is_open = False
        return reply

    async def _send(self, blocks: Iterator[bytes]) -> Reply:
        for block in blocks:
            # Waiting comes before writing: a link that breaks here has not had the final dot.
            await self._link.drain(self._timeouts.command)
            self._link.write(block)
        try:
            return self._final(await self._link.reply(self._timeouts.final))
        except NextHopUnavailable as error:
            raise NextHopUnavailable(str(error), may_have_accepted=True) from error

    async def reset(self) -> None:
        """See ports.Delivery."""
        reply = await self._ask(command(b"RSET"))
        if not reply.is_positive:
            self._link.abort()
            raise NextHopUnavailable(f"RSET was answered with {reply.code}")
        self._is_open = False

    async def close(self) -> None:
        """See ports.Delivery."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            if self._is_open and self._link.is_quiet:
                with contextlib.suppress(NextHopUnavailable):
                    await self.reset()
        finally:
            if self._is_open or not self._link.is_quiet:
                self._link.abort()
            else:
                self._next_hop.keep(self._link)

    async def _ask(self, line: bytes) -> Reply:
        return self._final(await self._link.ask(line, self._timeouts.command))

    def _final(self, reply: Reply) -> Reply:
        """Pass on a reply that ends something; 3xx would confuse our client too."""
        if reply.is_intermediate:
            raise self._out_of_turn(reply)
        return reply

    def _out_of_turn(self, reply: Reply) -> NextHopUnavailable:
        self._link.abort()
        return NextHopUnavailable(f"a reply came out of turn: {reply.code}")


def _with_head(head: bytes, raw: Raw) -> Iterator[bytes]:
    """`head`, then `raw`; joined where that makes a whole message one block."""
    chunks = raw.chunks()
    yield head + next(chunks, b"")
    yield from chunks
