"""The text of Excel files before 2007 (MS-XLS): records one after the other, BIFF 5 and 8."""

import re
import struct
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

from mailguard.extract.item import Feature, Item, Miss, Text
from mailguard.extract.office.biff import Strings, read_short
from mailguard.extract.office.grid import PAD, SheetLines
from mailguard.extract.office.markup import Scribe
from mailguard.extract.office.table import DATE_FORMATS, is_date_format, shown_number

_BOF, _EOF, _CONTINUE = 0x0809, 0x000A, 0x003C
_FILE_PASS, _BOUND_SHEET, _STRINGS, _FORMAT, _XF = 0x002F, 0x0085, 0x00FC, 0x041E, 0x00E0
_DATE_1904 = 0x0022
_LABEL_SHARED, _LABEL, _RICH_LABEL, _FORMULA_TEXT = 0x00FD, 0x0204, 0x00D6, 0x0207
_NUMBER, _RK, _MANY_RK, _FORMULA = 0x0203, 0x027E, 0x00BD, 0x0006
_ROW, _COLUMNS, _HEADER, _FOOTER = 0x0208, 0x007D, 0x0014, 0x0015
_OBJECT_TEXT, _LINK, _EXTERNAL = 0x01B6, 0x01B8, 0x01AE
_MACRO_SHEET = 0x40

_LITERAL = re.compile(rb"\x17[\x02-\xff][\x00\x01](?=[\x20-\x7e])", re.DOTALL)

RECORDS = 5_000_000
"""A sheet of 65,536 rows and 20 columns has 1.3 million."""


@dataclass(slots=True, kw_only=True)
class _Book:
    """What the globals say of all sheets."""

    is_old: bool = False
    strings: list[str] = field(default_factory=list)
    names: dict[int, tuple[str, bool]] = field(default_factory=dict)
    """By position in the stream: name, and whether it is hidden."""

    date_formats: set[int] = field(default_factory=lambda: set(DATE_FORMATS))
    formats: list[int] = field(default_factory=list)
    from_1904: bool = False


class _Sheet:
    """One sheet being read."""

    def __init__(self, where: str, book: _Book) -> None:
        self.book = book
        self.lines = SheetLines(where)
        self.rest = Scribe(f"notes of {where}")
        self.hidden_rows: set[int] = set()
        self.hidden_columns: set[int] = set()
        self.row = -1
        self.line: list[str] = []
        self.hidden: set[int] = set()

    def put(self, row: int, column: int, text: str) -> Iterator[Item]:
        if row != self.row:
            yield from self.end_row()
            self.row = row
        self.line.extend([""] * min(PAD, column - len(self.line)))
        if row in self.hidden_rows or column in self.hidden_columns:
            self.hidden.add(len(self.line))
        self.line.append(text)

    def number(self, number: float, style: int) -> str:
        formats = self.book.formats
        is_date = style < len(formats) and formats[style] in self.book.date_formats
        return shown_number(repr(number), is_date=is_date, from_1904=self.book.from_1904)

    def end_row(self) -> Iterator[Item]:
        self.lines.add(self.line, self.hidden)
        self.line, self.hidden = [], set()
        yield from self.lines.hand_on()
        if self.rest.is_full:
            yield from self.rest.hand_on()

    def finish(self) -> Iterator[Item]:
        yield from self.end_row()
        yield from self.lines.finish()
        yield from self.rest.hand_on()


def read_xls(stream: bytes) -> Iterator[Item]:
    """Yield the text of a Workbook stream: a line for each row, hidden or not."""
    book = _Book()
    sheet: _Sheet | None = None
    waits_for_text = False
    for count, (at, kind, body) in enumerate(_records(stream)):
        if count == RECORDS:
            yield Miss("too_long")
            break
        if kind == _FILE_PASS:
            yield Miss("encrypted")
            return
        if kind == _BOF:
            if sheet:
                yield from sheet.finish()
            sheet = yield from _begin(at, body, book)
        elif kind == _STRINGS:
            strings = Strings(stream, at)
            book.strings = strings.read()
            if strings.is_cut:
                yield Miss("too_long")
        elif sheet is None or kind in (_BOUND_SHEET, _FORMAT, _XF, _DATE_1904, _EXTERNAL):
            yield from _read_global(kind, body, book)
        else:
            if waits_for_text and kind == _CONTINUE:
                sheet.rest.add(_wide_or_not(body) + "\n")
            waits_for_text = kind == _OBJECT_TEXT
            yield from _read_record(kind, body, sheet)
    if sheet:
        yield from sheet.finish()


def _records(stream: bytes) -> Iterator[tuple[int, int, bytes]]:
    at = 0
    while at + 4 <= len(stream):
        kind, size = struct.unpack_from("<HH", stream, at)
        yield at, kind, stream[at + 4 : at + 4 + size]
        at += 4 + size


def _begin(at: int, body: bytes, book: _Book) -> Generator[Item, None, _Sheet | None]:
    """A substream: the globals, a sheet, a chart, a macro sheet."""
    version, kind = struct.unpack_from("<HH", body)
    if kind == 0x05:
        book.is_old = version < 0x0600
        return None
    if kind == _MACRO_SHEET:
        yield Feature("macros")
    name, is_hidden = book.names.get(at, ("", False))
    if is_hidden:
        yield Feature("hidden")
    return _Sheet(f"{'hidden ' if is_hidden else ''}sheet {name}".strip(), book)


