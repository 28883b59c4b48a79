"""The text of Word files before 2007 (MS-DOC §2.4.1): found by the piece table, as Word does."""

import re
import struct
from collections.abc import Iterator

from mailguard.extract.item import Feature, Item, Miss, Text
from mailguard.extract.office.doc_hidden import Range, hidden_characters, hidden_ranges
from mailguard.extract.office.raw_text import read_raw

MAGIC = 0xA5EC
_COMPLEX, _ENCRYPTED, _TABLE_1 = 0x0004, 0x0100, 0x0200
_WORD_97 = 0x00C1
"""First version with a piece table in a stream of its own."""

_PLACES = (
    ("", 0x4C),
    ("footnote", 0x50),
    ("header", 0x54),
    ("macro", 0x58),
    ("comment", 0x5C),
    ("endnote", 0x60),
    ("text box", 0x64),
    ("text box", 0x68),
)
"""Where the FIB has the number of characters of each part of the text (MS-DOC §2.5.5)."""

_FIELD = re.compile("\x13([^\x13\x14\x15]*+)\x14?")
_ROW = re.compile("\x07\x07")
_BREAKS = str.maketrans({"\r": "\n", "\x0b": "\n", "\x0c": "\n", "\x07": "\t", "\x1e": "-"})
_NOT_SHOWN = re.compile("[\x00-\x08\x0e-\x1f]")


def read_doc(stream: bytes, tables: tuple[bytes, bytes]) -> Iterator[Item]:
    """Yield the text of a WordDocument stream; `tables` are the streams 0Table and 1Table."""
    if len(stream) < 0x20 or struct.unpack_from("<H", stream)[0] not in (MAGIC, 0xA5DC, 0xA59C):
        yield Miss("broken")
        return
    version, flags = struct.unpack_from("<2xH6xH", stream)
    if flags & _ENCRYPTED:
        yield Miss("encrypted")
        return
    if version < _WORD_97:
        yield from _read_old(stream, is_complex=bool(flags & _COMPLEX))
        return
    try:
        text, hidden, is_cut = _pieces(stream, tables[bool(flags & _TABLE_1)])
        sizes = [struct.unpack_from("<i", stream, offset)[0] for _, offset in _PLACES]
    except (struct.error, ValueError):
        # Word may still be able to repair it.
        yield from read_raw(stream, "")
        yield Miss("broken")
        return
    start = 0
    for (where, _), size in zip(_PLACES, sizes, strict=True):
        end = start + max(0, size)
        yield from _shown(text[start:end], where)
        yield from _without(text, hidden, start, end, where)
        start = end
    yield from _shown(text[start:], "part")
    if is_cut:
        yield Miss("too_long")


def _pieces(stream: bytes, table: bytes) -> tuple[str, list[Range], bool]:
    """Put the text together (MS-DOC §2.9.38, §2.8.35): all of it, which characters are not shown,
    and whether there was more."""
    offset, length = struct.unpack_from("<II", stream, 0x1A2)
    clx = table[offset : offset + length]
    at = 0
    while clx[at : at + 1] == b"\x01":
        at += 3 + struct.unpack_from("<H", clx, at + 1)[0]
    if clx[at : at + 1] != b"\x02":
        raise ValueError("no piece table")
    (size,) = struct.unpack_from("<I", clx, at + 1)
    plc = clx[at + 5 : at + 5 + size]
    count = (len(plc) - 4) // 12
    if count < 1:
        raise ValueError("no pieces")
    positions = struct.unpack_from(f"<{count + 1}I", plc)
    pieces: list[str] = []
    hidden: list[Range] = []
    unseen = hidden_ranges(stream, table)
    done = 0
    # Pieces may overlap in a file made to explode, and only there.
    room = len(stream)
    for number in range(count):
        characters = positions[number + 1] - positions[number]
        if characters <= 0:
            continue
        if characters > room:
            return "".join(pieces), hidden, True
        room -= characters
        (where,) = struct.unpack_from("<I", plc, 4 * (count + 1) + 8 * number + 2)
        start, width = where & 0x3FFFFFFF, 2
        if where & 0x40000000:
            start, width = start // 2, 1
        content = stream[start : start + width * characters]
        piece = content.decode("cp1252" if width == 1 else "utf-16-le", "replace")
        if unseen and len(piece) == characters:
            # Without letters beyond the first 65,536, which are two characters to Word.
            cut = hidden_characters(unseen, start, characters, width)
            hidden += ((done + first, done + last) for first, last in cut)
        pieces.append(piece)
        done += len(piece)
    return "".join(pieces), hidden, False


def _without(text: str, hidden: list[Range], start: int, end: int, where: str) -> Iterator[Item]:
    """The text as it is shown, where something hidden stands in the midst of it."""
    pieces = []
    done = start
    for first, last in hidden:
        if start <= first < end:
            pieces.append(text[done:first])
            done = min(last, end)
    if pieces and text[done:end].strip():
        yield from _shown("".join((*pieces, text[done:end])), f"shown {where or 'text'}")


def _read_old(stream: bytes, *, is_complex: bool) -> Iterator[Item]:
    """Word 6 and 95: the text lies in one run, unless the file was saved fast."""
    first, last = struct.unpack_from("<II", stream, 0x18)
    if is_complex or not first < last <= len(stream):
        yield from read_raw(stream, "")
        yield Miss("partial")
        return
    yield from _shown(stream[first:last].decode("cp1252", "replace"), "")


def _shown(text: str, where: str) -> Iterator[Item]:
    """Text without the marks that stand for pictures and fields; a line for each row of a table."""
    fields = "\n".join(field for field in _FIELD.findall(text) if field.strip())
    shown = _ROW.sub("\n", _FIELD.sub("", text)).translate(_BREAKS)
    shown = _NOT_SHOWN.sub("", shown)
    if shown and not shown.isspace():
        yield Text(where, shown)
    if fields:
        yield Text("field", _NOT_SHOWN.sub(" ", fields))
        if "DDE" in fields.upper():
            yield Feature("active")
