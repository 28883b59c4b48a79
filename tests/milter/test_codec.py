"""Packets as Sendmail's and Postfix's milter code write and read them."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.mail.reply import LOCAL_ERROR, REFUSED, Reply
from mailguard.milter import codec
from mailguard.milter.frame import BadPacket


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            b"mail.example\x004\x9c\x40192.0.2.7\x00",
            codec.Connect(name=b"mail.example", family=b"4", port=40000, address=b"192.0.2.7"),
        ),
        (
            b"[2001:db8::7]\x006\x00\x19IPv6:2001:db8::7\x00",
            codec.Connect(name=b"[2001:db8::7]", family=b"6", port=25, address=b"IPv6:2001:db8::7"),
        ),
        (
            b"localhost\x00L\x00\x00/run/submit\x00",
            codec.Connect(name=b"localhost", family=b"L", port=0, address=b"/run/submit"),
        ),
        (
            b"unknown\x00U",
            codec.Connect(name=b"unknown", family=b"U", port=0, address=b""),
        ),
    ],
    ids=["v4", "v6", "unix", "unknown"],
)
def test_a_client_is_read(data: bytes, expected: codec.Connect) -> None:
    assert codec.read_connect(data) == expected


def test_a_header_keeps_spaces_folds_and_bytes() -> None:
    assert codec.read_header(b"Subj\xe9ct\x00  caf\xc3\xa9\n\tand more \x00") == (
        b"Subj\xe9ct",
        b"  caf\xc3\xa9\n\tand more ",
    )


def test_macros_lose_their_braces_and_keep_their_bytes() -> None:
    assert codec.read_macros(b"M{auth_authen}\x00zo\xc3\xab\x00i\x004F5\x00") == (
        b"M",
        {b"auth_authen": b"zo\xc3\xab", b"i": b"4F5"},
    )


def test_a_stage_may_have_no_macros() -> None:
    assert codec.read_macros(b"H") == (b"H", {})


def test_a_path_and_its_parameters_are_read() -> None:
    assert codec.read_strings(b"<a@b.example>\x00SIZE=5\x00BODY=8BITMIME\x00") == (
        b"<a@b.example>",
        b"SIZE=5",
        b"BODY=8BITMIME",
    )


READERS = [
    codec.read_offer,
    codec.read_connect,
    codec.read_strings,
    codec.read_header,
    codec.read_macros,
]


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
@given(data=st.one_of(st.binary(max_size=60), st.lists(st.binary(max_size=8)).map(b"\0".join)))
def test_nothing_but_bad_packet_comes_of_any_bytes(read, data: bytes) -> None:
    with contextlib.suppress(BadPacket):
        read(data)


@pytest.mark.parametrize(
    ("read", "data"),
    [
        (codec.read_offer, b"\0" * 11),
        (codec.read_connect, b"name"),
        (codec.read_connect, b"name\x00X\x00\x19a\x00"),
        (codec.read_connect, b"name\x004\x00\x19192.0.2.7"),
        (codec.read_connect, b"name\x004\x00"),
        (codec.read_strings, b""),
        (codec.read_strings, b"no end"),
        (codec.read_header, b"Name only\x00"),
        (codec.read_header, b"\x00no name\x00"),
        (codec.read_header, b"Name\x00no end"),
        (codec.read_macros, b""),
        (codec.read_macros, b"Mi\x00"),
    ],
)
def test_what_is_cut_off_is_refused(read, data: bytes) -> None:
    with pytest.raises(BadPacket):
        read(data)


def test_our_offer_names_the_macros_of_each_stage() -> None:
    data = codec.offer(6, 0x108, 0x100080, {2: b"i {auth_authen}"})

    assert data == (
        struct.pack("!I", 33)
        + b"O"
        + struct.pack("!III", 6, 0x108, 0x100080)
        + struct.pack("!I", 2)
        + b"i {auth_authen}\x00"
    )


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (REFUSED, b"y554 5.7.1 Message refused by school policy\x00"),
        (Reply.of(451, "4.7.1 100% sure\r\n250 ok"), b"y451 4.7.1 100%% sure??250 ok\x00"),
        (Reply.of(250, "2.0.0 Ok"), b"t"),
        (Reply(code=550, lines=("5.1.1 a", "5.1.1 b")), b"t"),
        (LOCAL_ERROR, b"y451 4.3.0 Temporary failure, please try again later\x00"),
    ],
    ids=["554", "untrusted text", "2xx is none", "two lines", "451"],
)
def test_a_refusal_is_written(reply: Reply, expected: bytes) -> None:
    assert codec.reply_code(reply)[4:] == expected


def test_a_recipient_is_deleted_by_the_mail_servers_own_words() -> None:
    assert codec.delete_recipient(b'<"a b"@c.example>') == (
        struct.pack("!I", 19) + b'-<"a b"@c.example>\x00'
    )


def test_a_header_is_taken_out_by_an_empty_value() -> None:
    assert codec.remove_header(b"X-Key") == b"\0\0\0\x0cm\0\0\0\x01X-Key\0\0"
