"""What comes out of the cage is believed only if it has the form of an answer."""

import json
import re
from pathlib import Path

import pytest

import mailguard.extract
from mailguard.extract.answer import found_from_json, found_to_json
from mailguard.extract.found import REASONS, Found, Missed, Named, Opened, Piece, Trait

FOUND: tuple[Found, ...] = (
    Opened(path="a", declared="b", sniffed="c", size=3, reader="d"),
    Piece(path="a", where="", text="Zoë \ud800\n\0"),
    Named(path="a", name="b"),
    Missed(path="a", reason="encrypted"),
    Trait(path="a", word="rows:240"),
)


def test_an_answer_comes_back_as_it_was() -> None:
    assert tuple(found_from_json(found_to_json(FOUND))) == FOUND


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"\xff", id="no text"),
        pytest.param(b"{}", id="no list"),
        pytest.param(b"[" * 100_000, id="nested without end"),
        pytest.param(json.dumps([[]]).encode(), id="empty row"),
        pytest.param(json.dumps([["shell", "a"]]).encode(), id="unknown kind"),
        pytest.param(json.dumps([["named", "a"]]).encode(), id="too little"),
        pytest.param(json.dumps([["named", "a", "b", "c"]]).encode(), id="too much"),
        pytest.param(json.dumps([["named", "a", 7]]).encode(), id="wrong type"),
        pytest.param(json.dumps([["opened", "", "", "", True, ""]]).encode(), id="no number"),
        pytest.param(json.dumps([[["named"], "a", "b"]]).encode(), id="kind that is a list"),
    ],
)
def test_what_has_another_form_is_refused(answer: bytes) -> None:
    with pytest.raises(ValueError):
        list(found_from_json(answer))


@pytest.mark.parametrize("reason", ["ana@elmpark.example", "engine"])
def test_what_was_missed_is_told_in_words_of_ours(reason: str) -> None:
    answer = json.dumps([["missed", "a", reason]]).encode()

    assert list(found_from_json(answer)) == [Missed(path="a", reason="killed")]


def test_every_word_that_a_reader_uses_is_known() -> None:
    (folder,) = mailguard.extract.__path__
    sources = "".join(each.read_text() for each in Path(folder).rglob("*.py"))
    used = re.findall(r"""\b(?:Miss|CannotRead|Unreadable)\("(\w+)"\)""", sources)

    assert {"broken", "encrypted"} < set(used) <= REASONS
