"""How many rows a table has: "an export of 240 pupils" is seen by it."""

import re
from collections.abc import Iterator, Sequence
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
        self._has_heading = False

    def row(self, cells: Sequence[str], times: int = 1, *, is_filled: bool = False) -> None:
        """A row, which comes so many times; `is_filled` if it holds more than its `cells`."""
        if self._count:
            if is_filled or (any(cells) and not "".join(cells).isspace()):
                self._count += times
            return
        filled = [cell for cell in cells if cell and not cell.isspace()]
        if filled or is_filled:
            self._count = times
            self._has_heading = len(filled) > 1 and not any(map(_NUMBER.match, filled))

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
