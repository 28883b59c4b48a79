"""Tables of web pages as lines of cells: where each cell begins is marked in the page before it is
read, and found in its text again."""

import re
from collections.abc import Iterator

from mailguard.extract.item import Item
from mailguard.extract.office.grid import line_of
from mailguard.extract.office.table import Rows

_TABLE, _CELL = "\ufdd0", "\ufdd1"
"""Stand for the beginnings of a table and of a cell: two code points that are in no text."""

_STRAY = re.compile(rf"[{_TABLE}{_CELL}]|&#(?:x0*+fdd[01]|0*+6497[67]);?", re.I)
_STRUCTURE = re.compile(r"<(/?)(table|tr|td|th)\b(?:[^<>\"']|\"[^\"]*+\"|'[^']*+')*+>?", re.I)
_BLOCK_WORDS = (
    "p|h[1-6]|hr|pre|ul|ol|li|dl|dt|dd|article|aside|section|header|footer|form|figure|blockquote|"
    "div|br|center|address"
)
_BLOCK = re.compile(rf"<(/?)(?:{_BLOCK_WORDS})(?=[\s/>])", re.I)
_BLANKS = re.compile(r"[\t\n\r]")


def mark_tables(html: str) -> str:
    """Mark the cells of all tables that hold no other, and keep each row of them in one line."""
    # Must: a page that has them itself could take its words apart with them.
    html = _STRAY.sub("", html)
    pieces: list[str] = []
    done = 0
    for start, end in _innermost(html):
        pieces += html[done:start], _marked(html[start:end])
        done = end
    return "".join((*pieces, html[done:]))


def read_tables(text: str) -> tuple[str, list[Item]]:
    """The text of a page that was read after :func:`mark_tables`, without those marks, and how many
    rows its tables have."""
    if _CELL not in text:
        return text.replace(_TABLE, ""), []
    lines: list[str] = []
    rows: list[Rows] = [Rows()]
    is_row = False
    for line in text.split("\n"):
        if _TABLE in line:
            rows.append(Rows())
            line = line.replace(_TABLE, "")
        if _CELL not in line:
            # Blank lines between rows are the distance that a page sets.
            if not is_row or line.strip():
                is_row = False
                lines.append(line)
            continue
        before, *cells = line.replace("\t", "").split(_CELL)
        rows[-1].row(cells)
        lines.append(before + line_of(cells).rstrip("\n"))
        is_row = True
    return "\n".join(lines), [item for each in rows for item in each.count()]


def _innermost(html: str) -> Iterator[tuple[int, int]]:
    """From where to where tables without tables in them are, in order."""
    start = -1
    for found in _STRUCTURE.finditer(html):
        if found[2].lower() != "table":
            continue
        if not found[1]:
            start = found.start()
        elif start >= 0:
            yield start, found.end()
            start = -1
    if start >= 0:
        yield start, len(html)


def _marked(table: str) -> str:
    # Elements keep what they are styled with, only not the line that they begin.
    table = _BLANKS.sub(" ", _BLOCK.sub(r" <\1span", table))
    return _STRUCTURE.sub(_with_mark, table)


def _with_mark(tag: re.Match[str]) -> str:
    name = tag[2].lower()
    if tag[1] or name == "tr":
        return tag[0]
    return tag[0] + (_TABLE if name == "table" else _CELL)
