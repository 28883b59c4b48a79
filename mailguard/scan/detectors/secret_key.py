"""Private keys and tokens: whoever has one is let in by a computer system.

Catches: private keys as files have them; tokens whose form tells whose they are; an address with a
password in it; what follows "api key", "client secret" and the like and looks thrown together by a
machine.
Misses: a token without form and without a name; one in a picture.
False positives: a made-up one in a lesson. Tokens in links are left alone where every newsletter
has some.
"""

import re
from collections.abc import Iterator
from math import log2

from mailguard.mail.envelope import Transaction
from mailguard.mail.text import MessageView, Segment
from mailguard.scan.detector import match, no_match
from mailguard.scan.engine import Engine, encode
from mailguard.scan.finding import SPAN_LIMIT, Category, Finding, Leak, Level, Span, Symbol
from mailguard.scan.school import School

CREDENTIALS_KEY = Symbol(
    name="CREDENTIALS_KEY",
    category=Category.CREDENTIALS,
    level=Level.SERIOUS,
    says="The message contains a secret key for a computer system.",
    clauses=("symphony:3.1.5e", "symphony:3.1.5i", "allesley:confidential-information"),
    leak=Leak.CREDENTIALS,
)
SYMBOLS = (CREDENTIALS_KEY,)

EXAMPLES = (
    match("-----BEGIN RSA PRIVATE KEY-----"),
    match("PuTTY-User-Key-File-3: ssh-ed25519"),
    match("use AKIAABCDEFGHIJKLMNOP for the bucket"),
    match("client secret: a1b2c3d4e5f6a7b8c9d0e1f2"),
    match("it is at postgres://admin:Sunny-2020@db.school.example/marks", why="in an address"),
    no_match("The access key opens the cupboard", why="a door key"),
    no_match("The public key of a padlock is not secret", why="lesson"),
    no_match("-----BEGIN PUBLIC KEY-----", why="a public key"),
    no_match("client secret: your_client_secret_goes_here", why="a form's words"),
    no_match("git clone https://user:password@code.example/marks", why="a manual's words"),
    no_match("https://news.example/?t=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijklmnop"),
)

_FORMS = (
    # Files: PEM of all kinds (RFC 7468, OpenSSH, PGP), PuTTY, SSH2, age.
    r"-----BEGIN (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----",
    r"PuTTY-User-Key-File-[1-3]:",
    r"---- BEGIN SSH2 (?:ENCRYPTED )?PRIVATE KEY ----",
    r"\bAGE-SECRET-KEY-1[0-9A-Z]{50,60}",
    # Clouds: AWS, Google, Azure, DigitalOcean.
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    r"\bAIza[0-9A-Za-z_-]{35}",
    r"\bya29\.[0-9A-Za-z_-]{20}",
    r"\bGOCSPX-[0-9A-Za-z_-]{28}",
    r"\b(?:AccountKey|SharedAccessKey)=[0-9A-Za-z+/]{42,86}=",
    r"\b[0-9A-Za-z_~.-]{3}[0-9]8Q~[0-9A-Za-z_~.-]{31,34}",
    r"\bdop_v1_[0-9a-f]{64}",
    # Code and packages: GitHub, GitLab, npm, PyPI.
    r"\bgh[pousr]_[0-9A-Za-z]{36}",
    r"\bgithub_pat_[0-9A-Za-z_]{50}",
    r"\bglpat-[0-9A-Za-z_-]{20}",
    r"\bnpm_[0-9A-Za-z]{36}",
    r"\bpypi-AgE[0-9A-Za-z_-]{50}",
    # Messages and money: Slack, Discord, Telegram, SendGrid, Twilio, Stripe, Shopify.
    r"\bxox[abeoprs]-[0-9A-Za-z-]{10}",
    r"\bhooks\.slack\.com/services/T[0-9A-Z]{6,12}/B[0-9A-Z]{6,12}/[0-9A-Za-z]{20}",
    r"\bdiscord(?:app)?\.com/api/webhooks/\d{15,20}/[0-9A-Za-z_-]{60}",
    r"\b\d{8,10}:AA[0-9A-Za-z_-]{33}",
    r"\bSG\.[0-9A-Za-z_-]{20,24}\.[0-9A-Za-z_-]{39,50}",
    r"\bSK[0-9a-f]{32}\b",
    r"\b[sr]k_(?:live|test)_[0-9A-Za-z]{20}",
    r"\bshp(?:at|ss|ca|pa)_[0-9a-fA-F]{32}",
    r"\bsk-[0-9A-Za-z_-]{32}",
    # An address that logs in.
    r"\b(?:postgres(?:ql)?|mysql|mongodb(?:\+srv)?|redis|amqps?|s?ftps?|ssh|smtps?|imaps?|https?)"
    r"://[^\s:/@<>]{1,64}:(?P<password>[^\s:/@<>]{3,128})@[\w.-]{3}",
    # JSON Web Tokens (RFC 7519).
    r"\beyJ[0-9A-Za-z_-]{10,}\.eyJ[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{10,}",
)
_FORM = re.compile("|".join(_FORMS), re.ASCII)
_NAMED = re.compile(
    r"\b(?:\w{0,20}[ _-])?(?:api|secret|access|client|private|auth|bearer|encryption|signing)[ _-]?"
    r"(?:access[ _-]?)?(?:key|secret|token)\b[\"']?\s{0,3}(?:is|:|=>?|:=)\s{0,3}[\"'`]?"
    r"([0-9A-Za-z_+/=.~-]{16,200})",
    re.ASCII | re.IGNORECASE,
)
_GATE = Engine(
    [
        *(r"private key", r"putty-user-key", r"age-secret-key", r"\b(?:akia|asia)[a-z0-9]{16}"),
        *(
            r"\baiza[a-z0-9_-]{35}",
            r"\bya29\.",
            r"\bgocspx-",
            r"accountkey=",
            r"accesskey=",
            r"8q~",
        ),
        *(r"\bdop_v1_", r"\bgh[pousr]_[a-z0-9]{36}", r"\bgithub_pat_", r"\bglpat-", r"\bnpm_"),
        *(r"\bpypi-age", r"\bxox[abeoprs]-", r"hooks\.slack\.com", r"/api/webhooks/", r"\d:aa"),
        *(r"\bsg\.[a-z0-9_-]{20}", r"\bsk[0-9a-f]{32}", r"\b[sr]k_(?:live|test)_"),
        *(r"\bshp[a-z]{2}_", r"\bsk-[a-z0-9_-]{32}", r"\beyj[a-z0-9_-]{10}"),
        r"://[a-z0-9._%+-]{1,64}:[^ :/@]{3,60}@",
        r"(?:api|secret|access|client|private|auth|bearer|encryption|signing)[ _-]?"
        r"(?:access[ _-]?)?(?:key|secret|token)",
    ]
)
"""The same, as far as folding leaves it: small letters, and no more than tells mail without any."""

