"""Check digits and number ranges of cards and bank accounts.

All take folded text without spaces and dashes.
"""

from stdnum import iban, luhn

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


def is_card_number(digits: str) -> bool:
    """Whether prefix, length and check digit are those of a payment card.

    Prefix and length matter: one ISBN-13 in ten passes the check digit.
    """
    return any(
        low <= int(digits[: len(str(low))]) <= high and len(digits) in lengths
        for low, high, lengths in _CARDS
    ) and bool(luhn.is_valid(digits))


_COUNTRIES = {
    15: "no",
    16: "be",
    18: "nl dk fi",
    19: "si",
    20: "at lt ee lu",
    21: "ch hr lv",
    22: "gb ie de bg",
    23: "ae gi",
    24: "es se cz ro sk",
    25: "pt",
    26: "tr is",
    27: "fr it gr",
    28: "pl hu cy",
    29: "ua",
    31: "mt",
}
"""Countries and territories whose accounts a British school meets, by the characters in each (IBAN
registry, SWIFT)."""

IBAN_LENGTHS = {
    country: length for length, countries in _COUNTRIES.items() for country in countries.split()
}
"""The same, by country."""


def is_iban(text: str) -> bool:
    """Whether an International Bank Account Number has its country's form, and the check digits of
    ISO 7064 (97-10)."""
    length = IBAN_LENGTHS.get(text[:2])
    # python-stdnum also asks for the national check digits of countries that have some.
    return length == len(text) and bool(iban.is_valid(text, check_country=False))
