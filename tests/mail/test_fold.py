"""Folding, and the way back."""

import unicodedata
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.mail.fold import EXPANSION, fold
from mailguard.mail.lookalike import LOOKALIKES

ANY_TEXT = st.text(
    st.one_of(
        st.characters(),
        st.characters(categories=["Cs"]),
        st.sampled_from("aK \n\r\t\0\u200b\u00adé№ﬁ…⑽\u0301Іо\u3000\u2028😀"),
    ),
    max_size=60,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("I Will", "i will", id="case"),
        pytest.param("I’ll “go” – now", 'i\'ll "go" - now', id="curly quotes and dashes"),
        pytest.param("Zoë crème Ångström", "zoe creme angstrom", id="accents"),
        pytest.param("cafe\u0301", "cafe", id="combining accent"),
        pytest.param("øre łódź đ ħ", "ore lodz d h", id="strokes"),
        pytest.param("ｈｅｌｌｏ", "hello", id="full-width"),
        pytest.param("𝓱𝓮𝓵𝓵𝓸 𝐡𝐞𝐥𝐥𝐨 ⓗⓔⓛⓛⓞ", "hello hello hello", id="mathematical and circled"),
        pytest.param("🅗🅔🅛🅛🅞 🅷🅸 🇭🇮 ⒣⒤", "hello hi hi hi", id="boxed and regional"),
        pytest.param("ʜᴇʟʟᴏ", "hello", id="small capitals"),
        pytest.param("НЕLLО неllо ᎻᎬᏞᏞO", "hello hello hello", id="Cyrillic and Cherokee"),
        pytest.param("Ηєℓℓσ уσυ", "hello you", id="fancy Greek and Cyrillic"),
        pytest.param("Ι will", "i will", id="Greek capital iota is an i"),
        pytest.param("he\u200bl\u00adl\u2060o", "hello", id="zero-width and soft hyphen"),
        pytest.param("he\x00l\x07lo", "hello", id="controls"),
        pytest.param("a\u202eb\ufeff", "ab", id="direction marks"),
        pytest.param("ﬁne… ½ ⑽", "fine... 1/2 (10)", id="one becomes several"),
        pytest.param("٠١٢ ۱۲ １２", "012 12 12", id="digits of other scripts"),
        pytest.param("a\u00a0b\u3000c\td", "a b c d", id="kinds of space"),
        pytest.param("a  b \t c", "a b c", id="runs of space"),
        pytest.param("a \n  b\r\nc", "a\nb\nc", id="space around line ends"),
        pytest.param("a\n\n\n \nb", "a\n\nb", id="blank lines"),
        pytest.param("a\u2028b\u2029c\x85d", "a\nb\nc\nd", id="kinds of line end"),
        pytest.param("a\ud800b", "a\ufffdb", id="lone surrogate"),
        pytest.param("你好 안녕 😀", "你好 안녕 😀", id="scripts without a plain look"),
        pytest.param("Straße Ж", "straße ж", id="letters without a plain look"),
        pytest.param("\ufdfa", "\ufdfa", id="no explosion"),
        pytest.param("a\u3164\u115fb", "ab", id="Hangul fillers"),
    ],
)
def test_what_looks_alike_folds_alike(text: str, expected: str) -> None:
    actual = fold(text).text

    assert expected == actual


@given(ANY_TEXT)
def test_a_text_folds_alike_however_many_kinds_of_characters_it_has(text: str) -> None:
    many = "".join(map(chr, range(0x4E00, 0x4E80)))

    actual = fold(f"{text}x{many}")

    assert f"{fold(f'{text}x').text}{many}" == actual.text


def test_a_capital_that_becomes_two_letters_is_folded() -> None:
    actual = fold("\u01c4 \u00bd")

    assert ("dz 1/2", [0, 0, 1, 2, 2, 2]) == (actual.text, [*(actual.origins or ())])


def test_plain_text_needs_no_origins() -> None:
    text = "Dear All,\n\nthe trip is on Monday.\nBring a coat."

    actual = fold(text)

    assert (text.lower(), None) == (actual.text, actual.origins)


def test_characters_that_become_one_character_need_no_origins() -> None:
    actual = fold("I’ll see you – Zoë 😀")

    assert ("i'll see you - zoe 😀", None) == (actual.text, actual.origins)


@pytest.mark.parametrize(
    ("text", "word", "expected"),
    [
        pytest.param("we hello you", "hello", "hello", id="as it is"),
        pytest.param(
            "we  h\u200be\u200bllo you", "hello", "h\u200be\u200bllo", id="removed inside"
        ),
        pytest.param("…  ﬁne day", "fine", "ﬁne", id="expanded"),
        pytest.param("a   \n\n\n b  c", "b c", "b  c", id="collapsed"),
        pytest.param("Ηеllo", "hello", "Ηеllo", id="look-alikes"),
    ],
)
def test_a_span_leads_back_to_what_was_written(text: str, word: str, expected: str) -> None:
    folded = fold(text)
    at = folded.text.index(word)

    start, end = folded.span(at, at + len(word))

    assert expected == text[start:end]


def test_an_empty_span_lies_inside_the_original() -> None:
    text = "……  "
    folded = fold(text)

    actual = [folded.span(at, at) for at in range(len(folded.text) + 1)]

    assert [(0, 0), *[(1, 1)] * 3, *[(2, 2)] * 3, (3, 3)] == actual


@given(ANY_TEXT)
def test_spans_of_any_text_lie_inside_it_and_in_order(text: str) -> None:
    folded = fold(text)

    spans = [folded.span(at, at + 1) for at in range(len(folded.text))]

    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert spans == sorted(spans)


@given(ANY_TEXT)
def test_folding_twice_changes_nothing(text: str) -> None:
    once = fold(text).text

    twice = fold(once)

    assert (once, None) == (twice.text, twice.origins)


@given(ANY_TEXT)
def test_folded_text_is_encodable_lower_case_and_bounded(text: str) -> None:
    folded = fold(text).text

    assert len(folded.encode()) > 0 or not folded
    assert folded == folded.lower()
    assert len(folded) <= EXPANSION * len(text)


def test_every_character_there_is_folds_to_a_fixed_point() -> None:
    step = 7  # a seventh of all is quick; the property tests meet the rest
    text = "".join(map(chr, range(0, 0x110000, step)))

    once = fold(text).text

    assert once == fold(once).text


def test_no_look_alike_is_plain_itself() -> None:
    plain = [look for look in LOOKALIKES if look.isascii()]

    assert [] == plain


def test_look_alikes_are_single_characters_in_composed_form() -> None:
    odd = [k for k in LOOKALIKES if len(k) != 1 or unicodedata.normalize("NFC", k) != k]

    assert [] == odd


@pytest.mark.parametrize(
    "unit",
    [
        pytest.param("a\u200b", id="zero-width"),
        pytest.param("a  ", id="spaces"),
        pytest.param("ﬁ", id="ligatures"),
        pytest.param("привет ", id="Cyrillic"),
    ],
)
def test_a_text_of_one_thing_is_folded_in_linear_time(unit: str) -> None:
    text = unit * 100_000

    start = process_time()
    fold(text)

    assert process_time() - start < 2
