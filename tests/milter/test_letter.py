"""A message put together again from pieces cut anywhere, against the plainest way to do so."""

from hypothesis import given
from hypothesis import strategies as st

from mailguard.mail.envelope import Transaction
from mailguard.milter.dialogue import Dialogue
from mailguard.milter.frame import Frames
from mailguard.testing.fakes import FakeClock
from mailguard.testing.milter import (
    connect,
    envelope,
    frame,
    negotiation,
    settings_of,
    strings,
)

NAMES = st.binary(min_size=1, max_size=8).filter(lambda name: b"\0" not in name)
VALUES = st.lists(
    st.sampled_from([b" ", b"\t", b"x", b"\xe9", b"\n\t", b"\n ", b"=?utf-8?q?=C3?=", b":"]),
    max_size=8,
).map(b"".join)
PIECES = st.lists(st.sampled_from([b"\r\n", b".", b"\0", b"y", b"\xff", b"\r", b"\n"])).map(
    b"".join
)


def plainly(headers: list[tuple[bytes, bytes]], body: list[bytes]) -> bytes:
    lines = [name + b":" + value.replace(b"\n", b"\r\n") + b"\r\n" for name, value in headers]
    return b"".join([*lines, b"\r\n", *body])


@given(
    headers=st.lists(st.tuples(NAMES, VALUES), max_size=6),
    body=st.lists(PIECES, max_size=6),
    size=st.integers(min_value=1, max_value=50),
)
def test_the_message_is_the_same_however_its_packets_were_cut(
    headers: list[tuple[bytes, bytes]], body: list[bytes], size: int
) -> None:
    stream = b"".join(
        [
            negotiation(),
            connect(),
            envelope(b"<>", [b"<ben@elmpark.example>"]),
            *(frame(b"L", strings(name, value)) for name, value in headers),
            *(frame(b"B", piece) for piece in body),
            frame(b"E"),
        ]
    )
    dialogue, frames = Dialogue(settings_of(), FakeClock(), via=""), Frames()

    for start in range(0, len(stream), size):
        frames.feed(stream[start : start + size])
        while (each := frames.next()) is not None:
            dialogue.take(*each)

    found = dialogue.complete
    assert isinstance(found, Transaction)
    assert found.raw.head(found.raw.size) == plainly(headers, body)
