"""The engine: what patterns see, and compiled patterns that are kept and loaded again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.scan.engine import Engine, PatternError, encode


def test_engine_tells_which_patterns_occur_and_where_the_first_match_ends() -> None:
    engine = Engine([r"\bkill\b", r"\byou\b", r"\bnever\b"])

    ends = engine.first_ends(b"kill you, kill you")

    assert ends == {0: 4, 1: 8}


@given(st.text())
def test_every_character_is_one_byte(text: str) -> None:
    encoded = encode(text)

    assert len(text) == len(encoded)


def test_line_end_is_a_space_and_any_other_letter_no_word_character() -> None:
    engine = Engine([r"\bkill you\b", r"x.y"])

    ends = engine.first_ends(encode("\u4e2dkill\nyou\u4e2d x\u4e2dy"))

    assert ends.keys() == {0, 1}


def test_engine_without_patterns_finds_nothing() -> None:
    engine = Engine([], Engine([]).dump())

    assert engine.first_ends(b"kill") == {}


def test_dumped_patterns_load_and_find_the_same() -> None:
    patterns = [r"\bkill\b", r"\b(?:hurt|stab).{0,24}\byou\b"]
    dumped = Engine(patterns).dump()

    ends = Engine(patterns, dumped).first_ends(b"kill or hurt all of you")

    assert ends == {0: 4, 1: 23}


@pytest.mark.parametrize("position", [0, 31, 32, 36, 40, -1])
def test_damaged_dump_is_not_used(position: int) -> None:
    dumped = bytearray(Engine([r"\bkill\b"]).dump())
    dumped[position] ^= 0xFF

    ends = Engine([r"\bkill\b"], bytes(dumped)).first_ends(b"kill")

    assert ends == {0: 4}


def test_dump_of_other_patterns_is_not_used() -> None:
    dumped = Engine([r"\bhurt\b"]).dump()

    ends = Engine([r"\bkill\b"], dumped).first_ends(b"kill")

    assert ends == {0: 4}


def test_dump_of_another_processor_is_not_used() -> None:
    """The bytes are whole and of these patterns, but Vectorscan does not take them."""
    engine = Engine([r"\bkill\b"])
    foreign = bytearray(engine.dump()[32:])
    foreign[14] ^= 0xFF  # in the header, what the processor can do
    dumped = engine._digest(bytes(foreign)) + bytes(foreign)

    ends = Engine([r"\bkill\b"], dumped).first_ends(b"kill")

    assert ends == {0: 4}


def test_pattern_that_is_too_large_is_named() -> None:
    too_large = "a{40000}"

    with pytest.raises(PatternError, match="too large") as refused:
        Engine([r"\bkill\b", too_large])

    assert too_large == refused.value.pattern
