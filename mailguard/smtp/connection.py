"""One client connection: aiosmtpd's handling of it, with the behaviour that a relay needs."""

import asyncio
import fcntl
import socket
import struct
import termios
from typing import cast

from aiosmtpd.smtp import SMTP

from mailguard import events
from mailguard.mail.reply import Reply
from mailguard.smtp import replies
from mailguard.smtp.conversation import Conversation
from mailguard.smtp.deadline import Deadline
from mailguard.smtp.gate import plain_address
from mailguard.smtp.identity import Identity
from mailguard.smtp.limits import LOCAL
from mailguard.smtp.listener import Listener
from mailguard.smtp.proxy import BadHeader
from mailguard.smtp.tls import ListenerTls
from mailguard.smtp.wire import ClientGone, LineTooLong, Wire

_LINGER_S = 5.0
"""How long a dismissed client may take to read our last reply."""


class RelayProtocol(SMTP):
    """What is overridden, and only that, differs from aiosmtpd 1.4.6."""

    def __init__(self, listener: Listener, connections: "set[RelayProtocol]") -> None:
        """Set up the stream only: aiosmtpd looks through every method of handler and class for
        each connection, which takes longer than relaying a message."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)  # unused, but asyncio wants one
        asyncio.StreamReaderProtocol.__init__(self, reader, self._cb_client_connected, loop)
        # What the inherited methods read and SMTP.__init__ would set; a test compares the list.
        self.loop = loop
        self.session = None
        self.envelope = None
        self.transport = None
        self.tls_context = None
        self._handle_hooks = {}
        self._handler_coroutine = None
        self._original_transport = None
        self._tls_handshake_okay = True
        self._tls_protocol = None
        self._deadline = Deadline(loop, self._timeout_cb)
        # aiosmtpd does no more with it than cancel it when the connection ends.
        self._timeout_handle = cast(asyncio.TimerHandle, self._deadline)

        self._listener = listener
        self._connections = connections
        self._spoke_early = False
        self._conversation: Conversation | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Notice who speaks before the greeting: senders of spam and browsers, not mail servers."""
        self._spoke_early = _has_input(transport)
        super().connection_made(transport)
        self._wire = Wire(self._writer, self._deadline, self._listener.settings.limits.idle_s)

    def data_received(self, data: bytes) -> None:
        """Put bytes on the wire, without the copies that a StreamReader makes of each."""
        self._wire.feed(data)

    def eof_received(self) -> bool:
        """Let a client that closes its half after the final dot still read the reply; aiosmtpd
        cancels what is being done for it."""
        self._wire.feed_end()
        if self._conversation is not None:
            self._conversation.hear_end()
        return True

    def pause_writing(self) -> None:
        """Tell the wire, which is what waits."""
        self._wire.hold()

    def resume_writing(self) -> None:
        """Tell the wire."""
        self._wire.go_on()

    def _reset_timeout(self, duration: float | None = None) -> None:
        """Leave the deadline to the wire: aiosmtpd's runs from the command on, even while the
        client is sending data or waiting for us."""

    def _timeout_cb(self) -> None:
        """Say 421 before closing (RFC 5321 §3.8)."""
        self._dismiss(replies.TIMED_OUT)

    async def _handle_client(self) -> None:
        """Count the connection, then converse on exact bytes; aiosmtpd decodes and trims
        arguments, writes each reply by itself, and answers faults with 500 and their text."""
        try:
            peer = self._peer()
            if peer is not None:  # else it is gone already
                await self._let_in(*peer)
        except Exception as error:
            events.failed("", error)
        finally:
            self._writer.close()

    def _peer(self) -> tuple[str, int] | None:
        """Address and port of who connected: by a Unix socket, this machine."""
        sock = self._writer.get_extra_info("socket")
        if sock is not None and sock.family == socket.AF_UNIX:
            return LOCAL, 0
        peername = self._writer.get_extra_info("peername")
        return (plain_address(peername[0]), peername[1]) if peername else None

    async def _let_in(self, peer: str, port: int) -> None:
        """Find out who is there: the machine that connected, or the one that it passes on."""
        gate, settings = self._listener.gate, self._listener.settings
        if not gate.may_proxy(peer):
            await self._admit(Identity(settings, gate, peer=peer, port=port))
            return
        try:
            header = await self._wire.proxy_header()
        except ClientGone:
            return
        except BadHeader:
            self._turn_away(replies.NO_PROXY_HEADER, peer)
            return
        self._spoke_early = self._wire.has_input
        if header.address:
            who = Identity(settings, gate, peer=plain_address(header.address), port=header.port)
            who.came_through(peer)
        else:
            who = Identity(settings, gate, peer=peer, port=port)
        await self._admit(who)

    async def _admit(self, who: Identity) -> None:
        gate, settings = self._listener.gate, self._listener.settings
        peer = who.peer
        refusal = gate.enter(peer)
        if refusal is not None:
            self._turn_away(refusal, peer)
            return
        self._connections.add(self)
        try:
            is_implicit = settings.tls is ListenerTls.IMPLICIT
            if self._spoke_early and not is_implicit:
                self._turn_away(replies.EARLY_TALKER, peer)
            elif self._listener.stopping.is_set():
                self._turn_away(replies.SHUTTING_DOWN, peer)
            else:
                await self._converse(peer, who)
        finally:
            gate.leave(peer)
            self._connections.discard(self)

    async def _converse(self, peer: str, who: Identity) -> None:
        settings = self._listener.settings
        events.connected(peer, settings.name)
        wire = self._wire
        conversation = Conversation(self._listener, wire, who)
        self._conversation = conversation
        reply = replies.greeting(settings.hostname, is_lmtp=settings.is_lmtp)
        try:
            if settings.tls is ListenerTls.IMPLICIT:
                await conversation.standing.encrypt()
            wire.send(reply)
            while not conversation.is_over:
                try:
                    reply = await conversation.answer(await wire.line())
                except LineTooLong:
                    reply = conversation.fault(replies.LINE_TOO_LONG)
                wire.send(reply)
                if conversation.standing.is_switching:
                    await conversation.standing.switch()
                if conversation.is_idle and self._listener.stopping.is_set():
                    reply = replies.SHUTTING_DOWN
                    wire.send(reply)
                    break
        except ClientGone:
            return
        finally:
            conversation.end()
            wire.end()
        if not reply.is_positive:
            events.refused_connection(peer, settings.name, reply)

    @property
    def handler(self) -> "asyncio.Task[None]":
        """The task that converses; it ends with the connection."""
        assert self._handler_coroutine is not None
        return self._handler_coroutine

    def retire(self) -> None:
        """The listener is stopping: end now if no transaction is under way, else after it."""
        if self._conversation is None or not self._conversation.is_idle:
            return
        if self._wire.is_waiting:
            self._dismiss(replies.SHUTTING_DOWN)

    def abort(self) -> None:
        """Close at once."""
        self._writer.transport.abort()

    def _dismiss(self, reply: Reply) -> None:
        """Close while waiting for the client; one that does not read is not waited for."""
        self._wire.send(reply)
        self._wire.end()
        self._writer.close()
        self.loop.call_later(_LINGER_S, self.abort)

    def _turn_away(self, reply: Reply, peer: str) -> None:
        settings = self._listener.settings
        events.refused_connection(peer, settings.name, reply)
        if settings.tls is not ListenerTls.IMPLICIT:  # whose client could not read it
            self._wire.send(reply)
            self._wire.flush()


def _has_input(transport: asyncio.BaseTransport) -> bool:
    """Whether bytes have arrived that the loop has not read yet."""
    sock = transport.get_extra_info("socket")
    if sock is None:
        return False
    (waiting,) = struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.FIONREAD, bytes(4)))
    return bool(waiting)
