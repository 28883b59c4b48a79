"""Unique taxpayer references (UTR), of people who send in tax returns.

Catches: one beside "UTR" or "unique taxpayer reference", or below such a heading; one written 5-5
beside words of tax; lists.
Misses: a number alone, with no word of what it is.
False positives: a company's reference, which looks alike; another number beside "UTR", one time in
ten.
"""

import re
from collections.abc import Iterator

from mailguard.mail.envelope import Transaction
from mailguard.mail.text import MessageView
from mailguard.scan.detector import match, no_match
from mailguard.scan.finding import Category, Finding, Leak, Level, Symbol
from mailguard.scan.identifier import Identifier, report
from mailguard.scan.school import School
from mailguard.scan.validators import is_tax_reference

TAX_REFERENCE = Symbol(
    name="TAX_REFERENCE",
    category=Category.PERSONAL_DATA,
    level=Level.FLAG,
    says="The message contains a tax reference number.",
    clauses=("symphony:3.1.5e", "allesley:confidential-information"),
    leak=Leak.STRONG,
)
SYMBOLS = (TAX_REFERENCE,)

EXAMPLES = (
    match("My UTR is 1955839661 if payroll needs it."),
    match("For the tax return: 19558 39661", why="as written, beside words of tax"),
    no_match("My UTR is 1955839662.", why="wrong check digit"),
    no_match("The parcel 1955839661 is at the office.", why="check digit alone"),
    no_match("Ask HMRC about order 1955839661.", why="named as something else"),
)

_NUMBER = Identifier(
    pattern=r"\b\d{5} ?\d{5}k?\b",
    is_valid=is_tax_reference,
    is_usual=re.compile(r"\d{5} \d{5}k?|\d{10}k").fullmatch,
    named=r"\butrs?\b|\bunique tax ?payer(?:'?s)?(?: ref(?:erence)?)?\b",
    goes_with=r"\b(?:hmrc|payroll|self[ -]assessment|tax (?:return|ref|reference|office))\b",
)


def detect(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    """Yield one finding for all taxpayer references of the message."""
    return report(TAX_REFERENCE, _NUMBER.find(view))
