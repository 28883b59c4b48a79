"""Check digits and ranges, against published numbers and against what python-stdnum gets wrong."""

import pytest
from stdnum.gb import upn

from mailguard.scan.payment import is_card_number, is_iban
from mailguard.scan.travel import check_digit, is_card_zone, is_zone
from mailguard.scan.validators import (
    is_chi_number,
    is_driver_number,
    is_insurance_number,
    is_learner_number,
    is_nhs_number,
    is_number_plate,
    is_pupil_number,
    is_tax_reference,
)


@pytest.mark.parametrize(
    ("digits", "valid"),
    [
        pytest.param("4000000004", True, id="England"),
        pytest.param("3200000007", True, id="Northern Ireland"),
        pytest.param("4000000005", False, id="wrong check digit"),
        pytest.param("9434765919", False, id="range not issued"),
        pytest.param("9990000018", False, id="range for tests"),
        pytest.param("0141036141", False, id="ISBN-10 with the same check digit"),
        pytest.param("3000000003", False, id="Scotland"),
    ],
)
def test_nhs_number_has_check_digit_and_issued_range(digits: str, valid: bool) -> None:
    assert valid is is_nhs_number(digits)


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        pytest.param("b801200005001", True, id="permanent"),
        pytest.param("j80120002401a", True, id="temporary"),
        pytest.param("p207000016049", True, id="worked by hand: remainder 13"),
        pytest.param("q207000016049", False, id="as on a supplier's help page"),
        pytest.param("j80120002401b", False, id="wrong last letter"),
        pytest.param("j80120002401o", False, id="letter that is never used"),
        pytest.param("i801200005001", False, id="check letter that is never used"),
    ],
)
def test_pupil_number_has_its_check_letter(text: str, valid: bool) -> None:
    assert valid is is_pupil_number(text)


def test_pupil_number_of_a_new_authority_is_valid_though_stdnum_refuses_it() -> None:
    """When this fails, python-stdnum knows the new authorities, and could be used."""
    number = "A838200005001"
    letters = [letter + number[1:] for letter in "ABCDEFGHJKLMNPQRTUVWXYZ"]

    (valid,) = (text for text in letters if is_pupil_number(text.lower()))

    assert not upn.is_valid(valid)


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        pytest.param("ab123456c", True, id="usual"),
        pytest.param("qq123456c", False, id="Q"),
        pytest.param("ao123456c", False, id="O second"),
        pytest.param("oa123456c", True, id="O first"),
        pytest.param("gb123456c", False, id="prefix never given"),
    ],
)
def test_insurance_number_has_a_prefix_that_is_given(text: str, valid: bool) -> None:
    assert valid is is_insurance_number(text)


@pytest.mark.parametrize(
    ("digits", "valid"),
    [
        pytest.param("4111111111111111", True, id="Visa"),
        pytest.param("5555555555554444", True, id="Mastercard"),
        pytest.param("2223003122003222", True, id="Mastercard, second range"),
        pytest.param("378282246310005", True, id="American Express"),
        pytest.param("6759649826438453", True, id="Maestro"),
        pytest.param("4111111111111112", False, id="wrong check digit"),
        pytest.param("9780141036144", False, id="ISBN-13"),
        pytest.param("411111111111116", False, id="Visa with 15 digits"),
        pytest.param("1111111111111117", False, id="prefix of no card"),
    ],
)
def test_card_number_has_prefix_length_and_check_digit(digits: str, valid: bool) -> None:
    assert valid is is_card_number(digits)


@pytest.mark.parametrize(
    ("digits", "valid"),
    [
        pytest.param("0102030006", True, id="usual"),
        pytest.param("0102030007", False, id="wrong check digit"),
        pytest.param("3202030000", False, id="no such day, with its check digit"),
        pytest.param("2902000014", True, id="29 February of a leap year"),
        pytest.param("2902010036", False, id="29 February of another year"),
    ],
)
def test_chi_number_begins_with_a_day(digits: str, valid: bool) -> None:
    assert valid is is_chi_number(digits)


