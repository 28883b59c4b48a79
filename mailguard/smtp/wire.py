"""Both directions of one client connection: command lines and blocks in, replies out."""

import asyncio
import math
import ssl
from typing import cast

from mailguard.mail.reply import Reply
from mailguard.smtp.deadline import Deadline
from mailguard.smtp.proxy import HEADER_S, Proxied, read_header
from mailguard.smtp.tls import TlsFailed, TlsLayer

COMMAND_LENGTH = 4096
"""Longest command line, CRLF included. RFC 5321 §4.5.3.1.4 wants 512 and room for what extensions
add (ORCPT alone 500); Postfix's `line_length_limit` is 2048."""

HANDSHAKE_S = 30.0
"""For a TLS handshake; Postfix's `smtpd_starttls_timeout` is 300 with nobody waiting in line."""


class ClientGone(Exception):
    """The client closed its side, or the connection broke."""


class LineTooLong(Exception):
    """A line was longer than it may be; it has been read to its end."""


class Wire:
    """Takes what a client sends, and writes replies when it would otherwise have to wait.

    So the replies to a pipelined group leave in one packet (RFC 2920 §3.2), and never later than
    the client needs them to go on. While waiting for the client, and only then, the deadline runs.
    The connection puts bytes in with :meth:`feed`; one task takes them out.
    """

    def __init__(self, writer: asyncio.StreamWriter, deadline: Deadline, idle_s: float) -> None:
        self._writer = writer
        self._deadline = deadline
        self._idle_s = idle_s
        self._until = math.inf
        self._waiter: asyncio.Future[None] | None = None
        self._arrived: list[bytes] = []
        self._pending = b""
        self._start = 0
        self._replies: list[bytes] = []
        self._is_paused = False
        self._is_full = False
        self._is_gone = False
        self._tls: TlsLayer | None = None
        self._failure: TlsFailed | None = None

    @property
    def is_waiting(self) -> bool:
        """The task waits for the client, not for anything of ours."""
        return self._waiter is not None

    @property
    def has_input(self) -> bool:
        """The client has sent more than was taken out."""
        return bool(self._arrived) or self._start < len(self._pending)

    @property
    def is_spent(self) -> bool:
        """Nothing more will ever come from the client, which may still read."""
        return self._is_gone and not self.has_input

    @property
    def _transport(self) -> asyncio.Transport:
        # A client's is never only a WriteTransport.
        return cast(asyncio.Transport, self._writer.transport)

    async def line(self, limit: int = COMMAND_LENGTH) -> bytes:
        """The next command line of at most `limit` bytes, its line end included. The patience is
        for all of it (RFC 5321 §4.5.3.2.7), not for each byte. Raises LineTooLong and ClientGone.
        """
        too_long = False
        while (end := self._pending.find(b"\n", self._start)) < 0:
            if self._until == math.inf:
                self.finish_within(self._idle_s)
            rest = self._pending[self._start :]
            too_long = too_long or len(rest) > limit
            self._pending = (b"" if too_long else rest) + await self._read()
            self._start = 0
        self._until = math.inf
        line = self._pending[self._start : end + 1]
        self._start = end + 1
        if too_long or len(line) > limit:
            raise LineTooLong
        return line

    async def proxy_header(self) -> Proxied:
        """What stands before anything else on a load balancer's connection. Raises BadHeader and
        ClientGone."""
        self.finish_within(HEADER_S)
        while (header := read_header(self._pending)) is None:
            self._pending += await self._read()
        self._start = header.length
        self.finish_within(math.inf)
        return header

    async def block(self) -> bytes:
        """At least one byte; what arrived in one go, uvloop reads 256,000. Raises ClientGone."""
        if self._start == len(self._pending):
            return await self._read()
        block = self._pending[self._start :]
        self.give_back(b"")
        return block

    def give_back(self, rest: bytes) -> None:
        """Return what follows the end of the data in the last block: pipelined commands."""
        self._pending = rest
        self._start = 0

    def finish_within(self, seconds: float) -> None:
        """From now on wait for the client no longer than this in all; infinity lifts it."""
        self._until = asyncio.get_running_loop().time() + seconds

    def send(self, reply: Reply) -> None:
        """Queue a reply; :meth:`flush` or the next wait for the client writes it."""
        self._replies.append(reply.encode())

    def flush(self) -> None:
        """Write the queued replies, in one go."""
        if self._replies:
            self._put(b"".join(self._replies))
        self._replies.clear()

    def end(self) -> None:
        """Write the queued replies, and say that they were the last."""
        self.flush()
        if self._tls is not None:
            self._tls.close()
            self._write(self._tls.take())

    async def start_tls(self, context: ssl.SSLContext) -> str:
        """Shake hands, after which all is encrypted; return version and cipher.

        What the client has sent already counts as its hello: whoever may not have sent any asks
        :attr:`has_input` first. Raises ClientGone and TlsFailed.
        """
        self.flush()
        hello = self._pending[self._start :] + b"".join(self._arrived)
        self.give_back(b"")
        self._arrived.clear()
        tls = self._tls = TlsLayer(context, is_server=True)
        self.finish_within(HANDSHAKE_S)
        self._decrypt(hello)
        while not tls.is_ready:
            if self._failure is not None:
                raise self._failure
            if self._is_gone:
                raise ClientGone
            await self._wait()
        self.finish_within(math.inf)
        return tls.description

    def feed(self, data: bytes) -> None:
        """Bytes arrived. What the task does not take out soon is left to the kernel to hold."""
        if self._tls is None:
            self._arrived.append(data)
        else:
            self._decrypt(data)
        if (self._waiter is None or self._is_full) and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        self._rouse()

    def feed_end(self) -> None:
        """No more will arrive."""
        self._is_gone = True
        self._rouse()

    def hold(self) -> None:
        """The client does not read our replies: the kernel takes no more."""
        self._is_full = True

    def go_on(self) -> None:
        """The client reads again."""
        self._is_full = False
        self._rouse()

    async def _read(self) -> bytes:
        self.flush()
        while not self._arrived or self._is_full:
            if self._is_gone:
                raise ClientGone
            await self._wait()
        block = self._arrived[0] if len(self._arrived) == 1 else b"".join(self._arrived)
        self._arrived.clear()
        return block

    async def _wait(self) -> None:
        patience = self._idle_s
        loop = asyncio.get_running_loop()
        if self._until < math.inf:
            patience = min(patience, self._until - loop.time())
        if self._is_paused and not self._is_full:
            self._is_paused = False
            self._transport.resume_reading()
        self._waiter = loop.create_future()
        self._deadline.set(patience)
        try:
            await self._waiter
        finally:
            self._waiter = None
            self._deadline.clear()

    def _decrypt(self, data: bytes) -> None:
        assert self._tls is not None
        try:
            plaintext = self._tls.feed(data)
        except TlsFailed as error:
            plaintext = b""
            self._failure = error
        if plaintext:
            self._arrived.append(plaintext)
        self._is_gone = self._is_gone or self._failure is not None or self._tls.is_over
        self._write(self._tls.take())

    def _put(self, data: bytes) -> None:
        if self._tls is not None:
            # Amid the handshake there is no way to say anything.
            if not self._tls.is_ready or self._failure is not None:
                return
            try:
                self._tls.write(data)
            except TlsFailed as error:
                self._failure, self._is_gone = error, True
                return
            data = self._tls.take()
        self._write(data)

    def _write(self, data: bytes) -> None:
        # uvloop raises where asyncio ignores what is written after the end.
        if data and not self._writer.is_closing():
            self._writer.write(data)

    def _rouse(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
