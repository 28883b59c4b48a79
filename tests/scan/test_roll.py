"""The roll: whom a text names."""

import pickle
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.mail.fold import fold
from mailguard.mail.text import Segment, Where
from mailguard.scan.roll import Pupil, Roll, build_roll, find_pupils, subject_id

KEY = b"a key for tests"


def roll_of(*pupils: Pupil, others: tuple[str, ...] = ()) -> Roll:
    roll = build_roll(pupils, key=KEY, others=others)
    assert roll is not None
    return roll


ZOE = Pupil(
    subject="zoe",
    names=(("Zoë Anne", "O'Neill-Park"), ("Zuzu", "O'Neill-Park")),
    born=date(2014, 3, 9),
    upn="B801200005001",
)
WILL = Pupil(subject="will", names=(("Will", "May"),))
ROLL = roll_of(ZOE, WILL)


def named(text: str, where: Where = Where.BODY, roll: Roll = ROLL) -> list[tuple[str, str]]:
    """Which words name whom."""
    segment = Segment(part="1", where=where, text=text, folded=fold(text))
    return [(text[n.start : n.end], n.subject) for n in find_pupils(segment, roll)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("Ask Zoe O'Neill-Park today.", "Zoe O'Neill-Park", id="first forename"),
        pytest.param("Ask zoë anne o’neill park.", "zoë anne o’neill park", id="all, small"),
        pytest.param("O'Neill-Park, Zoe", "O'Neill-Park, Zoe", id="surname first"),
        pytest.param("ONEILL-PARK\tZOE", "ONEILL-PARK\tZOE", id="cells, capitals"),
        pytest.param('"O\'Neill-Park","Zoe",5', 'O\'Neill-Park","Zoe', id="CSV"),
        pytest.param("Zuzu O'Neill-Park", "Zuzu O'Neill-Park", id="known as"),
        pytest.param("her UPN is b801200005001.", "b801200005001", id="UPN"),
        pytest.param("Zoe (9/3/2014)", "9/3/2014", id="forename and birthday"),
        pytest.param("9th March 2014\tO'Neill-Park", "9th March 2014", id="surname and birthday"),
    ],
)
def test_a_pupil_is_named(text: str, words: str) -> None:
    assert named(text) == [(words, "zoe")]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Zoe is here", id="first name"),
        pytest.param("Thank you, Zoe. O'Neill-Park is the head of it.", id="two sentences"),
        pytest.param("Zoe and O'Neill-Park", id="a word between"),
        pytest.param("Zoe, O'Neill-Park", id="a list of two"),
        pytest.param("Zoe\nO'Neill-Park", id="two short lines"),
        pytest.param("Zoe (9/3/2015)", id="another birthday"),
        pytest.param("Max (9/3/2014)", id="another child's birthday"),
        pytest.param("Zoe\n9/3/2014", id="a birthday in another line"),
        pytest.param("B801200005002", id="another UPN"),
        pytest.param("i hope it will may be not", id="common words"),
    ],
)
def test_nobody_is_named(text: str) -> None:
    assert named(text) == []


def test_a_name_of_common_words_counts_in_capitals() -> None:
    assert named("Well done, Will May!") == [("Will May", "will")]


def test_a_name_that_was_wrapped_at_the_end_of_a_line_counts() -> None:
    line = "We would like to thank everybody who was there, above all Will"

    assert named(f"{line}\nMay.") == [("Will\nMay", "will")]


def test_a_file_name_names_with_dots_and_underscores() -> None:
    assert named("will.May.jpg", Where.FILENAME) == []
    assert named("Will_May.jpg", Where.FILENAME) == [("Will_May", "will")]


def test_a_name_of_the_staff_names_no_pupil() -> None:
    assert named("Will May", roll=roll_of(WILL, ZOE, others=("May, Will",))) == []


def test_two_pupils_of_one_name_are_both_named() -> None:
    twin = Pupil(subject="other", names=WILL.names)

    assert named("Will May", roll=roll_of(WILL, twin)) == [
        ("Will May", "other"),
        ("Will May", "will"),
    ]


def test_no_pupils_make_no_roll() -> None:
    assert build_roll((), key=KEY) is None


def test_a_roll_can_be_sent_to_another_process_and_takes_no_words_of_mail_along() -> None:
    roll = roll_of(ZOE)
    assert named("Zoe O'Neill-Park saw a hippogriff", roll=roll)

    sent = pickle.dumps(roll)

    assert b"hippogriff" not in sent
    assert named("Zoe O'Neill-Park", roll=pickle.loads(sent)) == [("Zoe O'Neill-Park", "zoe")]


def test_a_roll_holds_no_name() -> None:
    held = pickle.dumps(ROLL).lower()

    assert [word for word in (b"neill", b"zuzu", b"b8012", b"2014") if word in held] == []


def test_a_subject_depends_on_key_and_person() -> None:
    ids = {subject_id(KEY, "a"), subject_id(KEY, "b"), subject_id(b"other", "a")}

    assert len(ids) == 3
    assert subject_id(KEY, "a") == subject_id(KEY, "a")


@given(st.text(alphabet="Zoe O'Neil-Park,\n\t\"9/3214é0ß漢", max_size=80) | st.text())
def test_any_text_is_looked_at_and_every_place_is_in_it(text: str) -> None:
    segment = Segment(part="1", where=Where.BODY, text=text, folded=fold(text))

    assert all(0 <= n.start < n.end <= len(text) for n in find_pupils(segment, ROLL))
