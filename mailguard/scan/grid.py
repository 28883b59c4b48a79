"""Tables in text: which lines are rows, and what their cells are."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_SEPARATORS = "\t;|,"
_GAP = re.compile(r" {2,}|\xa0{2,}")
_QUOTED = re.compile(r'"[^"\n]*"')

LONGEST_LINE = 4000
"""Characters of a line that are taken apart; an export with every column has some 1,000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line with something on it."""

    start: int
    end: int
    text: str
    cells: tuple[str, ...]
    """Without quotes and white space; only one where nothing parts any."""


def rows_of(text: str) -> Iterator[Row]:
    """Yield the lines of `text` that are not empty.

    Cells are parted by tabs, else by whichever of ``;``, ``|`` and ``,`` the line has most of, else
    by two spaces or more.
    """
    at = 0
    for line in text.split("\n"):
        if line and not line.isspace():
            yield Row(start=at, end=at + len(line), text=line, cells=_cells(line[:LONGEST_LINE]))
        at += len(line) + 1


def _cells(line: str) -> tuple[str, ...]:
    bare = _QUOTED.sub(lambda cell: "x" * len(cell[0]), line) if '"' in line else line
    separator = "\t" if "\t" in bare else max(_SEPARATORS, key=bare.count)
    if separator in bare:
        pieces, begin = [], 0
        for piece in bare.split(separator):
            pieces.append(line[begin : begin + len(piece)])
            begin += len(piece) + 1
    else:
        pieces = _GAP.split(line.strip())
    return tuple(piece.strip().strip('"').strip() for piece in pieces)
