"""Community Health Index (CHI) numbers, of Scotland: NHS numbers that begin with the date of birth.

Catches: one beside "CHI number" and the like; one written as usual beside words of health care.
Misses: a number alone, with no word of what it is.
False positives: a reference of ten digits that begins with a date, near a doctor's surgery.
"""

import re
from collections.abc import Iterator

from mailguard.mail.envelope import Transaction
from mailguard.mail.text import MessageView
from mailguard.scan.detector import match, no_match
from mailguard.scan.finding import Category, Finding, Leak, Level, Symbol
from mailguard.scan.identifier import Identifier, report
from mailguard.scan.school import School
from mailguard.scan.validators import is_chi_number

CHI_NUMBER = Symbol(
    name="CHI_NUMBER",
    category=Category.PERSONAL_DATA,
    level=Level.FLAG,
    says="The message contains a Scottish health number.",
    clauses=("symphony:3.1.5e", "allesley:confidential-information"),
    leak=Leak.STRONG,
)
SYMBOLS = (CHI_NUMBER,)

EXAMPLES = (
    match("Her CHI number is 010203 0006, please tell the school nurse."),
    match(
        "Registered with the GP in Perth, 311214-0028.", why="as written, beside words of health"
    ),
    no_match("CHI number 010203 0007", why="wrong check digit"),
    no_match("CHI number 320203 0009", why="no such day"),
    no_match("The parcel 0102030006 is at the office.", why="form alone"),
    no_match("We play Chi Rho, order no. 0102030006.", why="named as something else"),
)

_NUMBER = Identifier(
    pattern=r"\b\d{6}[ -]?\d{4}\b",
    is_valid=is_chi_number,
    is_usual=re.compile(r"\d{6}[ -]\d{4}").fullmatch,
    named=r"\bchi ?(?:no|nos|num|numbers?|#|:)|\bcommunity health index\b",
    goes_with=(
        r"\b(?:patients?|gp|doctor|surgery|hospital|clinic|medical|medication|health|camhs"
        r"|nhs|dob|born|date of birth)\b"
    ),
)


def detect(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    """Yield one finding for all CHI numbers of the message."""
    return report(CHI_NUMBER, _NUMBER.find(view))
