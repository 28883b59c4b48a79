"""What is odd about a directory: no mistakes that keep it from being used, but worth a look."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from mailguard.policy.people import Person
from mailguard.policy.taxonomy import Group
from mailguard.scan.dates import age_on
from mailguard.scan.validators import is_pupil_number

YOUNGEST, OLDEST = 2, 20
"""Years of age of anybody at a school: from nursery to a sixth form's third year."""


class Oddity(StrEnum):
    """Each kind; the value is what the command says, after a number."""

    UPN_TWICE = "with a UPN that somebody else has"
    UPN_WRONG = "with a UPN whose check letter is wrong"
    AGE = f"born in the future, or not between {YOUNGEST} and {OLDEST} years old"
    NO_ADDRESS = "without an address: known by name and UPN only"
    ALONE = "listed as a parent without a child"
    SHARED = "with an address that somebody else has; it stays with one, or with neither child"
    NOT_A_PUPIL = "named as a child that is not there"
    UNKNOWN = "left out: no UPN, no address, no name with a date of birth"
    UNREADABLE = "value that cannot be read"
    LEAVER = "left out: has a date of leaving"


@dataclass(frozen=True, slots=True, kw_only=True)
class Odd:
    """One odd thing."""

    kind: Oddity
    who: str
    """A name, an address or a value: for the eyes of whoever may read the file."""

    file: str = ""
    line: int = 0


def find_oddities(people: Iterable[Person], today: date) -> Iterator[Odd]:
    """Yield what is odd about the people of a directory."""
    people = tuple(people)
    numbers = Counter(person.upn for person in people if person.upn)
    for person in people:
        for kind in _oddities(person, today):
            yield Odd(kind=kind, who=person.name or person.identity)
        if numbers[person.upn] > 1:
            yield Odd(kind=Oddity.UPN_TWICE, who=person.name or person.identity)


def _oddities(person: Person, today: date) -> Iterator[Oddity]:
    if person.group is Group.PARENT and not person.of:
        yield Oddity.ALONE
    if person.group is not Group.PUPIL:
        return
    if not person.address:
        yield Oddity.NO_ADDRESS
    if person.upn and not is_pupil_number(person.upn.lower()):
        yield Oddity.UPN_WRONG
    if person.born and not YOUNGEST <= age_on(today, person.born) <= OLDEST:
        yield Oddity.AGE
