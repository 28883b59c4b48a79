"""Lists of pupils that are known by their shape, without a heading.

Catches: ten lines or more with a name and a date on which somebody of school age was born; ten
pupils of the school's directory or more, each in a line with a date, a mark or a number.
Misses: lists of first names; fewer than ten.
False positives: a youth club's register, an athletics result with dates of birth.
"""

import re
from collections.abc import Iterator
from datetime import date

from mailguard.mail.envelope import Transaction
from mailguard.mail.text import MessageView, Segment, Where
from mailguard.scan.dates import age_on, find_dates, has_date
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
from mailguard.scan.identifier import MANY
from mailguard.scan.roll import Roll, find_pupils
from mailguard.scan.school import School

CLASS_LIST = Symbol(
    name="CLASS_LIST",
    category=Category.PERSONAL_DATA,
    level=Level.SERIOUS,
    says="The message contains a list of children with their dates of birth or results.",
    clauses=("symphony:3.1.5e", "allesley:confidential-information"),
    leak=Leak.MANY,
)
SYMBOLS = (CLASS_LIST,)

_BORN = "".join(f"Cora{'abcdefghij'[n]} Ashe, {n + 1} May 2015\n" for n in range(MANY))
_MARKS = (
    "Cara Finch 41\nBen Holt 38\nDina Okoro 29\nElif Stone 44\nFaye Lindqvist 40\nGus Penrose 35\n"
    "Hana Weir 33\nIvo Marsh 27\nJia Thorne 39\nKofi Vale 42\n"
)

EXAMPLES = (
    match(compose(attachment=_BORN), why="names and dates of birth"),
    match(_MARKS, why="pupils of the school, and their marks"),
    no_match(_BORN[: _BORN.rindex("Cora")], why="nine"),
    no_match(_BORN.replace("2015", "1975"), why="of age"),
    no_match(_BORN.replace("2015", "2026"), why="a rota"),
    no_match("".join(f"{line[:-3]}\n" for line in _MARKS.splitlines()), why="names and no more"),
)

YOUNGEST, OLDEST = 2, 19
"""Years of age of a pupil."""

_DENSE = 3
"""At least one line in so many of the list's stretch names somebody; prose with names has fewer."""

_PART = r"[^\W\d_a-z](?:[^\W\d_]|['’-])+"
_NAME = re.compile(rf"\b{_PART}[ ,\t\";|]{{1,4}}(?:[^\W\d_a-z]\.? )?{_PART}")
_DIGIT = re.compile(r"\d")


def detect(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    """Yield one finding for all lists; its count is that of people."""
    today = transaction.received.date()
    count, spans, subjects = 0, list[Span](), set[str]()
    for segment in view.segments:
        if segment.where in (Where.SUBJECT, Where.FILENAME):
            continue
        if not _has_many_numbered_lines(segment.text):
            continue
        lines, named = _list_in(segment, today, school.roll)
        count += len(lines)
        subjects |= named
        room = SPAN_LIMIT - len(spans)
        spans += (
            Span(part=segment.part, where=segment.where, start=start, end=end)
            for start, end in lines[:room]
        )
    if count:
        yield Finding(
            symbol=CLASS_LIST,
            level=CLASS_LIST.level,
            part=spans[0].part,
            where=spans[0].where,
            count=count,
            spans=tuple(spans),
            subjects=tuple(sorted(subjects)[:SUBJECT_LIMIT]),
        )


def _has_many_numbered_lines(text: str) -> bool:
    """Whether at least :data:`MANY` lines have a digit, without which there is neither a date nor
    a mark: what tells a letter from a list before anything is looked up."""
    lines, at = 0, 0
    while lines < MANY and (digit := _DIGIT.search(text, at)):
        lines += 1
        line_end = text.find("\n", digit.start())
        at = len(text) if line_end < 0 else line_end
    return lines == MANY


def _list_in(
    segment: Segment, today: date, roll: Roll | None
) -> tuple[list[tuple[int, int]], set[str]]:
    """The lines of a list in `segment`, and which pupils of the roll are in it; else nothing."""
    if has_date(segment.folded.text):
        born = _lines_with_birth(segment, today)
        if len(born) >= MANY:
            return born, set()
    if roll is None:
        return [], set()
    lines: dict[int, tuple[int, int]] = {}
    subjects: set[str] = set()
    for naming in find_pupils(segment, roll):
        start, end = _line_at(segment.text, naming.start)
        if start in lines or _DIGIT.search(segment.text, start, end):
            lines[start] = start, end
            subjects.add(naming.subject)
    listed = list(lines.values())
    if len(subjects) >= MANY and len(listed) >= MANY and _is_dense(segment.text, listed):
        return listed, subjects
    return [], set()


def _lines_with_birth(segment: Segment, today: date) -> list[tuple[int, int]]:
    lines: dict[str, tuple[int, int]] = {}
    for start, end, born in find_dates(segment.folded.text):
        if not YOUNGEST <= age_on(today, born) <= OLDEST:
            continue
        at = segment.folded.span(start, end)[0]
        line = _line_at(segment.text, at)
        if line[1] - line[0] <= 2000 and (name := _NAME.search(segment.text, *line)):
            lines.setdefault(name[0], line)
    listed = sorted(lines.values())
    return listed if len(listed) >= MANY and _is_dense(segment.text, listed) else []


def _is_dense(text: str, lines: list[tuple[int, int]]) -> bool:
    stretch = text[lines[0][0] : lines[-1][1]]
    filled = sum(1 for line in stretch.split("\n") if line.strip())
    return filled <= _DENSE * len(lines)


def _line_at(text: str, at: int) -> tuple[int, int]:
    end = text.find("\n", at)
    return text.rfind("\n", 0, at) + 1, len(text) if end < 0 else end
