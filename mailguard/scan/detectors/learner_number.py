"""Unique learner numbers (ULN), of everybody over 14 in education.

Catches: one beside "ULN" or "learner number", or below such a heading; lists.
Misses: a number alone, with no word of what it is.
False positives: a number of ten digits beside "ULN" that is none, one time in twelve.
"""

from collections.abc import Iterator

from mailguard.mail.envelope import Transaction
from mailguard.mail.text import MessageView
from mailguard.scan.detector import match, no_match
from mailguard.scan.example import compose
from mailguard.scan.finding import Category, Finding, Leak, Level, Symbol
from mailguard.scan.identifier import Identifier, report
from mailguard.scan.school import School
from mailguard.scan.validators import is_learner_number

LEARNER_NUMBER = Symbol(
    name="LEARNER_NUMBER",
    category=Category.PERSONAL_DATA,
    level=Level.FLAG,
    says="The message contains a unique learner number.",
    clauses=("symphony:3.1.5e", "allesley:confidential-information"),
    leak=Leak.STRONG,
)
SYMBOLS = (LEARNER_NUMBER,)

EXAMPLES = (
    match("Please enter her with ULN 9276308686 for maths."),
    match("Unique learner number: 9276308686"),
    match(compose(attachment="ULN,Surname\n9276308686,Finch\n"), why="in an attached list"),
    no_match("Please enter her with ULN 9276308687.", why="wrong check digit"),
    no_match("Call 9276308686 about the ULN upload.", why="named as something else"),
    no_match("The parcel is 9276308686.", why="check digit alone"),
)

_NUMBER = Identifier(
    pattern=r"\b\d{10}\b",
    is_valid=is_learner_number,
    named=r"\bulns?\b|\b(?:unique )?learner ?(?:no|nos|num|numbers?|ref|reference|id)\b",
)


def detect(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    """Yield one finding for all learner numbers of the message."""
    return report(LEARNER_NUMBER, _NUMBER.find(view))
