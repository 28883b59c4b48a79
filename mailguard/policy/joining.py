"""Bring what was exported together with the directory as it is."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace

from mailguard.policy.oddity import Odd, Oddity
from mailguard.policy.people import Person
from mailguard.policy.taxonomy import Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """The new directory, and what is new in it."""

    people: tuple[Person, ...]
    added: tuple[Person, ...] = ()
    gone: tuple[Person, ...] = ()
    changed: tuple[Person, ...] = ()
    odd: tuple[Odd, ...] = ()


def join(
    known: Iterable[Person],
    imported: Iterable[Person],
    *,
    covers: frozenset[Group],
    keeps_all: bool = False,
) -> Joined:
    """Add `imported` to the people who are `known`.

    A pupil is the same one if the UPN is, else the address, else name and date of birth; anybody
    else if the address is. What an export leaves empty stays as it was. Who is of a group that the
    exports cover and in none of them is gone, unless `keeps_all`.
    """
    odd: list[Odd] = []
    arrived = tuple(_apart(imported, odd))
    before = tuple(known)
    index = _Index(before)
    after: dict[int, Person] = {}
    added: list[Person] = []
    for person in arrived:
        at = index.find(person)
        if at is None:
            added.append(person)
        else:
            after[at] = _update(after.get(at, before[at]), person)
    stays = [
        after.get(at, person)
        for at, person in enumerate(before)
        if at in after or keeps_all or person.group not in covers
    ]
    gone = tuple(
        person
        for at, person in enumerate(before)
        if at not in after and not keeps_all and person.group in covers
    )
    aliases = {before[at].address: _reference(new) for at, new in after.items()}
    people = tuple(_with_children([*stays, *added], aliases, odd))
    old = {person.identity: person for person in before}
    return Joined(
        people=people,
        added=tuple(added),
        gone=gone,
        changed=tuple(
            new for at, new in after.items() if new != old.get(before[at].identity, before[at])
        ),
        odd=tuple(odd),
    )


class _Index:
    """Finds people again."""

    def __init__(self, people: tuple[Person, ...]) -> None:
        self._people = people
        self._keys: dict[tuple[str, str], int] = {}
        for at, person in enumerate(people):
            for key in _keys(person):
                self._keys.setdefault(key, at)

    def find(self, person: Person) -> int | None:
        for key in _keys(person):
            at = self._keys.get(key)
            if at is None:
                continue
            known = self._people[at]
            # An address that was handed on to another pupil.
            if person.upn and known.upn and person.upn != known.upn:
                continue
            return at
        return None


def _keys(person: Person) -> Iterator[tuple[str, str]]:
    if person.upn:
        yield "upn", person.upn
    if person.address:
        yield "address", person.address
    if person.group is Group.PUPIL and person.born:
        yield "name", f"{person.name.casefold()} {person.born}"


def _update(known: Person, new: Person) -> Person:
    values = {f.name: getattr(new, f.name) for f in fields(new)}
    return replace(known, **{name: value for name, value in values.items() if value or value == 0})


def _apart(people: Iterable[Person], odd: list[Odd]) -> Iterator[Person]:
    """Yield each person with an address of their own: a grown-up keeps one that is a child's too,
    and of two children who share one neither has it."""
    people = tuple(people)
    grown_up: dict[str, Person] = {}
    pupils: dict[str, list[Person]] = {}
    for person in people:
        if person.group is Group.PUPIL:
            pupils.setdefault(person.address, []).append(person)
        elif person.address not in grown_up:
            grown_up[person.address] = person
        else:
            grown_up[person.address] = _one(grown_up[person.address], person, odd)
    yield from grown_up.values()
    for address, sharing in pupils.items():
        distinct = {person.identity: person for person in sharing}.values()
        is_shared = bool(address) and (len(distinct) > 1 or address in grown_up)
        for person in distinct:
            if not is_shared:
                yield person
                continue
            odd.append(Odd(kind=Oddity.SHARED, who=person.name or person.identity))
            alone = replace(person, address="")
            if alone.identity:
                yield alone


def _one(one: Person, other: Person, odd: list[Odd]) -> Person:
    """One person whom two files list: a member of staff who is a parent too. Two parents with one
    address count as one."""
    if one.group is other.group and one.name != other.name:
        odd.append(Odd(kind=Oddity.SHARED, who=other.name or other.identity))
    first = other if one.group is Group.PARENT else one
    return replace(first, of=tuple(dict.fromkeys((*one.of, *other.of))))


def _with_children(
    people: Iterable[Person], aliases: dict[str, str], odd: list[Odd]
) -> Iterator[Person]:
    """Yield everybody, with only such children as are there, by what they are called now."""
    people = tuple(people)
    pupils = (person for person in people if person.group is Group.PUPIL)
    present = {key for person in pupils for key in (person.address, person.upn) if key}
    for person in people:
        children = tuple(
            dict.fromkeys(
                child if child in present else aliases.get(child, child) for child in person.of
            )
        )
        if any(child not in present for child in children):
            odd.append(Odd(kind=Oddity.NOT_A_PUPIL, who=person.name or person.identity))
            children = tuple(child for child in children if child in present)
        yield replace(person, of=children)


def _reference(person: Person) -> str:
    return person.upn or person.address
