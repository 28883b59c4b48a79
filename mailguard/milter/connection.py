"""One connection from a mail server: packets in, answers out, signs of life while we judge."""

import asyncio
import functools
from collections.abc import Mapping
from typing import cast

from mailguard import events, metrics
from mailguard.flow.advise import Advice
from mailguard.mail.envelope import Transaction
from mailguard.mail.release_key import NAME as RELEASE_KEY
from mailguard.mail.reply import LOCAL_ERROR
from mailguard.milter import codec
from mailguard.milter.dialogue import Dialogue, Refused
from mailguard.milter.frame import LARGEST, BadPacket, Frames
from mailguard.milter.listener import MilterListener


class MilterProtocol(asyncio.Protocol):
    """Feeds a :class:`Dialogue` and has what comes out of it judged."""

    def __init__(self, listener: MilterListener, connections: "set[MilterProtocol]") -> None:
        self._listener = listener
        self._connections = connections
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None
        self._dialogue: Dialogue | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._progress: asyncio.TimerHandle | None = None
        self._is_judging = False
        self._is_gone = False
        self._unread = ("", "")
        """Queue id and held id of an answer that nothing followed yet."""

        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the connection has ended."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let it in, or close at once: there is no reply that says why."""
        # uvloop's are no subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        peername = transport.get_extra_info("peername")
        # A Unix socket's peer has no address.
        via = peername[0].partition("%")[0] if isinstance(peername, tuple) else ""
        refusal = self._listener.refuse(via, len(self._connections))
        if refusal is not None:
            events.refused_connection(via, self._listener.settings.name, refusal)
            self._transport.close()
            return
        self._connections.add(self)
        metrics.connection_opened(self._listener.settings.name)
        events.connected(via, self._listener.settings.name)
        self._dialogue = Dialogue(self._listener.settings, self._listener.clock, via=via)
        self._expect()

    def data_received(self, data: bytes) -> None:
        """Bytes arrived."""
        self._frames.feed(data)
        if not self._is_judging:
            self._go_on()
        elif self._frames.waiting > LARGEST:
            self._break_off(BadPacket("talks while it should wait"))

    def eof_received(self) -> None:
        """It will say nothing more; the connection closes by itself."""
        self._is_gone = True

    def connection_lost(self, error: Exception | None) -> None:
        """It has gone."""
        self._is_gone = True
        self.gone.set_result(None)
        if self in self._connections:
            self._connections.remove(self)
            metrics.connection_closed(self._listener.settings.name)
        for timer in (self._idle, self._progress):
            if timer is not None:
                timer.cancel()
        if self._dialogue is not None and not self._dialogue.is_idle:
            events.lost_client("", "milter")
            self._dialogue.drop()
        queue_id, held_id = self._unread
        if held_id:
            events.dup_risk(queue_id, held_id, "the mail server may not have read the answer")

    def retire(self) -> None:
        """The listener is stopping: close now if no message is under way, else after it."""
        if not self._is_judging and (self._dialogue is None or self._dialogue.is_idle):
            self._close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def _go_on(self) -> None:
        dialogue = self._dialogue
        if dialogue is None:
            return
        try:
            while not self._is_judging and (packet := self._frames.next()) is not None:
                self._unread = ("", "")
                self._write(dialogue.take(*packet))
                if dialogue.is_over:
                    self._close()
                    return
                if dialogue.complete is not None:
                    self._answer(dialogue.complete, dialogue.named)
                    dialogue.complete = None
        except BadPacket as error:
            self._break_off(error)
        else:
            if self._listener.stopping.is_set():
                self.retire()
            self._expect()

    def _answer(self, found: Transaction | Refused, named: Mapping[bytes, bytes]) -> None:
        if isinstance(found, Refused):
            events.refused_command(found.queue_id, found.peer, found.reply)
            self._write(codec.reply_code(found.reply))
            return
        self._is_judging = True
        self._show_life()
        self._listener.start(self._judge(found, named))

    async def _judge(self, transaction: Transaction, named: Mapping[bytes, bytes]) -> None:
        """Have it judged whether or not the mail server is still there."""
        queue_id = transaction.queue_id
        give = functools.partial(self._give, queue_id, named)
        try:
            await self._listener.advise(transaction, give)
        except (Exception, asyncio.CancelledError) as error:
            events.failed(queue_id, error)
            if self._is_judging:
                give(Advice(refusal=LOCAL_ERROR.naming(queue_id)))

    def _give(self, queue_id: str, named: Mapping[bytes, bytes], advice: Advice) -> bool:
        """Answer, as :data:`mailguard.flow.advise.Give`, and go on with what came meanwhile."""
        self._is_judging = False
        if self._progress is not None:
            self._progress.cancel()
        assert self._transport is not None
        # Only ABORT or QUIT can have come meanwhile: then our answer is not waited for any more.
        has_spoken = self._frames.waiting > 0
        is_there = not (has_spoken or self._is_gone or self._transport.is_closing())
        if is_there:
            self._write(encode(advice, named))
            self._unread = (queue_id, advice.held_id)
        else:
            events.lost_client(queue_id, "milter")
        if self._listener.stopping.is_set():
            self._close()
        elif has_spoken:
            self._go_on()
        else:
            self._expect()
        return is_there

    def _show_life(self) -> None:
        """Tell the mail server again and again that we are at it."""
        seconds = self._listener.settings.progress_s
        loop = asyncio.get_running_loop()

        def tell() -> None:
            self._write(codec.PROGRESS)
            self._show_life()

        self._progress = loop.call_later(seconds, tell)

    def _expect(self) -> None:
        """Wait for the mail server, but not for ever."""
        if self._idle is not None:
            self._idle.cancel()
        if self._is_gone:
            return
        loop = asyncio.get_running_loop()
        self._idle = loop.call_later(self._listener.settings.idle_s, self._give_up_waiting)

    def _give_up_waiting(self) -> None:
        if self._is_judging:
            self._expect()
        else:
            self._close()

    def _write(self, data: bytes) -> None:
        # uvloop raises where asyncio ignores what is written after the end.
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _break_off(self, error: BadPacket) -> None:
        events.failed("", error)
        self._close()

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def encode(advice: Advice, named: Mapping[bytes, bytes]) -> bytes:
    """An answer as the mail server reads it; `named` has its own words for each RCPT argument."""
    if advice.refusal is not None:
        return codec.reply_code(advice.refusal)
    if advice.discard:
        return codec.DISCARD
    removals = (codec.delete_recipient(named[path.argument]) for path in advice.without)
    key = codec.remove_header(RELEASE_KEY) if advice.removes_key else b""
    return b"".join(removals) + key + codec.ACCEPT
