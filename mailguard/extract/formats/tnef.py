"""winmail.dat (MS-OXTNEF): what Outlook wraps a message and its files into for other Outlooks."""

import struct
from collections.abc import Iterator

from mailguard.extract.formats._mapi import (
    BINARY,
    OBJECT,
    STRING,
    UNICODE,
    charset_of,
    decode_value,
    read_attachment,
    read_message,
)
from mailguard.extract.item import About, Item, Miss, Text
from mailguard.mail.charset import decode

TYPES = frozenset({"application/vnd.ms-tnef", "application/ms-tnef"})
NAMES = ("winmail.dat", ".tnef")

SAMPLE = b"\x78\x9f\x3e\x22\0\0\1\x0c\x80\2\0\7\0\0\0sample\0\x7d\2"

_START = b"\x78\x9f\x3e\x22"
_ATTRIBUTE = struct.Struct("<BHHI")
_SUBJECT, _BODY, _MESSAGE, _CODE_PAGE = 0x8004, 0x800C, 0x9003, 0x9007
_NEW_FILE, _TITLE, _DATA, _FILE = 0x9002, 0x8010, 0x800F, 0x9005

_WIDTHS = {2: 4, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 10: 4, 11: 4, 20: 8, 64: 8, 72: 16}
"""Bytes of the types of MS-OXCDATA §2.11.1 that have a fixed length, padded to four."""

_SIZED = {STRING, UNICODE, BINARY, OBJECT}
_MANY, _NAMED = 0x1000, 0x8000
_EMBEDDED_ID = 16

PROPERTIES = 5000
"""Properties of one message or file that are read; Outlook writes about a hundred."""


def read(data: bytes, about: About) -> Iterator[Item]:
    """Yield the message's subject and bodies, and each file."""
    if not data.startswith(_START):
        yield Miss("format")
        return
    at, charset = len(_START) + 2, ""
    title: str = ""
    content: bytes | None = None
    properties: dict[int, str | bytes] = {}
    while at + _ATTRIBUTE.size <= len(data):
        _, number, _, size = _ATTRIBUTE.unpack_from(data, at)
        value = data[at + _ATTRIBUTE.size : at + _ATTRIBUTE.size + size]
        # A checksum follows, which Outlook itself does not look at.
        at += _ATTRIBUTE.size + size + 2
        if len(value) < size:
            yield Miss("broken")
        if number == _CODE_PAGE:
            charset = charset_of(value[:4])
        elif number in (_SUBJECT, _BODY):
            text = decode(value.rstrip(b"\0"), charset)
            yield Text("subject" if number == _SUBJECT else "", text)
        elif number == _MESSAGE:
            properties, missed = _properties(value, charset)
            yield from (*missed, *read_message(properties))
            properties = {}
        elif number == _NEW_FILE:
            yield from read_attachment(properties, title, content)
            title, content, properties = "", None, {}
        elif number == _TITLE:
            title = decode(value.rstrip(b"\0"), charset)
        elif number == _DATA:
            content = value
        elif number == _FILE:
            properties, missed = _properties(value, charset)
            yield from missed
    yield from read_attachment(properties, title, content)


def _properties(value: bytes, charset: str) -> tuple[dict[int, str | bytes], tuple[Miss, ...]]:
    """The properties that are text or bytes, as far as they can be told apart."""
    found: dict[int, str | bytes] = {}
    try:
        for number, content in _walk(value, charset):
            found[number] = content
    except (struct.error, KeyError):
        # A length or type that is none: where the next one begins is not known.
        return found, (Miss("broken"),)
    return found, ()


def _walk(value: bytes, charset: str) -> Iterator[tuple[int, str | bytes]]:
    """Yield number and value of each property that is text or bytes."""
    (count,) = struct.unpack_from("<I", value)
    at = 4
    for _ in range(min(count, PROPERTIES)):
        kind, number = struct.unpack_from("<HH", value, at)
        at += 4
        if number >= _NAMED:
            at = _behind_name(value, at)
        is_many, kind = kind & _MANY, kind & ~_MANY
        values = 1
        if is_many or kind in _SIZED:
            (values,) = struct.unpack_from("<I", value, at)
            at += 4
        if kind not in _SIZED:
            at += _WIDTHS[kind] * values
            continue
        for _ in range(min(values, PROPERTIES)):
            (size,) = struct.unpack_from("<I", value, at)
            content = value[at + 4 : at + 4 + size]
            at += 4 + size + -size % 4
            if kind == OBJECT:
                content = content[_EMBEDDED_ID:]
            yield number, decode_value(kind, content, charset)


def _behind_name(value: bytes, at: int) -> int:
    """Where a named property's type and name end (MS-OXTNEF §2.1.3.4.1)."""
    (by_name, size) = struct.unpack_from("<16xII", value, at)
    return at + 24 + (size + -size % 4 if by_name else 0)
