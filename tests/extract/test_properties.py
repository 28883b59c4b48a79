"""What holds for every file of every format, whole or damaged.

`MAILGUARD_EXAMPLES=5000` tries as many files instead of a few.
"""

import os
from collections.abc import Iterator
from itertools import islice

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailguard.extract.cage import Cage
from mailguard.extract.format import FORMATS
from mailguard.extract.found import REASONS, Limits, Missed, Named, Opened, Piece, Reading, Trait
from mailguard.extract.item import About, Item, Member, Miss, Text
from mailguard.extract.reading import EMPTY, read_file
from mailguard.testing.files import FILES, IN_PYTHON, WORDS

EXAMPLES = int(os.environ.get("MAILGUARD_EXAMPLES", "60"))

READERS = {each.name: each for each in FORMATS.readers}
ENDINGS = sorted({ending for each in FORMATS.readers for ending in each.endings})
WHOLE = [
    pytest.param(name, content, id=f"{name} {number}")
    for name, contents in FILES.items()
    for number, content in enumerate(contents)
]
SAFE = [(name, content) for name in IN_PYTHON for content in FILES[name]]
"""Of the others a library in C may bring the process down: they are read in the cage only."""

SAMPLES = [(name, content) for name, contents in FILES.items() for content in contents]
ANY = [content for _, content in SAMPLES]
BLANK = b"\0 \t\r\n\v\f\xff\xfe\xef\xbb\xbf"

LETTERS = {
    "plain": f"Hello Ben,\r\n{WORDS}\r\nBye\r\n".encode(),
    "header": f"Subject: x\n{WORDS}\n\nBye: now\n".encode(),
    "settings": f"[a]\nb=1\n{WORDS}\n; c\n".encode(),
    "UTF-16": f"Hello Ben,\r\n{WORDS}\r\nBye\r\n".encode("utf-16"),
    "cp1252": f"Grüße: {WORDS} é".encode("cp1252"),
    "tag that never ends": f"<a {WORDS}".encode(),
    "brace that never ends": f"{{{WORDS}".encode(),
    "script": f"#!/bin/sh\n{WORDS}".encode(),
    "number first": f"5\nHello\n{WORDS}\n".encode(),
}
"""The same words, as whoever renames a file could have written them."""


@pytest.fixture(scope="module")
def cage() -> Iterator[Cage]:
    cage = Cage(Limits(seconds=5))
    yield cage
    cage.close()


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """`content` with bytes changed, gone, cut off, or put in from another format's file."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        match draw(st.integers(0, 4)):
            case 0:
                del data[at : at + draw(st.integers(1, 12))]
            case 1:
                data[at : at + 1] = bytes((draw(st.integers(0, 255)),))
            case 2:
                data[at : at + 4] = draw(st.sampled_from([bytes(4), b"\xff" * 4, b"\x7f\xff"]))
            case 3:
                other = draw(st.sampled_from(ANY))
                start = draw(st.integers(0, len(other)))
                data[at:at] = other[start : start + draw(st.integers(0, 300))]
            case _:
                del data[at:]
    return bytes(data)


def items(name: str, data: bytes, room: int) -> Iterator[Item]:
    """What a reader yields; what it raises ends it."""
    try:
        yield from islice(READERS[name].read(data, About(room=room)), 10_000)
    except Exception:
        yield Miss("broken")


def is_answered(reading: Reading) -> bool:
    """Whether something was found in the file itself, or said of it."""
    for found in reading.found:
        match found:
            case Piece() if found.text:
                return True
            case Named() | Missed():
                return True
            case Trait() if found.word == EMPTY:
                return True
    return False


@pytest.mark.parametrize(("name", "content"), WHOLE)
def test_each_format_is_read_by_its_reader(name: str, content: bytes) -> None:
    reading = read_file(content, About(name="a" + READERS[name].endings[0]))

    first = reading.found[0]
    assert isinstance(first, Opened) and name in first.reader
    assert WORDS in reading.text or WORDS.replace(" ", ".") in reading.text


@given(st.sampled_from(ENDINGS), st.sampled_from(sorted(LETTERS)))
@settings(max_examples=EXAMPLES)
@example(".url", "plain")
@example(".jpg", "plain")
@example(".ics", "header")
@example(".p7m", "plain")
@example(".rtf", "UTF-16")
@example(".eml", "UTF-16")
@example(".mbox", "UTF-16")
@example(".msg", "number first")
@example(".svg", "tag that never ends")
def test_text_is_read_whatever_it_is_called(ending: str, kind: str) -> None:
    reading = read_file(LETTERS[kind], About(name="a" + ending))

    assert WORDS in reading.text


@given(st.data())
@settings(max_examples=3 * EXAMPLES)
def test_no_damaged_file_is_passed_over_in_silence(cage: Cage, data: st.DataObject) -> None:
    name, content = data.draw(st.sampled_from(SAMPLES))
    broken = data.draw(damaged(content))

    reading = cage.read(broken, About(name="a" + READERS[name].endings[0]))

    assert is_answered(reading) or not broken.strip(BLANK)
    assert set(reading.misses) <= REASONS | {"killed"}


@given(st.data())
@settings(max_examples=2 * EXAMPLES)
def test_a_reader_stays_in_its_room_and_says_the_same_twice(data: st.DataObject) -> None:
    name, content = data.draw(st.sampled_from(SAFE))
    broken = data.draw(damaged(content))
    room = data.draw(st.sampled_from([0, 10, 1000, 1 << 20]))

    first = list(items(name, broken, room))

    assert first == list(items(name, broken, room))
    # What is no more than a piece of the file takes none of the room.
    unpacked = sum(
        len(item.data) for item in first if isinstance(item, Member) and item.data not in broken
    )
    assert unpacked <= room + len(broken)
    assert sum(len(item.text) for item in first if isinstance(item, Text)) <= 64 * len(broken) + 64
