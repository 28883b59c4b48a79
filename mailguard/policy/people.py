"""The people of the school, one by one, as the directory file names them."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from mailguard.errors import ConfigError
from mailguard.policy.taxonomy import Group

COLUMNS = (
    *("address", "name", "group", "year", "born", "upn", "of"),
    *("forename", "surname", "known_as"),
)
NEEDED = ("address", "group")
DELIMITERS = ",;\t"

GROUPS: Mapping[str, Group] = {
    **{group.value: group for group in (Group.PUPIL, Group.STAFF, Group.GOVERNOR, Group.PARENT)},
    "pupils": Group.PUPIL,
    "governors": Group.GOVERNOR,
    "parents": Group.PARENT,
}

NURSERY, RECEPTION, LAST_YEAR = -1, 0, 13
"""School years of England and Wales, with the two before year 1 as the numbers before 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One line of the school's directory file."""

    address: str
    """Folded, see :func:`fold_address`; empty only for a pupil who has an :attr:`identity`."""

    group: Group
    name: str = ""
    year: int | None = None
    """School year: 1 to 13, 0 for reception, -1 for nursery."""

    born: date | None = None
    upn: str = ""
    """Unique pupil number, upper case."""

    of: tuple[str, ...] = ()
    """For a parent, who may be a member of staff too: the folded addresses or the UPNs of their
    children at the school."""

    forename: str = ""
    """Legal forenames, where they are known apart from the surname."""

    surname: str = ""
    known_as: str = ""
    """Another forename, or another whole name, that they go by."""

    @property
    def identity(self) -> str:
        """What tells this person from all others, whatever else changes: the UPN, else the address,
        else name and date of birth, else empty."""
        if self.upn or self.address:
            return self.upn or self.address
        return f"{self.name.casefold()} {self.born}" if self.name and self.born else ""


@lru_cache(maxsize=4096)
def fold_address(address: str) -> str:
    """Return the form in which two spellings of one mailbox are equal.

    Lower case, no ``+tag``, no needless quotes, no dot at the end of the domain. Dots in the local
    part stay: only a few providers ignore them. The null sender stays ``""``.
    """
    local, at, domain = address.lower().rpartition("@")
    if not at:
        return domain
    if '"' in local:
        bare = re.sub(r"\\(.)", r"\1", local[1:-1])
        local = local if re.search(r'["@\\\s]', bare) else bare
    if '"' not in local:
        local = local.partition("+")[0] or local
    return f"{local}@{domain.rstrip('.')}"


