"""The next hop over SMTP: deliveries on pooled connections."""

import asyncio
import contextlib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from mailguard import events, metrics
from mailguard.errors import NextHopUnavailable
from mailguard.mail.envelope import Session
from mailguard.mail.raw import Raw
from mailguard.mail.reply import Replies, Reply
from mailguard.smtp.auth import MECHANISMS
from mailguard.smtp.dialog import BEFORE_FIRST_EHLO, command, offers, passed_through, stuff
from mailguard.smtp.introduced import Introduced
from mailguard.smtp.link import Link
from mailguard.smtp.tls import NextHopTls, client_context

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


class Pool(Protocol):
    """Where a delivery's connection comes from and goes back to."""

    async def connect(self) -> Link:
        """A new connection that has said EHLO. Raises NextHopUnavailable."""
        ...

    def keep(self, link: Link) -> None:
        """Take back a connection on which no transaction is open."""
        ...

    def drop(self, link: Link) -> None:
        """Take back one that is of no more use."""
        ...


class _HandshakeFailed(NextHopUnavailable):
    """The next hop agreed to TLS, and then it could not be had."""


class SmtpNextHop:
    """A mail server at a host name, IPv4 or IPv6 address and port. See ports.NextHop."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        hostname: str,
        tls: NextHopTls = NextHopTls.NONE,
        context: ssl.SSLContext | None = None,
        xclient: bool = False,
        timeouts: Timeouts | None = None,
        pooled: int = POOLED,
    ) -> None:
        self._host = host
        self._port = port
        self._hostname = hostname.encode("ascii")
        self._tls = tls
        self._context = context
        self._xclient = xclient
        self._timeouts = timeouts or Timeouts()
        self._pooled = pooled
        self._idle: list[Link] = []
        self._keywords: tuple[str, ...] = BEFORE_FIRST_EHLO
        self._mechanisms: tuple[str, ...] = ()

    @property
    def keywords(self) -> tuple[str, ...]:
        """See ports.NextHop."""
        return self._keywords

    async def open(self, session: Session | None = None, ident: str = "") -> "SmtpDelivery":
        """See ports.NextHop."""
        client = Introduced(session=session, ident=ident)
        link = self._from_pool()
        is_fresh = link is None
        link = link or await self.connect()
        if client.must_speak(link) and self._xclient:
            link = await self._speak_for(client, link, is_fresh=is_fresh)
            is_fresh = True
        return SmtpDelivery(self, link, self._timeouts, client, is_fresh=is_fresh)

    def _from_pool(self) -> Link | None:
        while self._idle:
            link = self._idle.pop()
            if link.is_quiet:
                link.wake()
                return link
        return None

    async def _speak_for(self, client: Introduced, link: Link, *, is_fresh: bool) -> Link:
        """Become that client, for the rest of the connection: it is not used for another."""
        is_done = False
        try:
            for line in client.xclient(link):
                reply = await link.ask(line, self._timeouts.greeting)
                if reply.code != 220:
                    raise NextHopUnavailable(f"{link.peer} answered XCLIENT with {reply.code}")
            link.is_spent = True
            await self._introduce(link, link.peer, is_greeted=True, name=client.helo)
            is_done = True
            return link
        except NextHopUnavailable:
            if is_fresh:
                raise
        finally:
            if not is_done:
                # Must: whoever gets this link next would be taken for that client.
                link.abort()
        return await self._speak_for(client, await self.connect(), is_fresh=True)

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """See auth.Logins."""
        return self._mechanisms

    async def dial(self) -> "PrivateHop":
        """See auth.Logins."""
        link = await self.connect()
        if not link.is_private:
            link.quit()
            raise NextHopUnavailable(f"{link.peer} would get passwords in the clear")
        return PrivateHop(link, self._keywords, self._timeouts)

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
        if self._tls is not NextHopTls.MAY:
            return await self._connect(self._tls)
        try:
            return await self._connect(NextHopTls.MAY)
        except _HandshakeFailed as error:
            # Opportunistic TLS keeps out who only listens; it must not keep out mail.
            events.next_hop_in_the_clear(f"{self._host}:{self._port}", error)
            return await self._connect(NextHopTls.NONE)

    async def _connect(self, tls: NextHopTls) -> Link:
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
            if tls is not NextHopTls.NONE and await self._secure(link, tls):
                self._keywords = await self._introduce(link, peer, is_greeted=True)
        except BaseException:
            link.abort()
            raise
        return link

    async def _secure(self, link: Link, tls: NextHopTls) -> bool:
        """Go over to TLS; False where it is not to be had and not needed."""
        patience = self._timeouts.greeting
        agrees = "STARTTLS" in link.offers and (await link.ask(command(b"STARTTLS"), patience))
        if not agrees or agrees.code != 220:
            if tls is NextHopTls.MAY:
                return False
            raise NextHopUnavailable(f"{link.peer} does not offer TLS")
        if self._context is None:
            self._context = client_context(tls)
        try:
            await link.start_tls(self._context, self._host, patience)
        except NextHopUnavailable as error:
            raise _HandshakeFailed(str(error)) from error
        return True

    async def _introduce(
        self, link: Link, peer: str, *, is_greeted: bool = False, name: bytes = b""
    ) -> tuple[str, ...]:
        """Read the greeting and say EHLO, or HELO where that is not known (RFC 5321 §3.2)."""
        if not is_greeted:
            greeting = await link.reply(self._timeouts.greeting)
            if greeting.code != 220:
                raise NextHopUnavailable(f"{peer} greeted with {greeting.code}")
        name = name or self._hostname
        ehlo = await link.ask(command(b"EHLO ", name), self._timeouts.greeting)
        if ehlo.is_positive:
            link.offers = offers(ehlo)
            offered = link.offers.get("AUTH", "").upper().split() if link.is_private else ()
            self._mechanisms = tuple(word for word in offered if word in MECHANISMS)
            return passed_through(ehlo)
        helo = await link.ask(command(b"HELO ", name), self._timeouts.greeting)
        if not helo.is_positive:
            raise NextHopUnavailable(f"{peer} answered HELO with {helo.code}")
        return ()

    def keep(self, link: Link) -> None:
        """Take back a connection on which no transaction is open."""
        self._idle = [idle for idle in self._idle if idle.is_quiet]
        if len(self._idle) >= self._pooled or link.messages >= MESSAGES_EACH or link.is_spent:
            link.quit()
            return
        link.rest(self._timeouts.idle)
        self._idle.append(link)

    def drop(self, link: Link) -> None:
        """See Pool."""
        link.abort()


class PrivateHop:
    """The next hop on the one connection that one client has logged in on. See auth.Dialogue and
    ports.NextHop."""

    def __init__(self, link: Link, keywords: tuple[str, ...], timeouts: Timeouts) -> None:
        self._link = link
        self._timeouts = timeouts
        self._in_use = asyncio.Lock()
        self._is_closing = False
        self.keywords = keywords

    @property
    def is_alive(self) -> bool:
        """See auth.Dialogue."""
        return self._link.is_quiet

    @property
    def hop(self) -> "PrivateHop":
        """See auth.Dialogue."""
        return self

    async def ask(self, line: bytes) -> Reply:
        """See auth.Dialogue."""
        return await self._link.ask(command(line), self._timeouts.command)

    async def open(self, session: Session | None = None, ident: str = "") -> "SmtpDelivery":
        """See ports.NextHop. The delivery before has been closed first."""
        await self._in_use.acquire()
        client = Introduced(session=session, ident=ident)
        return SmtpDelivery(self, self._link, self._timeouts, client, is_fresh=True)

    async def connect(self) -> Link:
        """See Pool. Another connection would not be the client's."""
        raise NextHopUnavailable(f"{self._link.peer} has closed a connection with a login")

    def keep(self, link: Link) -> None:
        """See Pool."""
        self._in_use.release()
        if self._is_closing:
            link.quit()

    def drop(self, link: Link) -> None:
        """See Pool."""
        link.abort()
        self._in_use.release()

    def close(self) -> None:
        """See auth.Dialogue. A message under way is finished first."""
        self._is_closing = True
        if not self._in_use.locked():
            self._link.quit()


