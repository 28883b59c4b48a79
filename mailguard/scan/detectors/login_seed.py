"""What a second step of logging in is made from: seeds of one-time passwords, recovery codes.

Catches: ``otpauth:`` addresses; a seed in base 32 beside words of two-step log-in; two or more
recovery codes.
Misses: a QR code; a seed that no word speaks of.
False positives: a made-up seed in a lesson. The codes themselves, good for a minute, are none.
"""

import re
from collections.abc import Iterator

from mailguard.mail.envelope import Transaction
from mailguard.mail.text import MessageView, Segment
from mailguard.scan.detector import match, no_match
from mailguard.scan.engine import Engine, encode
from mailguard.scan.finding import Category, Finding, Leak, Level, Symbol
from mailguard.scan.identifier import NEAR, Hit, bare, report
from mailguard.scan.school import School

CREDENTIALS_SEED = Symbol(
    name="CREDENTIALS_SEED",
    category=Category.CREDENTIALS,
    level=Level.SERIOUS,
    says="The message contains what somebody's log-in codes are made from.",
    clauses=("symphony:3.1.5e", "symphony:3.1.5i", "allesley:passwords"),
    leak=Leak.CREDENTIALS,
)
SYMBOLS = (CREDENTIALS_SEED,)

EXAMPLES = (
    match("otpauth://totp/School:ana?secret=JBSWY3DPEHPK3PXP&issuer=School"),
    match("Type this setup key into the authenticator: JBSW Y3DP EHPK 3PXP"),
    match("My recovery codes are 4f7k2-9xm3p and 8h2dq-5vw6n."),
    no_match("Your code is 123456, it is good for ten minutes.", why="a code for one log-in"),
    no_match("The authenticator is good. This will help with that when your team ends"),
    no_match("Recovery codes are in the safe.", why="no code"),
    no_match("The part JBSWY3DPEHPK3PXP is at the office.", why="form alone"),
)

_ADDRESS = r"otpauth://[ht]otp/[^\s\"'<>]{0,300}?secret=[a-z2-7]{16,128}|otpauth-migration://[^\s]+"
_SEED = r"\b(?:[a-z2-7]{16,64}|[a-z2-7]{4}(?:[ -][a-z2-7]{4}){3,15})\b"
_NAMED = re.compile(
    r"\b(?:authenticator|2fa|mfa|two[- ](?:factor|step)|totp|otp|set-?up key|secret key|seed)\b"
)
_CODES = r"\b[a-z0-9]{4,6}-[a-z0-9]{4,6}(?:-[a-z0-9]{4,6})?\b"
_CODES_NAMED = re.compile(r"\b(?:recovery|backup|back-up|scratch) codes?\b")
_GATE = Engine(
    [
        r"otpauth",
        r"\b(?:authenticator|2fa|mfa|two[- ]factor|two[- ]step|totp|otp|set-?up key|secret key|seed"
        r"|recovery code|backup code|back-up code|scratch code)",
    ]
)
_KEY = re.compile(rf"{_ADDRESS}|{_SEED}|{_CODES}", re.ASCII)
_CODES_FAR = 400
"""Characters behind their name in which ten recovery codes stand."""


def detect(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    """Yield one finding for all seeds and recovery codes of the message."""
    hits = [hit for segment in view.segments for hit in _find(segment)]
    return report(CREDENTIALS_SEED, hits)


def _find(segment: Segment) -> Iterator[Hit]:
    text = segment.folded.text
    if not _GATE.first_ends(encode(text)):
        return
    codes: list[Hit] = []
    for key in _KEY.finditer(text):
        start, end = key.span()
        hit = Hit(segment=segment, start=start, end=end, number=bare(key[0]))
        if key[0].startswith("otpauth"):
            yield hit
        elif _is_seed(hit.number):
            if _NAMED.search(text, max(0, start - NEAR), end + NEAR):
                yield hit
        elif _is_code(hit.number) and _CODES_NAMED.search(text, max(0, start - _CODES_FAR), start):
            codes.append(hit)
    if len(codes) > 1:
        yield from codes


def _is_seed(text: str) -> bool:
    """Whether it can be base 32 (RFC 4648) of random bytes: two digits in 16 characters at least,
    where English has none."""
    return len(text) >= 16 and sum(map(str.isdigit, text)) * 12 >= len(text)


def _is_code(text: str) -> bool:
    return any(map(str.isdigit, text))
