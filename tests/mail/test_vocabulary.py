"""Known words, and what is read as one of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.mail.vocabulary import Vocabulary

VOCABULARY = Vocabulary(
    (
        r"\b(?:kill\w*|stab|ass|anal|grape|rapist|tits|cock|knives?)\b",
        r"\bcan'?t \w+[a-z]{3} (?:penis|tone)\b",
    )
)


@pytest.mark.parametrize(
    ("word", "is_known"),
    [
        pytest.param("kill", True, id="stem"),
        pytest.param("knives", True, id="with its last letter"),
        pytest.param("knive", True, id="without its last letter"),
        pytest.param("can't", True, id="with an apostrophe"),
        pytest.param("cant", True, id="without an apostrophe"),
        pytest.param("because", True, id="everyday word"),
        pytest.param("banana", False, id="in no pattern"),
    ],
)
def test_words_come_from_patterns(word: str, is_known: bool) -> None:
    assert is_known is (word in VOCABULARY.words)


@pytest.mark.parametrize(
    "letters",
    [
        *("therapist", "therapists", "assassin", "classroom", "bassoon", "passage", "cocktail"),
        *("title", "titles", "analysis", "grapes", "scunthorpe", "penistone", "essex", "cockerel"),
    ],
)
def test_no_innocent_word_is_cut(letters: str) -> None:
    assert VOCABULARY.split(letters) in (None, [letters])


@pytest.mark.parametrize(
    "token",
    [
        *("kill", "b4", "u2", "a55", "x", "k1", "1234", "5th", "3pm", "mp3", "h2o", "k1llx0rz"),
        *("stabs.txt", "a.b", "kill.png", "st.ab", "", "@@@", "***", "k**s", "kill" * 20 + "1"),
    ],
)
def test_what_is_plain_or_no_disguise_is_not_read(token: str) -> None:
    assert VOCABULARY.read(token) is None


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        pytest.param("k1ll1ng", "killing", id="an ending"),
        pytest.param("st@bb3d", "stabbed", id="an ending behind a double"),
        pytest.param("asss", "ass", id="the longest that fits"),
        pytest.param("kiii11", "kill", id="digits repeated"),
        pytest.param("k_i_ll", "kill", id="joined"),
    ],
)
def test_a_disguise_is_read(token: str, expected: str) -> None:
    assert expected == VOCABULARY.read(token)


@given(st.text(alphabet="kilstab105$@!|*._' €", max_size=30))
def test_reading_never_raises_and_gives_words(token: str) -> None:
    read = VOCABULARY.read(token)

    assert read is None or read.replace(" ", "").replace("'", "").isalpha()


@given(st.text(alphabet="kilstabheyou10", max_size=60))
def test_splitting_loses_no_letter(letters: str) -> None:
    words = VOCABULARY.split(letters)

    assert words is None or len(letters) == len("".join(words))
