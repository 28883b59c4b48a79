"""What Outlook keeps of a message (MS-OXPROPS): shared by its own files and by TNEF."""

import struct
from collections.abc import Iterator, Mapping

from mailguard.extract.item import Item, Member, Miss, Text
from mailguard.mail.charset import decode

Properties = Mapping[int, str | bytes]
"""Values by the number of their property; those that are text decoded."""

STRING, UNICODE, BINARY, OBJECT = 0x1E, 0x1F, 0x102, 0x0D

_SUBJECT, _BODY, _RTF, _HTML, _HEADER = 0x37, 0x1000, 0x1009, 0x1013, 0x7D
_TOPIC, _REPORTED, _REPORT = 0x70, 0x49, 0x1001
"""The subject without "Re:", the subject that a receipt is about, and what the receipt says."""

_PEOPLE = (0xC1A, 0xC1F, 0x5D01, 0x42, 0x65, 0xE04, 0xE03, 0xE02, 0x3001, 0x3003, 0x39FE)
_NAMED = 0x8000
"""From here on are the programs' own: the place of an appointment, categories, a task's owner."""

_LONG_NAME, _SHORT_NAME, _TITLE, _TYPE, _DATA = 0x3707, 0x3704, 0x3001, 0x370E, 0x3701

_UTF_8 = 65001

_RTF_FIELDS = struct.Struct("<IIII")
_PRESSED, _PLAIN = 0x75465A4C, 0x414C454D
_WINDOW = 4096
_DICTIONARY = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern "
    b"\\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0"
    b"\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)
"""MS-OXRTFCP §2.1.2.1: what every text is taken to begin with."""


def read_message(properties: Properties) -> Iterator[Item]:
    """Yield the people, the subject and the bodies of a message."""
    people = [_text(properties, number) for number in _PEOPLE]
    if any(people):
        yield Text("header", "\n".join(dict.fromkeys(filter(None, people))))
    subjects = [_text(properties, number) for number in (_SUBJECT, _REPORTED, _TOPIC)]
    if any(subjects):
        # Mostly one of them ends in the other.
        kept = [
            one for one in subjects if not any(one != other and one in other for other in subjects)
        ]
        yield Text("subject", "\n".join(dict.fromkeys(filter(None, kept))))
    for number, where in ((_BODY, ""), (_REPORT, ""), (_HEADER, "header")):
        if text := _text(properties, number):
            yield Text(where, text)
    if html := properties.get(_HTML):
        yield Member("body.html", html.encode() if isinstance(html, str) else html, "text/html")
    if isinstance(rtf := properties.get(_RTF), bytes):
        try:
            yield Member("body.rtf", unpress(rtf), "text/rtf")
        except (struct.error, ValueError):
            yield Miss("broken")
    own = [value for number, value in properties.items() if number >= _NAMED]
    if words := "\n".join(filter(None, (value for value in own if isinstance(value, str)))):
        yield Text("properties", words)


def read_attachment(properties: Properties, title: str, content: bytes | None) -> Iterator[Item]:
    """Yield the attached file that `properties` describe; `content` where they have none of it."""
    data = properties.get(_DATA, content)
    if isinstance(data, bytes):
        names = (_text(properties, number) for number in (_LONG_NAME, _SHORT_NAME, _TITLE))
        name = next(filter(None, names), title)
        yield Member(name, data, _text(properties, _TYPE).lower())


def unpress(data: bytes) -> bytes:
    """Undo the compression of RTF (MS-OXRTFCP §3.2); raises ValueError for what is none of it."""
    _, size, kind, _ = _RTF_FIELDS.unpack_from(data)
    if kind == _PLAIN:
        return data[_RTF_FIELDS.size :][:size]
    if kind != _PRESSED:
        raise ValueError("neither of the two kinds")
    out = bytearray(_DICTIONARY)
    at, end = _RTF_FIELDS.size, len(data)
    while at < end:
        control = data[at]
        at += 1
        for bit in range(8):
            if not control >> bit & 1:
                out += data[at : at + 1]
                at += 1
                continue
            if at + 2 > end:
                return bytes(out[len(_DICTIONARY) :])
            reference = int.from_bytes(data[at : at + 2], "big")
            at += 2
            distance = (len(out) - (reference >> 4)) % _WINDOW
            if not distance:
                return bytes(out[len(_DICTIONARY) :])
            count = (reference & 15) + 2
            begin = len(out) - distance
            piece = out[begin : begin + count] if begin >= 0 else bytes(count)
            out += (piece * (count // len(piece) + 1))[:count]
    return bytes(out[len(_DICTIONARY) :])


def charset_of(code_page: bytes) -> str:
    """The name of the charset that Windows gives this number."""
    number = int.from_bytes(code_page, "little")
    return "utf-8" if number == _UTF_8 else f"windows-{number}"


def decode_value(kind: int, value: bytes, charset: str) -> str | bytes:
    """A property's value as text, if that is what it is."""
    if kind == UNICODE:
        return value.decode("utf-16-le", "replace").rstrip("\0")
    if kind == STRING:
        return decode(value.rstrip(b"\0"), charset)
    return value


def _text(properties: Properties, number: int) -> str:
    value = properties.get(number, "")
    return value if isinstance(value, str) else ""
