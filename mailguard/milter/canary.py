"""Ask one of our own milter listeners about a self-test, as a mail server would."""

import asyncio
from collections.abc import Iterator

from mailguard.mail.canary import SINK
from mailguard.milter import codec
from mailguard.milter.dialogue import NEEDED, NEEDED_FOR_KEYS, WANTED
from mailguard.milter.frame import BadPacket, Frames, packet

PATIENCE_S = 30.0
"""For one message; it normally takes some ten milliseconds."""

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 # not to listen there, but to call
"""Where a listener on all addresses can be reached."""

_BLOCK = 65536
_PROGRESS = b"p"
_WELL = (b"a", b"d")
"""Deliver it, and forget it."""


async def ask_test(address: tuple[str, int] | str, hostname: str, sender: str, raw: bytes) -> str:
    """Ask the milter at `address` (a path is a Unix socket) about `raw` for the sink.

    Returns a sentence about what went wrong; nothing when there was an answer. Nothing is sent on
    whatever the answer is, and our milter refuses a test that it does not know.
    """
    where = address if isinstance(address, str) else f"{address[0]}:{address[1]}"
    try:
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await _open(address)
            try:
                return await _ask(reader, writer, hostname.encode("ascii"), sender, raw)
            finally:
                writer.close()
    except TimeoutError:
        return f"No answer within {PATIENCE_S:.0f} s."
    except (EOFError, ConnectionResetError, BrokenPipeError):
        return (
            f"The milter at {where} closed the connection: may this machine ask it (milter_from), "
            "and is it MailGuard?"
        )
    except BadPacket:
        return f"What answers at {where} is no milter."
    except OSError:
        return f"Nothing accepts connections on {where}."


async def _open(
    address: tuple[str, int] | str,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(address, str):
        return await asyncio.open_unix_connection(address)
    host, port = address
    return await asyncio.open_connection(_ANY.get(host, host), port)


async def _ask(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    hostname: bytes,
    sender: str,
    raw: bytes,
) -> str:
    frames = Frames()
    writer.write(codec.offer(codec.VERSION, NEEDED | NEEDED_FOR_KEYS, WANTED, {}))
    command, data = await _next(reader, frames)
    if command != b"O" or codec.read_offer(data).options != WANTED:
        return "It does not agree to what a self-test needs: is that MailGuard?"
    writer.write(b"".join(_packets(hostname, sender.encode("ascii"), raw)))
    command = _PROGRESS
    while command == _PROGRESS:
        command, data = await _next(reader, frames)
    writer.write(packet(b"Q"))
    if command in _WELL:
        return ""
    said = data.rstrip(b"\0").decode("ascii", "replace") or "a temporary failure"
    return f"It answered a message of the self-test with {said}."


def _packets(hostname: bytes, sender: bytes, raw: bytes) -> Iterator[bytes]:
    """All that a mail server says of one client and its message."""
    head, _, body = raw.partition(b"\r\n\r\n")
    yield packet(b"C", hostname + b"\0" + b"U")
    yield packet(b"H", hostname + b"\0")
    yield packet(b"M", b"<" + sender + b">\0")
    yield packet(b"R", b"<" + SINK.encode("ascii") + b">\0")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        yield packet(b"L", name + b"\0" + value + b"\0")
    yield packet(b"N")
    yield packet(b"B", body)
    yield packet(b"E")


async def _next(reader: asyncio.StreamReader, frames: Frames) -> tuple[bytes, bytes]:
    """The next packet. Raises EOFError when the milter has closed, and BadPacket."""
    while (found := frames.next()) is None:
        block = await reader.read(_BLOCK)
        if not block:
            raise EOFError
        frames.feed(block)
    return found
