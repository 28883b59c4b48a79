"""Tables of log-ins: whoever has the file is whoever is in it.

Catches: a column that is headed "Password", "PIN", "Wi-Fi key", "API key" or the like, with
something in it that can be one, in text and in files.
Misses: a list without headings; passwords of two words; a table that puts each cell in a line.
False positives: the PIN of a parcel in a table; a column of passwords that are to be changed.
"""

import re
from collections.abc import Iterator

from mailguard.mail.envelope import Transaction
from mailguard.mail.text import MessageView, Segment
from mailguard.scan.detector import match, no_match
from mailguard.scan.engine import Engine, encode
from mailguard.scan.example import compose
from mailguard.scan.finding import SPAN_LIMIT, Category, Finding, Leak, Level, Span, Symbol
from mailguard.scan.grid import Row, rows_of
from mailguard.scan.identifier import LIST
from mailguard.scan.school import School

CREDENTIALS_TABLE = Symbol(
    name="CREDENTIALS_TABLE",
    category=Category.CREDENTIALS,
    level=Level.HOLD,
    says="The message contains a table with passwords or keys.",
    clauses=("symphony:3.1.5e", "symphony:3.1.5i", "allesley:passwords"),
    leak=Leak.CREDENTIALS,
)
SYMBOLS = (CREDENTIALS_TABLE,)

EXAMPLES = (
    match(compose(attachment="Name,Username,Password\nAna Reed,areed,otterlamp\n")),
    match("Site\tLog-in\tPIN\nLibrary\tareed\t4821", why="a PIN"),
    match("Network;Wi-Fi key\nElmGuest;otter-lamp-42", why="a network's key"),
    no_match("Name,Username,Password\nAna Reed,areed,reset\nBen Cole,bcole,", why="no passwords"),
    no_match("It took name after name, my password,\nbut then, time, was up", why="a sentence"),
    no_match("Cable,Pin\nPrinter,9-pin", why="a plug"),
    no_match("Topic,Password safety\nMonday,Tuesday42", why="a lesson"),
    no_match("Username, password\nThe first is yours, the second is in the office.", why="prose"),
)

_WORDS = (
    r"(?:pass ?words?|pass ?codes?|pass ?phrases?|pw|pwd|p/w|log-?in codes?|client secrets?"
    r"|(?:wi[- ]?fi|wireless|wpa[23]?|wep|network) (?:keys?|codes?)"
    r"|(?:api|access|secret|private|recovery) (?:keys?|codes?|tokens?))"
)
_NUMBERS = r"(?:pin(?: codes?| no| numbers?)?)"


def _headed(kind: str) -> re.Pattern[str]:
    """A whole cell: "New password", "Password (Library)"."""
    word = r"[\w'&/.-]+"
    return re.compile(
        rf"(?:{word} ){{0,2}}{kind}|{kind} \({word}(?: {word}){{0,2}}\)", re.IGNORECASE
    )


_COLUMNS = (
    (_headed(_WORDS), re.compile(r"\S{4,128}")),
    (_headed(_NUMBERS), re.compile(r"\d{4,8}")),
)
"""What a column is headed, and what can be in it then."""

_WHOSE = re.compile(
    r"\b(?:names?|surname|forename|pupils?|students?|staff|teachers?|child|class|form|year|users?"
    r"|username|log-?ins?|log ?on|id|e-?mail|address|account|site|website|url|system|app|service"
    r"|network|ssid|wi[- ]?fi|room|host|server|device|program|software|subject|company)\b",
    re.IGNORECASE,
)
"""In the heading of another column. A sentence cut at its commas seldom has such a piece."""

_LONGEST = 4
"""Words of a heading."""

_NONE = re.compile(
    r"(?:none|reset|changed?|required|forgotten|forgot|unknown|same|yes|blank|empty|hidden|expired"
    r"|locked|active|inactive|disabled|enabled|pending|issued|given|sent|todo|n/?a|tbc|tbd|null"
    r"|true|false|\W+|[*x•●]+|see\b.*|pass ?words?|pins?|text|string|varchar.*)",
    re.IGNORECASE,
)
_GATE = Engine([rf"\b{_WORDS}\b", rf"\b{_NUMBERS}\b"])
_APART = 3
"""Lines that may stand between two rows, as where a page ends."""


def detect(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    """Yield one finding for all such tables; its count is that of distinct passwords."""
    values: set[str] = set()
    spans: list[Span] = []
    for segment in view.segments:
        if "\n" not in segment.text or not _GATE.first_ends(encode(segment.folded.text)):
            continue
        for start, end in _find(segment):
            values.add(segment.text[start:end])
            if len(spans) < SPAN_LIMIT:
                place = Span(part=segment.part, where=segment.where, start=start, end=end)
                spans.append(place)
    if values:
        yield Finding(
            symbol=CREDENTIALS_TABLE,
            level=Level.SERIOUS if len(values) >= LIST else CREDENTIALS_TABLE.level,
            part=spans[0].part,
            where=spans[0].where,
            count=len(values),
            spans=tuple(spans),
        )


def _find(segment: Segment) -> Iterator[tuple[int, int]]:
    """Yield where passwords stand below a heading, a row at a time."""
    columns: dict[int, re.Pattern[str]] = {}
    width = apart = 0
    for row in rows_of(segment.text):
        headed = _columns(row)
        if headed:
            columns, width, apart = headed, len(row.cells), 0
        elif columns and len(row.cells) == width:
            at, apart = row.start, 0
            for number, cell in enumerate(row.cells):
                start = segment.text.index(cell, at, row.end)
                at = start + len(cell)
                values = columns.get(number)
                if values and values.fullmatch(cell) and not _NONE.fullmatch(cell):
                    yield start, at
        elif columns:
            apart += 1
            columns = columns if apart <= _APART else {}


def _columns(row: Row) -> dict[int, re.Pattern[str]]:
    """What the cells below can be, by the numbers of their columns."""
    columns = {
        number: values
        for number, cell in enumerate(row.cells)
        for heading, values in _COLUMNS
        if heading.fullmatch(cell)
    }
    others = [cell for number, cell in enumerate(row.cells) if number not in columns]
    is_heading = all(len(cell.split()) <= _LONGEST for cell in others)
    return columns if is_heading and any(map(_WHOSE.search, others)) else {}
