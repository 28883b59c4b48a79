"""The DATA reader against a slow reference decoder, however the bytes are cut."""

import hashlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.smtp.reader import DotReader, has_bare_newline, normalise

WIRE = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"\r\n.", b"\r\n.\r\n", b"\x00", b"\xff", b"ab"]),
    max_size=40,
).map(b"".join)


def decode_slowly(wire: bytes) -> tuple[bytes, bytes] | None:
    """Content and rest, line by line as RFC 5321 §4.5.2 has it; None before the end of data."""
    content, start = b"", 0
    while (end := wire.find(b"\r\n", start)) >= 0:
        line, start = wire[start:end], end + 2
        if line == b".":
            return content, wire[start:]
        content += line.removeprefix(b".") + b"\r\n"
    return None


def feed_in_pieces(dots: DotReader, pieces: list[bytes]) -> tuple[bytes, bytes]:
    """Content, and all that came after the end of data."""
    content, rest = b"", b""
    for piece in pieces:
        if dots.at_end:
            rest += piece
        else:
            content += dots.feed(piece)
    return content, dots.rest + rest


def cut(wire: bytes, at: list[int]) -> list[bytes]:
    places = [0, *sorted(place % (len(wire) + 1) for place in at), len(wire)]
    return [wire[a:b] for a, b in itertools.pairwise(places)]


@given(wire=WIRE, places=st.lists(st.integers(0, 200), max_size=8))
def test_data_decodes_as_line_by_line_however_it_is_cut(wire: bytes, places: list[int]) -> None:
    wire += b"\r\n.\r\nQUIT\r\n"
    dots = DotReader()

    decoded = feed_in_pieces(dots, cut(wire, places))

    assert decode_slowly(wire) == decoded


@given(wire=WIRE)
def test_data_decodes_as_line_by_line_byte_by_byte(wire: bytes) -> None:
    wire += b"\r\n.\r\n"
    dots = DotReader()

    decoded = feed_in_pieces(dots, [bytes([c]) for c in wire])

    assert decode_slowly(wire) == decoded


@given(wire=WIRE.filter(lambda wire: decode_slowly(wire) is None))
def test_data_without_an_end_is_not_at_its_end(wire: bytes) -> None:
    dots = DotReader()

    dots.feed(wire)

    assert not dots.at_end


@given(wire=WIRE, places=st.lists(st.integers(0, 200), max_size=8))
def test_a_bare_newline_is_seen_however_the_data_is_cut(wire: bytes, places: list[int]) -> None:
    wire += b"\r\n.\r\n"
    content, _ = decode_slowly(wire) or (b"", b"")
    without_pairs = content.replace(b"\r\n", b"")
    dots = DotReader()

    seen = False
    for piece in cut(wire, places):
        seen = seen or (not dots.at_end and has_bare_newline(dots.feed(piece)))

    assert (b"\r" in without_pairs or b"\n" in without_pairs) == seen


@given(wire=WIRE, places=st.lists(st.integers(0, 200), max_size=8))
def test_normalising_piece_by_piece_is_normalising_the_whole(
    wire: bytes, places: list[int]
) -> None:
    wire += b"\r\n.\r\n"
    content, _ = decode_slowly(wire) or (b"", b"")
    dots = DotReader()

    pieces = [normalise(dots.feed(piece)) for piece in cut(wire, places) if not dots.at_end]

    assert normalise(content) == b"".join(pieces)


@given(content=WIRE)
def test_normalised_content_has_no_bare_newline_and_keeps_every_other_byte(content: bytes) -> None:
    normalised = normalise(content)

    assert not has_bare_newline(normalised)
    assert [c for c in content if c not in b"\r\n"] == [c for c in normalised if c not in b"\r\n"]


@pytest.mark.parametrize(
    ("wire", "content"),
    [
        pytest.param(b".\r\n", b"", id="empty message"),
        pytest.param(b"\r\n.\r\n", b"\r\n", id="one empty line"),
        pytest.param(b"..\r\n.\r\n", b".\r\n", id="a line that is a dot"),
        pytest.param(b".a\r\n.\r\n", b"a\r\n", id="first line stuffed for nothing"),
        pytest.param(b"a\n.\nb\r\n.\r\n", b"a\n.\nb\r\n", id="LF dot LF is content"),
        pytest.param(b"a\r\n.\rb\r\n.\r\n", b"a\r\n\rb\r\n", id="CRLF dot CR is content"),
        pytest.param(b"a\r\r\n.\r\n", b"a\r\r\n", id="CR CRLF dot CRLF ends"),
        pytest.param(b"\x00\xff\r\n.\r\n", b"\x00\xff\r\n", id="NUL and 8-bit"),
    ],
)
def test_the_end_of_data_is_crlf_dot_crlf_only(wire: bytes, content: bytes) -> None:
    dots = DotReader()

    decoded = dots.feed(wire)

    assert (content, True) == (decoded, dots.at_end)


def test_never_more_than_four_bytes_are_kept_back() -> None:
    dots = DotReader()

    given = b"x" * 1_000_000 + b"\r\n.\r"
    content = dots.feed(given)

    assert len(given) - 4 == len(content)


def test_sixty_megabytes_of_line_ends_are_read_block_by_block_without_change() -> None:
    dots = DotReader()
    digest, size = hashlib.sha256(), 0

    for _ in range(60):
        content = dots.feed(b"\r\n" * (1 << 19))
        digest.update(content)
        size += len(content)
    content = dots.feed(b".\r\n")
    digest.update(content)

    expected = hashlib.sha256(b"\r\n" * (30 << 20)).hexdigest()
    assert (60 << 20, expected) == (size + len(content), digest.hexdigest())
