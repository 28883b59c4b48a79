"""How processes talk: in frames, an 8-byte big-endian length and so many bytes; and in commands."""

import struct
from typing import BinaryIO

LENGTH = struct.Struct(">Q")

COMMAND = struct.Struct(">cIf")
"""To the process that forks caged readers: what to do, to which of them, and how many seconds of
processor time a new one has."""

FORK, KILL = b"F", b"K"

PICTURES = "pictures"
"""Argument of that process: it is to load what reads pictures."""

ANSWER_LIMIT = 20 << 20
"""Bytes of a worker's answer. A report of capped findings stays below 1 MB, and a view's text below
9 MB; a worker that a hostile file has taken over could send anything."""


def read_frame(stream: BinaryIO) -> bytes | None:
    """Read one frame, None at the end of the stream or when it breaks off."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    body = stream.read(length)
    return body if len(body) == length else None


def write_frame(stream: BinaryIO, body: bytes) -> None:
    """Write one frame, at once."""
    stream.write(LENGTH.pack(len(body)))
    stream.write(body)
    stream.flush()
