"""Telephone numbers of people: which ones are, by the numbering plan."""

import phonenumbers
from phonenumbers import PhoneNumberType

_OF_PEOPLE = frozenset(
    {
        PhoneNumberType.MOBILE,
        PhoneNumberType.FIXED_LINE,
        PhoneNumberType.FIXED_LINE_OR_MOBILE,
        PhoneNumberType.PERSONAL_NUMBER,
    }
)
"""Not free or shared cost (03, 08), premium rate (09), pagers and voicemail."""

_DRAMA = ("+447700900", "+441632960", "+442079460", "+441134960", "+441214960", "+441614960")
"""Of the ranges that Ofcom keeps for drama; the library refuses them, but they look real."""

_BRITISH = 44
_LENGTH = len("+44") + 10

_E164 = phonenumbers.PhoneNumberFormat.E164


def is_phone_of_a_person(written: str) -> bool:
    """Whether a British number, with or without its country in front, is a mobile or a fixed line
    that the numbering plan has."""
    number = _parse(written)
    if number is None:
        return False
    dialled = phonenumbers.format_number(number, _E164)
    if dialled.startswith(_DRAMA):
        return len(dialled) == _LENGTH
    return phonenumbers.is_valid_number(number) and phonenumbers.number_type(number) in _OF_PEOPLE


def is_mobile(written: str) -> bool:
    """Whether a number is a British mobile, which belongs to one person."""
    number = _parse(written)
    return number is not None and phonenumbers.format_number(number, _E164).startswith("+447")


def _parse(written: str) -> phonenumbers.PhoneNumber | None:
    try:
        number = phonenumbers.parse(written, "GB")
    except phonenumbers.NumberParseException:
        return None
    # 00 and digits that are no number of ours can be one of Samoa.
    return number if number.country_code == _BRITISH else None
