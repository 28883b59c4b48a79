"""From the directory's people to the roll: the names of pupils, and whose parents are whose."""

from collections.abc import Iterable, Iterator, Mapping

from mailguard.policy.people import Person
from mailguard.policy.taxonomy import Group
from mailguard.scan.roll import Pupil, Roll, build_roll, subject_id


def enrol(people: Iterable[Person], key: bytes) -> Roll | None:
    """The roll of all pupils among `people`; None where there are none. Who bears the name of a
    member of staff is not known by that name."""
    people = tuple(people)
    pupils = (
        Pupil(
            subject=subject_id(key, person.identity),
            names=tuple(dict.fromkeys(split_names(person))),
            born=person.born,
            upn=person.upn,
        )
        for person in people
        if person.group is Group.PUPIL
    )
    staff = (
        f"{forename} {surname}"
        for person in people
        if person.group in (Group.STAFF, Group.GOVERNOR)
        for forename, surname in split_names(person)
    )
    return build_roll(pupils, key=key, others=staff)


def children_by_address(people: Iterable[Person], key: bytes) -> Mapping[str, frozenset[str]]:
    """For the folded address of each parent, the subjects of their children."""
    people = tuple(people)
    subjects = {
        known: subject_id(key, person.identity)
        for person in people
        if person.group is Group.PUPIL
        for known in (person.address, person.upn)
        if known
    }
    return {
        person.address: frozenset(subjects[child] for child in person.of if child in subjects)
        for person in people
        if person.of
    }


def split_names(person: Person) -> Iterator[tuple[str, str]]:
    """Yield each forename and surname that `person` is known by.

    A name in one piece is taken apart at its comma, else before its last word.
    """
    if person.forename and person.surname:
        yield person.forename, person.surname
    if person.name:
        yield _split(person.name, person.surname)
    if person.known_as:
        surname = person.surname or _split(person.name, "")[1]
        is_whole = " " in person.known_as.strip()
        yield _split(person.known_as, surname) if is_whole else (person.known_as, surname)


def _split(name: str, surname: str) -> tuple[str, str]:
    last, comma, first = name.partition(",")
    if comma:
        return first.strip(), last.strip()
    words = name.split()
    if surname and name.casefold().endswith(f" {surname.casefold()}"):
        return " ".join(words[: -len(surname.split())]), surname
    return " ".join(words[:-1]), words[-1] if words else ""
