"""Every kind of personal number and secret that MailGuard knows, to measure how it finds them.

For each: right ones, near misses, sentences in which a school would write it, and what a table
calls its column. What only looks like one is in :mod:`mailguard.testing.lookalikes`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from mailguard.testing import numbers as n


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """One kind."""

    name: str
    symbol: str
    """What its detector or rule finds."""

    valid: Callable[[Random], str]
    """Makes a right one, with or without spaces as people write it."""

    near_miss: Callable[[Random], str]
    """Makes one that is wrong in one character, in none of whose contexts it may be found."""

    contexts: tuple[str, ...]
    """Fair sentences, with ``{}`` where it stands: whoever reads one knows what it is."""

    heading: str
    """What a table calls its column."""


def _slip(make: Callable[[Random], str]) -> Callable[[Random], str]:
    return lambda rng: n.change_digit(rng, make(rng))


def _short(make: Callable[[Random], str]) -> Callable[[Random], str]:
    return lambda rng: n.drop_digit(rng, make(rng))


def _kind(
    name: str,
    symbol: str,
    valid: Callable[[Random], str],
    near_miss: Callable[[Random], str],
    heading: str,
    *contexts: str,
) -> Identifier:
    return Identifier(
        name=name,
        symbol=symbol,
        valid=valid,
        near_miss=near_miss,
        heading=heading,
        contexts=contexts,
    )


GENERATORS: Mapping[str, Identifier] = {
    one.name: one
    for one in (
        _kind(
            *("nhs", "NHS_NUMBER", n.nhs_number, _slip(n.nhs_number), "NHS Number"),
            "Her NHS number is {}, please put it on the care plan.",
            "For the hospital form: Cara Finch, {}, allergic to nuts.",
            "NHS No: {}",
        ),
        _kind(
            *("hc", "NHS_NUMBER", n.care_number, _slip(n.care_number), "Health and Care Number"),
            "His Health and Care number is {}.",
            "H&C number: {}, registered in Belfast.",
        ),
        _kind(
            *("chi", "CHI_NUMBER", n.chi_number, _slip(n.chi_number), "CHI Number"),
            "Her CHI number is {}, from her old school in Perth.",
            "Community Health Index: {}",
        ),
        _kind(
            *("upn", "PUPIL_NUMBER", n.pupil_number, _slip(n.pupil_number), "UPN"),
            "Please add UPN {} to the register.",
            "The unique pupil number of Cara Finch is {}.",
            "Date of birth checked, number {}, on roll since Monday.",
        ),
        _kind(
            "upn_temporary",
            *("PUPIL_NUMBER", n.temporary_pupil_number, _slip(n.temporary_pupil_number), "UPN"),
            "Her temporary UPN was {}.",
            "UPN: {}",
        ),
        _kind(
            *("uln", "LEARNER_NUMBER", n.learner_number, _slip(n.learner_number), "ULN"),
            "Please enter her with ULN {} for maths.",
            "Unique Learner Number: {}",
            "The learner number that we have is {}.",
        ),
        _kind(
            *("uci", "CANDIDATE_NUMBER", n.candidate_number, _short(n.candidate_number), "UCI"),
            "Cara's UCI is {}, it moves with her.",
            "For the exam entry: Ana Reed, {}.",
        ),
        _kind(
            *("trn", "TEACHER_NUMBER", n.teacher_number, _short(n.teacher_number), "TRN"),
            "My TRN is {}.",
            "Teacher reference number: {}",
        ),
        _kind(
            *("dbs", "DISCLOSURE_CERTIFICATE", n.disclosure_certificate),
            *(_short(n.disclosure_certificate), "DBS Certificate Number"),
            "Her DBS certificate number is {}, seen on Monday.",
            "Enhanced DBS: {}",
        ),
        _kind(
            *("nino", "INSURANCE_NUMBER", n.insurance_number, n.impossible_insurance_number),
            "NI Number",
            "My National Insurance number is {}.",
            "NI no. {}, starts on Monday.",
            "For payroll: Ana Reed, {}.",
        ),
        _kind(
            *("passport", "PASSPORT_NUMBER", n.passport_number, _short(n.passport_number)),
            "Passport Number",
            "Cara's passport number is {}, it ends in May.",
            "Passport no: {}",
        ),
        _kind(
            *("mrz", "TRAVEL_DOCUMENT", n.passport_zone, n.misread_zone, "Passport MRZ"),
            "The lower line says {} on hers.",
            "{}",
        ),
        _kind(
            *("driver", "DRIVING_LICENCE", n.driver_number, n.impossible_driver_number),
            "Driving Licence Number",
            "Driving licence {}, for the minibus.",
            "Her driver number is {}.",
        ),
        _kind(
            *("bank", "PERSONAL_DATA_BANK_ACCOUNT", n.bank_account, n.short_account),
            "Sort Code and Account",
            "Sort code and account number: {}",
            "Please pay the refund into her bank account {}.",
        ),
        _kind(
            *("iban", "INTERNATIONAL_ACCOUNT", n.british_iban, _slip(n.british_iban), "IBAN"),
            "Her IBAN is {} for the refund.",
            "Please transfer it to {} by Friday.",
        ),
        _kind(
            *("card", "CARD_NUMBER", n.card_number, _slip(n.card_number), "Card Number"),
            "Use the school's debit card {} for the coach.",
            "Card number: {}",
            "To pay for the trip: {}, thank you.",
        ),
        _kind(
            *("utr", "TAX_REFERENCE", n.tax_reference, n.misread_tax_reference, "UTR"),
            "My UTR is {} if payroll needs it.",
            "Unique Taxpayer Reference: {}",
        ),
        _kind(
            *("address", "HOME_ADDRESS", n.home_address, n.impossible_address, "Home Address"),
            "They live at {} now.",
            "Her new address is {}.",
        ),
        _kind(
            *("phone", "PHONE_NUMBER", n.mobile_number, _short(n.mobile_number), "Mobile"),
            "Her mum is on {} today.",
            "Ring the family at {} please.",
        ),
        _kind(
            *("dob", "BIRTH_DATE", n.birth_date, n.impossible_date, "Date of Birth"),
            "Cara Finch, DOB {}, starts on Monday.",
            "She was born on {} in Leeds.",
        ),
        _kind(
            *("plate", "VEHICLE_REGISTRATION", n.number_plate, n.impossible_plate, "Vehicle Reg"),
            "My car is the blue one, registration {}.",
            "Vehicle reg: {}",
        ),
        _kind(
            *("password", "CREDENTIALS_PASSWORD", n.password, lambda rng: "incorrect", "Password"),
            "The password for SIMS is {}.",
            "Username: areed, password: {}",
        ),
        _kind(
            *("wifi", "CREDENTIALS_WIFI", n.password, lambda rng: "on", "Wi-Fi Key"),
            "The staff wifi password is {} from today.",
            "WPA2 key: {}",
        ),
        _kind(
            *("cloud_key", "CREDENTIALS_KEY", n.cloud_key),
            *(lambda rng: n.cloud_key(rng)[:-1], "Access Key"),
            "Use {} for the bucket.",
            "The backup logs in with {}.",
        ),
        _kind(
            *("code_token", "CREDENTIALS_KEY", n.code_token),
            *(lambda rng: n.code_token(rng)[:-1], "Token"),
            "Push with {} until mine works.",
            "It is {}, good for a week.",
        ),
        _kind(
            *("client_secret", "CREDENTIALS_KEY", n.client_secret),
            *(lambda rng: "your_client_secret_here", "Client Secret"),
            "The client secret is {}.",
            "api_key = {}",
        ),
        _kind(
            *("otp_seed", "CREDENTIALS_SEED", n.login_seed),
            *(lambda rng: "otpauth://totp/Elm:ana", "Authenticator"),
            "Scan or open {} on the new phone.",
            "{}",
        ),
    )
}
"""By name."""
