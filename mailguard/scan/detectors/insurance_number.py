"""National Insurance numbers.

Catches: one beside "NI number" and the like; a whole one, suffix included, beside words of pay.
Misses: a number alone, with no word of what it is; HMRC's temporary reference numbers.
False positives: a product code of the same form in a letter about pay; there is no check digit.
"""

import re
from collections.abc import Iterator

from mailguard.mail.envelope import Transaction
from mailguard.mail.text import MessageView
from mailguard.scan.detector import match, no_match
from mailguard.scan.finding import Category, Finding, Leak, Level, Symbol
from mailguard.scan.identifier import Identifier, report
from mailguard.scan.school import School
from mailguard.scan.validators import is_insurance_number

INSURANCE_NUMBER = Symbol(
    name="INSURANCE_NUMBER",
    category=Category.PERSONAL_DATA,
    level=Level.FLAG,
    says="The message contains a National Insurance number.",
    clauses=("symphony:3.1.5e", "allesley:confidential-information"),
    leak=Leak.STRONG,
)
SYMBOLS = (INSURANCE_NUMBER,)

EXAMPLES = (
    match("My NI number is AB 12 34 56 C."),
    match("National Insurance: AB123456", why="without its suffix, but named"),
    match("For payroll: Ana Reed, AB123456C, starts on Monday.", why="beside words of pay"),
    no_match("The spare part for the projector is AB123456C.", why="form alone"),
    no_match("My NI number is QQ 12 34 56 C.", why="a prefix that is never given"),
    no_match("For payroll see room AB123456.", why="no suffix, and not named"),
    no_match("Pay the deposit with booking ref AB123456C.", why="named as something else"),
)

_NUMBER = Identifier(
    pattern=r"\b[a-z]{2}[ -]?\d{2}[ -]?\d{2}[ -]?\d{2}(?:[ -]?[a-d])?\b",
    is_valid=is_insurance_number,
    is_usual=re.compile(r".*[a-d]").fullmatch,
    named=(
        r"\bnational ?insurance\b|\bni ?(?:no|num|number)s?\b|\bninos?\b|\bnat\.? ?ins\b"
        r"|\bnationalinsurance(?:no|number)\b"
    ),
    goes_with=(
        r"\b(?:hmrc|payroll|payslip|pay|salary|p45|p60|pension|dbs|starter|employees?|tax code)\b"
    ),
    is_listed=False,
)


def detect(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    """Yield one finding for all National Insurance numbers of the message."""
    return report(INSURANCE_NUMBER, _NUMBER.find(view))
