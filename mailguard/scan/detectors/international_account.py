"""International bank account numbers (IBAN).

Catches: one of a European country or territory beside words of banking.
Misses: those of countries that a school hardly pays.
False positives: the school's own account on its own invoice; policy knows who writes to whom.
"""

import re
from collections.abc import Iterator

from mailguard.mail.envelope import Transaction
from mailguard.mail.text import MessageView
from mailguard.scan.detector import match, no_match
from mailguard.scan.finding import Category, Finding, Leak, Level, Symbol
from mailguard.scan.identifier import Identifier, report
from mailguard.scan.payment import IBAN_LENGTHS, is_iban
from mailguard.scan.school import School

INTERNATIONAL_ACCOUNT = Symbol(
    name="INTERNATIONAL_ACCOUNT",
    category=Category.PERSONAL_DATA,
    level=Level.FLAG,
    says="The message contains an international bank account number.",
    clauses=("symphony:3.1.5e", "allesley:confidential-information"),
    leak=Leak.STRONG,
)
SYMBOLS = (INTERNATIONAL_ACCOUNT,)

EXAMPLES = (
    match("IBAN GB82 WEST 1234 5698 7654 32"),
    match("Please refund her to GB82WEST12345698765432, thank you.", why="beside a refund"),
    match("For the exchange, transfer to DE89 3704 0044 0532 0130 00.", why="another country"),
    no_match("IBAN GB82 WEST 1234 5698 7654 33", why="wrong check digits"),
    no_match("The key is GB82WEST12345698765432.", why="check digits alone"),
    no_match("IBAN DE89 3704 0044 0532 0130", why="too short for its country"),
)


def _compose_pattern() -> str:
    """Each country has its length, so that no word behind a number is taken for its end."""
    lengths: dict[int, list[str]] = {}
    for country, length in IBAN_LENGTHS.items():
        lengths.setdefault(length, []).append(country)
    forms = "|".join(
        rf"(?:{'|'.join(countries)})\d\d(?:[ -]?[a-z0-9]){{{length - 4}}}"
        for length, countries in sorted(lengths.items())
    )
    return rf"\b(?:{forms})\b"


_NUMBER = Identifier(
    pattern=_compose_pattern(),
    is_valid=is_iban,
    is_usual=re.compile(r"[a-z]{2}\d\d(?: [a-z0-9]{4}){2,6}(?: [a-z0-9]{1,3})?|\w+").fullmatch,
    named=r"\bibans?\b|\b(?:bic|swift)(?: code)?\b",
    goes_with=(
        r"\b(?:bank|account|transfer(?:red)?|refund(?:ed)?|payments?|pay|paid|invoice|beneficiary"
        r"|payee)\b"
    ),
    other_names="isbn|serial|tracking|parcel|imei|key|licence",
    gate=rf"\b(?:{'|'.join(IBAN_LENGTHS)})\d\d[ -]?[a-z0-9]{{4}}[ -]?[a-z0-9]{{2}}",
)


def detect(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    """Yield one finding for all account numbers of the message."""
    return report(INTERNATIONAL_ACCOUNT, _NUMBER.find(view))
