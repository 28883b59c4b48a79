"""Unique candidate identifiers (UCI), by which exam boards know a pupil.

Catches: one beside "UCI", "candidate" or an exam board's name, or below such a heading; lists.
Misses: a number alone; the four digits that a school gives its candidates, which only count there.
False positives: a product code of twelve digits and a letter in a letter about exams. How the
letter checks the rest is not published.
"""

from collections.abc import Iterator

from mailguard.mail.envelope import Transaction
from mailguard.mail.text import MessageView
from mailguard.scan.detector import match, no_match
from mailguard.scan.example import compose
from mailguard.scan.finding import Category, Finding, Leak, Level, Symbol
from mailguard.scan.identifier import Identifier, report
from mailguard.scan.school import School

CANDIDATE_NUMBER = Symbol(
    name="CANDIDATE_NUMBER",
    category=Category.PERSONAL_DATA,
    level=Level.FLAG,
    says="The message contains a pupil's exam candidate identifier.",
    clauses=("symphony:3.1.5e", "allesley:confidential-information"),
    leak=Leak.STRONG,
)
SYMBOLS = (CANDIDATE_NUMBER,)

EXAMPLES = (
    match("Cara's UCI is 12345B170001K."),
    match("For the exam entry at AQA: Ana Reed, 123450180042A.", why="beside words of exams"),
    match(compose(attachment="Name,UCI\nFinch,12345B170001K\n"), why="in an attached list"),
    no_match("The projector is a 12345B170001K.", why="form alone"),
    no_match("Cara's UCI is 12345B17001K.", why="a digit too few"),
)

_NUMBER = Identifier(
    pattern=r"\b\d{5}[a-z0-9]\d{6}[a-z]\b",
    is_valid=str.isalnum,
    is_usual=str.isalnum,
    named=r"\bucis?\b|\bunique candidate (?:identifier|no|number)|\bcandidate ?(?:identifier|id)\b",
    goes_with=(
        r"\bcandidates?\b|\bexam(?:s|ination|inations)?\b|\bgcses?\b|\b(?:aqa|edexcel|ocr|wjec|jcq"
        r"|eduqas|ccea)\b"
    ),
)


def detect(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    """Yield one finding for all candidate identifiers of the message."""
    return report(CANDIDATE_NUMBER, _NUMBER.find(view))