@pytest.mark.parametrize(
    ("digits", "valid"),
    [
        pytest.param("9276308686", True, id="as published"),
        pytest.param("9276308687", False, id="wrong check digit"),
        pytest.param("4000000004", False, id="NHS number"),
    ],
)
def test_learner_number_has_its_check_digit(digits: str, valid: bool) -> None:
    assert valid is is_learner_number(digits)


def test_no_number_is_both_a_learners_and_the_nhs() -> None:
    numbers = [str(number) for number in range(4_000_000_000, 4_000_003_000)]

    assert any(map(is_learner_number, numbers))
    assert not [number for number in numbers if is_learner_number(number) and is_nhs_number(number)]


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        pytest.param("1955839661", True, id="as published"),
        pytest.param("1955839661k", True, id="with K"),
        pytest.param("2955839661", False, id="wrong check digit"),
    ],
)
def test_tax_reference_has_its_check_digit(text: str, valid: bool) -> None:
    assert valid is is_tax_reference(text)


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        pytest.param("morga657054sm9ij", True, id="specimen"),
        pytest.param("morga607054sm9ij", True, id="born in July, a man"),
        pytest.param("morga697054sm9ij", False, id="no such month"),
        pytest.param("morga657324sm9ij", False, id="no such day"),
        pytest.param("99999657054sm9ij", False, id="no name"),
        pytest.param("fox99657054s99ij", True, id="short name, one initial"),
    ],
)
def test_driver_number_holds_a_name_and_a_date_of_birth(text: str, valid: bool) -> None:
    assert valid is is_driver_number(text)


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        pytest.param("ab12cde", True, id="March"),
        pytest.param("ab62cde", True, id="September"),
        pytest.param("ab50cde", False, id="no such year"),
        pytest.param("ai12cde", False, id="I"),
        pytest.param("ab12cdq", False, id="Q"),
    ],
)
def test_number_plate_has_letters_and_years_that_are_given(text: str, valid: bool) -> None:
    assert valid is is_number_plate(text)


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        pytest.param("gb82west12345698765432", True, id="British"),
        pytest.param("de89370400440532013000", True, id="German"),
        pytest.param("gb82west12345698765433", False, id="wrong check digits"),
        pytest.param("de8937040044053201300", False, id="too short"),
        pytest.param("zz82west12345698765432", False, id="no such country"),
    ],
)
def test_iban_has_its_check_digits_and_its_countrys_length(text: str, valid: bool) -> None:
    assert valid is is_iban(text)


@pytest.mark.parametrize(
    ("field", "digit"), [("l898902c3", 6), ("740812", 2), ("120415", 9), ("ze184226b<<<<<", 1)]
)
def test_check_digits_are_those_of_the_icao_specimen(field: str, digit: int) -> None:
    assert digit == check_digit(field)


PASSPORT = "l898902c36uto7408122f1204159ze184226b<<<<<10"


@pytest.mark.parametrize(
    ("line", "valid"),
    [
        pytest.param(PASSPORT, True, id="passport"),
        pytest.param(PASSPORT.replace("l898902c36", "l898902c37"), False, id="number"),
        pytest.param(PASSPORT.replace("7408122", "7408123"), False, id="date of birth"),
        pytest.param(PASSPORT.replace("1204159", "1204158"), False, id="date of expiry"),
    ],
)
def test_zone_of_a_passport_has_each_check_digit(line: str, valid: bool) -> None:
    assert valid is is_zone(line)


@pytest.mark.parametrize(
    ("line", "valid"),
    [
        pytest.param("7408122f1204159uto<<<<<<<<<<<6", True, id="card"),
        pytest.param("7408123f1204159uto<<<<<<<<<<<6", False, id="date of birth"),
        pytest.param("7408122f1204158uto<<<<<<<<<<<6", False, id="date of expiry"),
    ],
)
def test_zone_of_a_card_has_both_dates_check_digits(line: str, valid: bool) -> None:
    assert valid is is_card_zone(line)
