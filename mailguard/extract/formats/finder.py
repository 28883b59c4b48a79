"""What macOS puts beside files: AppleDouble ("._name", RFC 1740) and .DS_Store.

Every archive made on a Mac has them; a school would else be told of each that it was not read.
"""

import re
import struct
from collections.abc import Iterator

from mailguard.extract.item import About, Item, Member, Miss, Text
from mailguard.mail.charset import read_text

TYPES = frozenset({"application/applefile", "multipart/appledouble"})
NAMES = (".ds_store", "/._")

_DOUBLE, _SINGLE = b"\x00\x05\x16\x07", b"\x00\x05\x16\x00"
_STORE = b"\0\0\0\1Bud1"
_DATA, _RESOURCES, _NAME, _COMMENT, _INFO = 1, 2, 3, 4, 9
_EMPTY_RESOURCES = 286
"""Bytes of a resource fork without resources."""

_ENTRIES = 50
_WORDS = re.compile(rb"[\x20-\x7e]{6,}")
_WIDE_WORDS = re.compile(rb"(?:\0[\x20-\x7e]){4,}")


def read(data: bytes, about: About) -> Iterator[Item]:
    """Yield names, comments and where a file was downloaded from; a file inside is a member."""
    if data.startswith(_STORE):
        words = (run.decode("utf-16-be") for run in _WIDE_WORDS.findall(data))
        yield Text("properties", "\n".join(words))
        return
    if not data.startswith((_DOUBLE, _SINGLE)):
        yield Miss("format")
        return
    (count,) = struct.unpack_from(">H", data, 24)
    for n in range(min(count, _ENTRIES)):
        kind, at, size = struct.unpack_from(">III", data, 26 + 12 * n)
        content = data[at : at + size]
        if kind == _DATA or (kind == _RESOURCES and len(content) > _EMPTY_RESOURCES):
            yield Member("", content)
        elif kind in (_NAME, _COMMENT):
            yield Text("comment", read_text(content, ""))
        elif kind == _INFO:
            words = (run.decode("ascii") for run in _WORDS.findall(content))
            yield Text("properties", "\n".join(words))
