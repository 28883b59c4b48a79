"""Dates in folded text: numbers with strokes, dots or dashes, and with the name of a month."""

import re
from collections.abc import Iterator
from datetime import date

from mailguard.scan.engine import Engine, encode

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = rf"(?:{'|'.join(_MONTHS)})[a-z]{{0,6}}"

_BRITISH = r"\b\d{1,2}[/.-]\d{1,2}[/.-](?:19|20)?\d\d\b"
_ISO = r"\b(?:19|20)\d\d-\d\d-\d\d"
_WORDED = rf"\b\d{{1,2}}(?:st|nd|rd|th)?(?: |-)(?:of )?{_MONTH}(?: |-|, )(?:19|20)?\d\d\b"

_GATE = Engine([_BRITISH, _ISO, _WORDED])
# Begins with a digit and nothing else, so that text without digits is passed over quickly; what
# stands before is looked at afterwards.
_LIKELY = re.compile(
    r"[0-9](?:\d{3}-\d\d-\d\d|\d?[/.-]\d{1,2}[/.-]\d{2,4}"
    rf"|\d?(?:st|nd|rd|th)?[ -](?:of )?{_MONTH}(?: |-|, )\d{{2,4}})(?!\w)",
    re.ASCII,
)
_DATE = re.compile(
    r"(?P<iso>(?:19|20)\d\d-\d\d-\d\d)"
    r"|(?P<day>\d{1,2})(?P<sep>[/.-])(?P<month>\d{1,2})(?P=sep)(?P<year>(?:19|20)?\d\d)"
    rf"|(?P<nth>\d{{1,2}})(?:st|nd|rd|th)?[ -](?:of )?(?P<name>{_MONTH})(?: |-|, )"
    r"(?P<in>(?:19|20)?\d\d)",
    re.ASCII,
)
_CENTURY = 2000
"""A year of two digits is of this century: who is meant here goes to school."""


def has_date(text: str) -> bool:
    """Whether folded `text` may hold a date; cheap."""
    return bool(_GATE.first_ends(encode(text)))


def find_dates(text: str) -> Iterator[tuple[int, int, date]]:
    """Yield where each date of folded `text` is, and which; the day comes before the month.

    What is on no calendar is left out.
    """
    for likely in _LIKELY.finditer(text):
        start, end = likely.span()
        if start and (text[start - 1].isalnum() or text[start - 1] in "/_"):
            continue
        if match := _DATE.fullmatch(likely[0]):
            try:
                yield start, end, _date_of(match)
            except ValueError:
                continue


def age_on(day: date, born: date) -> int:
    """Whole years that somebody born on `born` is old on `day`."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def _date_of(match: re.Match[str]) -> date:
    if match["iso"]:
        return date.fromisoformat(match["iso"])
    if match["name"]:
        month = _MONTHS.index(match["name"][:3]) + 1
        return date(_year(match["in"]), month, int(match["nth"]))
    return date(_year(match["year"]), int(match["month"]), int(match["day"]))


def _year(digits: str) -> int:
    return int(digits) if len(digits) == 4 else _CENTURY + int(digits)
