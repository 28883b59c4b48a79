"""What is fuzzed: each target takes any bytes, and raises when something is not as it must be.

Nothing here knows a fuzzer. `tests/fuzz/run.py` feeds a target with atheris, and test_targets.py
with the samples below and what can be made of them.
"""

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from mailguard.errors import NextHopUnavailable
from mailguard.mail.address import parse_path
from mailguard.mail.envelope import Origin, Session, Transaction
from mailguard.mail.message import parse
from mailguard.mail.raw import Raw
from mailguard.mail.reply import Replies, Reply
from mailguard.mail.text import look
from mailguard.milter import codec
from mailguard.milter.dialogue import Dialogue
from mailguard.milter.frame import BadPacket, Frames, packet
from mailguard.milter.settings import MilterSettings
from mailguard.ports import Delivery
from mailguard.scan.school import School
from mailguard.smtp.attributes import XCLIENT, XFORWARD, read_attributes, write_commands
from mailguard.smtp.connection import RelayProtocol
from mailguard.smtp.dialog import REPLY_BYTES, REPLY_LINES, ReplyReader, stuff
from mailguard.smtp.gate import Gate
from mailguard.smtp.limits import LOOPBACK, BareNewline, Limits, ListenerSettings
from mailguard.smtp.listener import Listener
from mailguard.smtp.proxy import BadHeader, read_header
from mailguard.smtp.reader import DotReader, has_bare_newline, normalise
from mailguard.testing.fakes import FakeClock

SCHOOL = School(name="Elm Park Primary", domains=frozenset({"elmpark.example"}))
OK = Reply.of(250, "2.0.0 Ok")
PATIENCE_S = 15
"""After this a session hangs: nothing in it waits for time to pass."""


def in_pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


# The data of a message.


def decode_slowly(wire: bytes) -> tuple[bytes, bytes] | None:
    """Content and rest, line by line (RFC 5321 §4.5.2); None before the end of data."""
    content, start = b"", 0
    while (end := wire.find(b"\r\n", start)) >= 0:
        line, start = wire[start:end], end + 2
        if line == b".":
            return content, wire[start:]
        content += line.removeprefix(b".") + b"\r\n"
    return None


def data_reader(data: bytes) -> None:
    """However it is cut, data decodes as it does line by line, and stuffing brings it back."""
    expected = decode_slowly(data)
    for size in (1, 3, len(data) or 1):
        dots, content, rest, bare = DotReader(), b"", b"", False
        for piece in in_pieces(data, size):
            if dots.at_end:
                rest += piece
                continue
            part = dots.feed(piece)
            content += part
            bare = bare or has_bare_newline(part)
        assert dots.at_end == (expected is not None)
        if expected is not None:
            assert (content, dots.rest + rest) == expected
            without = content.replace(b"\r\n", b"")
            assert bare == (b"\r" in without or b"\n" in without)
            assert not has_bare_newline(normalise(content))
            again = b"".join(stuff([content[:7], content[7:]]))
            assert decode_slowly(again) == (content, b"")


# What a next hop says.


def reply_reader(data: bytes) -> None:
    """However it is cut, the same replies come out, none beyond the bounds, and nothing raises but
    the one error."""
    # Byte by byte a long line costs the square of its length.
    sizes = (1 if len(data) < 3000 else 611, 1000, len(data) or 1)
    found = [_replies(in_pieces(data, size)) for size in sizes]
    shortest = min(len(replies) for replies, _ in found)
    assert len({is_broken for _, is_broken in found}) == 1
    for replies, is_broken in found:
        assert replies[:shortest] == found[0][0][:shortest]
        # What was complete before the fault is lost with its block, and nobody waits for it.
        assert is_broken or len(replies) == shortest
        for reply in replies:
            assert len(reply.lines) <= REPLY_LINES
            assert re.fullmatch(rb"(?:[2-5][0-9]{2}[ -][ -~]*\r\n)+", reply.encode())


