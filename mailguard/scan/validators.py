"""Check digits and number ranges of UK identifiers. A valid number is evidence, never a finding.

All take folded text without spaces and dashes. Those of banks are in :mod:`mailguard.scan.payment`,
those of travel documents in :mod:`mailguard.scan.travel`.
"""

from datetime import date

from stdnum.gb import nhs, utr

_UPN_LETTERS = "abcdefghjklmnpqrtuvwxyz"
"""DfE, "Unique pupil numbers": no I, O and S; a letter's place is its value."""

_NINO_FIRST = frozenset("abceghjklmnoprstwxyz")
_NINO_SECOND = _NINO_FIRST - {"o"}
_NINO_NEVER = frozenset({"bg", "gb", "kn", "nk", "nt", "tn", "zz"})
"""HMRC, National Insurance Manual NIM39110: letters and prefixes that are never given."""

_PLATE_LETTERS = frozenset("abcdefghjklmnoprstuvwxyz")
_PLATE_YEARS = frozenset((*range(2, 50), *range(51, 100)))
"""DVLA INF104: no I and Q; years from 02 (March 2002), and with 50 added from 51 (September 2001).
"""


def is_nhs_number(digits: str) -> bool:
    """Whether ten digits are an NHS number of England, Wales and Man (first digit 4, 6 or 7), or
    a Health and Care number of Northern Ireland (first digits 32 to 39).

    The issued ranges matter: the check digit alone also fits every ISBN-10 made of digits only.
    """
    issued = digits[:1] in "467" or "32" <= digits[:2] <= "39"
    return issued and bool(nhs.is_valid(digits))


def is_chi_number(digits: str) -> bool:
    """Whether ten digits are a Community Health Index number of Scotland: they begin with a date
    of birth (DDMMYY), and have the check digit of an NHS number."""
    return is_day(int(digits[:2]), int(digits[2:4]), int(digits[4:6])) and nhs.is_valid(digits)


def is_day(day: int, month: int, year: int) -> bool:
    """Whether there is such a day in that year of this century or of the last, for years below 100.

    29 February needs a leap year; 00 is one in this century.
    """
    try:
        date(year + 2000 if year < 100 else year, month, day)
    except ValueError:
        return False
    return True


def is_pupil_number(text: str) -> bool:
    """Whether a UPN has its check letter: a letter and 12 digits, or 11 digits and a letter.

    Not python-stdnum 2.2: it refuses the local authorities made since 2012, and all of Wales.
    """
    body = [_UPN_LETTERS.find(text[-1]) if c.isalpha() else int(c) for c in text[1:]]
    remainder = sum(value * weight for weight, value in enumerate(body, 2)) % 23
    return -1 not in body and _UPN_LETTERS[remainder] == text[0]


def is_learner_number(digits: str) -> bool:
    """Whether ten digits are a Unique Learner Number: the sum of each by its place from 10 to 1
    leaves 10 when divided by 11. It never is a valid NHS number too, which leaves 0."""
    total = sum(int(digit) * weight for digit, weight in zip(digits, range(10, 0, -1), strict=True))
    return digits[0] != "0" and total % 11 == 10


def is_insurance_number(text: str) -> bool:
    """Whether the first two letters can begin a National Insurance number; no digit checks it."""
    first, second = text[0], text[1]
    return first in _NINO_FIRST and second in _NINO_SECOND and text[:2] not in _NINO_NEVER


def is_tax_reference(text: str) -> bool:
    """Whether ten digits, or those and a K, are a Unique Taxpayer Reference: the first is the
    check digit of the rest."""
    return bool(utr.is_valid(text.strip("k")))


def is_driver_number(text: str) -> bool:
    """Whether 16 characters can be a driver number of Great Britain: five letters of the surname,
    filled up with 9, and a date of birth around them (DVLA: decade, month plus 50 for women, day,
    year). What the last two check is not published."""
    letters = text[:5].rstrip("9")
    month, day = int(text[6:8]) % 50, int(text[8:10])
    year = int(text[5] + text[10])
    return letters.isalpha() and is_day(day, month, year) and text[11].isalpha()


def is_number_plate(text: str) -> bool:
    """Whether two letters, two digits and three letters can be on a car registered since 2001."""
    letters = frozenset(text[:2] + text[4:])
    return letters <= _PLATE_LETTERS and int(text[2:4]) in _PLATE_YEARS
