"""Where patterns match: whole words around the shortest match."""

import pytest

from mailguard.scan.engine import Engine
from mailguard.scan.finding import SPAN_LIMIT
from mailguard.scan.span import AREA, Unit, find_ranges


def find(pattern: str, text: str) -> list[str]:
    """What `pattern` shows of `text`, taken as one unit."""
    engine, encoded = Engine([pattern]), text.encode()
    unit = Unit(start=0, end=len(encoded), ends=engine.first_ends(encoded))
    return [text[start:end] for start, end in find_ranges(engine, [0], encoded, unit)]


@pytest.mark.parametrize(
    ("pattern", "text", "shown"),
    [
        pytest.param(r"\bkill\b", "to kill, kill", ["kill", "kill"], id="each match"),
        pytest.param(r"kill", "unkillable", ["unkillable"], id="inside a word"),
        pytest.param(r"\b(?:kill|ill)\b", "kill", ["kill"], id="a word that ends like another"),
        pytest.param(r"\bkill(?:ing)?", "killing", ["killing"], id="longest of the word"),
        pytest.param(r"\bi.{0,20}you\b", "i, i hurt you", ["i hurt you"], id="shortest gap"),
        pytest.param(r"[!?]", "no!", ["!"], id="no word"),
        pytest.param(r"ab", "abab ab", ["abab", "ab"], id="side by side in one word"),
        pytest.param(r"\bkill\b", "skill", [], id="no match"),
    ],
)
def test_whole_words_around_the_shortest_match_are_shown(
    pattern: str, text: str, shown: list[str]
) -> None:
    assert shown == find(pattern, text)


def test_short_unit_shows_matches_up_to_the_limit() -> None:
    assert len(find("kill", "kill " * (SPAN_LIMIT + 5))) == SPAN_LIMIT


def test_long_unit_shows_the_first_match_only() -> None:
    assert find("kill", "x " * AREA + "kill kill") == ["kill"]


def test_match_longer_than_the_area_is_shown_by_its_end() -> None:
    (shown,) = find(r"\bbegin\b.*\bend\b", "begin " + "x " * AREA + "end")

    assert shown.endswith("x end")
    assert len(shown) == AREA


def test_unit_inside_a_text_keeps_to_its_range() -> None:
    engine, encoded = Engine(["kill"]), b"kill. kill. kill."
    unit = Unit(start=6, end=11, ends=engine.first_ends(encoded[6:11]))

    assert find_ranges(engine, [0], encoded, unit) == [(6, 10)]