_PUBLIC_IN_LINKS = ("eyJ", "AIza")
"""What pages and newsletters show to everybody as part of a link."""

_MANUALS = re.compile(
    r"(?:user|my)?[_-]?(?:pass(?:word|wd|phrase)?|pw|pwd|token|secret|key)\d?|\.{3}|[*x]{3,}"
    r"|[\[{$%].*",
    re.IGNORECASE,
)
"""What stands in an address for a password in manuals and settings."""

_PLACEHOLDER = re.compile(r"your|example|here|xxxx|\*\*|changeme|insert|placeholder", re.IGNORECASE)
_ENTROPY = 3.0
"""Bits a character, by the frequencies within it: English words in a row have less once they are
also asked for digits; 20 random hexadecimal digits have more than 3.2."""


def detect(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    """Yield one finding for all keys of the message; the count is that of distinct ones."""
    keys: set[str] = set()
    spans: list[Span] = []
    for segment in view.segments:
        for start, end in _find(segment):
            keys.add(segment.text[start:end])
            if len(spans) < SPAN_LIMIT:
                span = Span(part=segment.part, where=segment.where, start=start, end=end)
                spans.append(span)
    if keys:
        yield Finding(
            symbol=CREDENTIALS_KEY,
            level=CREDENTIALS_KEY.level,
            part=spans[0].part,
            where=spans[0].where,
            count=len(keys),
            spans=tuple(spans),
        )


def _find(segment: Segment) -> Iterator[tuple[int, int]]:
    """Yield where keys are in the original text, for their letters' case matters; disjoint."""
    if not _GATE.first_ends(encode(segment.folded.text)):
        return
    text = segment.text
    found = [m.span() for m in _FORM.finditer(text) if not _is_public(text, m)]
    found += [m.span(1) for m in _NAMED.finditer(text) if _is_random(m[1])]
    done = 0
    for start, end in sorted(found):
        if start >= done:
            yield start, end
            done = end


def _is_public(text: str, key: re.Match[str]) -> bool:
    if key["password"]:
        return bool(_MANUALS.fullmatch(key["password"]))
    if not key[0].startswith(_PUBLIC_IN_LINKS):
        return False
    before = text[max(0, key.start() - 500) : key.start()].rpartition(" ")[2].rpartition("\n")[2]
    return "://" in before


def _is_random(value: str) -> bool:
    if _PLACEHOLDER.search(value) or value.isalpha() or value.isdigit():
        return False
    shares = [value.count(character) / len(value) for character in set(value)]
    return -sum(share * log2(share) for share in shares) >= _ENTROPY
