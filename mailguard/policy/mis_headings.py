"""How SIMS, Arbor and Bromcom head the columns of their exports that the directory uses."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from mailguard.mail.fold import fold


class Field(StrEnum):
    """What a column tells of a person."""

    UPN = "upn"
    NAME = "name"
    FORENAME = "forename"
    SURNAME = "surname"
    CALLED = "called"
    """The forename they go by."""

    CALLED_SURNAME = "called_surname"
    BORN = "born"
    YEAR = "year"
    EMAIL = "email"
    HOME_EMAIL = "home_email"
    """Of a pupil it is often a parent's, so it is used for grown-ups only."""

    LEFT = "left"
    ROLE = "role"
    """Only staff have one."""

    RELATION = "relation"
    RESPONSIBLE = "responsible"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What one column is about."""

    field: Field
    contact: str = ""
    """Which of the pupil's contacts: ``contact 1``, ``mother``; empty for the person itself."""


_PERSON = r"(?:(?:pupil|student|learner|child|staff|employee)s? )?"
_SPELLINGS: Mapping[Field, str] = {
    Field.UPN: r"(?:current )?(?:upn|unique pupil number)",
    Field.CALLED: r"(?:preferred|chosen|known as)(?: ?(?:forename|first ?name|given name))?",
    Field.CALLED_SURNAME: r"(?:preferred|chosen|known as) ?(?:surname|last ?name|family name)",
    Field.FORENAME: r"(?:legal )?(?:fore ?names?|first ?names?|given names?)",
    Field.SURNAME: r"(?:legal )?(?:sur ?names?|last ?names?|family names?)",
    Field.NAME: r"(?:legal |full |preferred |display )?name|(?:pupil|student|learner)",
    Field.BORN: r"dob|d o b|date of birth|birth ?date|born",
    Field.YEAR: r"(?:(?:nc|national curriculum|curriculum|school|current) )?year(?: ?group)?"
    r"(?: name| code| actual)?|ncyear(?:actual)?|year taught in(?: code)?|nc ?yr",
    Field.HOME_EMAIL: r"(?:home|personal|private) e ?mail(?: address)?",
    Field.EMAIL: r"(?:(?:primary|main|work|school|default|official) )?e ?mail(?: address)?",
    Field.LEFT: r"(?:date of leaving|leaving date|date left|leave date|date of leave|leaver)",
    Field.ROLE: r"(?:staff )?(?:role|job ?title|job|post|position|code|contract role"
    r"|business role|teaching staff)s?|staff id",
    Field.RELATION: r"relation(?:ship)?(?: to (?:pupil|student|child))?",
    Field.RESPONSIBLE: r"(?:has )?parental responsib(?:ility|le)|pr",
}
_FIELDS = tuple((field, re.compile(_PERSON + f"(?:{text})")) for field, text in _SPELLINGS.items())
_CONTACT = re.compile(
    r"(?P<who>(?:(?:primary|first|second|priority|emergency|family) )*"
    r"(?:contact|guardian|parent(?: carer)?|carer|mother|father)(?: ?s)?(?: \d{1,2})?)"
    r"(?: |$)(?P<rest>.*)"
)
_NOTHING = re.compile(r"[^a-z0-9]+")


def read_headings(cells: Iterable[str]) -> tuple[Column | None, ...]:
    """What each column is; None for one that the directory has no use for."""
    return tuple(map(_read_heading, cells))


def _read_heading(cell: str) -> Column | None:
    heading = _NOTHING.sub(" ", fold(cell).text).strip()
    contact = _CONTACT.fullmatch(heading)
    rest = (contact["rest"] or "name") if contact else heading
    for field, spelling in _FIELDS:
        if spelling.fullmatch(rest):
            return Column(field=field, contact=contact["who"] if contact else "")
    return None