def _replies(pieces: list[bytes]) -> tuple[list[Reply], bool]:
    reader, found = ReplyReader(), []
    try:
        for piece in pieces:
            found += reader.feed(piece)
    except NextHopUnavailable:
        return found, True
    assert len(reader._rest) <= REPLY_BYTES
    return found, False


# What a client, a load balancer or another mail server says of itself.


def introductions(data: bytes) -> None:
    """PROXY headers, XFORWARD, XCLIENT and paths: refused or read, and then said again safely."""
    with contextlib.suppress(BadHeader):
        _proxy(data)
    for known in (XFORWARD, XCLIENT):
        told = read_attributes(data, known)
        if isinstance(told, Reply):
            assert told.is_permanent
            continue
        for line in write_commands(b"XFORWARD", told):
            assert len(line) <= 512
            assert re.fullmatch(rb"[ -~]+\r\n", line)
    parsed = parse_path(data)
    if parsed is not None:
        assert parsed.path.argument == data
        assert not re.search(rb"[\x00-\x1f\x7f]", data)
        assert parsed.parameters in data


def _proxy(data: bytes) -> None:
    whole = read_header(data)
    for end in range(min(len(data), 300)):
        part = read_header(data[:end])
        assert part is None or part == whole
    assert whole is None or whole.length <= len(data)


# A mail server that asks us.


def milter(data: bytes) -> None:
    """A milter's connection says the same however its bytes are cut, and breaks off only by the one
    error. What does not begin like a packet is made packets of, at each byte FE."""
    stream = data
    if not data.startswith(b"\0"):
        stream = b"".join(packet(each[:1], each[1:]) for each in data.split(b"\xfe") if each)
    sizes = (1, 7, len(stream) or 1)
    heard = [_milter(in_pieces(stream, size)) for size in sizes]
    assert heard[0] == heard[1] == heard[2], heard
    for read in (
        *(codec.read_offer, codec.read_connect, codec.read_strings),
        *(codec.read_header, codec.read_macros),
    ):
        with contextlib.suppress(BadPacket):
            read(data)


def _milter(pieces: list[bytes]) -> tuple[bytes, list[str], bool]:
    settings = MilterSettings(
        name="milter", origin=Origin.ANY, inside=LOOPBACK, servers=LOOPBACK, message_bytes=5000
    )
    dialogue, frames, answers = Dialogue(settings, FakeClock(), via="127.0.0.1"), Frames(), b""
    complete: list[str] = []
    try:
        for piece in pieces:
            frames.feed(piece)
            while (each := frames.next()) is not None:
                answers += dialogue.take(*each)
                found, dialogue.complete = dialogue.complete, None
                if isinstance(found, Transaction):
                    complete.append(f"{found.envelope} {found.raw.sha256}")
                elif found is not None:
                    complete.append(f"{found.reply}")
    except BadPacket:
        return answers, complete, True
    finally:
        dialogue.drop()
    return answers, complete, False


# A message.


def message(data: bytes) -> None:
    """Any bytes are a message, and can be looked at."""
    look(parse(data))


# A whole session.

_ID = re.compile(rb" \([0-9A-Z]{10,}\)")
_LIMITS = Limits(errors=6, idle_commands=30, recipients=4, message_bytes=2000)


def smtp_session(data: bytes) -> None:
    """A client that says these bytes, byte by byte or in blocks, hears the same and has sent the
    same; nothing is a fault of ours, and no message has a line end of another kind."""
    public = sum(data) % 2 == 1  # a listener for everybody, or one for this machine
    heard = [_session(in_pieces(data, size), public=public) for size in (1, 100_000)]
    assert heard[0] == heard[1], heard


