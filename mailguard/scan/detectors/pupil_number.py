"""Unique pupil numbers (UPN), permanent and temporary.

Catches: one beside "UPN"; one of a real local authority beside words of pupil records; lists.
Misses: a number alone, with no word of what it is.
False positives: a product code of the same form beside dates of birth, one time in seventy.
"""

from collections.abc import Iterator

from mailguard.mail.envelope import Transaction
from mailguard.mail.text import MessageView
from mailguard.scan.detector import match, no_match
from mailguard.scan.example import compose
from mailguard.scan.finding import Category, Finding, Leak, Level, Symbol
from mailguard.scan.identifier import Identifier, report
from mailguard.scan.school import School
from mailguard.scan.validators import is_pupil_number

PUPIL_NUMBER = Symbol(
    name="PUPIL_NUMBER",
    category=Category.PERSONAL_DATA,
    level=Level.FLAG,
    says="The message contains a unique pupil number.",
    clauses=("symphony:3.1.5e", "allesley:confidential-information"),
    leak=Leak.STRONG,
)
SYMBOLS = (PUPIL_NUMBER,)

EXAMPLES = (
    match("Please add UPN B801200005001 to the register."),
    match("Her temporary UPN was J80120002401A.", why="temporary, ends in a letter"),
    match("Pupil: Cara Finch, date of birth 2 May 2015, B801200005001", why="words of a record"),
    match(compose(attachment="UPN,Surname\nB801200005001,Finch\n"), why="in an attached list"),
    no_match("The printer's part is B801200005001.", why="check letter alone"),
    no_match("Please add UPN C801200005001 to the register.", why="wrong check letter"),
    no_match("Model G100200005001, surname on the label.", why="no local authority has 100"),
    no_match("Pupils may order it: invoice no. B801200005001.", why="named as something else"),
)

_AUTHORITIES = range(201, 974)
"""DfE local authority codes lie from 201 (City of London) to 973."""

_YEARS = range(41)
"""Years of this century in which a pupil of today, or of the next years, got a number."""


def _is_of_a_pupil(written: str) -> bool:
    """Whether the parts are likely: check letter, authority (3), school (4), year (2), serial."""
    return int(written[1:4]) in _AUTHORITIES and int(written[8:10]) in _YEARS


_NUMBER = Identifier(
    pattern=r"\b[a-z]\d{11}[\da-z]\b",
    is_valid=is_pupil_number,
    is_usual=_is_of_a_pupil,
    named=r"\bupns?\b|\b(?:former)?upn\b|\bunique ?pupil ?(?:no|num|number|ref)",
    goes_with=(
        r"\b(?:surname|forename|legal name|dob|date of birth|year group|reg(?:istration)? group"
        r"|ehcp|pupil premium|fsm|admission (?:no|number)|leaver)\b"
    ),
)


def detect(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    """Yield one finding for all pupil numbers of the message."""
    return report(PUPIL_NUMBER, _NUMBER.find(view))
