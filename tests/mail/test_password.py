"""Passwords for an encrypted file stand in the message that it came with."""

import time

import pytest

from mailguard.mail.message import parse
from mailguard.mail.password import PASSWORDS, find_passwords
from mailguard.testing import mail


@pytest.mark.parametrize(
    ("text", "password"),
    [
        pytest.param("The password is tulip99.", "tulip99", id="is"),
        pytest.param("Password: Tulip-99!", "Tulip-99!", id="colon"),
        pytest.param("Password:tulip", "tulip", id="nothing between"),
        pytest.param('open it with the password "two tulips"', "two", id="quotes"),
        pytest.param("pw = x9", "x9", id="equals"),
        pytest.param("The PIN for the attached file is, as always, 4711", "4711", id="further on"),
        pytest.param("Your passcode\nis\n\ntulip", "tulip", id="on another line"),
        pytest.param("Passwort? password: (tulip)", "tulip", id="brackets"),
    ],
)
def test_what_follows_the_word_password_is_tried(text: str, password: str) -> None:
    assert password in find_passwords(parse(mail(text)))


def test_the_likeliest_comes_first() -> None:
    found = find_passwords(parse(mail("The password for Tuesday's minutes is tulip99.")))

    assert found[0] == "tulip99"


def test_the_subject_and_a_page_are_searched_too() -> None:
    page = b"Subject: Password: rose\nContent-Type: text/html\n\n<p>password: <b>tulip</b></p>"

    assert {"rose", "tulip"} <= {*find_passwords(parse(page))}


def test_nothing_is_tried_where_none_is_spoken_of() -> None:
    assert find_passwords(parse(mail("See you at the keyboard club, passing the word on."))) == ()


def test_a_text_full_of_passwords_costs_little() -> None:
    message = parse(mail("password " * 100_000))
    started = time.perf_counter()

    assert len(find_passwords(message)) <= PASSWORDS
    assert time.perf_counter() - started < 1
