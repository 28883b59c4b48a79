"""From the directory to the roll, and whose children are whose."""

from datetime import date
from typing import Any

import pytest

from mailguard.errors import ConfigError
from mailguard.policy.directory import build_directory
from mailguard.policy.enrolment import split_names
from mailguard.policy.people import Person, read_directory
from mailguard.policy.taxonomy import Group
from mailguard.testing import SCHOOL

KEY = b"a key for tests"
UPN = "B801200005001"
ANA = Person(address="", group=Group.PUPIL, name="Ana Reed", upn=UPN, born=date(2015, 5, 2))
BEN = Person(address="ben@pupils.elmpark.example", group=Group.PUPIL, name="Ben Holt")
MUM = Person(address="mum@home.example", group=Group.PARENT, name="May Reed", of=(UPN, BEN.address))
DIRECTORY = build_directory(SCHOOL, people=[ANA, BEN, MUM], key=KEY)


def test_a_parents_children_are_the_subjects_that_the_roll_tells() -> None:
    roll = DIRECTORY.school.roll
    assert roll is not None

    found = {naming.subject for naming in roll.find("ana reed and ben holt")}

    assert found == {DIRECTORY.subject_of(ANA), DIRECTORY.subject_of(BEN)}
    assert DIRECTORY.children_of("MUM+x@home.example") == found


def test_a_stranger_has_no_children_here() -> None:
    assert DIRECTORY.children_of("who@else.example") == frozenset()


def test_a_pupil_without_an_address_has_no_mailbox() -> None:
    assert DIRECTORY.everyone == (ANA, BEN, MUM)
    assert DIRECTORY.person("") is None
    assert DIRECTORY.classify("") is Group.OUTSIDE


def test_without_a_key_there_is_no_roll() -> None:
    assert build_directory(SCHOOL, people=[ANA]).school.roll is None


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("help@childline.org.uk", "The domain is that of a helpline, an adviser or an agency."),
        ("mum@home.example", "The directory file has a line with this address."),
        ("x@staff.example", "It fits *@staff.example under [directory]."),
        ("x@elmpark.example", "Nothing says who this is"),
        ("x@else.example", "The school does not know this address."),
    ],
)
def test_why_somebody_is_of_a_group_is_told(address: str, why: str) -> None:
    directory = build_directory(SCHOOL, people=[MUM], staff=["*@staff.example"])

    assert directory.explain(address).startswith(why)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"name": "Ana Reed"}, [("Ana", "Reed")]),
        ({"name": "Reed, Ana May"}, [("Ana May", "Reed")]),
        ({"name": "Ana"}, [("", "Ana")]),
        (
            {"forename": "Ana", "surname": "de la Cruz", "name": "Ani de la Cruz"},
            [("Ana", "de la Cruz"), ("Ani", "de la Cruz")],
        ),
        ({"name": "Ana Reed", "known_as": "Ani"}, [("Ana", "Reed"), ("Ani", "Reed")]),
        ({"name": "Ana Reed", "known_as": "Ani Holt"}, [("Ana", "Reed"), ("Ani", "Holt")]),
    ],
)
def test_a_name_is_taken_apart(values: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    person = Person(address="a@elm.example", group=Group.PUPIL, **values)

    assert list(split_names(person)) == expected


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        (",staff,Ana Reed,", "address: only a pupil may be without one"),
        (",pupil,Ana Reed,", "address: a pupil without one needs a upn, or a name and a born"),
    ],
)
def test_only_a_pupil_who_is_known_otherwise_needs_no_address(line: str, mistake: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_directory(f"address,group,name,upn\n{line}\n")

    assert error.value.problems == (f"line 2: {mistake}",)
