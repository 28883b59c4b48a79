"""Teacher reference numbers (TRN), of everybody with qualified teacher status.

Catches: seven digits, or the older forms with RP and a stroke, behind "TRN" and the like or below
such a heading.
Misses: a number alone, for there is no check digit.
False positives: another number of seven digits that directly follows "TRN".
"""

from collections.abc import Iterator

from mailguard.mail.envelope import Transaction
from mailguard.mail.text import MessageView
from mailguard.scan.detector import match, no_match
from mailguard.scan.example import compose
from mailguard.scan.finding import Category, Finding, Leak, Level, Symbol
from mailguard.scan.identifier import Identifier, report
from mailguard.scan.school import School

TEACHER_NUMBER = Symbol(
    name="TEACHER_NUMBER",
    category=Category.PERSONAL_DATA,
    level=Level.FLAG,
    says="The message contains a teacher reference number.",
    clauses=("symphony:3.1.5e", "allesley:confidential-information"),
    leak=Leak.STRONG,
)
SYMBOLS = (TEACHER_NUMBER,)

EXAMPLES = (
    match("My TRN is 1234567."),
    match("Teacher reference number (Ana Reed): RP12/34567", why="an older form"),
    match(compose(attachment="Surname,TRN\nReed,1234567\n"), why="in an attached list"),
    no_match("The meter shows 1234567.", why="form alone"),
    no_match("My TRN is 12345678.", why="a digit too many"),
    no_match("Please send your TRN. The order is 1234567.", why="named as something else"),
)

_NUMBER = Identifier(
    pattern=r"\b(?:rp ?)?\d{2}/?\d{5}\b",
    is_valid=str.isalnum,
    named=(
        r"\btrns?\b|\bteacher(?:'?s)? ref(?:erence)?(?: ?(?:no|nos|num|numbers?)\b)?"
        r"|\bteacher ?(?:no|num|number|id)\b"
    ),
    is_checked=False,
)


def detect(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    """Yield one finding for all teacher reference numbers of the message."""
    return report(TEACHER_NUMBER, _NUMBER.find(view))
