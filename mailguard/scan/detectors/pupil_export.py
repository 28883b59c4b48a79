"""Exports of a school's information system, known by their headings.

Catches: a table in the text, in HTML, or in any attached file that was read (sheets, hidden ones
too, documents, PDF, CSV) with at least three headings such as UPN, Legal Surname, DOB or SEN
Status, of which one names the person and one tells more than name and class; and counts the people.
Misses: a table without its heading, and one whose every cell stands in a line of its own.
False positives: sample data of a supplier, a membership list with dates of birth.
"""

import re
from collections.abc import Iterator

from mailguard.mail.envelope import Transaction
from mailguard.mail.fold import fold
from mailguard.mail.text import MessageView, Segment
from mailguard.scan.detector import match, no_match
from mailguard.scan.engine import Engine
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
from mailguard.scan.grid import Row, rows_of
from mailguard.scan.identifier import MANY
from mailguard.scan.roll import find_pupils
from mailguard.scan.school import School

PUPIL_EXPORT = Symbol(
    name="PUPIL_EXPORT",
    category=Category.PERSONAL_DATA,
    level=Level.SERIOUS,
    says="The message contains a list of pupils' details out of the school's records.",
    clauses=("symphony:3.1.5e", "allesley:confidential-information"),
    # Strong, and about many where the level says so: ten people or more.
    leak=Leak.STRONG,
)
SYMBOLS = (PUPIL_EXPORT,)

_PEOPLE = "\n".join(f"Finch\tAna{n}\t0{n % 9 + 1}/05/2015\tK" for n in range(MANY))

EXAMPLES = (
    match(compose(attachment=f"Legal Surname\tForename\tDOB\tSEN Status\n{_PEOPLE}\n")),
    match(
        compose(attachment="UPN,Surname,Date of birth,FSM\nB801200005001,Finch,02/05/2015,Y\n"),
        why="one pupil",
    ),
    match("Name  Year Group  Pupil Premium\nCara Finch  4  Y\nBen Holt  4  N\n", why="typed"),
    no_match("Please tell us your child's name, date of birth and allergies.", why="no table"),
    no_match(compose(attachment="Surname,Forename,Date of birth,Allergies\n,,,\n"), why="a form"),
    no_match(
        compose(attachment="Surname\tForename\tYear\nFinch\tCara\t4\nHolt\tBen\t4\n"),
        why="nothing but names and classes: a team list",
    ),
)

_NAMES = (
    r"(?:legal |preferred |chosen |pupil |student |child )?(?:surname|forename|first ?name"
    r"|last ?name"
    r"|family name|given name)s?|(?:pupil|student|child|full|legal|preferred)(?:'?s)? name|name"
    r"|pupils?|students?"
)
_TELLING = (
    r"(?:current |former )?upn|unique pupil number|uln|uci|dob|d\.?o\.?b\.?|date of birth"
    r"|birth ?date"
    r"|sen(?:d)?(?: status| stage| code| need| needs| provision| type| primary need)?"
    r"|ehcp?(?: plan)?|pupil premium(?: indicator| eligible)?|pp|fsm(?: eligible| eligibility"
    r"| ever ?6"
    r"|6)?|free school meals?(?: eligibility)?|eal|first language|home language|ethnicity"
    r"|ethnic(?: origin| code| group)|religion|cla|lac|in care|looked after|in lea care"
    r"|service child(?:ren)?|medical(?: conditions?| notes?| needs?| flag| information)?"
    r"|allerg(?:y|ies)|dietary(?: needs?| requirements?)?|nhs (?:number|no)"
    r"|(?:primary |emergency )?(?:contact|parent|guardian|carer|mother|father)s?(?: ?\d)?"
    r"(?:'?s)?(?: name| email| telephone| mobile| phone| surname| forename| first name| last name)?"
    r"|(?:% ?)?attendance(?: ?%| percentage)?|exclusions?|suspensions?|home address|postcode"
    r"|child protection|safeguarding|adno|adm(?:ission)?s? (?:no|number)"
)
_PLAIN = (
    r"(?:nc |school )?year(?: ?group)?|reg(?:istration)?(?: ?group| ?form)?|tutor ?group|form|class"
    r"|house|gender|sex|middle name\(?s?\)?|date of admission|mobile|telephone|email(?: address)?"
)
_KINDS = tuple(re.compile(kind) for kind in (_NAMES, _TELLING, _PLAIN))
_NAME, _TOLD = range(2)
_ANY = re.compile(rf"\b(?:(?P<name>{_NAMES})|(?P<told>{_TELLING})|(?P<plain>{_PLAIN}))(?![\w'])")

