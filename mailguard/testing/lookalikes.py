"""Innocent numbers that look like those of people: what fills ordinary school mail."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from stdnum import ean, luhn
from stdnum import isbn as isbns

from mailguard.testing.numbers import LETTERS, digits, some


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookalike:
    """One kind of innocent number."""

    name: str
    make: Callable[[Random], str]
    contexts: tuple[str, ...]
    """Ordinary sentences with ``{}`` where the number stands."""


def _isbn_10(rng: Random) -> str:
    body = f"{rng.choice('01')}{digits(rng, 8)}"
    return body + str(isbns._calc_isbn10_check_digit(body))


def _isbn_13(rng: Random) -> str:
    body = f"978{digits(rng, 9)}"
    return f"{body[:3]}-{body[3:]}{ean.calc_check_digit(body)}"


def _service_phone(rng: Random) -> str:
    return rng.choice([f"0300 {digits(rng, 3)} {digits(rng, 4)}", f"0800 {digits(rng, 6)}"])


def _order(rng: Random) -> str:
    return rng.choice([digits(rng, 10), digits(rng, 8), f"4{digits(rng, 15)}", digits(rng, 9)])


def _invoice(rng: Random) -> str:
    return rng.choice([f"INV-{digits(rng, 7)}", digits(rng, 7), f"SI{digits(rng, 8)}"])


def _card_like(rng: Random) -> str:
    body = f"4{digits(rng, 14)}"
    return body + luhn.calc_check_digit(body)


def _score(rng: Random) -> str:
    return f"{rng.randrange(9)}-{rng.randrange(9)}"


def _date(rng: Random) -> str:
    return f"{rng.randrange(1, 29):02}/{rng.randrange(1, 13):02}/20{rng.randrange(24, 28)}"


def _product(rng: Random) -> str:
    return rng.choice(
        [
            f"{some(rng, LETTERS, 2)}{digits(rng, 6)}{rng.choice('ABCD')}",
            f"{some(rng, LETTERS, 1)}{digits(rng, 12)}",
            f"{some(rng, LETTERS, 3)}-{digits(rng, 4)}",
            f"{some(rng, LETTERS, 2)}{digits(rng, 7)}",
        ]
    )


def _tracking(rng: Random) -> str:
    return rng.choice([f"{some(rng, 'JQ', 1)}D{digits(rng, 9)}GB", digits(rng, 14)])


def _room(rng: Random) -> str:
    return rng.choice([f"{some(rng, 'ABCDE', 1)}{digits(rng, 2)}", f"{some(rng, 'ENS', 1)}10 5AB"])


def _mark(rng: Random) -> str:
    return f"{rng.randrange(20, 100)}/100"


def _money(rng: Random) -> str:
    return f"£{rng.randrange(1, 10_000):,}.{digits(rng, 2)}"


LOOKALIKES = {
    one.name: one
    for one in (
        Lookalike(
            name="isbn10",
            make=_isbn_10,
            contexts=(
                "Please order ISBN {} for the library.",
                "The hospital story in our reading corner, {}, is back.",
                "Year 6 will read the book with ISBN: {} after half term.",
            ),
        ),
        Lookalike(
            name="isbn13",
            make=_isbn_13,
            contexts=(
                "Pay for ISBN {} with the school card, please.",
                "The new maths book is {}, one for each pair.",
            ),
        ),
        Lookalike(
            name="service_phone",
            make=_service_phone,
            contexts=(
                "The helpline is open all night on {}.",
                "Ring the booking office on {} for the coach.",
            ),
        ),
        Lookalike(
            name="order",
            make=_order,
            contexts=(
                "Your order {} has been sent today.",
                "The parcel with order no. {} is in the medical room.",
                "Order number: {}, paid by the school office.",
            ),
        ),
        Lookalike(
            name="invoice",
            make=_invoice,
            contexts=(
                "Invoice {} is due at the end of the month.",
                "Please find attached invoice no. {} for the minibus.",
            ),
        ),
        Lookalike(
            name="loyalty_card",
            make=_card_like,
            contexts=(
                "The library reader shows {} for the old badge.",
                "Your parcel {} was left at the gate.",
            ),
        ),
        Lookalike(
            name="score",
            make=_score,
            contexts=("We won {} on Saturday.", "It ended {} after extra time."),
        ),
        Lookalike(
            name="date",
            make=_date,
            contexts=(
                "The trip to the museum is on {} this year.",
                "Parents' evening has moved to {}, please reply by Friday.",
            ),
        ),
        Lookalike(
            name="product",
            make=_product,
            contexts=(
                "The spare part for the projector is {}.",
                "The new laptops have the stock code {} on the back.",
            ),
        ),
        Lookalike(
            name="tracking",
            make=_tracking,
            contexts=(
                "Tracking number {}: out for delivery.",
                "Royal Mail says that {} arrives on Monday.",
            ),
        ),
        Lookalike(
            name="room",
            make=_room,
            contexts=("The exam is in {} at nine.", "Maths moves to room {} next week."),
        ),
        Lookalike(
            name="mark",
            make=_mark,
            contexts=("She had {} in the mock exam.", "The best paper had {} this time."),
        ),
        Lookalike(
            name="money",
            make=_money,
            contexts=(
                "The fair made {} for the hospital.",
                "We have paid {} of the deposit so far.",
            ),
        ),
    )
}
