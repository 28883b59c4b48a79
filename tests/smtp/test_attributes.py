"""XFORWARD and XCLIENT attributes, read and written without a socket."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.mail.envelope import Origin, Session
from mailguard.mail.reply import Reply
from mailguard.smtp.attributes import (
    BAD_VALUE,
    COMMAND_LENGTH,
    NO_ATTRIBUTES,
    UNKNOWN_ATTRIBUTE,
    VALUE_LENGTH,
    XCLIENT,
    XFORWARD,
    attributes_of,
    read_attributes,
    write_commands,
)


def session(**changes: Any) -> Session:
    known = {
        "listener": "mail",
        "origin": Origin.ANY,
        "peer": "192.0.2.10",
        "peer_port": 4000,
        "helo": "client.example",
        "esmtp": True,
    }
    return Session(**{**known, **changes})


@pytest.mark.parametrize(
    ("argument", "attributes"),
    [
        (
            b"NAME=spike.example ADDR=192.0.2.9 PORT=4000 PROTO=ESMTP",
            {"NAME": "spike.example", "ADDR": "192.0.2.9", "PORT": "4000", "PROTO": "ESMTP"},
        ),
        (b"name=a.example", {"NAME": "a.example"}),
        (b"ADDR=IPV6:2001:DB8:0::1", {"ADDR": "2001:db8::1"}),
        (b"ADDR=ipv6:::1", {"ADDR": "::1"}),
        (b"NAME=[UNAVAILABLE] ADDR=[TEMPUNAVAIL]", {"NAME": "", "ADDR": ""}),
        (b"HELO=a+2Bb+3D+20c", {"HELO": "a+b= c"}),
        (b"HELO=+0D+0AQUIT+C3+A9", {"HELO": "\\x0d\\x0aQUIT\\xc3\\xa9"}),
        (b"SOURCE=local IDENT=4DXYZ", {"SOURCE": "LOCAL", "IDENT": "4DXYZ"}),
        (b"HELO=" + b"a" * VALUE_LENGTH, {"HELO": "a" * VALUE_LENGTH}),
    ],
)
def test_attributes_are_read(argument: bytes, attributes: dict[str, str]) -> None:
    assert attributes == read_attributes(argument, XFORWARD)


@pytest.mark.parametrize(
    ("argument", "refusal"),
    [
        (b"", NO_ATTRIBUTES),
        (b"NAME", NO_ATTRIBUTES),
        (b"LOGIN=head", UNKNOWN_ATTRIBUTE),
        (b"N\xc3\xa4ME=x", UNKNOWN_ATTRIBUTE),
        (b"ADDR=192.0.2.9 WHAT=1", UNKNOWN_ATTRIBUTE),
        (b"ADDR=", BAD_VALUE),
        (b"ADDR=192.0.2", BAD_VALUE),
        (b"ADDR=192.0.2.9.1", BAD_VALUE),
        (b"ADDR=2001:db8::1", BAD_VALUE),
        (b"ADDR=IPV6:192.0.2.1", BAD_VALUE),
        (b"PORT=65536", BAD_VALUE),
        (b"PORT=-1", BAD_VALUE),
        (b"PORT=+EF+BC+91", BAD_VALUE),
        (b"NAME=a..b", BAD_VALUE),
        (b"NAME=a+20b", BAD_VALUE),
        (b"SOURCE=BOTH", BAD_VALUE),
        (b"HELO=a=b", BAD_VALUE),
        (b"HELO=a+2", BAD_VALUE),
        (b"HELO=a+zz", BAD_VALUE),
        (b"HELO=\xff", BAD_VALUE),
        (b"HELO=" + b"a" * (VALUE_LENGTH + 1), BAD_VALUE),
    ],
)
def test_what_is_no_attribute_is_refused(argument: bytes, refusal: Reply) -> None:
    assert refusal == read_attributes(argument, XFORWARD)


@given(argument=st.binary(max_size=80) | st.from_regex(rb"(?:[A-Z]{4,5}=[ -~]{0,9} ?){1,4}"))
def test_whatever_is_fed_is_read_or_refused(argument: bytes) -> None:
    read = read_attributes(argument, XCLIENT)

    values = [] if isinstance(read, Reply) else list(read.values())
    assert all(value.isascii() and value.isprintable() for value in values)


TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)


@given(helo=TEXT, ident=TEXT)
def test_what_is_written_reads_as_it_was(helo: str, ident: str) -> None:
    told = attributes_of(session(helo=helo, ident=ident, name=""), "OURS", " ".join(XFORWARD))

    found: dict[str, str] = {}
    for line in write_commands(b"XFORWARD", told):
        read = read_attributes(line.removeprefix(b"XFORWARD "), XFORWARD)
        assert not isinstance(read, Reply)
        found |= read
    assert found["HELO"] == ("" if helo.upper() in ("[UNAVAILABLE]", "[TEMPUNAVAIL]") else helo)
    assert found["IDENT"] == (ident or "OURS")
    assert found["ADDR"] == "192.0.2.10"


@given(helo=st.text(max_size=400), name=st.text(max_size=400), ident=st.text(max_size=400))
def test_no_command_is_longer_than_512_nor_more_than_a_line(
    helo: str, name: str, ident: str
) -> None:
    told = attributes_of(session(helo=helo, name=name), ident, " ".join(XFORWARD))

    lines = list(write_commands(b"XFORWARD", told))

    assert max(len(line) for line in lines) <= COMMAND_LENGTH
    assert all(line.count(b"\n") == 1 and line.endswith(b"\r\n") for line in lines)
    assert all(
        len(word.partition(b"=")[2]) <= VALUE_LENGTH for line in lines for word in line.split()
    )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, {"ADDR": "192.0.2.10", "SOURCE": "REMOTE"}),
        ({"peer": "2001:db8::1"}, {"ADDR": "IPV6:2001:db8::1", "SOURCE": "REMOTE"}),
        ({"peer": "127.0.0.1"}, {"ADDR": "127.0.0.1", "SOURCE": "LOCAL"}),
        ({"peer": "127.0.0.1", "source": "REMOTE"}, {"ADDR": "127.0.0.1", "SOURCE": "REMOTE"}),
        ({"peer": ""}, {"ADDR": "", "SOURCE": "REMOTE"}),
    ],
)
def test_only_what_is_offered_is_told(changes: dict[str, Any], told: dict[str, str]) -> None:
    assert told == attributes_of(session(**changes), "ID", "source ADDR WHAT")
