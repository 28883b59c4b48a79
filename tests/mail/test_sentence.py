"""Where sentences and paragraphs end."""

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.mail.sentence import OVERLAP, SENTENCE_LIMIT, paragraphs, sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param(" \n\n \n", [], id="white space only"),
        pytest.param("see you", ["see you"], id="no full stop"),
        pytest.param("see you. bye!", ["see you.", "bye!"], id="full stop and exclamation mark"),
        pytest.param("what?! no", ["what?!", "no"], id="several marks"),
        pytest.param('he said "go." then', ['he said "go."', "then"], id="mark inside quotes"),
        pytest.param("at elmpark.example today", ["at elmpark.example today"], id="dot in a word"),
        pytest.param("it costs 3.50 now", ["it costs 3.50 now"], id="dot in a number"),
        pytest.param("ask mr. finch today", ["ask mr. finch today"], id="title"),
        pytest.param("bring food, e.g. fruit", ["bring food, e.g. fruit"], id="abbreviation"),
        pytest.param("i will... see you", ["i will... see you"], id="ellipsis goes on"),
        pytest.param("wrapped\ntext goes on", ["wrapped\ntext goes on"], id="wrapped line"),
        pytest.param("dear all\n\nhello", ["dear all", "hello"], id="blank line"),
        pytest.param("bring\n- a coat\n- lunch", ["bring", "- a coat", "- lunch"], id="bullets"),
        pytest.param("do\n1. this\n2) that", ["do", "1.", "this", "2) that"], id="numbers"),
        pytest.param("a -1 b\n-1 is less", ["a -1 b\n-1 is less"], id="minus is no bullet"),
    ],
)
def test_a_sentence_ends_where_a_reader_stops(text: str, expected: list[str]) -> None:
    actual = [text[start:end] for start, end in sentences(text)]

    assert expected == actual


def test_a_long_sentence_is_cut_with_an_overlap() -> None:
    text = "a" * (SENTENCE_LIMIT + 500)

    actual = list(sentences(text))

    assert [(0, SENTENCE_LIMIT), (SENTENCE_LIMIT - OVERLAP, len(text))] == actual


def test_a_paragraph_ends_at_a_blank_line() -> None:
    text = " one.\ntwo\n \n\nthree. four "

    actual = [text[start:end] for start, end in paragraphs(text)]

    assert ["one.\ntwo", "three. four"] == actual


@given(st.text(alphabet="ab .!?\n-1)'\"", max_size=300))
def test_sentences_and_paragraphs_are_in_order_and_hold_all_but_white_space(text: str) -> None:
    covered = set[int]()
    for start, end in sentences(text):
        assert start < end
        covered.update(range(start, end))

    assert {at for at, c in enumerate(text) if not c.isspace()} <= covered
    assert "".join(text.split()) == "".join("".join(text[a:b].split()) for a, b in paragraphs(text))


@pytest.mark.parametrize(
    "unit",
    [
        pytest.param("!", id="marks"),
        pytest.param(".'", id="marks and quotes"),
        pytest.param("\n ", id="blank lines"),
        pytest.param("\n-", id="false bullets"),
        pytest.param("a. ", id="tiny sentences"),
    ],
)
def test_a_text_of_one_thing_is_cut_in_linear_time(unit: str) -> None:
    text = unit * (500_000 // len(unit))

    start = process_time()
    for _ in sentences(text):
        pass

    assert process_time() - start < 2
