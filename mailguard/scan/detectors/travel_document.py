"""Machine-readable zones: the lines with ``<`` at the foot of a passport, visa or identity card.

Catches: either line of a passport, by its form, the second one by its check digits; the second line
of a visa and of a card.
Misses: a zone with spaces in it, as bad scanners read it; the first line of a card.
False positives: a specimen in a lesson about passports.
"""

import re
from collections.abc import Iterator

from mailguard.mail.envelope import Transaction
from mailguard.mail.text import MessageView, Segment
from mailguard.scan.detector import match, no_match
from mailguard.scan.engine import Engine, encode
from mailguard.scan.finding import Category, Finding, Leak, Level, Symbol
from mailguard.scan.identifier import Hit, report
from mailguard.scan.school import School
from mailguard.scan.travel import is_card_zone, is_zone

TRAVEL_DOCUMENT = Symbol(
    name="TRAVEL_DOCUMENT",
    category=Category.PERSONAL_DATA,
    level=Level.FLAG,
    says="The message contains what is printed on somebody's passport or identity card.",
    clauses=("symphony:3.1.5e", "allesley:confidential-information"),
    leak=Leak.STRONG,
)
SYMBOLS = (TRAVEL_DOCUMENT,)

_FIRST = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<"
_SECOND = "L898902C36UTO7408122F1204159ZE184226B<<<<<10"
"""The specimen of ICAO Doc 9303 part 4."""

EXAMPLES = (
    match(f"Scan:\n{_FIRST}\n{_SECOND}"),
    match(_SECOND, why="the second line alone"),
    match(_FIRST, why="the first line alone"),
    match("I<UTOD231458907<<<<<<<<<<<<<<<\n7408122F1204159UTO<<<<<<<<<<<6", why="a card"),
    no_match(_SECOND.replace("7408122", "7408123"), why="wrong check digit"),
    no_match("P<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<", why="arrows"),
)

_NAMES = r"p[a-z<][a-z<]{3}[a-z]+(?:<[a-z]+)*<<[a-z<]*"
_ZONE = r"[a-z0-9<]{9}\d[a-z<]{3}\d{7}[mfx<]\d{7}[a-z0-9<]{8}(?:[a-z0-9<]{8})?"
_CARD = r"\d{7}[mfx<]\d{7}[a-z<]{3}[a-z0-9<]{11}\d"
_GATE = Engine([r"p[a-z<][a-z<]{3}[a-z]+<", r"\d{7}[mfx<]\d{7}[a-z0-9<]"])
_LINE = re.compile(
    rf"(?<![a-z0-9<])(?:(?P<names>{_NAMES})|(?P<zone>{_ZONE})|(?P<card>{_CARD}))"
    r"(?![a-z0-9<])",
    re.ASCII,
)
_WIDTH = 44
"""Characters of each line of a passport (ICAO Doc 9303 part 4)."""


def detect(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    """Yield one finding for all such lines of the message; the count is that of documents, or of
    lines where only one of each is there."""
    return report(TRAVEL_DOCUMENT, [hit for one in view.segments for hit in _find(one)])


def _find(segment: Segment) -> Iterator[Hit]:
    text = segment.folded.text
    if "<" not in text or not _GATE.first_ends(encode(text)):
        return
    name = ""
    for line in _LINE.finditer(text):
        start, end = line.span()
        if line["names"]:
            if len(line[0]) == _WIDTH:
                name = line[0]
                yield Hit(segment=segment, start=start, end=end, number=name)
        elif is_zone(line[0]) if line["zone"] else is_card_zone(line[0]):
            # The line of names above it belongs to the same document.
            yield Hit(segment=segment, start=start, end=end, number=name or line[0])
            name = ""
