"""Tables as text, with commas, semicolons, tabs or bars between the cells (RFC 4180)."""

import csv
import re
from collections.abc import Iterator
from io import StringIO

from mailguard.extract.item import About, Feature, Item, Miss
from mailguard.extract.office.grid import SheetLines
from mailguard.extract.office.raw_text import read_raw
from mailguard.mail.charset import read_text

TYPES = frozenset(("text/csv", "application/csv", "text/tab-separated-values"))
NAMES = (".csv", ".tsv", ".tab", ".psv")
SAMPLE = b"Name,Form\r\nAnn,4B\r\n"

ROWS = 1 << 20
"""As many as Excel has."""

_SEPARATORS = ",;\t|"
_HEADING = re.compile(r"\A\ufeff?sep=(.)\r?\n", re.IGNORECASE)
_COMMAND = re.compile(
    r"""^[ \t"]*+[=+@-][^|\n,;\t]{1,200}\|[^!\n]{0,500}! | [\t,;"][=+@][^|\n,;\t"]{1,200}\|'""",
    re.MULTILINE | re.VERBOSE,
)
"""What Excel starts a program with: ``=cmd|' /c calc'!A1``."""


def read(data: bytes, about: About) -> Iterator[Item]:
    """Yield a line for each row, its cells parted by tabs, and how many rows there are."""
    if data.startswith(b"PK\x03\x04") or (b"\0" in data[:4096] and data[:2] not in _MARKS):
        # Poses as a table; who knows it by its content reads it as well.
        yield from read_raw(data, "")
        yield Miss("format")
        return
    text = read_text(data, "")
    told = _HEADING.match(text)
    separator = told[1] if told else _separator(text)
    lines = SheetLines("")
    # Must: NUL and quotes without an end make no error, and no cell is too long.
    # One for the whole process, so it is never lowered.
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    source = StringIO(text[told.end() if told else 0 :].replace("\0", " "), newline="")
    for count, row in enumerate(csv.reader(source, delimiter=separator)):
        if count == ROWS:
            yield Miss("too_long")
            break
        lines.add(row)
        yield from lines.hand_on()
    yield from lines.finish()
    if _COMMAND.search(text):
        yield Feature("active")


_MARKS = (b"\xff\xfe", b"\xfe\xff")


def _separator(text: str) -> str:
    """The one that the first line has most of."""
    first = text.lstrip()[:4096].partition("\n")[0]
    return max(_SEPARATORS, key=first.count)
