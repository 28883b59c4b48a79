"""Tables as text, of whatever format: a line for each row, its cells parted by one tab each."""

import re
from collections.abc import Collection, Iterator, Sequence

from mailguard.extract.item import Feature, Item
from mailguard.extract.office.markup import ENOUGH, Scribe
from mailguard.extract.office.table import Rows

_WORD_BEGINS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[_.-]+")

PAD = 64
"""Empty cells shown between two that hold something, and times that a repeated one is shown: enough
to keep a table in its columns."""


def line_of(cells: Sequence[str]) -> str:
    """The line of a row, its end included; ``""`` if nothing is in it. White space within a cell is
    one blank, and empty cells at the end are left out."""
    line = "\t".join(cells)
    if "\n" in line or "\r" in line or "  " in line or line.count("\t") >= len(cells):
        line = "\t".join(" ".join(cell.split()) for cell in cells)
    line = line.rstrip()
    return f"{line}\n" if line else ""


def words_of(name: str) -> str:
    """The name of a field as words: "legalSurname", "LegalSurname" and "legal_surname" alike."""
    return _WORD_BEGINS.sub(" ", name).strip()


class SheetLines:
    """The rows of a sheet, in which cells may be hidden."""

    def __init__(self, where: str) -> None:
        self._all = Scribe(where)
        self._shown = Scribe(f"shown cells of {where}")
        self._rows = Rows()
        self._has_hidden = self._is_parted = False
        self._before = ""

    def add(self, cells: Sequence[str], hidden: Collection[int] = (), times: int = 1) -> None:
        """A row, which comes so many times; `hidden` are the places of cells that nobody sees."""
        line = line_of(cells)
        if not line:
            return
        self._all.add(line * min(times, PAD))
        self._rows.row(cells, times)
        shown = line
        if any(cells[place] for place in hidden):
            shown = line_of([cell for place, cell in enumerate(cells) if place not in hidden])
            self._is_parted = self._is_parted or not line.startswith(shown.rstrip("\n"))
            if not self._has_hidden:
                self._shown.add(self._before)
            self._has_hidden = True
        elif self._has_hidden and self._before:
            self._is_parted = True
        if self._has_hidden:
            self._shown.add(shown)
        self._before = shown or self._before

    def hand_on(self) -> Iterator[Item]:
        """The text, where there is enough of it."""
        if self._all.is_full:
            yield from self._all.hand_on()
        if self._is_parted and self._shown.is_full:
            yield from self._shown.hand_on()

    def finish(self) -> Iterator[Item]:
        """All text that is left, and what there is to say of the sheet."""
        yield from self._all.hand_on()
        if self._is_parted:
            # What is hidden stood in the midst of something: it may be a sentence.
            yield from self._shown.hand_on()
        if self._has_hidden:
            yield Feature("hidden")
        yield from self._rows.count()


class Grid:
    """A table that stands in running text, and whose cells come in pieces."""

    def __init__(self, scribe: Scribe) -> None:
        """Its lines go on what `scribe` has."""
        self.scribe = scribe
        self._rows = Rows()
        self._line: list[str] = []
        self._cell: list[str] = []
        self._is_filled = False
        self._size = 0

    def add(self, text: str) -> None:
        """The cell goes on with `text`."""
        self._cell.append(text)
        self._size += len(text)
        if self._size > 16 * ENOUGH:
            self.spill()

    def fill(self) -> None:
        """There is something in the row that is told elsewhere."""
        self._is_filled = True

    def cell(self) -> None:
        """The cell ends."""
        self._line.append("".join(self._cell))
        self._cell.clear()

    def row(self) -> None:
        """The row ends."""
        if self._cell:
            self.cell()
        self._rows.row(self._line or [""], is_filled=self._is_filled)
        self.spill()
        self._is_filled = False

    def spill(self) -> None:
        """What there is of a row becomes a line: another table stands in it, or it has no end."""
        self.scribe.add(line_of([*self._line, "".join(self._cell)]))
        self._line.clear()
        self._cell.clear()
        self._size = 0

    def finish(self) -> Iterator[Item]:
        """How many rows there were."""
        self.spill()
        yield from self._rows.count()
