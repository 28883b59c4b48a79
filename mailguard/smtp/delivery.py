"""One transaction at a next hop, on a connection that somebody else got and takes back."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol

from mailguard import events, metrics
from mailguard.errors import NextHopUnavailable
from mailguard.mail.raw import Raw
from mailguard.mail.reply import NO_LAST_WORD, Replies, Reply
from mailguard.smtp.dialog import command, stuff
from mailguard.smtp.introduced import Introduced
from mailguard.smtp.link import Link, SaidFarewell
from mailguard.smtp.timeouts import Timeouts


class Pool(Protocol):
    """Where a delivery's connection goes back to."""

    def keep(self, link: Link) -> None:
        """Take back a connection on which no transaction is open."""
        ...

    def drop(self, link: Link) -> None:
        """Take back one that is of no more use."""
        ...


Another = Callable[[NextHopUnavailable], Awaitable[tuple[Pool, Link]]]
"""A further connection, told why the last one was of no use. Raises NextHopUnavailable when there
is none."""


class SmtpDelivery:
    """One transaction, over SMTP or LMTP. See ports.Delivery."""

    def __init__(
        self,
        pool: Pool,
        link: Link,
        timeouts: Timeouts,
        client: Introduced,
        another: Another | None = None,
    ) -> None:
        self._pool = pool
        self._link = link
        self._timeouts = timeouts
        self._client = client
        self._another = another
        self._is_open = False
        self._is_closed = False
        self._accepted = 0

    async def mail(self, argument: bytes) -> Reply:
        """See ports.Delivery."""
        line = command(b"MAIL FROM:", argument)
        # Must: only at the very first MAIL. Later the client knows of recipients that were
        # accepted, and another connection has not heard of them.
        another, self._another = self._another, None
        self._is_open = True
        self._accepted = 0
        while True:
            try:
                reply = await self._begin(line)
                break
            except NextHopUnavailable as error:
                if another is None:
                    raise
                self._pool, self._link = await another(error)
        self._is_open = reply.is_positive
        metrics.next_hop_replied("mail", reply.code)
        return reply

    async def _begin(self, line: bytes) -> Reply:
        """Say whose message it is, for each transaction anew, and MAIL."""
        link = self._link
        told = self._client.commands(link)
        if not told:
            return await self._ask(line)
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
        link = self._link
        reply = await link.ask(command(b"DATA"), self._timeouts.command)
        metrics.next_hop_replied("data", reply.code)
        if reply.is_temporary or reply.is_permanent:
            return (reply,) * self._accepted
        if reply.code != 354 or not self._accepted:
            # Must: before the final dot no 2xx can mean that the message was taken; and over LMTP
            # nobody would say anything after a dot for no recipient.
            raise self._out_of_turn(reply)
        try:
            replies = await self._send(stuff(_with_head(head, raw)))
        except BaseException:
            # Must: a command on a link amid data would become part of the message.
            link.abort()
            raise
        link.messages += 1
        self._is_open = False
        for reply in replies if link.answers_each else replies[:1]:
            metrics.next_hop_replied("dot", reply.code)
        return replies

    async def _send(self, blocks: Iterator[bytes]) -> Replies:
        for block in blocks:
            # Waiting comes before writing: a link that breaks here has not had the final dot.
            await self._link.drain(self._timeouts.command)
            self._link.write(block)
        try:
            if self._link.answers_each:
                return await self._last_words()
            return (self._final(await self._link.reply(self._timeouts.final)),) * self._accepted
        except NextHopUnavailable as error:
            # A 421 refuses the message; but by LMTP it speaks for one recipient only.
            if isinstance(error, SaidFarewell) and not self._link.answers_each:
                raise
            raise NextHopUnavailable(str(error), may_have_accepted=True) from error

    async def _last_words(self) -> Replies:
        """One for each recipient, in the order of their RCPTs (RFC 2033 §4.2)."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._timeouts.final
        replies: list[Reply] = []
        while len(replies) < self._accepted:
            try:
                reply = await self._link.reply(max(ends - loop.time(), 0))
                replies.append(self._final(reply))
            except NextHopUnavailable:
                if not replies:
                    raise
                # Must: what was said stands. Whoever has the message must not be sent it again for
                # want of a word about others.
                replies += [NO_LAST_WORD] * (self._accepted - len(replies))
        return tuple(replies)

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
                self._pool.drop(self._link)
            else:
                self._pool.keep(self._link)

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
