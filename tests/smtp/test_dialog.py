"""Replies read, data stuffed, keywords chosen: all without a socket."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.errors import NextHopUnavailable
from mailguard.mail.reply import Reply
from mailguard.smtp.dialog import (
    REPLY_BYTES,
    REPLY_LINES,
    ReplyReader,
    command,
    passed_through,
    stuff,
)


def undo(wire: bytes) -> bytes:
    """The content of stuffed data, line by line."""
    *lines, end, nothing = wire.split(b"\r\n")
    assert (end, nothing) == (b".", b"")
    assert b"." not in lines
    return b"".join(line.removeprefix(b".") + b"\r\n" for line in lines)


CHUNKS = st.lists(
    st.sampled_from([b"", b"\r", b"\n", b"\r\n", b".", b"..", b"\r\n.", b"a", b"\x00"]), max_size=30
)


@given(chunks=CHUNKS)
def test_stuffed_data_decodes_to_what_it_was_however_it_is_cut(chunks: list[bytes]) -> None:
    content = b"".join([*chunks, b"\r\n"])

    wire = b"".join(stuff([*chunks, b"\r\n"]))

    assert content == undo(wire)


@given(chunks=CHUNKS)
def test_only_the_last_block_holds_the_end_of_data(chunks: list[bytes]) -> None:
    *blocks, _ = stuff([*chunks, b"\r\n"])

    assert b"\r\n.\r\n" not in b"\r\n" + b"".join(blocks)


@pytest.mark.parametrize(
    ("content", "wire"),
    [
        pytest.param(b"", b".\r\n", id="empty"),
        pytest.param(b"a\r\n", b"a\r\n.\r\n", id="ends in CRLF"),
        pytest.param(b"a", b"a\r\n.\r\n", id="gets its CRLF"),
        pytest.param(b".", b"..\r\n.\r\n", id="a dot without CRLF"),
        pytest.param(b"a\n.\n", b"a\n.\n\r\n.\r\n", id="a dot after LF is no line"),
    ],
)
def test_data_ends_as_it_must(content: bytes, wire: bytes) -> None:
    assert wire == b"".join(stuff([content]))


REPLY = st.tuples(
    st.integers(200, 599), st.lists(st.text("ab 1-.", max_size=10), min_size=1, max_size=4)
)


@given(given=st.lists(REPLY, max_size=4), places=st.lists(st.integers(0, 200), max_size=6))
def test_replies_are_read_however_they_are_cut(
    given: list[tuple[int, list[str]]], places: list[int]
) -> None:
    replies = [Reply(code=code, lines=tuple(lines)) for code, lines in given]
    wire = b"".join(reply.encode() for reply in replies)
    at = [0, *sorted(place % (len(wire) + 1) for place in places), len(wire)]
    reader = ReplyReader()

    read = [reply for a, b in itertools.pairwise(at) for reply in reader.feed(wire[a:b])]

    assert replies == read


@given(wire=st.binary(max_size=200))
def test_no_bytes_raise_anything_but_unavailable(wire: bytes) -> None:
    reader = ReplyReader()

    try:
        replies = reader.feed(wire)
    except NextHopUnavailable:
        replies = []

    assert all(200 <= reply.code < 600 for reply in replies)


@pytest.mark.parametrize(
    ("wire", "reply"),
    [
        pytest.param(b"250 Ok\n", Reply.of(250, "Ok"), id="bare LF"),
        pytest.param(b"250\r\n", Reply.of(250, ""), id="code only"),
        pytest.param(b"250-\r\n250 b\r\n", Reply(code=250, lines=("", "b")), id="empty line"),
        pytest.param(b"250-a\r\n550 b\r\n", Reply(code=550, lines=("a", "b")), id="last code"),
        pytest.param(b"250 \xff\r\n", Reply.of(250, "\ufffd"), id="no UTF-8"),
    ],
)
def test_sloppy_replies_are_understood(wire: bytes, reply: Reply) -> None:
    assert [reply] == ReplyReader().feed(wire)


@pytest.mark.parametrize(
    "wire",
    [
        b"Hello\r\n",
        b"\r\n",
        b"25 Ok\r\n",
        b"2500 Ok\r\n",
        b"100 Ok\r\n",
        b"600 Ok\r\n",
        b"250_Ok\r\n",
        "२५० Ok\r\n".encode(),
        b"250-a\r\n" * (REPLY_LINES + 1),
        b"250-" + b"a" * REPLY_BYTES + b"\r\n",
        b"a" * (REPLY_BYTES + 1),
        (b"250-" + b"a" * 1000 + b"\r\n") * 80,
    ],
)
def test_what_is_no_reply_is_unavailable(wire: bytes) -> None:
    with pytest.raises(NextHopUnavailable):
        ReplyReader().feed(wire)


def test_the_largest_reply_is_read() -> None:
    lines = ("a" * 600,) * REPLY_LINES

    replies = ReplyReader().feed(Reply(code=250, lines=lines).encode())

    assert [Reply(code=250, lines=lines)] == replies


def test_keywords_are_those_that_are_parameters_only() -> None:
    lines = (
        "mx.example",
        "pipelining",
        "SIZE 1000",
        "SIZE 2000",
        "STARTTLS",
        "AUTH PLAIN",
        "AUTH=PLAIN",
        "CHUNKING",
        "BINARYMIME",
        "XCLIENT NAME",
        "XFORWARD NAME",
        "VRFY",
        "ETRN",
        "BURL",
        "DELIVERBY 120",
        "MT-PRIORITY MIXER",
        "RRVS",
        "XEXCH50",
        "REQUIRETLS",
        "",
    )

    keywords = passed_through(Reply(code=250, lines=lines))

    assert keywords == ("PIPELINING", "SIZE 1000", "DELIVERBY 120", "MT-PRIORITY MIXER", "RRVS")


@pytest.mark.parametrize("size", ["SIZE", "SIZE ", "SIZE ten", "SIZE -1", "SIZE 1 2", "SIZE ²"])
def test_a_size_that_is_no_number_is_no_limit(size: str) -> None:
    assert passed_through(Reply(code=250, lines=("mx.example", size))) == ("SIZE",)


@pytest.mark.parametrize("argument", [b"a\rb", b"a\nb", b"\r\n"])
def test_an_argument_cannot_make_two_commands(argument: bytes) -> None:
    with pytest.raises(ValueError, match=re.escape("line end")):
        command(b"MAIL FROM:", argument)
