"""Where somebody lives: a house number, a street and a postcode.

Catches: "14 Acorn Close, Leeds LS1 4AB", in one line or several, in what the author wrote and in
files.
Misses: an address without its postcode; a house that has a name; one in a signature.
False positives: the address of a firm or a place that is not said to be one. One is only counted,
ten or more are a list of people.
"""

import re
from collections.abc import Iterator
from itertools import islice

from mailguard.mail.envelope import Transaction
from mailguard.mail.text import MessageView, Segment, Where
from mailguard.scan.detector import match, no_match
from mailguard.scan.engine import Engine, encode
from mailguard.scan.finding import Category, Finding, Leak, Level, Symbol
from mailguard.scan.identifier import Hit, bare, report
from mailguard.scan.school import School

HOME_ADDRESS = Symbol(
    name="HOME_ADDRESS",
    category=Category.PERSONAL_DATA,
    level=Level.COUNT,
    says="The message contains postal addresses with a house number.",
    clauses=("symphony:3.1.5e", "allesley:confidential-information"),
    leak=Leak.WEAK,
)
SYMBOLS = (HOME_ADDRESS,)

EXAMPLES = (
    match("They live at 14 Acorn Close, Leeds LS1 4AB now."),
    match("Cara Finch\nFlat 2, 7 Mill Lane\nElmham\nNR20 5XY", why="in several lines"),
    no_match("Elm Park School, 14 Acorn Close, Leeds LS1 4AB", why="a school"),
    no_match("The exam is in room E10 5AB at 14 tables.", why="a room"),
    no_match("Fly to the museum at 14 tonight, or AB1 2CD next.", why="no street"),
    no_match("Bye!\n\nKind regards\nAna Cole\n14 Acorn Close\nLeeds LS1 4AB", why="a signature"),
)

# Royal Mail, "Programmers' guide to PAF": no C, I, K, M, O or V in the second half.
_POSTCODE = r"\b[a-z]{1,2}\d[a-z\d]? ?\d[abd-hjlnp-uw-z]{2}\b"
_GATE = Engine([_POSTCODE])
_STREETS = (
    r"(?:road|rd|street|st|lane|ln|close|cl|avenue|ave|drive|dr|way|court|ct|crescent|cres|gardens"
    r"|gdns|grove|terrace|place|pl|square|sq|hill|park|rise|row|walk|mews|view|green|croft|garth"
    r"|fold|yard|parade|gate|end|meadows?|fields?|wood|bank|mount|vale|villas|cottages)"
)
_ADDRESS = re.compile(
    rf"\b\d{{1,4}}[a-z]?,?\s(?:[a-z'.-]+\s){{1,4}}?{_STREETS}\b\.?[^\d]{{1,80}}?{_POSTCODE}",
    re.ASCII,
)
_POSTCODES = re.compile(_POSTCODE, re.ASCII)
_ORGANISATION = re.compile(
    r"\b(?:schools?|academy|college|university|council|ltd|limited|plc|llp|hospital|centre|church"
    r"|hall|offices?|surgery|museum|hotel|theatre|library|charity|registered|trust|station|club"
    r"|venue|company|service|services|museum|zoo|stadium|restaurant|shop|farm)\b"
)
_BEFORE = 160
"""Characters before a postcode in which its house number stands."""

_NAME = 60
"""Characters before the house number in which the name of an organisation stands."""

_SENTENCE_END = re.compile(r"[.!?]\s|\n\n")

_LIMIT = 2000


def detect(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    """Yield one finding for all addresses of the message."""
    hits = [hit for segment in view.segments for hit in _find(segment)]
    return report(HOME_ADDRESS, hits, adds_up=True)


def _find(segment: Segment) -> Iterator[Hit]:
    text = segment.folded.text
    if segment.where is Where.QUOTED or not _GATE.first_ends(encode(text)):
        return
    closing = segment.closing
    done = 0
    for postcode in islice(_POSTCODES.finditer(text), _LIMIT):
        behind = done
        begin = max(behind, postcode.start() - _BEFORE)
        done = postcode.end()
        address = _ADDRESS.search(text, begin, done)
        if address is None or _is_of_an_organisation(text, behind, address.start()):
            continue
        start, end = address.span()
        if segment.folded.span(start, end)[0] >= closing:
            return
        yield Hit(segment=segment, start=start, end=end, number=bare(address[0]))


def _is_of_an_organisation(text: str, behind: int, start: int) -> bool:
    """Whether one is named before an address, and behind the address before it."""
    before = _SENTENCE_END.split(text[max(behind, start - _NAME) : start])[-1]
    return bool(_ORGANISATION.search(before))
