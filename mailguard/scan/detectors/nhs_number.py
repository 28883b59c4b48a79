"""NHS numbers, of England, Wales and Man, and Health and Care numbers of Northern Ireland.

Catches: one beside "NHS no." and the like; one written 3-3-4 beside words of health care; lists.
Misses: a number alone, with no word of what it is. CHI numbers (Scotland) have a detector of their
own.
False positives: an order number of the right form near "NHS", one time in forty.
"""

import re
from collections.abc import Iterator

from mailguard.mail.envelope import Transaction
from mailguard.mail.text import MessageView
from mailguard.scan.detector import match, no_match
from mailguard.scan.example import compose
from mailguard.scan.finding import Category, Finding, Leak, Level, Symbol
from mailguard.scan.identifier import Identifier, report
from mailguard.scan.school import School
from mailguard.scan.validators import is_nhs_number

NHS_NUMBER = Symbol(
    name="NHS_NUMBER",
    category=Category.PERSONAL_DATA,
    level=Level.FLAG,
    says="The message contains an NHS number.",
    clauses=("symphony:3.1.5e", "allesley:confidential-information"),
    leak=Leak.STRONG,
)
SYMBOLS = (NHS_NUMBER,)

EXAMPLES = (
    match("Her NHS number is 400 000 0004, please put it on the care plan."),
    match("nhs no: 6000000006"),
    match("For the hospital form: Cara Finch, born 2 May 2015, 700 000 0007.", why="as written"),
    match(
        compose(
            attachment="Surname,Forename,NHS Number\nFinch,Cara,4000000004\nReed,Ana,6000000006"
        ),
        why="in an attached list",
    ),
    no_match("Your order 4000000004 has been sent.", why="check digit alone"),
    no_match("NHS leaflets, ISBN 400 000 0004, are in the office.", why="named as something else"),
    no_match("The hospital's account is 4000000004.", why="an account"),
    no_match("Her NHS number is 400 000 0005.", why="wrong check digit"),
    no_match("Her NHS number is 800 000 0008.", why="not an issued range"),
)

_NUMBER = Identifier(
    pattern=r"\b\d{3}[ -]?\d{3}[ -]?\d{4}\b",
    is_valid=is_nhs_number,
    is_usual=re.compile(r"\d{3}[ -]\d{3}[ -]\d{4}").fullmatch,
    named=(
        r"\bnhs ?(?:no|nos|num|numbers?|id|#)\b|\bnhs\b"
        r"|\b(?:health (?:and|&) (?:social )?care|h ?& ?c|hcn) ?(?:no|nos|num|numbers?|id|#)?\b"
    ),
    goes_with=(
        r"\b(?:patients?|gp|doctor|surgery|hospital|clinic|medical|medication|health|camhs|ehcp?"
        r"|dob|born|date of birth)\b"
    ),
)


def detect(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    """Yield one finding for all NHS numbers of the message."""
    return report(NHS_NUMBER, _NUMBER.find(view))
