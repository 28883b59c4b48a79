from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailguard.mail.envelope import Envelope
from mailguard.mail.raw import Raw
from mailguard.mail.signature import HEAD, LARGEST, SEARCHED, read_key, sign, verify
from mailguard.testing import NOON, mail, path

SECRET = b"k" * 32
ENVELOPE = Envelope(
    sender=path("mailguard@elmpark.example"), recipients=(path("head@elmpark.example"),)
)
RAW = mail("Three items wait for you.")
SIGNED = sign(RAW, ENVELOPE, SECRET, NOON) + RAW


def is_good(raw: bytes, envelope: Envelope = ENVELOPE, *, secret: bytes = SECRET, **age: float):
    key = read_key(Raw.of(raw))
    return key is not None and verify(key, envelope, secret, NOON + timedelta(**age))


def test_our_own_mail_is_known_again_with_its_message_id() -> None:
    key = read_key(Raw.of(SIGNED))

    assert key is not None
    assert key.message_id == "<1@elmpark.example>"
    assert is_good(SIGNED)


def test_the_lines_that_servers_put_in_front_do_no_harm() -> None:
    hop = b"Received: from a by b;\r\n\tMon, 2 Mar 2026 12:00:00 +0000\r\n"

    assert is_good(hop * 30 + SIGNED)


def test_the_parameters_of_the_envelope_may_change() -> None:
    envelope = replace(ENVELOPE, sender=path("mailguard@elmpark.example", "SIZE=1234"))

    assert is_good(SIGNED, envelope)


@pytest.mark.parametrize(
    ("raw", "envelope"),
    [
        (SIGNED.replace(b"Three", b"Seven"), ENVELOPE),
        (SIGNED + b"more\r\n", ENVELOPE),
        (SIGNED.replace(b"<1@elmpark.example>", b"<2@elmpark.example>"), ENVELOPE),
        (SIGNED, replace(ENVELOPE, sender=path("ana@elmpark.example"))),
        (SIGNED, replace(ENVELOPE, sender=path(""))),
        (SIGNED, replace(ENVELOPE, recipients=(path("ben@elmpark.example"),))),
        (SIGNED, replace(ENVELOPE, recipients=(*ENVELOPE.recipients, path("ben@x.example")))),
        (SIGNED, replace(ENVELOPE, recipients=())),
        (SIGNED.replace(b"t=1772", b"t=1773"), ENVELOPE),
    ],
    ids=["body", "more", "id", "sender", "null", "recipient", "one more", "nobody", "time"],
)
def test_a_key_is_good_for_nothing_else(raw: bytes, envelope: Envelope) -> None:
    assert not is_good(raw, envelope)


def test_a_key_of_another_installation_is_not_good() -> None:
    assert not is_good(SIGNED, secret=b"j" * 32)


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        ({"hours": 24}, True),
        ({"hours": 24, "seconds": 1}, False),
        ({"minutes": -5}, True),
        ({"minutes": -5, "seconds": -1}, False),
        ({"days": 3650}, False),
    ],
    ids=["a day", "more than a day", "clock behind", "clock far behind", "years"],
)
def test_a_key_is_good_for_a_day(age: dict[str, float], expected: bool) -> None:
    assert is_good(SIGNED, **age) is expected


@pytest.mark.parametrize(
    "raw",
    [
        RAW,
        b"",
        SIGNED.replace(b"v=1", b"v=2"),
        SIGNED.replace(b"; m=", b"; n="),
        SIGNED.replace(b"X-MailGuard-Key", b"X-MailGuard-Key2"),
        SIGNED.replace(b"Message-ID: <1@elmpark.example>\r\n", b""),
        b"Message-ID: <2@elmpark.example>\r\n" + SIGNED,
        sign(RAW, ENVELOPE, SECRET, NOON) + SIGNED,
        b"X-Long: " + b"x" * SEARCHED + b"\r\n" + SIGNED,
        SIGNED.replace(b"\r\n\r\n", b"\r\nX-Long: " + b"x" * HEAD + b"\r\n\r\n", 1),
        SIGNED + b"x" * LARGEST,
        b"Subject: x\r\n\r\n" + SIGNED,
        SIGNED.replace(b"\r\n", b"\n"),
    ],
    ids=[
        "none",
        "empty",
        "version",
        "field",
        "name",
        "no id",
        "two ids",
        "two keys",
        "far down",
        "long header",
        "too large",
        "in the body",
        "bare newlines",
    ],
)
def test_it_is_no_key(raw: bytes) -> None:
    assert read_key(Raw.of(raw)) is None


def test_a_forged_key_is_well_formed_and_not_good() -> None:
    forged = b"X-MailGuard-Key: v=1; t=1772452800; m=" + b"0" * 64 + b"\r\n" + RAW

    assert read_key(Raw.of(forged)) is not None
    assert not is_good(forged)


def test_what_has_no_message_id_is_not_signed() -> None:
    with pytest.raises(ValueError, match="Message-ID"):
        sign(b"Subject: x\r\n\r\nbody\r\n", ENVELOPE, SECRET, NOON)


PIECES = st.sampled_from(
    [
        b"X-MailGuard-Key:",
        b" v=1; t=",
        b"999999999999",
        b"; m=" + b"a" * 64,
        b"\r\n",
        b"\r\n\r\n",
        b"Message-ID: <a@b>",
        b"\xff",
        SIGNED,
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES | st.binary(max_size=30), max_size=12).map(b"".join))
def test_garbage_is_never_good_and_never_raises(raw: bytes) -> None:
    other = replace(ENVELOPE, sender=path("ana@elmpark.example"))

    assert not is_good(raw, other)


@settings(max_examples=200, deadline=None)
@given(body=st.binary(max_size=200), position=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_one_changed_byte_of_the_body_is_noticed(body: bytes, position: int, flip: int) -> None:
    raw = b"Message-ID: <1@elmpark.example>\r\n\r\n" + body + b"end"
    signed = bytearray(sign(raw, ENVELOPE, SECRET, NOON) + raw)
    start = len(signed) - len(body) - 3
    signed[start + position % (len(body) + 3)] ^= flip

    assert not is_good(bytes(signed))
