"""Makes numbers that identify people, right and nearly right ones, out of chance and check digits.

Nobody's number is looked up for it; of telephone numbers, those that Ofcom keeps for drama are
made. A near miss is what a slip of the finger gives: one digit off where there is a check digit,
one digit or letter too few, or impossible, where there is none.
"""

from collections.abc import Callable
from random import Random

from stdnum import iban, luhn
from stdnum.gb import nhs, utr

from mailguard.scan import validators
from mailguard.scan.travel import check_digit

LETTERS = "ABCDEFGHJKLMNPRSTUVWXY"
_HEX = "0123456789abcdef"
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_WORDS = ("otter", "lamp", "maple", "river", "comet", "badger", "violet", "harbour")
STREETS = ("Acorn Close", "Mill Lane", "Elm Road", "Station Street", "Heron Way", "Orchard Drive")
TOWNS = ("Elmham", "Leeds", "Millbrook", "Ashford")
NAMES = ("FINCH", "REED", "COLE", "ASHWORTH", "OAKLEY")


def digits(rng: Random, count: int) -> str:
    """So many digits."""
    return "".join(rng.choice("0123456789") for _ in range(count))


def some(rng: Random, alphabet: str, count: int) -> str:
    """So many characters of `alphabet`."""
    return "".join(rng.choice(alphabet) for _ in range(count))


def until(make: Callable[[], str], is_right: Callable[[str], object]) -> str:
    """What `make` makes, as soon as it is right: a check digit is guessed soon."""
    while not is_right(made := make()):
        pass
    return made


def change_digit(rng: Random, number: str) -> str:
    """`number` with another digit in one place."""
    at = rng.choice([at for at, character in enumerate(number) if character.isdigit()])
    other = rng.choice([digit for digit in "0123456789" if digit != number[at]])
    return number[:at] + other + number[at + 1 :]


def drop_digit(rng: Random, number: str) -> str:
    """`number` without one of its digits."""
    at = rng.choice([at for at, character in enumerate(number) if character.isdigit()])
    return number[:at] + number[at + 1 :]


# ---- health --------------------------------------------------------------------------------------


def nhs_number(rng: Random) -> str:
    """Of England and Wales, 3-3-4."""
    made = until(lambda: rng.choice("467") + digits(rng, 9), validators.is_nhs_number)
    return f"{made[:3]} {made[3:6]} {made[6:]}"


def care_number(rng: Random) -> str:
    """Of Northern Ireland, 3-3-4."""
    made = until(lambda: f"3{rng.randrange(2, 10)}{digits(rng, 8)}", validators.is_nhs_number)
    return f"{made[:3]} {made[3:6]} {made[6:]}"


def chi_number(rng: Random) -> str:
    """Of Scotland: born on a day of this century."""
    made = until(lambda: _day(rng) + digits(rng, 4), nhs.is_valid)
    return f"{made[:6]} {made[6:]}"


def _day(rng: Random) -> str:
    return f"{rng.randrange(1, 29):02}{rng.randrange(1, 13):02}{rng.randrange(5, 21):02}"


# ---- school --------------------------------------------------------------------------------------

AUTHORITIES = (201, 301, 352, 383, 420, 661, 672, 801, 838, 839, 860, 887, 926, 940, 943)
"""Codes of local authorities, those of 2019 and later and Welsh ones among them."""


def pupil_number(rng: Random) -> str:
    """A permanent one."""
    body = f"{rng.choice(AUTHORITIES)}{digits(rng, 4)}{rng.randrange(8, 24):02}{digits(rng, 3)}"
    return _check_letter(body)


def temporary_pupil_number(rng: Random) -> str:
    """One that ends in a letter."""
    body = f"{rng.choice(AUTHORITIES)}{digits(rng, 4)}{rng.randrange(8, 24):02}{digits(rng, 2)}"
    end = rng.choice("ABCDEFGH")
    return _check_letter(body + end)