def _read_global(kind: int, body: bytes, book: _Book) -> Iterator[Item]:
    if kind == _BOUND_SHEET and len(body) >= 8:
        (position, state) = struct.unpack_from("<IB", body)
        name = read_short(body[6:], is_old=book.is_old)
        book.names[position] = (name, bool(state & 3))
        yield Text("names", name)
    elif kind == _FORMAT and len(body) > 3:
        code = body[3:].decode("latin-1") if book.is_old else _wide_or_not(body[4:])
        if is_date_format(code):
            book.date_formats.add(struct.unpack_from("<H", body)[0])
    elif kind == _XF and len(body) >= 4:
        book.formats.append(struct.unpack_from("<H", body, 2)[0])
    elif kind == _DATE_1904:
        book.from_1904 = body[:1] == b"\x01"
    elif kind == _EXTERNAL and len(body) > 8:
        # MS-XLS §2.4.271: an encoded path; shorter ones mean this book or an add-in.
        yield Text("link", "".join(c for c in _wide_or_not(body[4:]) if c.isprintable()))
        yield Feature("external_link")


def _read_record(kind: int, body: bytes, sheet: _Sheet) -> Iterator[Item]:
    book = sheet.book
    if kind == _LABEL_SHARED and len(body) >= 10:
        row, column, _, number = struct.unpack_from("<HHHI", body)
        text = book.strings[number] if number < len(book.strings) else ""
        yield from sheet.put(row, column, text)
    elif kind in (_LABEL, _RICH_LABEL) and len(body) >= 8:
        row, column = struct.unpack_from("<HH", body)
        yield from sheet.put(row, column, _long(body[6:], is_old=book.is_old))
    elif kind == _NUMBER and len(body) >= 14:
        row, column, style, number = struct.unpack_from("<HHHd", body)
        yield from sheet.put(row, column, sheet.number(number, style))
    elif kind == _RK and len(body) >= 10:
        row, column, style, packed = struct.unpack_from("<HHHI", body)
        yield from sheet.put(row, column, sheet.number(unpack_number(packed), style))
    elif kind == _MANY_RK and len(body) >= 6:
        row, column = struct.unpack_from("<HH", body)
        for n in range((len(body) - 6) // 6):
            style, packed = struct.unpack_from("<HI", body, 4 + 6 * n)
            yield from sheet.put(row, column + n, sheet.number(unpack_number(packed), style))
    elif kind == _FORMULA and len(body) >= 14:
        row, column, style = struct.unpack_from("<HHH", body)
        for size, is_wide, at in _literals(body):
            text = body[at : at + (2 * size if is_wide else size)]
            sheet.rest.add(text.decode("utf-16-le" if is_wide else "latin-1", "replace") + "\n")
        if body[12:14] == b"\xff\xff":
            # Its text is in the record that follows.
            yield from sheet.put(row, column, "")
        else:
            (number,) = struct.unpack_from("<d", body, 6)
            yield from sheet.put(row, column, sheet.number(number, style))
    elif kind == _FORMULA_TEXT:
        sheet.line[-1:] = [_long(body, is_old=book.is_old)]
    elif kind == _ROW and len(body) >= 14:
        if body[12] & 0x20:
            sheet.hidden_rows.add(struct.unpack_from("<H", body)[0])
    elif kind == _COLUMNS and len(body) >= 10:
        first, last, _, _, flags = struct.unpack_from("<HHHHH", body)
        if flags & 1:
            sheet.hidden_columns.update(range(first, min(last, 256) + 1))
    elif kind in (_HEADER, _FOOTER) and len(body) > 2:
        sheet.rest.add(_long(body, is_old=book.is_old) + "\n")
    elif kind == _LINK:
        sheet.rest.add("\n".join(_words(body)) + "\n")


def _long(body: bytes, *, is_old: bool) -> str:
    """A string behind its length in two bytes (MS-XLS §2.5.294)."""
    if len(body) < 3:
        return ""
    (size,) = struct.unpack_from("<H", body)
    if is_old:
        return body[2 : 2 + size].decode("cp1252", "replace")
    if body[2] & 1:
        return body[3 : 3 + 2 * size].decode("utf-16-le", "replace")
    return body[3 : 3 + size].decode("latin-1")


def _wide_or_not(body: bytes) -> str:
    """Letters behind the byte that says how wide they are."""
    if body[:1] and body[0] & 1:
        return body[1:].decode("utf-16-le", "replace")
    return body[1:].decode("latin-1")


def _words(body: bytes) -> list[str]:
    text = body[: len(body) // 2 * 2].decode("utf-16-le", "replace")
    return [word for word in text.replace("\0", " ").split() if word.isascii() and len(word) > 3]


def _literals(body: bytes) -> Iterator[tuple[int, bool, int]]:
    """Where a formula has text (MS-XLS §2.5.198.89): it may not have been worked out yet."""
    for found in _LITERAL.finditer(body, 22):
        yield body[found.start() + 1], body[found.start() + 2] == 1, found.end()


def unpack_number(packed: int) -> float:
    """A number in 30 bits (MS-XLS §2.5.217)."""
    if packed & 2:
        whole = packed >> 2
        number = float(whole - (1 << 30) if whole & (1 << 29) else whole)
    else:
        (number,) = struct.unpack("<d", bytes(4) + struct.pack("<I", packed & 0xFFFFFFFC))
    return number / 100 if packed & 1 else number
