"""Which numbers of a text stand under a heading that names them, however far below it.

A table comes as lines whose cells are parted by tabs, bars, semicolons or commas, its heading
first; one in a PDF or in plain text has spaces only, and some files have each cell in a line.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mailguard.mail.text import Segment

_SEPARATORS = "\t|;,"
_QUOTED = re.compile(r'"[^"\n]*"')

_WIDE = 100
"""Characters of a line of a table whose cells nothing visible parts; a longer one is prose."""

_APART = 8
"""Lines without a number between two rows: the cells of one row, each in a line of its own."""

_PROSE = re.compile(r"[.!?][\"')]*$|\b(?:please|thanks|you|we|i)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heading:
    separator: str
    """``""`` where only spaces part the cells."""

    columns: frozenset[int]


def find_below(
    segment: Segment, text: str, spots: Sequence[tuple[int, int]], named: re.Pattern[str]
) -> set[int]:
    """Return which of `spots` (half-open ranges of `text`, in order) stand in a table's column
    whose heading matches `named`, as the indexes of those.

    `text` is the segment's folded one, each character in its place.
    """
    starts = [start for start, _ in spots]
    heading: _Heading | None = None
    found: set[int] = set()
    gap = 0
    for begin, end in _lines(text):
        first, last = bisect_left(starts, begin), bisect_left(starts, end)
        if first == last:
            if told := _read_heading(segment, text, begin, end, named):
                heading, gap = told, 0
            elif heading and not _is_row(segment, begin, end, heading):
                gap += 1
                heading = None if gap > _APART or _is_prose(text[begin:end]) else heading
        elif heading:
            for spot in range(first, last):
                if _is_in_column(segment, begin, end, starts[spot], heading):
                    found.add(spot)
                    gap = 0
    return found


def _lines(text: str) -> Iterator[tuple[int, int]]:
    begin = 0
    for line in text.split("\n"):
        if line and not line.isspace():
            yield begin, begin + len(line)
        begin += len(line) + 1


def _is_prose(line: str) -> bool:
    return len(line) > _WIDE or bool(_PROSE.search(line.strip()))


def _read_heading(
    segment: Segment, text: str, begin: int, end: int, named: re.Pattern[str]
) -> _Heading | None:
    names = list(named.finditer(text, begin, end))
    if not names:
        return None
    cells = _written(segment, begin, end)
    separator = max(_SEPARATORS, key=cells.count)
    if separator not in cells or (separator == "," and _is_prose(text[begin:end])):
        return None if _is_prose(text[begin:end]) else _Heading(separator="", columns=frozenset())
    columns = frozenset(_column(segment, begin, name.start(), separator) for name in names)
    return _Heading(separator=separator, columns=columns)


def _is_row(segment: Segment, begin: int, end: int, heading: _Heading) -> bool:
    return bool(heading.separator) and heading.separator in _written(segment, begin, end)


def _is_in_column(segment: Segment, begin: int, end: int, at: int, heading: _Heading) -> bool:
    if not heading.separator:
        return end - begin <= _WIDE
    if not _is_row(segment, begin, end, heading):
        # The table of which it was the heading has ended.
        return False
    return _column(segment, begin, at, heading.separator) in heading.columns


def _column(segment: Segment, begin: int, at: int, separator: str) -> int:
    return _written(segment, begin, at).count(separator)


def _written(segment: Segment, begin: int, end: int) -> str:
    """The original of a range of folded text, in which white space is still what it was; what is
    between quotes parts no cells."""
    first, last = segment.folded.span(begin, end)
    written = segment.text[first:last]
    return _QUOTED.sub(lambda cell: "x" * len(cell[0]), written) if '"' in written else written
