"""Driver numbers, of Great Britain and of Northern Ireland.

Catches: 16 characters of a surname and a date of birth beside words of driving; eight digits behind
"driving licence" (Northern Ireland).
Misses: a number alone, with no word of what it is; what its last two characters check is not
published.
False positives: a software key of 16 characters that looks like a name with a date, near a car.
"""

from collections.abc import Iterator

from mailguard.mail.envelope import Transaction
from mailguard.mail.text import MessageView
from mailguard.scan.detector import match, no_match
from mailguard.scan.example import compose
from mailguard.scan.finding import Category, Finding, Leak, Level, Symbol
from mailguard.scan.identifier import Identifier, report
from mailguard.scan.school import School
from mailguard.scan.validators import is_driver_number

DRIVING_LICENCE = Symbol(
    name="DRIVING_LICENCE",
    category=Category.PERSONAL_DATA,
    level=Level.FLAG,
    says="The message contains the number of a driving licence.",
    clauses=("symphony:3.1.5e", "allesley:confidential-information"),
    leak=Leak.STRONG,
)
SYMBOLS = (DRIVING_LICENCE,)

EXAMPLES = (
    match("Driving licence MORGA657054SM9IJ, for the minibus."),
    match("To insure her on the minibus: MORGA 657054 SM9IJ", why="beside words of driving"),
    match("Her driving licence number is 12345678.", why="Northern Ireland"),
    match(compose(attachment="Name,Driver No\nMorgan,MORGA657054SM9IJ\n"), why="an attached list"),
    no_match("Type the key MORGA657054SM9IJ.", why="form alone"),
    no_match("Driving licence MORGA697054SM9IJ", why="no such month"),
    no_match("The driving licence is old. The meter shows 12345678.", why="another number"),
)

_NAMED = (
    r"\bdriv(?:er|ing)(?:'?s)? ?(?:licen[cs]e|no|num|number)\b(?: ?(?:no|num|number)\b)?"
    r"|\bdriverno\b|\bdvla\b"
)

_BRITISH = Identifier(
    pattern=(r"\b[a-z]{1,5}9{0,4} ?\d[0156]\d[0-3]\d\d ?[a-z][a-z9][a-z0-9] ?[a-z0-9]{2}\b"),
    is_valid=lambda text: len(text) == 16 and is_driver_number(text),
    is_usual=str,
    named=_NAMED,
    goes_with=r"\b(?:licence|minibus|drivers?|driving|insured?|insurance|car hire|hire car)\b",
)
_NORTHERN_IRISH = Identifier(
    pattern=r"\b\d{8}\b", is_valid=str.isdigit, named=_NAMED, is_checked=False
)


def detect(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    """Yield one finding for all driver numbers of the message."""
    return report(DRIVING_LICENCE, (*_BRITISH.find(view), *_NORTHERN_IRISH.find(view)))
