"""Number plates of cars registered since September 2001.

Catches: one behind "registration", "car" and the like, or below such a heading.
Misses: older and personal plates; one alone.
False positives: a room or course code of the same form behind "reg". It is only counted.
"""

from collections.abc import Iterator

from mailguard.mail.envelope import Transaction
from mailguard.mail.text import MessageView
from mailguard.scan.detector import match, no_match
from mailguard.scan.example import compose
from mailguard.scan.finding import Category, Finding, Leak, Level, Symbol
from mailguard.scan.identifier import Identifier, report
from mailguard.scan.school import School
from mailguard.scan.validators import is_number_plate

VEHICLE_REGISTRATION = Symbol(
    name="VEHICLE_REGISTRATION",
    category=Category.PERSONAL_DATA,
    level=Level.COUNT,
    says="The message contains a car's registration.",
    clauses=("symphony:3.1.5e", "allesley:confidential-information"),
    leak=Leak.WEAK,
)
SYMBOLS = (VEHICLE_REGISTRATION,)

EXAMPLES = (
    match("My car is a blue one, registration AB12 CDE."),
    match(compose(attachment="Name,Vehicle reg\nReed,AB12CDE\n"), why="in an attached list"),
    no_match("The course AB12 CDE starts in May.", why="form alone"),
    no_match("The registration is AB50 CDE.", why="a year that there is not"),
    no_match("The registration is AI12 CDE.", why="a letter that no plate has"),
)

_NUMBER = Identifier(
    pattern=r"\b[a-z]{2}\d{2} ?[a-z]{3}\b",
    is_valid=is_number_plate,
    named=(
        r"\b(?:car|vehicle|van)?(?: ?\b)reg(?:istration)?(?: ?(?:no|num|number|plate|mark))?\b"
        r"|\bnumber ?plates?\b|\bvrm\b|\b(?:car|vehicle|van|mini|taxi)s?\b"
    ),
    is_checked=False,
)


def detect(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    """Yield one finding for all number plates of the message."""
    return report(VEHICLE_REGISTRATION, _NUMBER.find(view))
