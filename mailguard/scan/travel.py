"""Machine-readable zones of travel documents (ICAO Doc 9303 parts 3 to 6): forms and check digits.

All take folded text; ``<`` fills up what is empty.
"""

_WEIGHTS = (7, 3, 1)
_VALUES = {
    "<": 0,
    **{str(digit): digit for digit in range(10)},
    **{chr(ord("a") + n): n + 10 for n in range(26)},
}


def check_digit(field: str) -> int:
    """Return the check digit of a field: digits count as such, A to Z as 10 to 35, and weights of
    7, 3 and 1 go round (part 3, 4.9)."""
    return sum(_VALUES[c] * _WEIGHTS[at % 3] for at, c in enumerate(field)) % 10


def is_zone(line: str) -> bool:
    """Whether this is the second line of a passport (44 characters) or of a card or visa of two
    lines (36): number, date of birth and date of expiry have their check digits, and so has the
    whole where the document's kind has one. A visa has none there."""
    number, born, expires = line[:10], line[13:20], line[21:28]
    return all(map(_is_checked, (number, born, expires)))


def is_card_zone(line: str) -> bool:
    """Whether this is the second of the three lines of an identity card (30 characters): both dates
    have their check digits."""
    return _is_checked(line[:7]) and _is_checked(line[8:15])


def _is_checked(field: str) -> bool:
    """Whether the last character is the check digit of the rest."""
    return field[-1].isdigit() and int(field[-1]) == check_digit(field[:-1])