def _check_letter(body: str) -> str:
    letters = "ABCDEFGHJKLMNPQRTUVWXYZ"
    return next(c + body for c in letters if validators.is_pupil_number((c + body).lower()))


def learner_number(rng: Random) -> str:
    """Of anybody over 14."""
    return until(lambda: digits(rng, 10), validators.is_learner_number)


def candidate_number(rng: Random) -> str:
    """Centre, board, year, serial number and a letter."""
    board, year = rng.choice("0ABC"), rng.randrange(17, 26)
    return f"{digits(rng, 5)}{board}{year}{digits(rng, 4)}{some(rng, 'ABCDEFGHKLMRTVWXY', 1)}"


def teacher_number(rng: Random) -> str:
    """Of today's form, or with a stroke."""
    made = digits(rng, 7)
    return rng.choice([made, f"RP{made[:2]}/{made[2:]}"])


# ---- state ---------------------------------------------------------------------------------------


def insurance_number(rng: Random) -> str:
    """With spaces, or without."""
    pair = until(lambda: some(rng, LETTERS, 2), lambda p: validators.is_insurance_number(p.lower()))
    body, end = digits(rng, 6), rng.choice("ABCD")
    return rng.choice([pair + body + end, f"{pair} {body[:2]} {body[2:4]} {body[4:]} {end}"])


def impossible_insurance_number(rng: Random) -> str:
    """With letters that are never given."""
    return f"{rng.choice(['QQ', 'DA', 'BG', 'ZZ', 'AO', 'GB'])}{digits(rng, 6)}{rng.choice('ABCD')}"


def tax_reference(rng: Random) -> str:
    """Ten digits, of which the first checks the rest."""
    body = digits(rng, 9)
    return utr.calc_check_digit(body) + body


def misread_tax_reference(rng: Random) -> str:
    """One with a digit off. Two pairs of remainders have the same check digit, so that some of
    those are right all the same."""
    made = tax_reference(rng)
    return until(lambda: change_digit(rng, made), lambda other: not utr.is_valid(other))


def driver_number(rng: Random) -> str:
    """Of Great Britain."""
    born = f"{rng.randrange(10)}{rng.choice([0, 5])}{rng.randrange(1, 10)}{rng.randrange(1, 29):02}"
    name = rng.choice(NAMES)[:5].ljust(5, "9")
    return f"{name}{born}{rng.randrange(10)}{some(rng, LETTERS, 2)}9{some(rng, LETTERS, 2)}"


def impossible_driver_number(rng: Random) -> str:
    """Born in a month that there is not."""
    made = driver_number(rng)
    return f"{made[:6]}{rng.choice('23478')}{made[7:]}"


def passport_number(rng: Random) -> str:
    """Nine digits, or of the form with letters."""
    return rng.choice([digits(rng, 9), some(rng, LETTERS, 2) + digits(rng, 7)])


def passport_zone(rng: Random) -> str:
    """The second line of a passport (ICAO Doc 9303 part 4)."""
    number, expires = digits(rng, 9), f"3{digits(rng, 1)}0{rng.randrange(1, 10)}1{digits(rng, 1)}"
    born = f"1{digits(rng, 1)}0{rng.randrange(1, 10)}1{digits(rng, 1)}"
    head = f"{number}{check_digit(number)}"
    dates = f"{born}{check_digit(born)}", f"{expires}{check_digit(expires)}"
    rest = "<" * 14 + "0"
    whole = check_digit((head + dates[0] + dates[1] + rest).lower())
    return f"{head}GBR{dates[0]}{rng.choice('MF')}{dates[1]}{rest}{whole}"


def misread_zone(rng: Random) -> str:
    """One whose number has a digit off."""
    made = passport_zone(rng)
    return change_digit(rng, made[:9]) + made[9:]


def disclosure_certificate(rng: Random) -> str:
    """Twelve digits."""
    return f"00{digits(rng, 10)}"


