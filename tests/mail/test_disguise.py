"""What is made of disguised words, and the way back."""

from array import array
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.mail.disguise import EMOJI, SIGNS, Sign, undisguise
from mailguard.mail.fold import Folded, fold
from mailguard.mail.vocabulary import Vocabulary
from mailguard.scan.engine import Engine, encode

VOCABULARY = Vocabulary(
    (r"\b(?:kill|stab|bass|idiots?)\b", r"(?:banana\w*|swedes?|i'll) [a-z]+", "ripe melon")
)

ALL = dict.fromkeys(Sign, 0)

ENGINE = Engine(list(SIGNS))


def readings(text: str) -> list[str]:
    """How `text` can be read, whatever signs it shows."""
    return [folded.text for folded in undisguise(text, fold(text), ALL, VOCABULARY)]


def signs(text: str) -> set[Sign]:
    """The signs that `text` shows."""
    kinds = list(SIGNS.values())
    return {kinds[id_] for id_ in ENGINE.first_ends(encode(fold(text).text))}


@pytest.mark.parametrize(
    ("text", "sign", "expected"),
    [
        pytest.param("b4nana", Sign.MIXED, "banana", id="digit"),
        pytest.param("5tab!", Sign.MIXED, "stab!", id="digit in front"),
        pytest.param("$wede", Sign.MIXED, "swede", id="dollar in front"),
        pytest.param("@lways", Sign.MIXED, "always", id="at sign in front"),
        pytest.param("ki11", Sign.MIXED, "kill", id="digits at the end"),
        pytest.param("ba$$ note", Sign.MIXED, "bass note", id="signs at the end"),
        pytest.param("!diot", Sign.MIXED, "idiot", id="exclamation mark"),
        pytest.param("me|on", Sign.MIXED, "melon", id="upright line"),
        pytest.param("b4nanas4re", Sign.MIXED, None, id="no known word"),
        pytest.param("st4bbing", Sign.MIXED, "stabbing", id="another ending"),
        pytest.param("1'll", None, "i'll", id="one for I"),
        pytest.param("1 will b4nana", Sign.MIXED, "i will banana", id="one before a verb"),
        pytest.param("k**l", Sign.MIXED, "kill", id="starred out"),
        pytest.param("ba_nana", Sign.MIXED, "banana", id="cut in two"),
        pytest.param("i.will.kill", Sign.MIXED, "i will kill", id="joined"),
        pytest.param("k i l l", Sign.APART, "kill", id="spaces"),
        pytest.param("k.i.l.l.", Sign.APART, "kill.", id="full stops"),
        pytest.param("k\ni\nl\nl", Sign.APART, "kill", id="lines"),
        pytest.param("K - I - L - L", Sign.APART, "kill", id="dashes and spaces"),
        pytest.param("k 1 1 l", None, "kill", id="digits apart"),
        pytest.param("k i i i l l", Sign.APART, "kill", id="repeated apart"),
        pytest.param("r i p e  m e l o n", Sign.APART, "ripe melon", id="two words"),
        pytest.param("r i p e m e l o n", Sign.APART, "ripe melon", id="two words, all alike"),
        pytest.param("a r i p e one", Sign.APART, "a ripe one", id="behind a word of one letter"),
        pytest.param("r.i.p.e. m.e.l.o.n", Sign.APART, "ripe melon", id="two words with stops"),
        pytest.param("bananaaaa", Sign.REPEATED, "banana", id="repeated"),
        pytest.param("baaaanannnna", Sign.REPEATED, "banana", id="repeated twice"),
        pytest.param("kiiiill", Sign.REPEATED, "kill", id="repeated beside a double"),
        pytest.param("a 🔪", None, "a knife", id="picture"),
        pytest.param("a🔪b", None, "a knife b", id="picture without spaces"),
        pytest.param("a 🗡\ufe0f b", None, "a knife b", id="picture with a selector"),
    ],
)
def test_a_disguised_word_is_read(text: str, sign: Sign | None, expected: str | None) -> None:
    actual = readings(text)

    assert expected is None or expected == actual[0].strip()
    assert expected is not None or actual[:1] in ([], [text[::-1]])
    assert sign is None or sign in signs(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("uoy llik lliw I", "i will kill you", id="line"),
        pytest.param("hello\nuoy llik\nbye", "olleh\nkill you\neyb", id="lines"),
        pytest.param("\u202elevel\u202c", "level", id="control"),
    ],
)
def test_backward_text_is_read_from_its_end(text: str, expected: str) -> None:
    signs_seen = dict.fromkeys(signs(text), 0)

    *_, actual = undisguise(text, fold(text), signs_seen, VOCABULARY)

    assert expected == actual.text


