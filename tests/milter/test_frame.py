"""Packets come out of the stream the same, however it was cut."""

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.milter.frame import LARGEST, BadPacket, Frames, packet

Packets = list[tuple[bytes, bytes]]


def slowly_cut(stream: bytes) -> tuple[Packets, str]:
    """The reference: one byte at a time, from the description of the protocol alone.

    The packets, and how the stream ended: `whole`, `waiting` for more, or `bad`.
    """
    found: Packets = []
    length_bytes: list[int] = []
    content: list[int] = []
    left = -1
    for byte in stream:
        if left < 0:
            length_bytes.append(byte)
            if len(length_bytes) < 4:
                continue
            left = 0
            for digit in length_bytes:
                left = left * 256 + digit
            length_bytes.clear()
            if left == 0 or left > LARGEST:
                return found, "bad"
            continue
        content.append(byte)
        left -= 1
        if left == 0:
            found.append((bytes(content[:1]), bytes(content[1:])))
            content.clear()
            left = -1
    return found, "whole" if left < 0 and not length_bytes else "waiting"


def cut_in(blocks: list[bytes]) -> tuple[Packets, str]:
    frames = Frames()
    found: Packets = []
    for block in blocks:
        frames.feed(block)
        try:
            while (each := frames.next()) is not None:
                found.append(each)
        except BadPacket:
            return found, "bad"
    return found, "waiting" if frames.waiting else "whole"


STREAMS = st.lists(
    st.one_of(
        st.tuples(st.binary(min_size=1, max_size=1), st.binary(max_size=40)).map(
            lambda pair: packet(*pair)
        ),
        st.binary(max_size=6),
    ),
    max_size=12,
).map(b"".join)


@given(stream=STREAMS, cuts=st.lists(st.integers(min_value=0, max_value=400), max_size=10))
def test_any_cut_gives_what_the_slow_reference_gives(stream: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    blocks = [stream[a:b] for a, b in itertools.pairwise(places)]

    assert slowly_cut(stream) == cut_in(blocks)


@given(stream=STREAMS)
def test_byte_by_byte_gives_what_the_slow_reference_gives(stream: bytes) -> None:
    assert slowly_cut(stream) == cut_in([bytes([byte]) for byte in stream])


@pytest.mark.parametrize("length", [0, LARGEST + 1, 0xFFFFFFFF], ids=["none", "one", "all"])
def test_a_length_that_no_packet_has_is_refused_before_anything_is_kept(length: int) -> None:
    frames = Frames()
    frames.feed(struct.pack("!I", length))

    with pytest.raises(BadPacket):
        frames.next()


def test_the_largest_packet_passes() -> None:
    whole = packet(b"B", b"x" * (LARGEST - 1))

    assert cut_in([whole]) == ([(b"B", b"x" * (LARGEST - 1))], "whole")
