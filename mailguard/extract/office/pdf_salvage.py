"""The text of a PDF that PDFium cannot open, or has died of: no page, no table of objects needed.

Every stream that looks like a page's content (ISO 32000-1 §9.4) is read with the fonts that the
file names; what a damaged file has lost is lost, and what is left is found. Text comes in the order
of the file, and words may be apart or together that are not on the page.
"""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from mailguard.extract.item import Item, Member, Text
from mailguard.extract.office.pdf_fonts import PLAIN, Letters, read_letters

OBJECTS = 100_000
"""Objects of one file that are looked at; a book has some ten thousand."""

STREAM = 8 << 20
"""Bytes of one stream. The drawing of a map has a few million; a page of text has thousands."""

OUT = 32 << 20
"""Bytes of all streams together; they are unpacked in a fifth of a second."""

CONTENT = 2 << 20
"""Bytes of pages that are read: two hundred pages of text, a second."""

PICTURES = 50
"""Pictures that are taken out: pages of a scan."""

_OBJECT = re.compile(rb"\b(\d{1,9})\s+\d{1,5}\s+obj\b")
_STREAM = re.compile(rb"\bstream\r?\n?")
_ENCRYPTED = re.compile(rb"/Encrypt\s+\d+\s+\d+\s+R|/Encrypt\s*<<")
_FONTS = re.compile(rb"/Font\s*(?:<<((?:[^<>]|<<[^<>]*>>){0,20000})>>|(\d{1,9})\s+\d{1,5}\s+R)")
_FONT = re.compile(rb"/([^\s/<>\[\]()]{1,100})\s+(\d{1,9})\s+\d{1,5}\s+R")
_LETTERS = re.compile(rb"/ToUnicode\s+(\d{1,9})\s+\d{1,5}\s+R")
_VALUE = re.compile(
    rb"/(?:Contents|V|DV|TU|Subj|Title|Author|Subject|Keywords|URI|UF|F)\s*(?=[(<][^<])"
)
_SHOWN = re.compile(rb"\b(?:Tj|TJ)\b|['\"]\s")
_TOKEN = re.compile(
    rb"\((?:[^()\\]|\\.|\((?:[^()\\]|\\.)*\))*+\)"
    rb"|<[0-9A-Fa-f\s]*>"
    rb"|/[^\s/<>\[\]()]+"
    rb"|[-+]?(?:\d+\.?\d*|\.\d+)"
    rb"|[A-Za-z'\"*]+",
    re.DOTALL,
)
_GAP = -180
"""Thousandths of the letter's height that the next letter is moved on: a space. Kerning has some
thirty, and a narrow space two hundred."""

_OPERANDS = 10_000
"""That are remembered: letters of one line, each with its distance."""


@dataclass(slots=True)
class _File:
    bodies: dict[int, bytes] = field(default_factory=dict)
    streams: dict[int, bytes] = field(default_factory=dict)
    """Packed, from their first byte on."""


def salvage(data: bytes) -> Iterator[Item]:
    """Yield text, values and pictures as far as they can be had: ``page``, ``form`` for what may
    be drawn on a page, ``value`` for comments, fields, properties and links."""
    file = _find_objects(data)
    room = OUT
    contents: list[tuple[str, bytes]] = []
    pictures = 0
    for number, packed in file.streams.items():
        body = file.bodies[number]
        if b"/DCTDecode" in body and b"/FlateDecode" not in body:
            pictures += 1
            if pictures <= PICTURES:
                yield Member(f"picture {pictures}.jpg", packed)
            continue
        if b"/Image" in body or b"/FontFile" in body or b"/Length1" in body or room <= 0:
            continue
        unpacked = _unpack(body, packed, min(STREAM, room))
        room -= len(unpacked)
        if b"/ObjStm" in body:
            _add_packed(file, body, unpacked)
        elif _SHOWN.search(unpacked):
            contents.append(("form" if b"/Form" in body else "page", unpacked))
    fonts = _find_fonts(file)
    room = CONTENT
    for where, content in contents:
        text = _text(content[:room], fonts)
        room = max(0, room - len(content))
        if text and not text.isspace():
            yield Text(where, text)
    if _ENCRYPTED.search(data):
        # Strings would be noise; streams that are locked have not looked like pages.
        return
    values = list(dict.fromkeys(filter(None, map(str.strip, _values(file)))))
    if values:
        yield Text("value", "\n".join(values))


