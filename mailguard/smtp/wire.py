"""Both directions of one client connection: command lines and blocks in, replies out."""

import asyncio
import math
from typing import cast

from mailguard.mail.reply import Reply
from mailguard.smtp.deadline import Deadline

COMMAND_LENGTH = 4096
"""Longest command line, CRLF included. RFC 5321 §4.5.3.1.4 wants 512 and room for what extensions
add (ORCPT alone 500); Postfix's `line_length_limit` is 2048."""


class ClientGone(Exception):
    """The client closed its side, or the connection broke."""


class LineTooLong(Exception):
    """A command line was longer than :data:`COMMAND_LENGTH`; it has been read to its end."""


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

    @property
    def is_waiting(self) -> bool:
        """The task waits for the client, not for anything of ours."""
        return self._waiter is not None

    @property
    def _transport(self) -> asyncio.Transport:
        # TLS puts another one in its place; a client's is never only a WriteTransport.
        return cast(asyncio.Transport, self._writer.transport)

    async def line(self) -> bytes:
        """The next command line, its line end included. Raises LineTooLong and ClientGone."""
        too_long = False
        while (end := self._pending.find(b"\n", self._start)) < 0:
            rest = self._pending[self._start :]
            too_long = too_long or len(rest) > COMMAND_LENGTH
            self._pending = (b"" if too_long else rest) + await self._read()
            self._start = 0
        line = self._pending[self._start : end + 1]
        self._start = end + 1
        if too_long or len(line) > COMMAND_LENGTH:
            raise LineTooLong
        return line

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
        # uvloop raises where asyncio ignores what is written after the end.
        if self._replies and not self._writer.is_closing():
            self._writer.write(b"".join(self._replies))
        self._replies.clear()

    def feed(self, data: bytes) -> None:
        """Bytes arrived. What the task does not take out soon is left to the kernel to hold."""
        self._arrived.append(data)
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

    def _rouse(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
