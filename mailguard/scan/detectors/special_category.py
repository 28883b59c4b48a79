"""What the law protects most (health, care, family, belief), said of a pupil of the school.

Catches: phrases of SEND, safeguarding, medical and family work in the same paragraph as a pupil of
the directory, or below a subject that names one, or beside initials with a year ("CF (Y4)").
Misses: a first name alone, single words such as "asthma".
False positives: a pupil named beside a training offer in the same paragraph.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator

from mailguard.mail.envelope import Transaction
from mailguard.mail.text import MessageView, Segment, Where
from mailguard.scan.detector import match, no_match
from mailguard.scan.engine import Engine, encode
from mailguard.scan.example import compose
from mailguard.scan.finding import (
    SPAN_LIMIT,
    SUBJECT_LIMIT,
    Category,
    Finding,
    Leak,
    Level,
    Span,
    Symbol,
)
from mailguard.scan.roll import Roll, find_pupils
from mailguard.scan.school import School

SPECIAL_CATEGORY = Symbol(
    name="SPECIAL_CATEGORY",
    category=Category.PERSONAL_DATA,
    level=Level.HOLD,
    says="The message tells something about a named pupil's health, care or family.",
    clauses=("symphony:3.1.5e", "allesley:confidential-information"),
    leak=Leak.SPECIAL,
)
SYMBOLS = (SPECIAL_CATEGORY,)

EXAMPLES = (
    match("Cara Finch has an EHC plan, and her review is in June."),
    match(compose(subject="Ben Holt", text="He is on a child protection plan.")),
    match("CF (Y4) was referred to CAMHS last week.", why="initials and a year"),
    match(compose(attachment="Finch, Cara\tSEN Support\tadhd diagnosis\n"), why="in a table"),
    no_match("Our training on child protection plans is on Friday.", why="nobody is named"),
    no_match("Cara Finch won the race.\n\nEHC plans are explained on our website.", why="apart"),
    no_match("PE (Y4) is in the hall; the EHC plan talk is in the library.", why="a subject"),
    no_match("CF (Y4) was late, and forgot his book.", why="nothing special"),
)

_PHRASES = (
    r"\behcps?\b|\behc (?:plan|needs assessment|assessment)s?\b|\bsen (?:support|register"
    r"|statement)\b",
    r"\bsend (?:support|register|statement)\b|\b(?:ep|educational psycholog\w+) (?:report"
    r"|assessment)",
    r"\b(?:asc|asd|adhd|autis\w+|dyslexi\w+|epilep\w+|diabet\w+) (?:assessment|diagnosis|pathway)",
    r"\b(?:diagnos\w+ (?:with|of)|diagnosis of)\b|\bspeech and language therap",
    r"\b(?:child protection|cp|child in need|cin|pastoral support) (?:plan|meeting|conference"
    r"|review)",
    r"\bsection (?:17|47)\b|\bmash (?:referral|enquiry)|\bstrategy (?:meeting|discussion)\b",
    r"\b(?:early help|eha|taf|caf) (?:assessment|meeting|plan)\b|\boperation encompass\b|\bcpoms\b",
    r"\b(?:looked[ -]after child|lac review|in (?:foster|local authority) care|foster carers?)\b",
    r"\b(?:pep meeting|personal education plan|social (?:worker|services|care)|lado referral)\b",
    r"\b(?:individual |health)? ?care plan\b|\b(?:medical|health) (?:condition|needs)\b|\bcamhs\b",
    r"\bepi-?pens?\b|\binsulin\b|\bmedication\b|\bself[ -]harm\w*\b|\banaphyla\w+",
    r"\bfree school meals?\b|\b(?:is|are|gets?|receives?|on|for) fsm\b|\bpupil premium\b",
    r"\bno recourse to public funds\b|\b(?:non-?molestation|prohibited steps|residence) order\b",
    r"\b(?:custody|contact) (?:order|arrangements|hearing)\b|\bcourt order\b|\basylum seek\w+",
    r"\bpermanent(?:ly)? exclu\w+|\bfixed[ -]term (?:exclusion|suspension)|\bdomestic (?:abuse"
    r"|viol\w+)",
)
_GATE = Engine(list(_PHRASES))
_PHRASE = re.compile("|".join(_PHRASES), re.ASCII)

_INITIALS = re.compile(
    r"\b(?!(?:PE|RE|RS|IT|ICT|DT|MFL|TA|HT|AM|PM|KS|ELSA|PPA|HLTA|EAL|SEN|FSM|SLT|PTA|UK|OK|ID|RSE"
    r"|STEM|SATS|DSL|EYFS|GCSE|PSHE|AFL|CPD|EHC|ASD|ASC)\b)"
    r"[A-Z]\.?[A-Z]{1,2}\b\.?[ ,–-]{0,3}[(\[]?(?:in )?(?:Y|Yr|Year) ?(?:R|\d{1,2})\b"
)
_PARAGRAPH = re.compile(r"\n[ \t]*\n")
_LONG = 1500
"""Characters of a paragraph from which only what stands this close counts: tables, web pages."""

_CLOSE = 300


def detect(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    """Yield one finding for the message; its count is that of phrases."""
    titled: set[str] | None = None
    spans: list[Span] = []
    subjects: set[str] = set()
    for segment in view.segments:
        if segment.where is Where.FILENAME:
            continue
        if not _GATE.first_ends(encode(segment.folded.text)):
            continue
        if titled is None:
            titled = _named_in_subject(view, school.roll)
        people = _people_in(segment, school.roll)
        for phrase in _PHRASE.finditer(segment.folded.text):
            start, end = segment.folded.span(*phrase.span())
            near = _near(segment.text, start, end, people) | titled
            if not near:
                continue
            subjects |= near
            if len(spans) < SPAN_LIMIT:
                spans.append(Span(part=segment.part, where=segment.where, start=start, end=end))
    if spans:
        yield Finding(
            symbol=SPECIAL_CATEGORY,
            level=SPECIAL_CATEGORY.level,
            part=spans[0].part,
            where=spans[0].where,
            count=len(spans),
            spans=tuple(spans),
            subjects=tuple(sorted(subjects - {""})[:SUBJECT_LIMIT]),
        )


def _named_in_subject(view: MessageView, roll: Roll | None) -> set[str]:
    return {
        subject
        for segment in view.segments
        if segment.where is Where.SUBJECT
        for _, subject in _people_in(segment, roll)
    }


def _people_in(segment: Segment, roll: Roll | None) -> list[tuple[int, str]]:
    """Where somebody is named, and which pupil; an empty text for initials."""
    people = [(found.start(), "") for found in _INITIALS.finditer(segment.text)]
    if roll is not None:
        people += [(naming.start, naming.subject) for naming in find_pupils(segment, roll)]
    return sorted(people)


def _near(text: str, start: int, end: int, people: list[tuple[int, str]]) -> set[str]:
    """Who is named in the paragraph of a phrase."""
    if not people:
        return set()
    first = max(start - _LONG, 0)
    breaks = [found.end() for found in _PARAGRAPH.finditer(text, first, start)]
    following = _PARAGRAPH.search(text, end, end + _LONG)
    low = breaks[-1] if breaks else first
    high = following.start() if following else min(len(text), end + _LONG)
    if high - low > _LONG:
        low, high = max(low, start - _CLOSE), min(high, end + _CLOSE)
    at = bisect_left(people, (low, ""))
    near = set()
    while at < len(people) and people[at][0] < high:
        near.add(people[at][1])
        at += 1
    return near