def _session(pieces: list[bytes], *, public: bool) -> tuple[bytes, tuple[bytes, ...]]:
    taken: list[bytes] = []
    loop = _loop()
    transport = Transport(loop)

    async def converse() -> None:
        protocol = RelayProtocol(_listener(taken, public=public), set())
        protocol.connection_made(transport)
        await asyncio.sleep(0)
        for piece in pieces:
            # As a loop would: not while reading is paused, nor after the end.
            while transport.is_paused and not transport.is_closing():
                await asyncio.sleep(0)
            if transport.is_closing():
                break
            protocol.data_received(piece)
            if len(pieces) < 500:
                # Otherwise what is read next is several pieces.
                await asyncio.sleep(0)
        protocol.eof_received()
        await protocol.handler
        protocol.connection_lost(None)
        await asyncio.sleep(0)

    loop.run_until_complete(asyncio.wait_for(converse(), PATIENCE_S))
    said = b"".join(transport.written)
    assert re.fullmatch(rb"(?:[2-5][0-9]{2}[ -][ -~]*\r\n)*", said), said
    assert b"451 4.3.0" not in said
    assert not any(has_bare_newline(content) for content in taken)
    # Two faults in one message: which is met first depends on the blocks.
    said = re.sub(rb"(?:550 5\.5\.2 Mess|552 5\.3\.4 Mess)[^\r]*", b"5xx", said)
    return _ID.sub(b"", said), tuple(taken)


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def _listener(taken: list[bytes], *, public: bool) -> Listener:
    settings = ListenerSettings(
        name="mail",
        origin=Origin.ANY,
        hostname="mg.elmpark.example",
        school=SCHOOL,
        clients=() if public else LOOPBACK,
        public=public,
        xclient_from=() if public else LOOPBACK,
        bare_newline=BareNewline.NORMALISE if public else BareNewline.REFUSE,
        limits=_LIMITS,
    )

    async def receive(transaction: Transaction, delivery: Delivery) -> Replies:
        assert 0 < len(transaction.envelope.recipients) <= _LIMITS.recipients
        return (await delivery.data(b"", transaction.raw))[:1]

    async def has_room() -> bool:
        return True

    return Listener(
        settings=settings,
        receive=receive,
        next_hop=_Hop(taken),
        clock=FakeClock(),
        has_room=has_room,
        gate=Gate(settings, Counter()),
    )


class _Hop:
    """Takes everything."""

    keywords = ("8BITMIME", "SIZE", "PIPELINING")

    def __init__(self, taken: list[bytes]) -> None:
        self._taken = taken

    async def open(self, session: Session | None = None, ident: str = "") -> Delivery:
        return _Taking(self._taken)


class _Taking:
    def __init__(self, taken: list[bytes]) -> None:
        self._taken = taken

    async def mail(self, argument: bytes) -> Reply:
        assert b"\r" not in argument and b"\n" not in argument
        return OK

    async def rcpt(self, argument: bytes) -> Reply:
        assert b"\r" not in argument and b"\n" not in argument
        return OK

    async def data(self, head: bytes, raw: Raw) -> Replies:
        self._taken.append(b"".join(raw.chunks()))
        return (OK,)

    async def reset(self) -> None:
        """Nothing is kept."""

    async def close(self) -> None:
        """Nothing is open."""


class Transport(asyncio.Transport):
    """The client's end of a connection, in memory."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__({"peername": ("127.0.0.1", 40000)})
        self._loop = loop
        self._protocol: Any = None
        self.written: list[bytes] = []
        self.is_paused = False
        self._is_closed = False

    def write(self, data: Any) -> None:
        if not self._is_closed:
            self.written.append(bytes(data))

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.write(b"".join(list_of_data))

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def is_closing(self) -> bool:
        return self._is_closed

    def close(self) -> None:
        self._is_closed = True

    def abort(self) -> None:
        self._is_closed = True

    def can_write_eof(self) -> bool:
        return False


TARGETS: Mapping[str, Callable[[bytes], None]] = MappingProxyType(
    {
        target.__name__: target
        for target in (
            *(smtp_session, data_reader, reply_reader),
            *(introductions, milter, message),
        )
    }
)
