"""Check digits and number ranges of UK identifiers. A valid number is evidence, never a finding.

All take folded text without spaces and dashes.
"""

from stdnum import luhn
from stdnum.gb import nhs

_UPN_LETTERS = "abcdefghjklmnpqrtuvwxyz"
"""DfE, "Unique pupil numbers": no I, O and S; a letter's place is its value."""

_NINO_FIRST = frozenset("abceghjklmnoprstwxyz")
_NINO_SECOND = _NINO_FIRST - {"o"}
_NINO_NEVER = frozenset({"bg", "gb", "kn", "nk", "nt", "tn", "zz"})
"""HMRC, National Insurance Manual NIM39110: letters and prefixes that are never given."""

_CARDS = (
    (4, 4, {16}),
    (51, 55, {16}),
    (2221, 2720, {16}),
    (34, 34, {15}),
    (37, 37, {15}),
    (6011, 6011, {16}),
    (65, 65, {16}),
    (5018, 5018, {16, 18, 19}),
    (5020, 5020, {16, 18, 19}),
    (5038, 5038, {16, 18, 19}),
    (6304, 6304, {16, 18, 19}),
    (6759, 6763, {16, 18, 19}),
)
"""First and last prefix, and lengths: Visa, Mastercard (two rows), American Express (two),
Discover (two), Maestro. A random number of 16 digits passes one in five times, before Luhn."""


def is_nhs_number(digits: str) -> bool:
    """Whether ten digits are an NHS number of England, Wales and Man (first digit 4, 6 or 7), or
    a Health and Care number of Northern Ireland (first digits 32 to 39).

    The issued ranges matter: the check digit alone also fits every ISBN-10 made of digits only.
    """
    issued = digits[:1] in "467" or "32" <= digits[:2] <= "39"
    return issued and bool(nhs.is_valid(digits))


def is_pupil_number(text: str) -> bool:
    """Whether a UPN has its check letter: a letter and 12 digits, or 11 digits and a letter.

    Not python-stdnum 2.2: it refuses the local authorities made since 2012, and all of Wales.
    """
    body = [_UPN_LETTERS.find(text[-1]) if c.isalpha() else int(c) for c in text[1:]]
    remainder = sum(value * weight for weight, value in enumerate(body, 2)) % 23
    return -1 not in body and _UPN_LETTERS[remainder] == text[0]


def is_insurance_number(text: str) -> bool:
    """Whether the first two letters can begin a National Insurance number; no digit checks it."""
    first, second = text[0], text[1]
    return first in _NINO_FIRST and second in _NINO_SECOND and text[:2] not in _NINO_NEVER


def is_card_number(digits: str) -> bool:
    """Whether prefix, length and check digit are those of a payment card.

    Prefix and length matter: one ISBN-13 in ten passes the check digit.
    """
    return any(
        low <= int(digits[: len(str(low))]) <= high and len(digits) in lengths
        for low, high, lengths in _CARDS
    ) and bool(luhn.is_valid(digits))