def test_backward_words_are_read_in_their_order() -> None:
    assert "i will kill you" in readings("I lliw llik uoy")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Dear all, the trip is on 3 March at 2.30pm in KS3.", id="dates"),
        pytest.param("Ring 01632 960123, see www.elmpark.example or x@y.example", id="addresses"),
        pytest.param("Year 7 and Year 8; £5 each, 20% off", id="numbers"),
        pytest.param("e.g. this, i.e. that, J. Cole, 5-0, 3 x 4", id="abbreviations"),
    ],
)
def test_plain_text_shows_no_sign(text: str) -> None:
    assert set() == signs(text)


@pytest.mark.parametrize(
    "text",
    [
        "k1ll@elmpark.example",
        "https://k1ll.example/b4nana",
        "www.k1ll.example",
        "K1LL-9988",
        "B. A. S. S.",
        "mp3 H2O k1 B52 a55 x*y*z 3*4 1 b 2 a",
        "A801200001001",
        "III VIII XXX",
        "0 1 6 3 2 9 6 0",
    ],
)
def test_addresses_codes_and_numbers_are_left_alone(text: str) -> None:
    folded = fold(text)

    assert [] == list(
        undisguise(text, folded, dict.fromkeys(set(Sign) - {Sign.BACKWARDS}, 0), VOCABULARY)
    )


@pytest.mark.parametrize(
    ("text", "word", "expected"),
    [
        pytest.param("you  b4nana you", "banana", "b4nana", id="digit"),
        pytest.param("I will k - i - l - l you", "kill", "k - i - l - l", id="apart"),
        pytest.param("I kiiiiiiiill you", "kill", "kiiiiiiiill", id="repeated"),
        pytest.param("I killllll", "kill", "killllll", id="repeated at the end"),
        pytest.param("my 🗡\ufe0f here", "knife", "🗡", id="picture"),
        pytest.param("r i p e m e l o n", "melon", "m e l o n", id="cut"),
        pytest.param("…  uoy llik  lliw I", "kill you", "uoy llik", id="backwards"),
    ],
)
def test_a_span_leads_back_to_the_disguise(text: str, word: str, expected: str) -> None:
    folded = next(
        folded for folded in undisguise(text, fold(text), ALL, VOCABULARY) if word in folded.text
    )
    at = folded.text.index(word)

    start, end = folded.span(at, at + len(word))

    assert expected == text[start:end]


DISGUISED_TEXT = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("kilsta  ..__**--01345!@$|\n\u200b…\u202e'" + "".join(EMOJI)),
    ),
    max_size=60,
)


@given(DISGUISED_TEXT)
def test_every_reading_of_any_text_leads_back_into_it(text: str) -> None:
    folded = fold(text)

    for reading in undisguise(text, folded, ALL, VOCABULARY):
        origins = reading.origins
        assert origins is not None and len(origins) == len(reading.text)
        spans = [reading.span(at, at + 1) for at in range(len(reading.text))]
        assert all(0 <= start < end <= len(text) for start, end in spans)
        if origins != array("I", sorted(origins)):
            # Only text that is read backwards runs backwards.
            assert sorted(reading.text) == sorted(folded.text)


@given(st.text(alphabet="kil 1!", max_size=30))
def test_what_is_read_is_never_longer_than_what_stands_there(text: str) -> None:
    folded = fold(text)

    assert all(
        len(reading.text) <= len(folded.text)
        for reading in undisguise(text, folded, ALL, VOCABULARY)
    )


def test_a_reading_without_origins_of_its_own_is_counted_from_the_fold() -> None:
    folded = Folded("ll1k uoy", None)

    *_, actual = undisguise(folded.text, folded, {Sign.BACKWARDS: 0}, VOCABULARY)

    assert ("you k1ll", (5, 8)) == (actual.text, actual.span(0, 3))


@pytest.mark.parametrize(
    "unit",
    [
        pytest.param("k i l l ", id="letters apart"),
        pytest.param("k.", id="letters and stops"),
        pytest.param("k1ll ", id="leetspeak"),
        pytest.param("1", id="one token"),
        pytest.param("1!|", id="doubtful signs"),
        pytest.param("k*", id="stars"),
        pytest.param("aaab", id="repeated"),
        pytest.param("a_b_c_", id="joined"),
        pytest.param("@a.", id="beginnings of addresses"),
        pytest.param("-1", id="beginnings of codes"),
        pytest.param("🔪", id="pictures"),
        pytest.param("uoy ", id="backwards"),
        pytest.param("1 ", id="ones"),
    ],
)
def test_a_text_of_one_thing_is_read_in_linear_time(unit: str) -> None:
    text = unit * (400_000 // len(unit))
    folded = fold(text)

    start = process_time()
    list(undisguise(text, folded, ALL, VOCABULARY))

    assert process_time() - start < 2