def _find_objects(data: bytes) -> _File:
    file = _File()
    found = list(islice(_OBJECT.finditer(data), OBJECTS))
    for begin, end in zip(found, [*(each.start() for each in found[1:]), len(data)], strict=True):
        body = data[begin.end() : end]
        number = int(begin[1])
        stream = _STREAM.search(body)
        if stream:
            last = body.rfind(b"endstream")
            file.streams[number] = body[stream.end() : last if last > stream.end() else None]
            body = body[: stream.start()]
        file.bodies[number] = body
    return file


def _unpack(body: bytes, packed: bytes, room: int) -> bytes:
    if b"/FlateDecode" not in body and b"/Fl" not in body:
        return packed[:room]
    unpacker = zlib.decompressobj()
    unpacked = b""
    # In small pieces: what comes before the damage is kept.
    for at in range(0, len(packed), 512):
        try:
            unpacked += unpacker.decompress(packed[at : at + 512], room - len(unpacked))
        except zlib.error:
            break
        if unpacker.eof or len(unpacked) >= room:
            break
    return unpacked


def _add_packed(file: _File, body: bytes, unpacked: bytes) -> None:
    """Take in the objects of an object stream (ISO 32000-1 §7.5.7)."""
    first = re.search(rb"/First\s+(\d{1,9})", body)
    if not first:
        return
    start = int(first[1])
    numbers = list(map(int, re.findall(rb"\d{1,9}", unpacked[:start])[: 2 * OBJECTS]))
    places = [start + place for place in numbers[1::2]]
    for number, begin, end in zip(numbers[::2], places, [*places[1:], len(unpacked)], strict=False):
        file.bodies.setdefault(number, unpacked[begin:end])


def _find_fonts(file: _File) -> dict[bytes, Letters]:
    """What the strings of each font mean, by the name that pages call it."""
    fonts: dict[bytes, Letters] = {}
    known: dict[int, Letters] = {}
    for body in file.bodies.values():
        for found in _FONTS.finditer(body):
            listed = found[1] if found[1] is not None else file.bodies.get(int(found[2]), b"")
            for name, number in _FONT.findall(listed):
                if name in fonts:
                    continue
                pointer = _LETTERS.search(file.bodies.get(int(number), b""))
                which = int(pointer[1]) if pointer else -1
                if which not in known:
                    packed = file.streams.get(which, b"")
                    table = _unpack(file.bodies.get(which, b""), packed, STREAM)
                    known[which] = read_letters(table)
                fonts[name] = known[which]
    return fonts


def _text(content: bytes, fonts: dict[bytes, Letters]) -> str:
    """What a content stream shows, with spaces and lines where it moves on."""
    out: list[str] = []
    operands: list[bytes] = []
    letters = PLAIN
    for token in _TOKEN.finditer(content):
        word = token[0]
        if word[:1] in b"(</+-.0123456789":
            operands.append(word)
            del operands[:-_OPERANDS]
            continue
        if word == b"Tf" and len(operands) >= 2:
            letters = fonts.get(operands[-2][1:], PLAIN)
        elif word in (b"Tj", b"TJ", b"'", b'"'):
            if word in (b"'", b'"'):
                out.append("\n")
            out.extend(_shown(operands, letters))
        elif word in (b"Td", b"TD") and len(operands) >= 2:
            out.append(" " if operands[-1] in (b"0", b"0.0") else "\n")
        elif word in (b"T*", b"ET", b"Tm"):
            out.append("\n")
        operands.clear()
    return re.sub(r"\n\s*\n+", "\n", "".join(out)).strip()


def _shown(operands: list[bytes], letters: Letters) -> Iterator[str]:
    for operand in operands:
        if operand[:1] in b"(<":
            yield letters.read(operand)
        elif operand[:1] == b"-" and float(operand) < _GAP:
            yield " "


def _values(file: _File) -> Iterator[str]:
    """Comments, fields of forms, properties, targets of links."""
    for body in file.bodies.values():
        for key in _VALUE.finditer(body):
            value = _TOKEN.match(body, key.end())
            if value:
                yield PLAIN.read(value[0])
