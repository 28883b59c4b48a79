"""Many people's e-mail addresses in a text or file: a mailing list that goes astray.

Catches: twenty addresses or more, of people outside the school, in what the author wrote or in
files.
Misses: what is quoted, where long fields of recipients stand; lists of our own people; fewer.
False positives: the programme of a conference with its speakers' addresses.
"""

import re
from collections.abc import Iterator

from mailguard.mail.envelope import Transaction
from mailguard.mail.text import MessageView, Segment, Where
from mailguard.scan.detector import match, no_match
from mailguard.scan.engine import Engine, encode
from mailguard.scan.example import compose
from mailguard.scan.finding import Category, Finding, Leak, Level, Symbol
from mailguard.scan.identifier import Hit, report
from mailguard.scan.school import School

ADDRESS_LIST = Symbol(
    name="ADDRESS_LIST",
    category=Category.PERSONAL_DATA,
    level=Level.SERIOUS,
    says="The message contains a list of many people's e-mail addresses.",
    clauses=("symphony:3.1.5e", "allesley:confidential-information"),
    leak=Leak.MANY,
)
SYMBOLS = (ADDRESS_LIST,)

MANY = 20
"""Distinct addresses: more than a letter's signatures and thanks have."""


def _families(count: int, host: str = "freemail.example") -> str:
    return "\n".join(f"Family {n}, family{n}@{host}" for n in range(count))


EXAMPLES = (
    match(f"Here they are:\n{_families(MANY)}"),
    match(compose(text="All parents.", attachment=_families(60), filename="parents.csv")),
    no_match(f"Here they are:\n{_families(MANY - 1)}", why="a small group"),
    no_match(_families(40, "school.example"), why="our own people"),
    no_match("\n".join(["family1@freemail.example"] * 40), why="one address many times"),
    no_match("\n".join(f"office@firm{n}.example" for n in range(40)), why="nobody's own"),
    no_match(compose(text="Thanks!", quoted=_families(40)), why="quoted"),
)

_GATE = Engine([r"[a-z0-9]@[a-z0-9-]+\."])
_ADDRESS = re.compile(
    r"(?<![\w.+%/=-])([a-z0-9][a-z0-9._%+'-]{0,63})@((?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24})\b(?!@)",
    re.ASCII,
)
_NOBODYS = re.compile(
    r"(?:info|admin|office|enquir|inquir|contact|support|sales|hello|no-?reply|do-?not-?reply|help"
    r"|webmaster|postmaster|press|media|bookings?|team|news|subscri|unsubscri|list|marketing|jobs"
    r"|service|customer|feedback|owner|bounce|request|privacy|security|abuse|mail)"
)
_MACHINES = re.compile(r"\d{6}|[0-9a-f]{16}")
"""In the name before the @: a Message-ID, or what counts clicks."""

_LIMIT = 50_000


def detect(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    """Yield one finding when the message lists the addresses of many people."""
    hits = [hit for segment in view.segments for hit in _find(segment, school)]
    if len({hit.number for hit in hits}) >= MANY:
        yield from report(ADDRESS_LIST, hits)


def _find(segment: Segment, school: School) -> Iterator[Hit]:
    text = segment.folded.text
    if segment.where is Where.QUOTED or text.count("@") < MANY:
        return
    if not _GATE.first_ends(encode(text)):
        return
    for address in _ADDRESS.finditer(text):
        name, domain = address.groups()
        if _NOBODYS.match(name) or _MACHINES.search(name) or school.owns(domain):
            continue
        start, end = address.span()
        yield Hit(segment=segment, start=start, end=end, number=address[0])
