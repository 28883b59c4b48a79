"""Read what a school's information system exports: pupils with their contacts, or staff."""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from mailguard.errors import ConfigError
from mailguard.policy.mis_headings import Column, Field, read_headings
from mailguard.policy.oddity import Odd, Oddity
from mailguard.policy.people import (
    DELIMITERS,
    NEEDED,
    Person,
    parse_address,
    parse_born,
    parse_upn,
    parse_year,
    read_directory,
)
from mailguard.policy.taxonomy import Group

TITLE_LINES = 10
"""Lines that may stand above the headings: the report's title, the school, the date."""

_DATE = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})(?: .*)?")
_ISO = re.compile(r"(\d{4}-\d\d-\d\d)[T ].*")
_WORDED = re.compile(r"(\d{1,2})[ -]([A-Za-z]{3})[a-z]*[ -](\d{4})")
_MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec"
_NO = {"no", "n", "false", "f", "0"}
_TITLE = re.compile(r"(?:mrs?|miss|ms|mx|dr|rev|sir|prof)\.? ", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What one file tells."""

    people: tuple[Person, ...]
    covers: frozenset[Group]
    """Groups of which the file has everybody, so that who is not in it has left."""

    odd: tuple[Odd, ...] = ()


def decode(data: bytes) -> str:
    """The text of a CSV file as Windows programs write it: UTF-8, UTF-16, else Windows-1252."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def read_export(text: str, *, today: date, file: str = "", group: Group | None = None) -> Export:
    """Read an export, or a file with our own columns; `file` is its name for messages.

    Whose export it is the columns tell, unless `group` says. Raises ConfigError for a file whose
    columns tell nothing; what is odd about a line is told, and the line read as far as it goes.
    """
    rows = _rows(text, file)
    for at, (_, row) in enumerate(rows[:TITLE_LINES]):
        if {*NEEDED} <= {cell.strip().lower() for cell in row}:
            people = read_directory(text)
            return Export(people=people, covers=frozenset(p.group for p in people))
        columns = read_headings(row)
        own = {column.field for column in columns if column and not column.contact}
        if len(own) >= 2 and own & {Field.SURNAME, Field.FORENAME, Field.NAME, Field.UPN}:
            reader = _Reader(file, columns, group or _group_of(columns, file), today)
            return reader.read(rows[at + 1 :])
    raise ConfigError(
        [f"{file}: no line names columns, such as UPN, Surname, Forename, Date of birth or Email"]
    )


def _rows(text: str, file: str) -> list[tuple[int, list[str]]]:
    text = text.replace("\0", "")
    delimiter = max(DELIMITERS, key=text[:10_000].count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        return [(lines.line_num, row) for row in lines if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise ConfigError([f"{file}: line {lines.line_num}: not a table ({error})"]) from error


def _group_of(columns: tuple[Column | None, ...], file: str) -> Group:
    known = {column.field for column in columns if column}
    if known & {Field.UPN, Field.YEAR} or any(column and column.contact for column in columns):
        return Group.PUPIL
    if Field.ROLE in known:
        return Group.STAFF
    raise ConfigError([f"{file}: the columns do not tell whose list it is; say so with --group"])


class _Reader:
    """Reads the lines below the headings."""

    def __init__(
        self, file: str, columns: tuple[Column | None, ...], group: Group, today: date
    ) -> None:
        self._file = file
        self._today = today
        self._columns = columns
        self._group = group
        self._people: dict[str, Person] = {}
        self._odd: list[Odd] = []
        self._line = 0

    def read(self, rows: list[tuple[int, list[str]]]) -> Export:
        for self._line, row in rows:
            self._read_row(row)
        covers = {self._group}
        if any(column and column.contact and "email" in column.field for column in self._columns):
            covers.add(Group.PARENT)
        return Export(
            people=tuple(self._people.values()), covers=frozenset(covers), odd=tuple(self._odd)
        )

    def _read_row(self, row: list[str]) -> None:
        values: dict[str, dict[Field, str]] = {"": {}}
        for column, cell in zip(self._columns, row, strict=False):
            if column and cell.strip():
                values.setdefault(column.contact, {}).setdefault(column.field, cell.strip())
        own = values.pop("")
        if self._has_left(own):
            self._note(Oddity.LEAVER, _name_of(own))
            return
        person = self._person(own)
        if person is None:
            return
        known = self._people.get(person.identity)
        if known is not None and known.upn and _bare(known) != _bare(person):
            self._note(Oddity.UPN_TWICE, person.name)
            return
        # The same pupil again: some reports have a line for each contact.
        self._people.setdefault(person.identity, person)
        for contact in values.values():
            self._read_contact(contact, person)

    def _person(self, own: Mapping[Field, str]) -> Person | None:
        is_pupil = self._group is Group.PUPIL
        address = self._address(own.get(Field.EMAIL, ""))
        if not address and not is_pupil:
            address = self._address(own.get(Field.HOME_EMAIL, ""))
        called, surname = own.get(Field.CALLED, ""), own.get(Field.SURNAME, "")
        if called and (other := own.get(Field.CALLED_SURNAME, surname)) != surname:
            called = f"{called} {other}"
        person = Person(
            address=address,
            group=self._group,
            name=_name_of(own),
            year=self._year(own.get(Field.YEAR, "")) if is_pupil else None,
            born=self._born(own.get(Field.BORN, "")) if is_pupil else None,
            upn=self._upn(own.get(Field.UPN, "")) if is_pupil else "",
            forename=own.get(Field.FORENAME, ""),
            surname=surname,
            known_as="" if called == own.get(Field.FORENAME) else called,
        )
        if not (person.identity if is_pupil else person.address):
            self._note(Oddity.UNKNOWN, person.name)
            return None
        return person

    def _read_contact(self, contact: Mapping[Field, str], child: Person) -> None:
        if contact.get(Field.RESPONSIBLE, "").lower() in _NO or child.group is not Group.PUPIL:
            return
        address = self._address(contact.get(Field.EMAIL, contact.get(Field.HOME_EMAIL, "")))
        if not address:
            return
        of = child.upn or child.address
        known = self._people.get(address)
        if known is None:
            self._people[address] = Person(
                address=address,
                group=Group.PARENT,
                name=_TITLE.sub("", _name_of(contact)),
                of=(of,) if of else (),
            )
        elif known.group is Group.PARENT and of and of not in known.of:
            self._people[address] = replace(known, of=(*known.of, of))

    def _has_left(self, own: Mapping[Field, str]) -> bool:
        left = own.get(Field.LEFT, "")
        try:
            day = parse_born(_plain_date(left))
        except ValueError:
            return left.lower() not in _NO
        return day is not None and day <= self._today

    def _address(self, text: str) -> str:
        try:
            return parse_address(text)
        except ValueError:
            self._note(Oddity.UNREADABLE, text)
            return ""

    def _year(self, text: str) -> int | None:
        words = text.split()
        for word in (text, words[-1] if words else ""):
            try:
                return parse_year(word)
            except ValueError:
                continue
        self._note(Oddity.UNREADABLE, text)
        return None

    def _born(self, text: str) -> date | None:
        try:
            return parse_born(_plain_date(text))
        except ValueError:
            self._note(Oddity.UNREADABLE, text)
            return None

    def _upn(self, text: str) -> str:
        try:
            return parse_upn(text.replace(" ", ""))
        except ValueError:
            self._note(Oddity.UNREADABLE, text)
            return ""

    def _note(self, kind: Oddity, who: str) -> None:
        self._odd.append(Odd(kind=kind, file=self._file, line=self._line, who=who))


def _plain_date(text: str) -> str:
    if found := _DATE.fullmatch(text):
        day, month, year = found.groups()
        return f"{int(day):02}/{int(month):02}/{year}"
    if found := _WORDED.fullmatch(text):
        at = _MONTHS.find(found[2].lower())
        return f"{int(found[1]):02}/{at // 3 + 1:02}/{found[3]}"
    found = _ISO.fullmatch(text)
    return found[1] if found else text


def _name_of(own: Mapping[Field, str]) -> str:
    """As people say it: the preferred forename first."""
    if name := own.get(Field.NAME):
        surname, comma, forename = name.partition(",")
        return f"{forename.strip()} {surname.strip()}" if comma else name
    forename = own.get(Field.CALLED) or own.get(Field.FORENAME, "")
    surname = own.get(Field.CALLED_SURNAME) or own.get(Field.SURNAME, "")
    return f"{forename} {surname}".strip()


def _bare(person: Person) -> tuple[str, date | None]:
    return person.name.casefold(), person.born
