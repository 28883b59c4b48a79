"""One packed file: gzip, bzip2, xz, lzma, lzip, zstd, lz4, compress; one layer at a time."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import IO

from mailguard.extract.formats._room import Room
from mailguard.extract.item import About, Item, Miss, Name
from mailguard.extract.libarchive import FILTERS, Unreadable, unpack
from mailguard.mail.charset import decode

TYPES = frozenset(
    {
        "application/gzip",
        "application/x-gzip",
        "application/x-bzip2",
        "application/x-xz",
        "application/x-lzma",
        "application/x-lzip",
        "application/zstd",
        "application/x-zstd",
        "application/x-lz4",
        "application/x-compress",
    }
)
NAMES = (".gz", ".bz2", ".xz", ".lzma", ".lz", ".zst", ".lz4", ".z", ".tgz", ".tbz2", ".txz")

SAMPLE = zlib.compress(b"sample", wbits=31)

_INSIDE = {".tgz": ".tar", ".tbz2": ".tar", ".txz": ".tar", ".svgz": ".svg"}
_GZIP = b"\x1f\x8b"
_OPENERS: tuple[tuple[bytes, Callable[[IO[bytes]], io.BufferedIOBase]], ...] = (
    (_GZIP, lambda file: gzip.GzipFile(fileobj=file)),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\0", lzma.LZMAFile),
    (b"]\0\0", lzma.LZMAFile),
)
_CHUNK = 1 << 16
_EXTRA, _NAME, _COMMENT = 4, 8, 16
_WORDS = 1 << 16
"""Bytes of a gzip header that are looked at for a name and a comment."""


def read(data: bytes, about: About) -> Iterator[Item]:
    """Yield the file that is inside, and the name it had."""
    inside = _inside(about.name)
    yield from (Name(word) for word in _gzip_words(data[:_WORDS]) if word != inside)
    room = Room(about)
    # Must: not by libarchive, which takes off layer after layer. One that unpacks to itself
    # (R. Cox, 2007) keeps it busy for as long as it is let.
    for start, opener in _OPENERS:
        if data.startswith(start):
            yield from room.take(inside, *_unpress(opener(io.BytesIO(data)), room.left))
            return
    try:
        for entry in unpack(data, ("raw",), FILTERS):
            content, reason = entry.read(room.left)
            if content == data:
                # Nothing was unpacked: it is called so, and is something else.
                reason = "format"
            yield from room.take(inside, content, reason)
    except Unreadable as unreadable:
        yield Miss(unreadable.reason)


def _unpress(stream: io.BufferedIOBase, limit: int) -> tuple[bytes, str]:
    """Read at most `limit` bytes; return also why that is not all."""
    pieces: list[bytes] = []
    left = limit
    try:
        while piece := stream.read1(min(left + 1, _CHUNK)):
            pieces.append(piece[:left])
            left -= len(piece)
            if left < 0:
                return b"".join(pieces), "too_long"
    except (OSError, EOFError, zlib.error, lzma.LZMAError):
        return b"".join(pieces), "broken"
    return b"".join(pieces), ""


def _inside(name: str) -> str:
    """What the file inside is called, since most packers do not say."""
    stem, dot, ending = name.rpartition(".")
    ending = (dot + ending).lower()
    if ending not in NAMES and ending not in _INSIDE:
        return name
    return stem + _INSIDE.get(ending, "")


def _gzip_words(head: bytes) -> Iterator[str]:
    """Yield the name and the comment that a gzip header may have (RFC 1952 §2.3)."""
    if not head.startswith(_GZIP) or len(head) < 10:
        return
    flags, at = head[3], 10
    if flags & _EXTRA:
        at += 2 + int.from_bytes(head[at : at + 2], "little")
    for flag in (_NAME, _COMMENT):
        if flags & flag:
            word, end, _ = head[at:].partition(b"\0")
            at += len(word) + len(end)
            yield decode(word, "")
