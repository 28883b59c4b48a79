"""Numbers of DBS certificates, which say whether a person has a criminal record.

Catches: twelve digits behind "DBS" or "disclosure certificate", or below such a heading.
Misses: a number alone, for there is no check digit.
False positives: another number of twelve digits that directly follows "DBS".
"""

from collections.abc import Iterator

from mailguard.mail.envelope import Transaction
from mailguard.mail.text import MessageView
from mailguard.scan.detector import match, no_match
from mailguard.scan.example import compose
from mailguard.scan.finding import Category, Finding, Leak, Level, Symbol
from mailguard.scan.identifier import Identifier, report
from mailguard.scan.school import School

DISCLOSURE_CERTIFICATE = Symbol(
    name="DISCLOSURE_CERTIFICATE",
    category=Category.PERSONAL_DATA,
    level=Level.FLAG,
    says="The message contains the number of a criminal record certificate.",
    clauses=("symphony:3.1.5e", "allesley:confidential-information"),
    leak=Leak.STRONG,
)
SYMBOLS = (DISCLOSURE_CERTIFICATE,)

EXAMPLES = (
    match("Her DBS certificate is 001234567890, seen on Monday."),
    match("enhanced disclosure certificate number: 0012 3456 7890", why="in groups"),
    match(compose(attachment="Name,DBS number\nReed,001234567890\n"), why="in an attached list"),
    no_match("The parcel 001234567890 is at the office.", why="form alone"),
    no_match("For DBS checks quote invoice 001234567890.", why="named as something else"),
)

_NUMBER = Identifier(
    pattern=r"\b\d{4}[ -]?\d{4}[ -]?\d{4}\b",
    is_valid=str.isdigit,
    named=(
        r"\b(?:dbs|crb)\b(?:[ -]?(?:disclosure|certificate|cert|check))?(?: ?(?:no|num|number)\b)?"
        r"|\bdisclosure (?:certificate|no|num|number)\b"
    ),
    is_checked=False,
)


def detect(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    """Yield one finding for all DBS certificate numbers of the message."""
    return report(DISCLOSURE_CERTIFICATE, _NUMBER.find(view))
