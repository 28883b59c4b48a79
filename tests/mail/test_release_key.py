"""The key of a released message: good for its bytes and addresses, in front of them only."""

import mmap
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.mail.envelope import Envelope
from mailguard.mail.raw import Raw
from mailguard.mail.release_key import (
    NAME,
    read_release,
    sign_release,
    verify_release,
    without_release,
)
from mailguard.mail.signature import SEARCHED
from mailguard.testing import NOON, mail, path

SECRET = b"k" * 32
HELD, TOKEN = "01JQ0000000000000000000000", "0f" * 16
ENVELOPE = Envelope(
    sender=path("sam@pupils.elmpark.example"),
    recipients=(path("max@pupils.elmpark.example"), path("kim@pupils.elmpark.example")),
)
RAW = mail("See you at break.")
HOP = b"Received: from a by b;\r\n\tMon, 2 Mar 2026 12:00:00 +0000\r\n"


def key_for(raw: bytes, envelope: Envelope = ENVELOPE, held_id: str = HELD) -> bytes:
    return sign_release(
        Raw.of(raw), envelope, held_id=held_id, token=TOKEN, secret=SECRET, now=NOON
    )


KEY = key_for(RAW)


def is_good(raw: bytes, envelope: Envelope = ENVELOPE, *, secret: bytes = SECRET, **age: float):
    found = Raw.of(raw)
    key = read_release(found)
    now = NOON + timedelta(**age)
    return key is not None and verify_release(key, found, envelope, secret, now)


def bare(raw: bytes) -> bytes:
    found = Raw.of(raw)
    key = read_release(found)
    assert key is not None
    return without_release(found, key).head(1 << 30)


def test_a_released_message_is_known_again_and_what_is_left_is_the_original() -> None:
    key = read_release(Raw.of(KEY + RAW))

    assert key is not None
    assert (key.held_id, key.token) == (HELD, TOKEN)
    assert is_good(KEY + RAW)
    assert bare(KEY + RAW) == RAW
    assert len(KEY) < 998
    assert KEY.count(b"\r\n") == 1


def test_a_large_message_in_a_file_is_known_again(tmp_path: Path) -> None:
    raw = RAW + b"and so on\r\n" * 200_000
    file = tmp_path / "large"
    file.write_bytes(HOP + key_for(raw) + raw)
    with file.open("rb") as handle:
        found = Raw.of(mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ))
    key = read_release(found)

    assert key is not None
    assert verify_release(key, found, ENVELOPE, SECRET, NOON)
    assert without_release(found, key).head(1 << 30) == HOP + raw


def test_what_servers_put_in_front_does_no_harm_and_stays() -> None:
    seal = b"DKIM-Signature: v=1;\r\n\tb=abc\r\nARC-Seal: i=1\r\nAuthentication-Results: x\r\n"

    assert is_good(HOP * 3 + seal + KEY + RAW)
    assert bare(HOP + KEY + RAW) == HOP + RAW


def test_what_postfix_adds_to_a_header_that_lacks_it_does_no_harm_and_stays() -> None:
    raw = b"Subject: x\r\n\r\nbody\r\n"
    grown = raw.replace(b"x\r\n", b"x\r\nMessage-Id: <1@a.example>\r\nDate: Mon,\r\n 2 Mar\r\n", 1)
    key = key_for(raw)

    assert is_good(key + grown)
    assert bare(key + grown) == grown


@pytest.mark.parametrize(
    "raw",
    [b"\r\n", b"\r\nbody", b"A: b\r\n", b"A: b\r\n\r\n", b"no header", b"", RAW + b"\xff\0.\r\n"],
)
def test_any_message_can_be_signed(raw: bytes) -> None:
    key = key_for(raw)

    assert is_good(key + raw)
    assert bare(key + raw) == raw


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw.replace(b"break", b"night"),
        lambda raw: raw + b"more\r\n",
        lambda raw: raw.replace(b"Subject: A", b"Subject: B"),
        lambda raw: raw.replace(b"\r\n\r\n", b"\r\nSubject: two\r\n\r\n", 1),
        lambda raw: raw.replace(b"\r\n\r\n", b"\r\nDate: now\r\nX-Odd: y\r\n\r\n", 1),
        lambda raw: raw.replace(b"\r\n\r\n", b"\r\n\r\n\r\n", 1),
        lambda raw: b"Subject: other\r\n" + raw,
        lambda raw: b"X" + raw,
        lambda raw: b"\r\n" + raw,
        lambda raw: raw.replace(b"t=1772", b"t=1771"),
        lambda raw: raw.replace(b"i=01J", b"i=02J"),
        lambda raw: raw.replace(b"k=0f", b"k=1f"),
        lambda raw: raw.replace(b"; h=", b"; h=1"),
        lambda raw: raw.replace(b"X-MailGuard-Release", b"X-Mailguard-Release"),
    ],
    ids=[
        "body",
        "more",
        "subject",
        "one more field",
        "one more behind",
        "empty line",
        "in front",
        "not at the start of a line",
        "in the body",
        "time",
        "held message",
        "token",
        "length",
        "name",
    ],
)
def test_what_was_altered_is_not_known_again(change: Callable[[bytes], bytes]) -> None:
    assert not is_good(change(KEY + RAW))


@pytest.mark.parametrize(
    "envelope",
    [
        replace(ENVELOPE, sender=path("")),
        replace(ENVELOPE, recipients=ENVELOPE.recipients[:1]),
        replace(ENVELOPE, recipients=ENVELOPE.recipients[::-1]),
        replace(ENVELOPE, recipients=(*ENVELOPE.recipients, path("x@elmpark.example"))),
    ],
    ids=["sender", "one less", "order", "one more"],
)
def test_for_other_people_it_is_not_known_again(envelope: Envelope) -> None:
    assert not is_good(KEY + RAW, envelope)


def test_parameters_of_the_envelope_may_change() -> None:
    sender = path("sam@pupils.elmpark.example", "SIZE=1234")

    assert is_good(KEY + RAW, replace(ENVELOPE, sender=sender))


def test_a_key_is_good_for_a_day_and_under_our_secret_only() -> None:
    assert is_good(KEY + RAW, hours=24)
    assert not is_good(KEY + RAW, hours=24, seconds=1)
    assert is_good(KEY + RAW, minutes=-5)
    assert not is_good(KEY + RAW, minutes=-6)
    assert not is_good(KEY + RAW, secret=b"x" * 32)


def test_a_key_that_the_message_had_before_ours_does_no_harm() -> None:
    forged = KEY.replace(b"i=01J", b"i=02J") + RAW
    key = key_for(forged)

    assert is_good(key + forged)
    assert bare(key + forged) == forged
    assert not is_good(forged)


def test_a_key_is_looked_for_in_front_only() -> None:
    hops = HOP * (SEARCHED // len(HOP) + 1)

    assert read_release(Raw.of(hops + KEY + RAW)) is None
    assert read_release(Raw.of(RAW + KEY)) is None


@given(raw=st.binary(max_size=200), at=st.integers(min_value=0, max_value=400))
def test_no_bytes_make_it_fail(raw: bytes, at: int) -> None:
    message = Raw.of(raw[:at] + NAME + b": v=1; " + raw[at:])
    key = read_release(message)

    assert key is None or not verify_release(key, message, ENVELOPE, SECRET, NOON)


@given(data=st.data())
def test_one_changed_byte_is_found(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(KEY + RAW) - 1))
    signed = bytearray(KEY + RAW)
    signed[place] ^= data.draw(st.integers(1, 255))

    assert not is_good(bytes(signed))