def number_plate(rng: Random) -> str:
    """Of the form since 2001."""
    year = rng.choice([*range(2, 26), *range(51, 76)])
    return f"{some(rng, LETTERS, 2)}{year:02} {some(rng, LETTERS, 3)}"


def impossible_plate(rng: Random) -> str:
    """Of a year that there is not."""
    return f"{some(rng, LETTERS, 2)}{rng.choice(['00', '01', '50'])} {some(rng, LETTERS, 3)}"


# ---- money ---------------------------------------------------------------------------------------


def bank_account(rng: Random) -> str:
    """Sort code and account number."""
    made = digits(rng, 14)
    return f"{made[:2]}-{made[2:4]}-{made[4:6]} {made[6:]}"


def short_account(rng: Random) -> str:
    """With an account number of five digits."""
    return bank_account(rng)[:-3]


def british_iban(rng: Random) -> str:
    """In groups of four."""
    body = f"{rng.choice(['ELMB', 'WEST', 'OAKB'])}{digits(rng, 14)}"
    made = f"GB{iban.calc_check_digits(f'GB00{body}')}{body}"
    return " ".join(made[at : at + 4] for at in range(0, len(made), 4))


def card_number(rng: Random) -> str:
    """Visa or Mastercard, in groups of four."""
    body = rng.choice(["4", "51", "2221"]) + digits(rng, 14)
    made = body[:15] + luhn.calc_check_digit(body[:15])
    return " ".join(made[at : at + 4] for at in range(0, 16, 4))


# ---- where and when ------------------------------------------------------------------------------


def mobile_number(rng: Random) -> str:
    """Of Ofcom's range for drama."""
    return f"07700 900{digits(rng, 3)}"


def home_address(rng: Random) -> str:
    """In one line."""
    street, town = rng.choice(STREETS), rng.choice(TOWNS)
    return f"{rng.randrange(1, 199)} {street}, {town} {postcode(rng)}"


def postcode(rng: Random) -> str:
    """Of a town that may be there."""
    area, unit = rng.choice(["LS", "NR", "S", "M"]), some(rng, "ABDEFGHJLNPQRSTUWXYZ", 2)
    return f"{area}{rng.randrange(1, 20)} {digits(rng, 1)}{unit}"


def impossible_address(rng: Random) -> str:
    """With a letter in its postcode that none has."""
    return home_address(rng)[:-1] + rng.choice("CIKMOV")


def birth_date(rng: Random) -> str:
    """Of a child, in one of three ways."""
    day, month, year = rng.randrange(1, 29), rng.randrange(1, 13), rng.randrange(2006, 2022)
    forms = f"{day:02}/{month:02}/{year}", f"{year}-{month:02}-{day:02}", f"{day} May {year}"
    return rng.choice(forms)


def impossible_date(rng: Random) -> str:
    """Of a day that no month has."""
    return f"{rng.randrange(32, 99)}/{rng.randrange(1, 13):02}/{rng.randrange(2006, 2022)}"


# ---- log-ins -------------------------------------------------------------------------------------


def password(rng: Random) -> str:
    """Two words and a number."""
    return f"{rng.choice(_WORDS).title()}{rng.choice(_WORDS)}{rng.randrange(10, 100)}"


def cloud_key(rng: Random) -> str:
    """An access key of a cloud."""
    return f"AKIA{some(rng, _BASE32, 16)}"


def code_token(rng: Random) -> str:
    """A token of a place where programs are kept."""
    return f"ghp_{some(rng, LETTERS + LETTERS.lower() + '0123456789', 36)}"


def login_seed(rng: Random) -> str:
    """The address that an authenticator's square code holds."""
    return f"otpauth://totp/Elm:ana?secret={some(rng, _BASE32, 16)}&issuer=Elm"


def client_secret(rng: Random) -> str:
    """Random hexadecimal digits."""
    return until(lambda: some(rng, _HEX, 32), lambda made: any(map(str.isalpha, made)))
