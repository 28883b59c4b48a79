"""How data is printed."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.cli.output import local_time, print_facts, print_json, print_table, printable


def test_a_table_in_a_pipe_is_lines_with_tabs(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("who", "what"), [("ana", "a b"), ("ben\x1b[2J", "[red]")])

    assert capsys.readouterr().out == "who\twhat\nana\ta b\nben\\x1b[2J\t[red]\n"


def test_a_drawn_table_shows_brackets_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("who", "what"), [("ana", "[red]x[/red]")], drawn=True)

    assert "[red]x[/red]" in capsys.readouterr().out


def test_facts_keep_a_value_of_several_lines_in_its_column(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_facts([("why", "one\ntwo"), ("nothing", ""), ("id", "7")])

    assert capsys.readouterr().out == "why  one\n     two\nid   7\n"


def test_json_is_one_line_in_plain_letters(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"says": "É\n"})

    out = capsys.readouterr().out
    assert out == '{"says": "É\\n"}\n'
    assert json.loads(out) == {"says": "É\n"}


@given(st.text())
def test_no_text_can_move_the_cursor(text: str) -> None:
    assert printable(text).isprintable()


@given(st.text().filter(str.isprintable))
def test_what_is_printable_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("month", "shown"),
    [(3, "2 Mar 2026, 12:00:05"), (7, "2 Jul 2026, 13:00:05")],
    ids=["winter", "summer"],
)
def test_time_is_the_schools_own(month: int, shown: str) -> None:
    moment = datetime(2026, month, 2, 12, 0, 5, tzinfo=UTC)

    assert local_time(moment, "Europe/London") == shown