class SmtpDelivery:
    """One transaction. See ports.Delivery."""

    def __init__(
        self,
        next_hop: Pool,
        link: Link,
        timeouts: Timeouts,
        client: Introduced,
        *,
        is_fresh: bool,
    ) -> None:
        self._next_hop = next_hop
        self._link = link
        self._timeouts = timeouts
        self._client = client
        self._is_fresh = is_fresh
        self._is_open = False
        self._is_closed = False
        self._accepted = 0

    async def mail(self, argument: bytes) -> Reply:
        """See ports.Delivery."""
        line = command(b"MAIL FROM:", argument)
        was_fresh, self._is_fresh = self._is_fresh, True
        self._is_open = True
        try:
            reply = await self._begin(line)
        except NextHopUnavailable:
            if was_fresh:
                raise
            self._link = await self._next_hop.connect()
            reply = await self._begin(line)
        self._is_open = reply.is_positive
        self._accepted = 0
        metrics.next_hop_replied("mail", reply.code)
        return reply

    async def _begin(self, line: bytes) -> Reply:
        """Say whose message it is, for each transaction anew, and MAIL."""
        link = self._link
        told = self._client.commands(link)
        *answers, reply = await link.ask_all((*told, line), self._timeouts.command)
        for answer in answers:
            if not answer.is_positive:
                # As Postfix does: it costs the next hop's log a name, and no mail is late for it.
                events.xforward_refused(link.peer, answer)
                link.offers.pop("XFORWARD", None)
                break
        return self._final(reply)

    async def rcpt(self, argument: bytes) -> Reply:
        """See ports.Delivery."""
        reply = await self._ask(command(b"RCPT TO:", argument))
        metrics.next_hop_replied("rcpt", reply.code)
        self._accepted += reply.is_positive
        return reply

    async def data(self, head: bytes, raw: Raw) -> Replies:
        """See ports.Delivery."""
        return (await self._data(head, raw),) * self._accepted

    async def _data(self, head: bytes, raw: Raw) -> Reply:
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
                self._next_hop.drop(self._link)
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
