"""Numbers under a heading: which column, how far below, and where a table ends."""

import re
from collections.abc import Callable

import pytest

from mailguard.mail.text import Segment
from mailguard.scan.heading import find_below

NAMED = re.compile(r"\btrn\b")
FILLING = "Taught for years in several schools of the county and the city beside it"


@pytest.fixture
def below(segment: Callable[..., Segment]) -> Callable[[str], list[str]]:
    """Which runs of seven digits of a text stand below the heading "TRN"."""

    def find(text: str) -> list[str]:
        one = segment(text)
        folded = one.folded.text
        numbers = list(re.finditer(r"\b\d{7}\b", folded))
        found = find_below(one, folded, [number.span() for number in numbers], NAMED)
        return [numbers[n][0] for n in sorted(found)]

    return find


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_only_the_column_that_is_named_counts(
    below: Callable[[str], list[str]], separator: str
) -> None:
    rows = ["Name,Phone,TRN", *(f"Reed,555010{n},123450{n}" for n in range(9))]

    found = below("\n".join(rows).replace(",", separator))

    assert found == [f"123450{n}" for n in range(9)]


def test_a_heading_counts_however_far_below(below: Callable[[str], list[str]]) -> None:
    rows = [f"{FILLING},{1_000_000 + n}" for n in range(200)]

    assert len(below("Notes,TRN\n" + "\n".join(rows))) == 200


def test_a_comma_in_quotes_parts_no_cells(below: Callable[[str], list[str]]) -> None:
    assert below('Name,TRN\n"Reed, Ana, of 5550100",1234567') == ["1234567"]


def test_cells_that_stand_in_a_line_each_are_below_too(below: Callable[[str], list[str]]) -> None:
    assert below("Name\nTRN\nAna Reed\n1234567\nBen Cole\n1234568") == ["1234567", "1234568"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            "Please send your TRN, your name, and the form.\n1234567, says Ana", id="prose"
        ),
        pytest.param("Name\tTRN\nReed\t\n\nOrder 1234567 is here.", id="behind the table"),
        pytest.param("1234567\tReed\nTRN\tName", id="above"),
        pytest.param(f"TRN\n{FILLING}, {FILLING}: 1234567", id="a long line is no row"),
        pytest.param("TRN\n" + "A line\n" * 9 + "1234567", id="too far from any row"),
    ],
)
def test_other_numbers_are_under_no_heading(below: Callable[[str], list[str]], text: str) -> None:
    assert below(text) == []
