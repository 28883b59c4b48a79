"""Check digits and ranges, against published numbers and against what python-stdnum gets wrong."""

import pytest
from stdnum.gb import upn

from mailguard.scan.payment import is_card_number
from mailguard.scan.validators import (
    is_insurance_number,
    is_nhs_number,
    is_pupil_number,
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
