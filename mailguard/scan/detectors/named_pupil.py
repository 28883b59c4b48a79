"""Pupils of the school who are named in a message, by the school's own directory.

Catches: forename and surname in either order, a pupil's UPN, and a forename or surname close to the
date of birth that goes with it, in the text, in files and in their names.
Misses: a first name alone, initials, nicknames that the directory does not have.
False positives: another person of the same name. It is a count, and nothing by itself.
"""

from collections.abc import Iterator

from mailguard.mail.envelope import Transaction
from mailguard.mail.fold import fold
from mailguard.mail.text import MessageView, Segment
from mailguard.scan.detector import match, no_match
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
from mailguard.scan.roll import Naming, Roll, find_pupils
from mailguard.scan.school import School

PUPIL_NAMED = Symbol(
    name="PUPIL_NAMED",
    category=Category.PERSONAL_DATA,
    level=Level.COUNT,
    says="The message names pupils of the school.",
    clauses=("symphony:3.1.5e",),
    leak=Leak.PUPIL,
)
SYMBOLS = (PUPIL_NAMED,)

EXAMPLES = (
    match("Cara Finch was away on Monday."),
    match("The place goes to FINCH, Cara.", why="surname first"),
    match("Please update B801200005001.", why="her UPN"),
    match("Cara (2 May 2015) has moved class.", why="forename and date of birth"),
    match(compose(text="See the file.", filename="Cara_Finch.report.txt", attachment="Well done.")),
    no_match("Cara saw a finch in the garden.", why="two words apart"),
    no_match("The concert is on a will may basis.", why="words of a name in small letters"),
    no_match("From: Cara Finch <cara@school.example>", why="an address, not a text about her"),
    no_match("Thank you, Cara. Finch will bring the keys.", why="two sentences"),
)


def detect(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    """Yield one finding for all pupils named; its count is that of pupils."""
    if school.roll is None:
        return
    found: set[str] = set()
    spans: list[Span] = []
    for segment in view.segments:
        for naming in find_pupils(segment, school.roll):
            if _is_of_an_address(segment, naming):
                continue
            found.add(naming.subject)
            if len(spans) < SPAN_LIMIT and not _overlaps(spans, segment, naming):
                spans.append(
                    Span(part=segment.part, where=segment.where, start=naming.start, end=naming.end)
                )
    if found and (subjects := found - _authors(view, school.roll)):
        yield Finding(
            symbol=PUPIL_NAMED,
            level=PUPIL_NAMED.level,
            part=spans[0].part,
            where=spans[0].where,
            count=len(subjects),
            spans=tuple(spans),
            subjects=tuple(sorted(subjects)[:SUBJECT_LIMIT]),
        )


def _is_of_an_address(segment: Segment, naming: Naming) -> bool:
    """Whether it is the name that stands with an address, as above every quoted message."""
    behind = segment.text[naming.end : naming.end + 3].lstrip("\"' ")
    return behind.startswith(("<", "[m"))


def _overlaps(spans: list[Span], segment: Segment, naming: Naming) -> bool:
    return any(
        span.part == segment.part
        and span.where == segment.where
        and span.start < naming.end
        and naming.start < span.end
        for span in spans
    )


def _authors(view: MessageView, roll: Roll) -> set[str]:
    """Pupils who write the message: what they say of themselves is no matter of a pupil named."""
    return {
        naming.subject
        for mailbox in view.message.from_
        for naming in roll.find(fold(mailbox.name).text)
    }
