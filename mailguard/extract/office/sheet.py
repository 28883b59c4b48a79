"""The text of SpreadsheetML (ECMA-376-1 §18): rows as lines, hidden ones too."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from mailguard.extract.item import Item
from mailguard.extract.office.grid import PAD, SheetLines
from mailguard.extract.office.markup import Event, Scribe, Start
from mailguard.extract.office.table import DATE_FORMATS, is_date_format, shown_number

STRINGS = 24 << 20
"""Characters of shared strings that are held. A list of 400,000 people has 10 million."""

_COLUMN = re.compile(r"[A-Za-z]{1,3}")
_VALUES = frozenset(("v", "t"))


@dataclass(slots=True, kw_only=True)
class Book:
    """What a workbook says of all its sheets."""

    strings: list[str] = field(default_factory=list)
    is_cut: bool = False
    """Whether it has more strings than are held."""

    dates: set[int] = field(default_factory=set)
    """Numbers of the styles that show dates."""

    from_1904: bool = False
    names: dict[str, str] = field(default_factory=dict)
    """By relationship id, what each sheet is called."""

    hidden: set[str] = field(default_factory=set)


def read_strings(events: Iterable[Event], book: Book) -> None:
    """Fill in the shared strings (§18.4.9); phonetic readings are left out."""
    pieces: list[str] = []
    is_text = is_phonetic = False
    room = STRINGS
    for event in events:
        if isinstance(event, str):
            if is_text and not is_phonetic:
                pieces.append(event)
        elif isinstance(event, Start):
            is_text = event.name == "t"
            is_phonetic = is_phonetic or event.name == "rPh"
        else:
            is_text = False
            if event.name == "rPh":
                is_phonetic = False
            elif event.name == "si":
                book.strings.append("".join(pieces))
                # Each string costs some 50 bytes beside its letters.
                room -= 50 + len(book.strings[-1])
                pieces.clear()
                if room < 0:
                    book.is_cut = True
                    return


def read_styles(events: Iterable[Event], book: Book) -> None:
    """Fill in which cell formats show dates (§18.8)."""
    custom: set[str] = set()
    is_in_cells, number = False, 0
    for event in events:
        if isinstance(event, Start):
            if event.name == "numFmt" and is_date_format(event.get("formatCode")):
                custom.add(event.get("numFmtId"))
            elif event.name == "cellXfs":
                is_in_cells = True
            elif event.name == "xf" and is_in_cells:
                kind = event.get("numFmtId")
                if kind in custom or (kind.isdecimal() and int(kind[:9]) in DATE_FORMATS):
                    book.dates.add(number)
                number += 1
        elif not isinstance(event, str) and event.name == "cellXfs":
            is_in_cells = False


def read_workbook(events: Iterable[Event], book: Book) -> Iterator[Item]:
    """Fill in what sheets are called and which are hidden; defined names are text."""
    scribe = Scribe("names")
    is_name = False
    for event in events:
        if isinstance(event, str):
            if is_name:
                scribe.add(event + "\n")
        elif isinstance(event, Start):
            is_name = event.name == "definedName"
            if event.name == "sheet":
                key = event.get("id")
                book.names[key] = event.get("name")
                if event.get("state").lower() in ("hidden", "veryhidden"):
                    book.hidden.add(key)
            elif event.name == "workbookPr":
                book.from_1904 = event.is_on("date1904")
            elif is_name:
                scribe.add(event.get("name") + " " + event.get("comment") + "\n")
        else:
            is_name = False
    scribe.add("\n".join(book.names.values()))
    yield from scribe.hand_on()


class Sheet:
    """One worksheet being read."""

    def __init__(self, where: str, book: Book) -> None:
        self.book = book
        self.lines = SheetLines(where)
        self.formulas = Scribe(f"formulas of {where}")
        self.rest = Scribe(f"notes of {where}")
        self.hidden_columns: list[range] = []
        self.line: list[str] = []
        self.hidden: set[int] = set()
        self.is_row_hidden = False
        self.kind = ""
        self.style = 0
        self.column = 0
        self.value: list[str] = []

    def start_cell(self, event: Start) -> None:
        reference = _COLUMN.match(event.get("r"))
        self.column = column_of(reference[0]) if reference else self.column + 1
        self.kind, style = event.get("t"), event.get("s")
        self.style = int(style) if style.isdecimal() and len(style) < 7 else -1
        self.value.clear()

    def end_cell(self) -> None:
        text = "".join(self.value)
        if self.kind == "s":
            text = self._shared(text)
        elif self.kind in ("", "n") and text:
            is_date = self.style in self.book.dates
            text = shown_number(text, is_date=is_date, from_1904=self.book.from_1904)
        self.line.extend([""] * min(PAD, self.column - len(self.line) - 1))
        if self.is_row_hidden or any(self.column in each for each in self.hidden_columns):
            self.hidden.add(len(self.line))
        self.line.append(text)

    def _shared(self, text: str) -> str:
        number = int(text) if text.isdecimal() and len(text) < 9 else -1
        return self.book.strings[number] if 0 <= number < len(self.book.strings) else ""

    def end_row(self) -> Iterator[Item]:
        self.lines.add(self.line, self.hidden)
        self.line, self.hidden, self.column = [], set(), 0
        yield from self.lines.hand_on()
        for scribe in (self.formulas, self.rest):
            if scribe.is_full:
                yield from scribe.hand_on()

    def hide_columns(self, first: int, last: int) -> None:
        # Each cell asks all of them. What lies beyond is read as if it were shown.
        if len(self.hidden_columns) < 100:
            self.hidden_columns.append(range(first, last + 1))

    def finish(self) -> Iterator[Item]:
        yield from self.end_row()
        yield from self.lines.finish()
        yield from self.rest.hand_on()
        yield from self.formulas.hand_on()


def read_sheet(events: Iterable[Event], where: str, book: Book) -> Iterator[Item]:
    """A line for each row, hidden or not; formulas that hold words, headers and footers, tips and
    lists to choose from apart."""
    sheet = Sheet(where, book)
    name = ""
    is_cell = False
    for event in events:
        if isinstance(event, str):
            if is_cell and name in _VALUES:
                sheet.value.append(event)
            elif is_cell and name == "f":
                if '"' in event:
                    sheet.formulas.add(event + "\n")
            elif not is_cell and not event.isspace():
                sheet.rest.add(event + "\n")
        elif isinstance(event, Start):
            name = event.name
            if name == "c":
                is_cell = True
                sheet.start_cell(event)
            elif name == "row":
                sheet.is_row_hidden = event.is_on("hidden")
            elif name == "col":
                first, last = event.get("min"), event.get("max")
                is_sane = first.isdecimal() and last.isdecimal() and len(first + last) < 12
                if is_sane and event.is_on("hidden"):
                    sheet.hide_columns(int(first), int(last))
            elif not is_cell and event.attributes:
                sheet.rest.add(event.told())
        else:
            name = ""
            if event.name == "c":
                is_cell = False
                sheet.end_cell()
            elif event.name == "row":
                yield from sheet.end_row()
    yield from sheet.finish()


def column_of(letters: str) -> int:
    """The number of a column, from 1."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - 64
    return number