NEEDED = 3
"""Headings: two may stand together in a sentence, and on a label."""

_MOSTLY = 0.8
"""The share of a line that headings make up, where nothing parts its cells."""

_APART = 3
"""Lines that may stand between two rows, as where a page ends."""

_WHO = r"\b(?:surname|forename|first ?name|last ?name|name|pupils?|students?|upn)\b"
_WHAT = (
    r"\b(?:upn|uln|uci|dob|d\.o\.b|birth ?date|date of birth|send?|ehcp?|pupil premium|pp|fsm|eal"
    r"|language|ethnic(?:ity)?|religion|cla|lac|in care|looked after|in lea care|service child"
    r"|medical|allerg|dietary|nhs n|contact|parent|guardian|carer|mother|father|attendance"
    r"|exclusion|suspension|postcode|home address|free school meal|child protection|safeguarding"
    r"|adno|adm)"
)
_CUE = re.compile(_WHAT, re.IGNORECASE)
_GATE = Engine([_WHO + r"[^\n]*" + _WHAT, _WHAT + r"[^\n]*" + _WHO])
"""Both in one line: one byte a character, with line ends as they are."""


def detect(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    """Yield one finding for all tables of pupils in the message; its count is that of people."""
    people: set[str] = set()
    subjects: set[str] = set()
    spans: list[Span] = []
    for segment in view.segments:
        if not _GATE.first_ends(segment.folded.text.encode("latin-1", "replace")):
            continue
        for heading, rows in _tables(segment):
            people.update(" ".join(row.text.split()).casefold() for row in rows)
            if len(spans) < SPAN_LIMIT:
                start, end = heading.start, heading.end
                spans.append(Span(part=segment.part, where=segment.where, start=start, end=end))
            if school.roll and len(subjects) < SUBJECT_LIMIT:
                subjects |= {
                    naming.subject
                    for naming in find_pupils(segment, school.roll)
                    if heading.end <= naming.start < rows[-1].end
                }
    if people:
        yield Finding(
            symbol=PUPIL_EXPORT,
            level=Level.SERIOUS if len(people) >= MANY else Level.FLAG,
            part=spans[0].part,
            where=spans[0].where,
            count=len(people),
            spans=tuple(spans),
            subjects=tuple(sorted(subjects)[:SUBJECT_LIMIT]),
        )


def _tables(segment: Segment) -> Iterator[tuple[Row, list[Row]]]:
    """Each heading of a table of pupils, and the rows below it."""
    heading: Row | None = None
    rows: list[Row] = []
    apart = 0
    for row in rows_of(segment.text):
        if _is_heading(row):
            if heading and rows:
                yield heading, rows
            heading, rows, apart = row, [], 0
        elif heading and _is_person(row, heading):
            rows.append(row)
            apart = 0
        elif heading:
            apart += 1
            if apart > _APART:
                if rows:
                    yield heading, rows
                heading, rows = None, []
    if heading and rows:
        yield heading, rows


def _is_heading(row: Row) -> bool:
    # Most lines of most texts have not one of the words.
    if not _CUE.search(row.text):
        return False
    kinds = [_kind_of(cell) for cell in row.cells] if len(row.cells) >= NEEDED else []
    found = [kind for kind in kinds if kind is not None]
    if len(found) < NEEDED:
        found = _kinds_in(row.text)
    is_known = len(found) >= NEEDED and _TOLD in found
    # A UPN tells who it is as well as a name does.
    return is_known and (_NAME in found or "upn" in row.text.casefold())


def _kind_of(cell: str) -> int | None:
    heading = fold(cell).text.strip().replace("_", " ")
    return next((i for i, kind in enumerate(_KINDS) if kind.fullmatch(heading)), None)


def _kinds_in(line: str) -> list[int]:
    """The headings of a line that has nothing but headings, with single spaces between them."""
    text = fold(line).text.strip()
    if len(text) > 500 or not text or text[-1] in ".?!:":
        return []
    found = list(_ANY.finditer(text))
    covered = sum(len(heading[0]) + 1 for heading in found)
    if covered < _MOSTLY * len(text):
        return []
    return [("name", "told", "plain").index(heading.lastgroup or "plain") for heading in found]


_WORDS = re.compile(r"[^\W\d_]{2,}")


def _is_person(row: Row, heading: Row) -> bool:
    if len(heading.cells) >= NEEDED:
        filled = [cell for cell in row.cells if cell]
        is_row = len(row.cells) * 2 > len(heading.cells) and len(filled) >= 2
        return is_row and any(_WORDS.search(cell) for cell in filled)
    return len(_WORDS.findall(row.text)) >= 2 and any(c.isdigit() for c in row.text)
