"""The text of binary Excel workbooks since 2007 (MS-XLSB §2.1.4): records in the parts of a zip."""

import struct
from collections.abc import Iterable, Iterator

from mailguard.extract.item import Item, Text
from mailguard.extract.office.sheet import STRINGS, Book, Sheet
from mailguard.extract.office.xls import unpack_number

_ROW, _STRING_ITEM, _BUNDLE, _COLUMNS, _COMMENT = 0, 19, 156, 60, 637
_RK, _REAL, _TEXT, _SHARED, _FORMULA_TEXT, _FORMULA_NUMBER = 2, 5, 6, 7, 8, 9
_CELLS = frozenset((_RK, _REAL, _TEXT, _SHARED, _FORMULA_TEXT, _FORMULA_NUMBER))
_ROW_HIDDEN = 0x10
_LAST_COLUMN = 16384


def read_binary_book(pieces: Iterable[bytes], book: Book) -> None:
    """Fill in shared strings, and what sheets are called and which are hidden."""
    room = STRINGS
    for kind, body in _records(pieces):
        if kind == _STRING_ITEM:
            book.strings.append(_wide(body, 1)[0])
            room -= 50 + len(book.strings[-1])
            if room < 0:
                book.is_cut = True
                return
        elif kind == _BUNDLE and len(body) >= 12:
            key, at = _wide(body, 8)
            book.names[key] = _wide(body, at)[0]
            if body[0] & 3:
                book.hidden.add(key)


def read_binary_sheet(pieces: Iterable[bytes], where: str, book: Book) -> Iterator[Item]:
    """A line for each row, hidden or not."""
    sheet = Sheet(where, book)
    for kind, body in _records(pieces):
        if kind == _ROW and len(body) >= 12:
            yield from sheet.end_row()
            sheet.is_row_hidden = bool(body[11] & _ROW_HIDDEN)
        elif kind in _CELLS and len(body) >= 12:
            column, style = struct.unpack_from("<II", body)
            sheet.column = min(column, _LAST_COLUMN) + 1
            sheet.style = style & 0xFFFFFF
            sheet.kind, text = _cell(kind, body)
            sheet.value[:] = [text]
            sheet.end_cell()
        elif kind == _COLUMNS and len(body) >= 18 and body[16] & 1:
            first, last = struct.unpack_from("<II", body)
            sheet.hide_columns(first + 1, last + 1)
    yield from sheet.finish()


def read_binary_comments(pieces: Iterable[bytes]) -> Iterator[Item]:
    """The comments of a sheet."""
    for kind, body in _records(pieces):
        if kind == _COMMENT:
            yield Text("comment", _wide(body, 1)[0])


def _cell(kind: int, body: bytes) -> tuple[str, str]:
    """The type that a cell would have in XML, and its value."""
    if kind == _SHARED:
        return "s", str(struct.unpack_from("<I", body, 8)[0])
    if kind in (_TEXT, _FORMULA_TEXT):
        return "str", _wide(body, 8)[0]
    if kind == _RK:
        return "", repr(unpack_number(struct.unpack_from("<I", body, 8)[0]))
    return "", repr(struct.unpack_from("<d", body, 8)[0]) if len(body) >= 16 else ""


def _records(pieces: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Each record's kind and content."""
    rest = bytearray()
    for piece in pieces:
        rest += piece
        at = 0
        while (found := _record(rest, at)) is not None:
            kind, start, end = found
            yield kind, bytes(rest[start:end])
            at = end
        del rest[:at]


def _record(data: bytearray, at: int) -> tuple[int, int, int] | None:
    kind, at = _number(data, at, 2)
    size, at = _number(data, at, 4) if at >= 0 else (0, -1)
    return (kind, at, at + size) if at >= 0 and at + size <= len(data) else None


def _number(data: bytearray, at: int, most: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends, -1 if it is cut."""
    number = 0
    for n in range(most):
        if at + n >= len(data):
            return 0, -1
        byte = data[at + n]
        number |= (byte & 0x7F) << 7 * n
        if not byte & 0x80:
            return number, at + n + 1
    return number, at + most


def _wide(body: bytes, at: int) -> tuple[str, int]:
    """A string behind its length (§2.5.168), and where it ends; of no length is ``-1``."""
    if at + 4 > len(body):
        return "", at
    (size,) = struct.unpack_from("<i", body, at)
    end = at + 4 + 2 * max(0, size)
    return body[at + 4 : end].decode("utf-16-le", "replace"), end
