"""Numbers that identify a person: never by their check digit alone, whatever a school writes."""

import random
from collections.abc import Callable, Iterator

import pytest
from stdnum import isbn, luhn

from mailguard.mail.text import MessageView, Segment, Where
from mailguard.scan.detectors import card_number, insurance_number, nhs_number, pupil_number
from mailguard.scan.finding import Finding, Level
from mailguard.scan.validators import is_nhs_number
from mailguard.testing import SCHOOL, transaction

BuildView = Callable[..., MessageView]
BuildSegment = Callable[..., Segment]

DETECTORS = (nhs_number, pupil_number, insurance_number, card_number)
LETTERS = "ABCDEFGHJKLMNPQRTUVWXYZ"


def find(view: MessageView) -> list[Finding]:
    """Everything that the four detectors of numbers find."""
    return [f for detector in DETECTORS for f in detector.detect(view, transaction(), SCHOOL)]


def nhs_numbers(count: int) -> list[str]:
    """Distinct valid NHS numbers, made from their check digits."""
    candidates = (str(4_000_000_000 + n) for n in range(count * 30))
    return [number for number in candidates if is_nhs_number(number)][:count]


SEED = 20260302
"""Any other does as well."""


def ten_digits() -> Iterator[str]:
    numbers = random.Random(SEED)
    return (f"{numbers.randrange(10**9, 10**10)}" for _ in range(10_000))


def isbn_tens() -> Iterator[str]:
    numbers = random.Random(SEED)
    for _ in range(2_000):
        body = f"{numbers.choice('01')}{numbers.randrange(10**8):08}"
        yield body + str(isbn._calc_isbn10_check_digit(body))


def isbn_thirteens() -> Iterator[str]:
    numbers = random.Random(SEED)
    for _ in range(2_000):
        body = f"978{numbers.randrange(10**9):09}"
        yield f"{body[:3]}-{body[3:]}{isbn.ean.calc_check_digit(body)}"


def phones() -> Iterator[str]:
    numbers = random.Random(SEED)
    for _ in range(2_000):
        digits = f"{numbers.randrange(10**9):09}"
        yield numbers.choice(
            [
                f"07{digits}",
                f"01{digits[:3]} {digits[3:]}",
                f"020 7{digits[:3]} {digits[3:7]}",
                f"+44 7{digits[:3]} {digits[3:]}",
                f"7{digits}",
            ]
        )


def order_numbers() -> Iterator[str]:
    numbers = random.Random(SEED)
    for _ in range(2_000):
        digits = f"4{numbers.randrange(10**14):014}"
        yield numbers.choice(
            [
                digits + luhn.calc_check_digit(digits),
                f"{numbers.choice(LETTERS)}{numbers.randrange(10**12):012}",
                f"AB{numbers.randrange(10**6):06}C",
            ]
        )


SENTENCES = [
    "Please be patient, the number {} is being looked at by the office.",
    "We counted {} steps on the sponsored walk for the children's hospital.",
    "The new pupil laptops have the stock code {} on the back, says the doctor's surgery.",
    "Your parcel {} has been left in the medical room, it was paid with the school card.",
]


@pytest.mark.parametrize("sentence", SENTENCES)
@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param(ten_digits, id="10,000 random ten-digit numbers"),
        pytest.param(isbn_tens, id="ISBN-10"),
        pytest.param(isbn_thirteens, id="ISBN-13"),
        pytest.param(phones, id="phone numbers"),
        pytest.param(order_numbers, id="order numbers"),
    ],
)
def test_number_in_an_ordinary_sentence_is_no_finding(
    view: BuildView, numbers: Callable[[], Iterator[str]], sentence: str
) -> None:
    mails = [view(sentence.format(number)) for number in numbers()]

    found = [f for one in mails for f in find(one)]

    assert found == []


def test_base_rate_that_the_words_must_make_up_for_is_what_was_measured() -> None:
    """School.md's figure: of random ten-digit numbers some three in a hundred look issued."""
    share = sum(map(is_nhs_number, ten_digits())) / 10_000

    assert 0.02 < share < 0.06


def test_ten_thousand_numbers_in_one_message_are_no_finding(view: BuildView) -> None:
    sentences = "\n".join(f"The number is {number}, says the office." for number in ten_digits())

    assert find(view(f"About the hospital visit and the NHS\n{sentences}")) == []


def test_book_list_with_an_nhs_heading_is_no_finding(view: BuildView) -> None:
    rows = "\n".join(f"{number},A book" for number in isbn_tens())

    assert find(view(f"Books for the NHS careers week\nISBN,Title\n{rows}")) == []


@pytest.mark.parametrize(
    ("count", "level"),
    [(1, Level.FLAG), (2, Level.FLAG), (3, Level.HOLD), (9, Level.HOLD), (10, Level.SERIOUS)],
)
def test_level_follows_the_number_of_people(view: BuildView, count: int, level: Level) -> None:
    lines = "\n".join(f"NHS number {number}" for number in nhs_numbers(count))

    (finding,) = find(view(lines))

    assert (finding.level, finding.count) == (level, count)


def test_same_number_is_counted_once_in_all_parts_and_spellings(
    view: BuildView, segment: BuildSegment
) -> None:
    body = segment("NHS number 400 000 0004")
    quoted = segment("NHS number 4000000004", Where.QUOTED)
    attached = segment("NHS number 400-000-0004", Where.ATTACHMENT, "2")

    (finding,) = find(view(body, quoted, attached))

    assert finding.count == 1
    assert [span.where for span in finding.spans] == ["body", "quoted", "attachment"]


def test_list_counts_with_one_heading_far_above(view: BuildView) -> None:
    rows = "\n".join(f"Child {n} of the class,{number}" for n, number in enumerate(nhs_numbers(30)))

    (finding,) = find(view(f"Name,NHS number\n{rows}"))

    assert (finding.count, finding.level) == (30, Level.SERIOUS)


def test_list_of_mostly_other_numbers_is_no_list(view: BuildView) -> None:
    padding = "x" * 150
    others = [f"{padding} {number}" for number in list(ten_digits())[:200]]
    rows = "\n".join(others + [f"{padding} {number}" for number in nhs_numbers(5)])

    assert find(view(f"Name,NHS number\n{rows}")) == []


def test_spans_show_the_number_as_written(view: BuildView) -> None:
    text = "NHS \uff4eo: \uff14\uff10\uff10 000  0004."

    (finding,) = find(view(text))

    assert [text[s.start : s.end] for s in finding.spans] == ["\uff14\uff10\uff10 000  0004"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("UPN B801200005001", id="pupil number"),
        pytest.param("NI no. AB 12 34 56 C", id="insurance number"),
        pytest.param("Visa 4111 1111 1111 1111", id="card"),
        pytest.param("NHS number 400 000 0004", id="NHS number"),
    ],
)
def test_finding_has_no_field_with_the_number(view: BuildView, text: str) -> None:
    (finding,) = find(view(text))

    digits = "".join(filter(str.isdigit, text))
    assert digits not in "".join(filter(str.isalnum, repr(finding)))


def test_quarter_of_a_megabyte_of_numbers_is_soon_done(view: BuildView) -> None:
    text = "NHS x " + "4000000004 AB123456C 4111111111111111 B801200005001 " * 5_000

    findings = find(view(text))

    assert {finding.count for finding in findings} <= {1}
