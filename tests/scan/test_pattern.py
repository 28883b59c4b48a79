"""The pattern language: what is refused and why, and how word lists are filled in."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.scan.pattern import expand, parse_phrases

LISTS = {"harm_verbs": ("hurt", "beat up", "don't care")}


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        pytest.param(r"kill(?!joy)", "unless", id="lookahead"),
        pytest.param(r"(?<=to )kill", "unless", id="lookbehind"),
        pytest.param(r"(a)\1", "refers back", id="back-reference"),
        pytest.param(r"(?<x>a)", r"\(\?", id="named group"),
        pytest.param(r"(?i)kill", r"\(\?", id="inline flag"),
        pytest.param(r"(?>kill)", r"\(\?", id="atomic group"),
        pytest.param(r"^kill", "beginning or end", id="caret"),
        pytest.param(r"kill$", "beginning or end", id="dollar"),
        pytest.param(r"kill\Z", "beginning or end", id="end escape"),
        pytest.param(r"kill\nyou", "line end", id="line end"),
        pytest.param(r"\x6b", "escape", id="hexadecimal"),
        pytest.param(r"[[:alpha:]]x", "engines differ", id="posix class"),
        pytest.param(r"[a--b]x", "engines differ", id="difference of classes"),
        pytest.param("[[a", r"without \]", id="open class"),
        pytest.param("Kill", "capital", id="capital"),
        pytest.param("k\u0456ll", "plain letters", id="look-alike"),
        pytest.param("\bkill", "'''", id="backspace for a word boundary"),
        pytest.param("a*", "nothing", id="empty"),
        pytest.param(r"\b(?:a|)\b", "nothing", id="empty inside a word"),
        pytest.param("a|", "nothing", id="empty branch"),
        pytest.param("(kill", "not a pattern", id="open bracket"),
        pytest.param("{{harm_verb}}", "did you mean 'harm_verbs'", id="misspelt list"),
        pytest.param("{{harm_verbs", "without", id="open list"),
        pytest.param("a" * 16_001, "16000", id="too long"),
    ],
)
def test_pattern_that_the_engine_cannot_use_is_refused_with_the_reason(
    pattern: str, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        expand(pattern, LISTS)


@pytest.mark.parametrize(
    "pattern",
    [
        r"\bkill\b",
        r"[^a-z]kill[$^]",
        r"\$\^",
        r"(?:hurt|stab).{0,24}\byou\b",
        r"[\]\\]x",
        r"\\n",
        r"'?i''?",
    ],
)
def test_plain_pattern_is_kept_as_it_is(pattern: str) -> None:
    assert pattern == expand(pattern, {})


@pytest.mark.parametrize("text", ["hurt", "beat up", "beat-up", "don't care", "dont care"])
def test_list_stands_for_each_phrase_with_or_without_apostrophe_and_hyphen(text: str) -> None:
    expanded = expand(r"\b{{harm_verbs}}\b", LISTS)

    assert re.fullmatch(expanded, text)


def test_phrase_is_a_text_and_not_a_pattern() -> None:
    expanded = expand(r"{{swearing}}", {"swearing": ("f**k", "a.b")})

    assert [re.fullmatch(expanded, text) for text in ("ffk", "axb")] == [None, None]


def test_list_has_one_phrase_a_line_without_comments_and_blank_lines() -> None:
    phrases = parse_phrases("# verbs\nhurt\n\n  beat   up  # idiom\n")

    assert phrases == ("hurt", "beat up")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("hurt\nHurt", "line 2", id="capital"),
        pytest.param("hurt\nh\u00fcrt", "line 2", id="accent"),
        pytest.param("hurt\nstab\nhurt", "in line 1 already", id="twice"),
        pytest.param("'", "letter or digit", id="only an apostrophe"),
        pytest.param("# nothing", "no phrase", id="empty"),
    ],
)
def test_list_with_a_mistake_is_refused_with_its_line(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_phrases(text)


@given(st.text(alphabet=st.sampled_from(r"ab \bB1()[]{}?*+|^$.:=!<'n-"), max_size=20))
def test_any_pattern_is_refused_or_never_matches_nothing(pattern: str) -> None:
    try:
        expanded = expand(pattern, LISTS)
    except ValueError:
        return

    assert all(found[0] for found in re.finditer(expanded, "a b ab"))