def read_directory(csv_text: str) -> tuple[Person, ...]:
    """Read the school's directory file.

    The first line names the columns (:data:`COLUMNS`, in any order and case; address and group are
    needed); they are separated by commas, semicolons or tabs. ``of`` holds several values with
    spaces between them. A pupil without an address needs a UPN, or a name and a date of birth.
    Raises ConfigError with every mistake and its line.
    """
    text = csv_text.removeprefix("\ufeff")
    heading = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(DELIMITERS, key=heading.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        rows = [(lines.line_num, row) for row in lines if any(value.strip() for value in row)]
    except csv.Error as error:
        raise ConfigError([f"line {lines.line_num}: this is not a table ({error})"]) from error
    if not rows:
        raise ConfigError(["line 1: the file is empty; its first line names the columns"])
    number, names = rows[0]
    columns = tuple(name.strip().lower() for name in names)
    if problems := [f"line {number}: {problem}" for problem in _check_columns(columns)]:
        raise ConfigError(problems)
    return _read_people(columns, rows[1:])


def compose_directory(people: Iterable[Person]) -> str:
    """Write `people` as :func:`read_directory` reads them."""
    text = io.StringIO(newline="")
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(COLUMNS)
    for person in people:
        year = {None: "", RECEPTION: "reception", NURSERY: "nursery"}.get(person.year)
        lines.writerow(
            (
                *(person.address, person.name, person.group),
                str(person.year) if year is None else year,
                *(person.born or "", person.upn, " ".join(person.of)),
                *(person.forename, person.surname, person.known_as),
            )
        )
    return text.getvalue()


def _check_columns(columns: tuple[str, ...]) -> Iterator[str]:
    for name in sorted({*columns} - {*COLUMNS}):
        yield f"there is no column {name!r}; the columns are {', '.join(COLUMNS)}"
    for name in sorted({name for name in columns if columns.count(name) > 1}):
        yield f"the column {name!r} is there twice"
    for name in NEEDED:
        if name not in columns:
            yield f"the column {name!r} is missing"


def _read_people(
    columns: tuple[str, ...], rows: Iterable[tuple[int, list[str]]]
) -> tuple[Person, ...]:
    people: dict[str, tuple[int, Person]] = {}
    children: set[str] = set()
    problems: list[tuple[int, str]] = []
    for number, row in rows:
        texts = dict(zip(columns, (value.strip() for value in row), strict=False))
        if any(value.strip() for value in row[len(columns) :]):
            problems.append((number, f"{len(row)} values for {len(columns)} columns"))
        person, mistakes = _read_person(texts)
        problems.extend((number, mistake) for mistake in mistakes)
        # A pupil whose line has a mistake is still somebody's child: no second mistake for that.
        if person is None or person.group is Group.PUPIL:
            children |= {fold_address(texts.get("address", "")), texts.get("upn", "").upper()}
        if person is None:
            continue
        key = person.address or person.identity
        first, _ = people.setdefault(key, (number, person))
        if first != number:
            problems.append((number, f"{key} is on line {first} too"))
    for number, person in people.values():
        for child in person.of:
            if child not in children:
                problems.append((number, f"{child!r} in of is no pupil's address or UPN"))
    if problems:
        raise ConfigError([f"line {number}: {problem}" for number, problem in sorted(problems)])
    return tuple(person for _, person in people.values())


def _read_person(texts: Mapping[str, str]) -> tuple[Person | None, list[str]]:
    values: dict[str, Any] = {}
    mistakes: list[str] = []
    for column, parse in _PARSERS.items():
        try:
            values[column] = parse(texts.get(column, ""))
        except ValueError as error:
            mistakes.append(f"{column}: {error}")
    if mistakes:
        return None, mistakes
    person = Person(**values)
    if person.group is not Group.PUPIL and not person.address:
        return None, ["address: only a pupil may be without one"]
    if not person.identity:
        return None, ["address: a pupil without one needs a upn, or a name and a born"]
    return person, []


def parse_address(text: str) -> str:
    if text and not re.fullmatch(r"[^\s@]+@[^\s@]+", text):
        raise ValueError(f"{text!r} is not an address, like ana@elmpark.example")
    return fold_address(text)


def parse_group(text: str) -> Group:
    if group := GROUPS.get(text.lower()):
        return group
    raise ValueError(f"{text!r} must be pupil, staff, governor or parent")


def parse_year(text: str) -> int | None:
    if not text:
        return None
    word = re.sub(r"^y(ea)?r?\s*", "", text.lower())
    if word in {"r", "reception"}:
        return RECEPTION
    if word in {"n", "nursery"}:
        return NURSERY
    if re.fullmatch(r"[0-9]{1,2}", word) and int(word) <= LAST_YEAR:
        return int(word)
    raise ValueError(f"{text!r} must be a school year: nursery, reception or 1 to {LAST_YEAR}")


def parse_born(text: str) -> date | None:
    if not text:
        return None
    british = re.fullmatch(r"([0-9]{2})/([0-9]{2})/([0-9]{4})", text)
    try:
        return date.fromisoformat("-".join(reversed(british.groups())) if british else text)
    except ValueError:
        raise ValueError(f"{text!r} must be a date, like 2015-09-01 or 01/09/2015") from None


def parse_upn(text: str) -> str:
    # A letter, eleven digits, and a digit or, while the number is temporary, a letter (DfE guide).
    if text and not re.fullmatch(r"[A-Za-z][0-9]{11}[0-9A-Za-z]", text):
        raise ValueError(f"{text!r} is not a UPN, like A123456789012")
    return text.upper()


def _parse_of(text: str) -> tuple[str, ...]:
    words = re.split(r"[\s,;|]+", text) if text else []
    return tuple(fold_address(word) if "@" in word else word.upper() for word in words if word)


_PARSERS: Mapping[str, Callable[[str], object]] = {
    "address": parse_address,
    "name": str,
    "group": parse_group,
    "year": parse_year,
    "born": parse_born,
    "upn": parse_upn,
    "of": _parse_of,
    **dict.fromkeys(("forename", "surname", "known_as"), str),
}
