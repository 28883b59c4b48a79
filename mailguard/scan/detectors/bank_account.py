"""Sort code and account number of a British bank account, together.

Catches: both within a line or two, either first, when words name a sort code or, for ones written
12-34-56, a bank account; both in a table under such a heading.
Misses: one without the other; what no word speaks of.
False positives: a date and an order number in a mail about accounts. The banks' own check of the
two together needs tables that change every month, so there is none.
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

BANK_ACCOUNT = Symbol(
    name="PERSONAL_DATA_BANK_ACCOUNT",
    category=Category.PERSONAL_DATA,
    level=Level.FLAG,
    says="The message contains bank account details.",
    clauses=("symphony:3.1.5e", "allesley:confidential-information"),
    leak=Leak.STRONG,
)
SYMBOLS = (BANK_ACCOUNT,)

EXAMPLES = (
    match("Sort code 12-34-56, account number 12345678"),
    match("my sort code is 123456 and acc no: 87654321"),
    match("Account no. 12345678\nSort code 12 34 56", why="the account first, in two lines"),
    match("Please pay into the bank account 12-34-56 12345678.", why="no word for the sort code"),
    match(
        compose(attachment="Payee,Sort code,Account\nReed,12-34-56,12345678\n"),
        why="in an attached list",
    ),
    no_match("The sort code is 12-34-56", why="no account"),
    no_match("Account number 12345678 on the meter", why="a meter"),
    no_match("Delivered 12-03-26, order 12345678.", why="a date and an order"),
    no_match("Account review on 12-03-26, invoice 12345678.", why="a date and an invoice"),
)

_SORT_CODE, _ACCOUNT = r"\b\d{2}[ -]?\d{2}[ -]?\d{2}\b", r"\b\d{6,8}\b"
_BETWEEN = r"(?:[^\da-z]{1,6}|[^\d]{1,20}(?:account|acc|a/c|number|no|code|sort)[^\d]{0,20})"
"""The two stand side by side, or the second has its name before it."""

_OTHERS = (
    "invoice|order|po|booking|tracking|parcel|serial|ticket|meter|isbn|tel|telephone|phone|mobile"
    "|fax|delivered|due|dated|date|on"
)
_PAIR = Identifier(
    pattern=rf"(?:{_SORT_CODE}{_BETWEEN}{_ACCOUNT}|{_ACCOUNT}{_BETWEEN}{_SORT_CODE})",
    is_valid=lambda text: not re.search(r"\b(?:invoice|order)\b", text),
    is_usual=re.compile(r".*\d\d-\d\d-\d\d\D.*\d{8}|\d{8}\D.*\d\d-\d\d-\d\d", re.DOTALL).fullmatch,
    named=r"\bsort ?codes?\b|\bsort ?code(?:no|number)?\b|\bs/c\b",
    goes_with=(
        r"\bbank(?:ing)? (?:details|account|transfer)|\baccount (?:no|num|number|name)\b|\bbacs\b"
        r"|\b(?:pay|paid|payable|payments?|transfer|deposit|refund|account)\b"
    ),
    other_names=_OTHERS,
    is_listed=False,
    gate=r"\b\d{2}[ -]?\d{2}[ -]?\d{2}\b",
)


def detect(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    """Yield one finding for all accounts of the message."""
    return report(BANK_ACCOUNT, _PAIR.find(view))
