"""The text of PowerPoint files before 2007 (MS-PPT §2.3): a tree of records, walked as a list."""

import struct
import zlib
from collections.abc import Iterator

from mailguard.extract.item import Feature, Item, Member, Miss, Text

_HEADER = struct.Struct("<HHI")
_CONTAINER = 0x0F

_PLACES = {1006: "slide", 1008: "note", 1016: "master", 4041: "master", 12000: "comment"}
_OUTLINE = 4080
_WIDE, _NARROW, _STRING = 4000, 4008, 4026
_SLIDE_INFO = 1017
_HIDDEN = 0x0004
_OBJECT = 4113
_CRYPT = 12052
_TAGGED = 5003
"""Records in a record that is none to hold any: comments are there (MS-PPT §2.11.21)."""

_SHOWN_AGAIN = frozenset(("master", "outline"))

RECORDS = 500_000
"""A deck of 300 slides has some 60,000."""


def read_ppt(stream: bytes, room: int) -> Iterator[Item]:
    """Yield the text of a PowerPoint Document stream, and the files in it."""
    ends: list[tuple[int, str]] = []
    at = slide = 0
    seen: set[str] = set()
    for _ in range(RECORDS):
        while ends and at >= ends[-1][0]:
            ends.pop()
        if at + _HEADER.size > len(stream):
            return
        version, kind, size = _HEADER.unpack_from(stream, at)
        at += _HEADER.size
        if kind == _CRYPT:
            yield Miss("encrypted")
            return
        if version & 0x0F == _CONTAINER or kind == _TAGGED:
            if kind == 1006:
                slide += 1
            where = _where(kind, ends[-1][1] if ends else "", slide)
            # Nested deeper than any file, it stays where it was.
            if len(ends) < 100:
                ends.append((at + size, where))
            continue
        body = stream[at : at + size]
        at = min(at + size, ends[-1][0]) if ends else at + size
        yield from _read_atom(kind, version >> 4, body, ends[-1][1] if ends else "", seen, room)
    yield Miss("too_long")


def _where(kind: int, outer: str, slide: int) -> str:
    if kind == _OUTLINE:
        return "outline"
    name = _PLACES.get(kind, "")
    if name == "slide":
        return f"slide {slide}"
    return name or outer


def _read_atom(
    kind: int, instance: int, body: bytes, where: str, seen: set[str], room: int
) -> Iterator[Item]:
    if kind in (_WIDE, _STRING):
        text = body.decode("utf-16-le", "replace")
    elif kind == _NARROW:
        # MS-PPT §2.9.43: the low bytes of UTF-16.
        text = body.decode("latin-1")
    elif kind == _SLIDE_INFO:
        if len(body) >= 12 and body[10] & _HIDDEN:
            yield Feature("hidden")
        return
    elif kind == _OBJECT:
        yield from _read_object(instance, body, room)
        return
    else:
        return
    text = text.replace("\r", "\n").replace("\x0b", "\n").replace("\0", "")
    if (
        not text
        or text.isspace()
        or text.startswith("___PPT")
        or (where in _SHOWN_AGAIN and text in seen)
    ):
        return
    seen.add(text)
    yield Text(where, text)


def _read_object(instance: int, body: bytes, room: int) -> Iterator[Item]:
    """An embedded file or the macros, deflated or not (MS-PPT §2.10.34)."""
    yield Feature("embedded")
    if instance == 0:
        yield Member("object.bin", body)
        return
    unpacker = zlib.decompressobj()
    try:
        data = unpacker.decompress(body[4:], max(1, room))
    except zlib.error:
        yield Miss("broken")
        return
    if unpacker.unconsumed_tail:
        yield Miss("bomb")
    yield Member("object.bin", data)
