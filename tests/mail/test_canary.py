"""Whose self-test a sender is: ours, for this listener, and made just now."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.mail.address import parse_path
from mailguard.mail.canary import GOOD_FOR, NONCE_BYTES, Sort, make_sender, read_nonce
from mailguard.testing import NOON

KEY = bytes(range(32))
NONCE = bytes(range(NONCE_BYTES))
SENDER = make_sender(KEY, "mail", Sort.BAD, NOON, NONCE)


def changed(sender: str, position: int) -> str:
    other = "1" if sender[position] == "0" else "0"
    return sender[:position] + other + sender[position + 1 :]


@pytest.mark.parametrize("sort", Sort)
def test_what_was_made_is_recognised(sort: Sort) -> None:
    sender = make_sender(KEY, "mail", sort, NOON, NONCE)

    assert read_nonce(sender, KEY, "mail", NOON) == NONCE.hex()


@pytest.mark.parametrize("sort", Sort)
def test_a_sender_is_an_address_that_any_server_takes(sort: Sort) -> None:
    sender = make_sender(KEY, "mail", sort, NOON, NONCE)

    parsed = parse_path(f"<{sender}>".encode())

    assert parsed is not None
    assert parsed.path.address == sender
    assert len(sender.partition("@")[0]) <= 64


@pytest.mark.parametrize("away", [-1, 1], ids=["later", "earlier"])
def test_it_is_good_for_two_minutes_only(away: int) -> None:
    within, beyond = (away * (GOOD_FOR + timedelta(seconds=s)) for s in (0, 1))

    assert read_nonce(SENDER, KEY, "mail", NOON + within) == NONCE.hex()
    assert read_nonce(SENDER, KEY, "mail", NOON + beyond) is None


def test_it_is_good_at_one_listener_only() -> None:
    assert read_nonce(SENDER, KEY, "other", NOON) is None


def test_another_installations_is_not_ours() -> None:
    assert read_nonce(SENDER, bytes(32), "mail", NOON) is None


@given(position=st.integers(0, len(SENDER) - 1))
def test_no_character_of_it_may_be_another(position: int) -> None:
    assert read_nonce(changed(SENDER, position), KEY, "mail", NOON) is None


@given(local=st.text(), domain=st.sampled_from(["canary.mailguard.invalid", "elmpark.example", ""]))
def test_whatever_else_is_written_is_ordinary_mail(local: str, domain: str) -> None:
    assert read_nonce(f"{local}@{domain}", KEY, "mail", NOON) is None
