"""One mail server behind us: deliveries on pooled connections, over SMTP or LMTP."""

import asyncio
import contextlib
import ssl

from mailguard import events
from mailguard.errors import NextHopUnavailable
from mailguard.mail.envelope import Session
from mailguard.smtp.auth import MECHANISMS
from mailguard.smtp.delivery import SmtpDelivery
from mailguard.smtp.dialog import BEFORE_FIRST_EHLO, command, offers, passed_through
from mailguard.smtp.host import ASIDE_S, Dialer, Host
from mailguard.smtp.introduced import Introduced
from mailguard.smtp.link import Link
from mailguard.smtp.private import PrivateHop, dial_private
from mailguard.smtp.timeouts import Timeouts
from mailguard.smtp.tls import NextHopTls, client_context
from mailguard.smtp.turn import Turn

POOLED = 20
"""Connections kept for reuse: the processes that Postfix's own example gives a proxy filter."""

MESSAGES_EACH = 100
"""Messages sent over one connection, so that a next hop's load balancer gets to choose again."""

NO_SESSION = Introduced(session=None, ident="")


class _HandshakeFailed(NextHopUnavailable):
    """The next hop agreed to TLS, and then it could not be had."""


class SmtpNextHop:
    """One host. See ports.NextHop, auth.Logins and turn.Route."""

    def __init__(
        self,
        host: Host | str,
        port: int = 0,
        *,
        hostname: str,
        tls: NextHopTls = NextHopTls.NONE,
        context: ssl.SSLContext | None = None,
        xclient: bool = False,
        timeouts: Timeouts | None = None,
        pooled: int = POOLED,
    ) -> None:
        """`host` is a name or address with a `port`, or says everything. `tls` does not concern a
        Unix socket, which leaves no machine."""
        self._host = host if isinstance(host, Host) else Host(name=host, port=port)
        self._peer = str(self._host)
        self._dialer = Dialer(self._host)
        self._hostname = hostname.encode("ascii")
        self._tls = NextHopTls.NONE if self._host.path else tls
        self._context = context
        self._xclient = xclient
        self._timeouts = timeouts or Timeouts()
        self._pooled = pooled
        self._idle: list[Link] = []
        self._keywords: tuple[str, ...] | None = None
        self._mechanisms: tuple[str, ...] = ()
        self._aside_until = 0.0
        self.trouble: NextHopUnavailable | None = None
        """Why it was last left aside."""

        self.is_missed = False
        """Another host was reported to have taken over for it."""

    def __str__(self) -> str:
        """For people: see :class:`mailguard.smtp.host.Host`."""
        return self._peer

    @property
    def keywords(self) -> tuple[str, ...]:
        """See ports.NextHop."""
        return BEFORE_FIRST_EHLO if self._keywords is None else self._keywords

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """See auth.Logins."""
        return self._mechanisms

    @property
    def is_met(self) -> bool:
        """It has said EHLO once."""
        return self._keywords is not None

    @property
    def is_aside(self) -> bool:
        """It could not be reached a short while ago."""
        return self._aside_until > 0 and asyncio.get_running_loop().time() < self._aside_until

    def leave_aside(self, error: NextHopUnavailable) -> None:
        """It could not be reached: others are asked first for a while."""
        # A copy: the frames that the error itself holds on to are long done with.
        self.trouble = NextHopUnavailable(str(error))
        self._aside_until = asyncio.get_running_loop().time() + ASIDE_S

    @property
    def known(self) -> tuple["SmtpNextHop", ...]:
        """See turn.Route."""
        return (self,)

    async def hosts(self) -> tuple["SmtpNextHop", ...]:
        """See turn.Route."""
        return (self,)

    async def open(self, session: Session | None = None, ident: str = "") -> SmtpDelivery:
        """See ports.NextHop."""
        client = Introduced(session=session, ident=ident)
        turn = Turn((self,), client, self._timeouts)
        host, link = await turn.start()
        return SmtpDelivery(host, link, self._timeouts, client, turn.another)

    async def dial(self) -> PrivateHop:
        """See auth.Logins."""
        turn = Turn((self,), NO_SESSION, self._timeouts, is_private=True)
        return await dial_private(turn, self._timeouts)

    async def probe(self) -> None:
        """Learn the next hop's keywords now. Raises NextHopUnavailable."""
        self.keep(await self.connect())

    async def close(self) -> None:
        """Close the pooled connections; those in use are closed after use."""
        self._pooled = 0
        while self._idle:
            self._idle.pop().quit()

    def pooled(self, client: Introduced) -> Link | None:
        """A connection for that client from the pool; none where it would have to be told first who
        the client is."""
        link = self._from_pool()
        if link is not None and self._xclient and client.must_speak(link):
            self.keep(link)
            return None
        return link

    def _from_pool(self) -> Link | None:
        while self._idle:
            link = self._idle.pop()
            if link.is_quiet:
                link.wake()
                return link
        return None

    async def connect_for(self, client: Introduced) -> Link:
        """A connection on which that client's mail can go, and which works. Raises
        NextHopUnavailable."""
        if self._xclient and self._idle and client.must_speak(self._idle[-1]):
            link = self._idle.pop()
            with contextlib.suppress(NextHopUnavailable):
                await self._speak_for(client, link)
                return link
        link = await self.connect()
        if self._xclient and client.must_speak(link):
            await self._speak_for(client, link)
        return link

    async def _speak_for(self, client: Introduced, link: Link) -> None:
        """Become that client, for the rest of the connection: it is not used for another."""
        is_done = False
        try:
            for line in client.xclient(link):
                reply = await link.ask(line, self._timeouts.greeting)
                if reply.code != 220:
                    raise NextHopUnavailable(f"{link.peer} answered XCLIENT with {reply.code}")
            link.is_spent = True
            await self._introduce(link, client.helo or self._hostname)
            is_done = True
        finally:
            if not is_done:
                # Must: whoever gets this link next would be taken for that client.
                link.abort()

    async def connect(self) -> Link:
        """A new connection that has said EHLO. Raises NextHopUnavailable."""
        if self._tls is not NextHopTls.MAY or self._host.is_wrapped:
            return await self._connect(self._tls)
        try:
            return await self._connect(NextHopTls.MAY)
        except _HandshakeFailed as error:
            # Opportunistic TLS keeps out who only listens; it must not keep out mail.
            events.next_hop_in_the_clear(self._peer, error)
            return await self._connect(NextHopTls.NONE)

    async def _connect(self, tls: NextHopTls) -> Link:
        link = await self._dialer.dial(self._timeouts.connect)
        link.answers_each = self._host.is_lmtp
        is_done = False
        try:
            if self._host.is_wrapped:
                await self._shake_hands(link)
            greeting = await link.reply(self._timeouts.greeting)
            if greeting.code != 220:
                raise NextHopUnavailable(f"{self._peer} greeted with {greeting.code}")
            keywords = await self._introduce(link, self._hostname)
            is_clear = tls is not NextHopTls.NONE and not self._host.is_wrapped
            if is_clear and await self._secure(link, tls):
                keywords = await self._introduce(link, self._hostname)
            self._keywords = keywords
            is_done = True
        finally:
            if not is_done:
                link.abort()
        self._aside_until = 0.0
        return link

    async def _secure(self, link: Link, tls: NextHopTls) -> bool:
        """Go over to TLS; False where it is not to be had and not needed."""
        patience = self._timeouts.greeting
        agrees = "STARTTLS" in link.offers and (await link.ask(command(b"STARTTLS"), patience))
        if not agrees or agrees.code != 220:
            if tls is NextHopTls.MAY:
                return False
            raise NextHopUnavailable(f"{link.peer} does not offer TLS")
        await self._shake_hands(link)
        return True

    async def _shake_hands(self, link: Link) -> None:
        if self._context is None:
            self._context = client_context(self._tls)
        try:
            await link.start_tls(self._context, self._host.name, self._timeouts.greeting)
        except NextHopUnavailable as error:
            raise _HandshakeFailed(str(error)) from error

    async def _introduce(self, link: Link, name: bytes) -> tuple[str, ...]:
        """Say EHLO, or HELO where that is not known (RFC 5321 §3.2); to LMTP it is LHLO and nothing
        else (RFC 2033 §4.1)."""
        verb = b"LHLO" if self._host.is_lmtp else b"EHLO"
        reply = await link.ask(command(verb + b" ", name), self._timeouts.greeting)
        if reply.is_positive:
            link.offers = offers(reply)
            offered = link.offers.get("AUTH", "").upper().split() if link.is_private else ()
            self._mechanisms = tuple(word for word in offered if word in MECHANISMS)
            return passed_through(reply)
        if not self._host.is_lmtp:
            verb = b"HELO"
            reply = await link.ask(command(b"HELO ", name), self._timeouts.greeting)
        if not reply.is_positive:
            raise NextHopUnavailable(f"{self._peer} answered {verb.decode()} with {reply.code}")
        return ()

    def keep(self, link: Link) -> None:
        """See delivery.Pool."""
        self._idle = [idle for idle in self._idle if idle.is_quiet]
        if len(self._idle) >= self._pooled or link.messages >= MESSAGES_EACH or link.is_spent:
            link.quit()
            return
        link.rest(self._timeouts.idle)
        self._idle.append(link)

    def drop(self, link: Link) -> None:
        """See delivery.Pool."""
        link.abort()
