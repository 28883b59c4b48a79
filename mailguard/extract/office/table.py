"""How many rows a table has: "an export of 240 pupils" is seen by it."""

import re
from collections.abc import Iterator
from datetime import date, timedelta

from mailguard.extract.item import Feature, Item

_NUMBER = re.compile(r"\s*[-+£$€]?[\d.,/:%\s-]+\Z")
_DATE_FORMAT = re.compile(r"[dy]|(?<![hs:])mm?(?![:s])", re.IGNORECASE)
_NO_LETTERS = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]')

DATE_FORMATS = frozenset((*range(14, 18), 22, *range(27, 37), *range(50, 59)))
"""Numbers of built-in formats that show a date (ECMA-376-1 §18.8.30)."""

_FIRST_DAY = date(1899, 12, 30)
_LAST_SERIAL = 2_958_465  # 31 December 9999


class Rows:
    """Counts rows that hold something, without their heading."""

    def __init__(self) -> None:
        self._count = 0
        self._cells = 0
        self._is_filled = False
        self._is_worded = True
        self._has_heading = False

    def add(self, text: str) -> None:
        """The cell being read goes on with `text`."""
        if text and not text.isspace():
            self._is_filled = True
            # Only of the first row it matters what is in it.
            if not self._count and _NUMBER.match(text):
                self._is_worded = False

    def cell(self) -> None:
        """The cell ends."""
        self._cells += self._is_filled
        self._is_filled = False

    def row(self, cells: list[str]) -> None:
        """A whole row."""
        if self._count:
            self._count += any(cells) and not "".join(cells).isspace()
            return
        for text in cells:
            self.add(text)
            self.cell()
        self.end()

    def end(self) -> None:
        """The row ends."""
        if self._cells:
            self._count += 1
            if self._count == 1:
                self._has_heading = self._is_worded and self._cells > 1
        self._cells = 0
        self._is_worded = True

    def count(self) -> Iterator[Item]:
        """The feature, if there are two rows or more."""
        rows = self._count - self._has_heading
        if rows > 1:
            yield Feature(f"rows:{rows}")


def is_date_format(code: str) -> bool:
    """Whether numbers of this format are shown as a date."""
    return bool(_DATE_FORMAT.search(_NO_LETTERS.sub("", code[:200])))


def shown_number(value: str, *, is_date: bool, from_1904: bool = False) -> str:
    """A number about as the sheet shows it: dates as such, long ones without an exponent."""
    try:
        number = float(value)
    except ValueError:
        return value
    if is_date and 1 <= number <= _LAST_SERIAL - 1462:
        day = _FIRST_DAY + timedelta(days=int(number) + (1462 if from_1904 else 0))
        return f"{day:%d/%m/%Y}"
    if number.is_integer() and abs(number) < 1e16:
        return str(int(number))
    return value
