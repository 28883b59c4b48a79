"""Telephone numbers of people: mobiles and fixed lines.

Catches: one written as dialled in Britain, or with +44, in what the author wrote and in files.
Misses: foreign ones; one in a signature or in a quoted reply, where everybody's is.
False positives: a firm's number. One is only counted; ten or more mobiles are a list of people.
"""

import re
from collections.abc import Iterator
from itertools import islice

from mailguard.mail.envelope import Transaction
from mailguard.mail.text import MessageView, Segment, Where
from mailguard.scan.detector import match, no_match
from mailguard.scan.engine import Engine, encode
from mailguard.scan.example import compose
from mailguard.scan.finding import Category, Finding, Leak, Level, Symbol
from mailguard.scan.identifier import MANY, Hit, bare, report
from mailguard.scan.phone import is_mobile, is_phone_of_a_person
from mailguard.scan.school import School

PHONE_NUMBER = Symbol(
    name="PHONE_NUMBER",
    category=Category.PERSONAL_DATA,
    level=Level.COUNT,
    says="The message contains telephone numbers.",
    clauses=("symphony:3.1.5e", "allesley:confidential-information"),
    leak=Leak.WEAK,
)
SYMBOLS = (PHONE_NUMBER,)

EXAMPLES = (
    match("Her mum is on 07700 900123 today."),
    match(compose(attachment="Name,Mobile\nReed,07700 900123\n"), why="in an attached list"),
    match("Ring the family at 020 7946 0123 or +44 7700 900123."),
    no_match("Ring Childline on 0800 1111, or us on 0300 123 4567.", why="numbers of services"),
    no_match("See you on Friday.\n\nKind regards\nAna Cole\n01632 960123", why="a signature"),
    no_match("Order 07700900 is here.", why="too short"),
    no_match("The meter shows 1,07700 900123.", why="a part of another number"),
    no_match("Order no. 07700 900123", why="named as something else"),
)

_GATE = Engine([r"(?:\b0|\(0|\+44|\b44)[ ()0-9-]{9}"])
_NUMBER = re.compile(
    r"(?<![\w./#=-])(?<!\d[,:])(?:\+?44[ -]?(?:\(0\)[ -]?)?|0044[ -]?|\(?0)"
    r"\d{2,5}\)?(?:[ -]?\d{2,8}){1,3}"
    r"(?![\w/-]|\.\d)",
    re.ASCII,
)
_OTHERWISE_NAMED = re.compile(
    r"\b(?:order|invoice|booking|ref|reference|tracking|parcel|serial|account|fax|isbn|quote"
    r"|ticket|code)\b(?:[ .:#]|\b(?:no|number|is)\b)*$"
)
_LABEL = 30
_LIMIT = 1000
"""Numbers of one text that are looked up, at some 20 µs each: a whole school's contacts."""


def detect(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    """Yield one finding for all telephone numbers of the message."""
    hits = [hit for segment in view.segments for hit in _find(segment)]
    mobiles = {hit.number for hit in hits if is_mobile(hit.number)}
    return report(PHONE_NUMBER, hits, adds_up=len(mobiles) >= MANY)


def _find(segment: Segment) -> Iterator[Hit]:
    text = segment.folded.text
    if segment.where is Where.QUOTED or not _GATE.first_ends(encode(text)):
        return
    closing = segment.closing
    for number in islice(_NUMBER.finditer(text), _LIMIT):
        start, end = number.span()
        if segment.folded.span(start, end)[0] >= closing:
            return
        label = text[max(0, start - _LABEL) : start]
        if is_phone_of_a_person(number[0]) and not _OTHERWISE_NAMED.search(label):
            yield Hit(segment=segment, start=start, end=end, number=bare(number[0]))
