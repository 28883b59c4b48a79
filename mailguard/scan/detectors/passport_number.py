"""Passport numbers: nine digits, or one or two letters and digits, nine together.

Catches: one behind "passport" or below such a heading.
Misses: a number alone, for it has no check digit; passports of other forms.
False positives: another number of nine digits that directly follows "passport".
"""

from collections.abc import Iterator

from mailguard.mail.envelope import Transaction
from mailguard.mail.text import MessageView
from mailguard.scan.detector import match, no_match
from mailguard.scan.example import compose
from mailguard.scan.finding import Category, Finding, Leak, Level, Symbol
from mailguard.scan.identifier import Identifier, report
from mailguard.scan.school import School

PASSPORT_NUMBER = Symbol(
    name="PASSPORT_NUMBER",
    category=Category.PERSONAL_DATA,
    level=Level.FLAG,
    says="The message contains a passport number.",
    clauses=("symphony:3.1.5e", "allesley:confidential-information"),
    leak=Leak.STRONG,
)
SYMBOLS = (PASSPORT_NUMBER,)

EXAMPLES = (
    match("Cara's passport number is 123456789, it ends in May."),
    match("Passport: AB1234567", why="two letters and seven digits"),
    match(compose(attachment="Name,Passport No\nFinch,123456789\n"), why="in an attached list"),
    no_match("The parcel 123456789 is at the office.", why="form alone"),
    no_match("For lost passports ring 123456789.", why="named as something else"),
    no_match("Bring a passport. We have 12345678 reasons.", why="a digit too few"),
)

_NUMBER = Identifier(
    pattern=r"\b(?:\d{9}|[a-z]\d{8}|[a-z]{2}\d{7})\b",
    is_valid=str.isalnum,
    named=r"\bpassports?\b(?: ?(?:no|nos|num|numbers?|id|#)\b)?|\bpassport(?:no|number)\b",
    is_checked=False,
)


def detect(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    """Yield one finding for all passport numbers of the message."""
    return report(PASSPORT_NUMBER, _NUMBER.find(view))
