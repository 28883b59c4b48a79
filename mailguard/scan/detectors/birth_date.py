"""Dates of birth.

Catches: a date behind "DOB", "date of birth" or "born", or below such a heading.
Misses: a date alone; "she turns ten on Friday".
False positives: a date soon after "born" that is of something else; a person of history. One is
only counted, ten or more are a list of people.
"""

from collections.abc import Iterator
from datetime import date

from mailguard.mail.envelope import Transaction
from mailguard.mail.text import MessageView
from mailguard.scan.dates import find_dates
from mailguard.scan.detector import match, no_match
from mailguard.scan.example import compose
from mailguard.scan.finding import Category, Finding, Leak, Level, Symbol
from mailguard.scan.identifier import Hit, Identifier, report
from mailguard.scan.school import School

BIRTH_DATE = Symbol(
    name="BIRTH_DATE",
    category=Category.PERSONAL_DATA,
    level=Level.COUNT,
    says="The message contains dates of birth.",
    clauses=("symphony:3.1.5e", "allesley:confidential-information"),
    leak=Leak.WEAK,
)
SYMBOLS = (BIRTH_DATE,)

EXAMPLES = (
    match("Cara Finch, DOB 02/05/2015, starts on Monday."),
    match("She was born on 2nd May 2015."),
    match(compose(attachment="Name,Date of birth\nFinch,2015-05-02\n"), why="in an attached list"),
    no_match("The trip is on 02/05/2026.", why="a date"),
    no_match("Please send your date of birth. The trip on 2 May 2026 is full.", why="another date"),
    match("DOB 02/05/75", why="of last century"),
    no_match("DOB 42/05/2015", why="no such day"),
    no_match("DOB 28/05/2099", why="to come"),
)

_DAY, _MONTH, _YEAR = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])", r"(?:19|20)\d\d"
_WORDED = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_NUMBER = Identifier(
    pattern=(
        rf"\b(?:{_DAY}[/. -]{_MONTH}[/. -](?:{_YEAR}|\d\d)|{_YEAR}[/.-]{_MONTH}[/.-]{_DAY}"
        rf"|{_DAY}(?:st|nd|rd|th)?[ -](?:of )?{_WORDED},?[ -](?:{_YEAR}|\d\d)"
        rf"|{_WORDED} {_DAY}(?:st|nd|rd|th)?,? {_YEAR})\b"
    ),
    is_valid=bool,
    named=(
        r"\bd\.?o\.?b\b\.?|\bdate ?of ?birth\b|\bbirth ?date\b|\bborn(?: on)?\b|\bgeboren\b"
        r"|\bdate de naissance\b"
    ),
    is_checked=False,
)


def detect(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    """Yield one finding for all dates of birth of the message."""
    today = transaction.received.date()
    hits = (hit for hit in _NUMBER.find(view) if not _is_to_come(hit, today))
    return report(BIRTH_DATE, hits, adds_up=True)


def _is_to_come(hit: Hit, today: date) -> bool:
    """Whether nobody can be born on it yet; a year of two digits can be of the last century."""
    written = hit.segment.folded.text[hit.start : hit.end]
    days = (day for _, _, day in find_dates(written) if str(day.year) in written)
    return any(day > today for day in days)
