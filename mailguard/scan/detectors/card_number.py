"""Payment card numbers: Visa, Mastercard, American Express, Discover, Maestro.

Catches: one beside the words of a card; one written in groups as on a card beside words of payment.
With the security code or the date of expiry near it, the card can be used: the finding is worse.
Misses: a number alone; a number spread over several lines.
False positives: a loyalty card number of a payment card's range, one time in ten.
"""

import re
from collections.abc import Iterator

from mailguard.mail.envelope import Transaction
from mailguard.mail.text import MessageView
from mailguard.scan.detector import match, no_match
from mailguard.scan.finding import Category, Finding, Leak, Level, Symbol
from mailguard.scan.identifier import NEAR, Hit, Identifier, report
from mailguard.scan.payment import is_card_number
from mailguard.scan.school import School

CARD_NUMBER = Symbol(
    name="CARD_NUMBER",
    category=Category.PERSONAL_DATA,
    level=Level.FLAG,
    says="The message contains a payment card number.",
    clauses=("symphony:3.1.5e", "allesley:confidential-information"),
    leak=Leak.STRONG,
)
SYMBOLS = (CARD_NUMBER,)

EXAMPLES = (
    match("Use the school's debit card 4111111111111111 for the coach."),
    match("To pay for the trip: 5555 5555 5555 4444, 04/29.", why="in groups, beside payment"),
    match("Amex 3782 822463 10005, security code on the back.", why="groups of 4, 6 and 5"),
    no_match("The reader shows 4111111111111111.", why="check digit alone"),
    no_match("Debit card 4111 1111 1111 1112.", why="wrong check digit"),
    no_match("Pay for ISBN 9780141036144 with the debit card.", why="an ISBN"),
    no_match("Pay for order no. 4111 1111 1111 1111 by Friday.", why="named as something else"),
    no_match("Pay at reader 4111111111111111.", why="not in groups, not named"),
)

_NUMBER = Identifier(
    pattern=(
        r"\b(?:\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?\d{4}(?:[ -]?\d{2,3})?|\d{4}[ -]?\d{6}[ -]?\d{5})\b"
    ),
    is_valid=is_card_number,
    is_usual=re.compile(r"\d{4}([ -])\d{4}\1\d{4}\1\d{4,7}|\d{4}([ -])\d{6}\2\d{5}").fullmatch,
    named=(
        r"\b(?:(?:credit|debit|bank|payment|business|purchase|procurement)[ -]card|cardholder"
        r"|card (?:no|number)|visa|mastercard|maestro|amex|american express|cvv|cvc|security code"
        r"|long number)\b"
    ),
    goes_with=r"\b(?:pay|pays|paid|paying|payments?|cards?|purchases?|deposit|expir[a-z]+|exp)\b",
)


_USABLE = re.compile(
    r"\b(?:cvv2?|cvc2?|cv2|security code|code on the back)\b|\b(?:0[1-9]|1[0-2]) ?/ ?(?:20)?\d\d\b"
)


def detect(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    """Yield one finding for all card numbers of the message."""
    hits = _NUMBER.find(view)
    least = Level.HOLD if any(map(_is_usable, hits)) else CARD_NUMBER.level
    return report(CARD_NUMBER, hits, least=least)


def _is_usable(hit: Hit) -> bool:
    text = hit.segment.folded.text
    return bool(_USABLE.search(text[max(0, hit.start - NEAR) : hit.end + NEAR]))
