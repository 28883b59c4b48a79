"""Dates as people at schools write them."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.scan.dates import age_on, find_dates, has_date


@pytest.mark.parametrize(
    "text",
    [
        "2/5/2015",
        "02.05.15",
        "02-05-2015",
        "2015-05-02",
        "2nd of may 2015",
        "2 may 15",
        "2-may-2015",
    ],
)
def test_a_date_is_found(text: str) -> None:
    assert has_date(f"born {text}.")
    assert list(find_dates(f"born {text}.")) == [(5, 5 + len(text), date(2015, 5, 2))]


@pytest.mark.parametrize(
    "text", ["31/2/2015", "12/13/2015", "112/5/2015", "2/5-2015", "1.2.3.4567"]
)
def test_what_is_no_date_is_left_out(text: str) -> None:
    assert list(find_dates(text)) == []


def test_an_age_is_counted_in_whole_years() -> None:
    assert [age_on(date(2026, 5, day), date(2015, 5, 2)) for day in (1, 2)] == [10, 11]


@given(st.text(alphabet="0123456789/-. mayjun", max_size=60))
def test_whatever_has_dates_passes_the_gate(text: str) -> None:
    assert has_date(text) or not list(find_dates(text))
