"""What an import makes of the directory."""

from datetime import date

import pytest

from mailguard.policy.joining import join
from mailguard.policy.oddity import Oddity, find_oddities
from mailguard.policy.people import Person, compose_directory, read_directory
from mailguard.policy.taxonomy import Group

UPN = "B801200005001"
BEN = Person(address="ben@elm.example", group=Group.PUPIL, name="Ben Reed", upn=UPN, year=5)
MUM = Person(address="mum@post.example", group=Group.PARENT, name="J Reed", of=(UPN,))
GWEN = Person(address="gwen@law.example", group=Group.GOVERNOR, name="Gwen Oak")
PUPILS = frozenset({Group.PUPIL})
FAMILIES = frozenset({Group.PUPIL, Group.PARENT})


def person(base: Person, **changes: object) -> Person:
    values = {name: getattr(base, name) for name in Person.__dataclass_fields__}
    return Person(**(values | changes))


def test_who_is_new_is_added_and_the_rest_stays() -> None:
    joined = join([GWEN], [BEN, MUM], covers=FAMILIES)

    assert joined.people == (GWEN, MUM, BEN)
    assert joined.added == (MUM, BEN)
    assert (joined.gone, joined.changed, joined.odd) == ((), (), ())


def test_the_same_again_changes_nothing() -> None:
    joined = join([BEN, MUM, GWEN], [BEN, MUM], covers=FAMILIES)

    assert joined.people == (BEN, MUM, GWEN)
    assert (joined.added, joined.gone, joined.changed) == ((), (), ())


def test_a_pupil_with_another_address_is_the_same_by_upn() -> None:
    new = person(BEN, address="b.reed@elm.example", year=6)

    joined = join([BEN], [new], covers=PUPILS)

    assert (joined.people, joined.changed, joined.added) == ((new,), (new,), ())


def test_what_an_export_leaves_empty_stays() -> None:
    joined = join([BEN], [person(BEN, address="", year=0)], covers=PUPILS)

    assert joined.people == (person(BEN, year=0),)


def test_an_address_that_was_handed_on_is_another_pupils() -> None:
    new = person(BEN, upn="B801200005002", name="Ben Oak")

    joined = join([BEN], [new], covers=PUPILS)

    assert (joined.people, joined.added, joined.gone) == ((new,), (new,), (BEN,))


def test_who_is_in_no_export_of_their_group_is_gone() -> None:
    other = person(BEN, address="ida@elm.example", upn="B801200005002")

    joined = join([BEN, MUM, GWEN], [other], covers=PUPILS)

    assert joined.gone == (BEN,)
    assert joined.people == (person(MUM, of=()), GWEN, other)
    assert [odd.kind for odd in joined.odd] == [Oddity.NOT_A_PUPIL]


def test_nobody_is_gone_from_a_part_of_an_export() -> None:
    other = person(BEN, address="ida@elm.example", upn="B801200005002")

    joined = join([BEN, MUM], [other], covers=FAMILIES, keeps_all=True)

    assert joined.people == (BEN, MUM, other)


def test_a_parent_follows_the_child_to_a_new_address() -> None:
    child = person(BEN, upn="", born=date(2015, 5, 2))
    parent = person(MUM, of=(child.address,))
    new = person(child, address="b.reed@elm.example")

    joined = join([child, parent], [new], covers=PUPILS)

    assert joined.people == (new, person(MUM, of=(new.address,)))


def test_a_child_with_its_parents_address_has_none() -> None:
    joined = join([], [person(BEN, address=MUM.address), MUM], covers=FAMILIES)

    assert joined.people == (MUM, person(BEN, address=""))
    assert [odd.kind for odd in joined.odd] == [Oddity.SHARED]


def test_of_two_children_with_one_address_neither_has_it() -> None:
    ida = person(BEN, upn="B801200005002", name="Ida Reed")

    joined = join([], [BEN, ida], covers=PUPILS)

    assert joined.people == (person(BEN, address=""), person(ida, address=""))


def test_staff_who_are_parents_stay_staff_with_their_children() -> None:
    staff = Person(address=MUM.address, group=Group.STAFF, name="J Reed")

    joined = join([], [BEN, MUM, staff], covers=FAMILIES | {Group.STAFF})

    assert joined.people == (person(staff, of=(UPN,)), BEN)


def test_what_is_written_is_read_again() -> None:
    people = (person(BEN, address="", year=-1, born=date(2015, 5, 2), known_as="Benny"), MUM, GWEN)

    assert read_directory(compose_directory(people)) == people


@pytest.mark.parametrize(
    ("someone", "kinds"),
    [
        (person(BEN, year=None), []),
        (person(BEN, upn="C801200005001"), [Oddity.UPN_WRONG]),
        (person(BEN, born=date(2027, 1, 1)), [Oddity.AGE]),
        (person(BEN, born=date(1999, 1, 1)), [Oddity.AGE]),
        (person(BEN, address=""), [Oddity.NO_ADDRESS]),
        (person(MUM, of=()), [Oddity.ALONE]),
        (GWEN, []),
    ],
)
def test_odd_people_are_told(someone: Person, kinds: list[Oddity]) -> None:
    assert [odd.kind for odd in find_oddities([someone], date(2026, 3, 2))] == kinds


def test_a_upn_of_two_is_told_of_both() -> None:
    odd = find_oddities([BEN, person(BEN, address="x@elm.example")], date(2026, 3, 2))

    assert [each.kind for each in odd] == [Oddity.UPN_TWICE] * 2
