"""Who wrote a message, and to whom."""

from collections.abc import Callable

import pytest

from mailguard.mail.envelope import Origin
from mailguard.mail.message import Message
from mailguard.policy.directory import Directory, build_directory
from mailguard.policy.people import Person, read_directory
from mailguard.policy.relationship import Author, Relationship, identify_author, relate
from mailguard.policy.taxonomy import Group
from mailguard.testing import SCHOOL, transaction

PUPIL = "ana@pupils.elmpark.example"
FRIEND = "ben@pupils.elmpark.example"
STAFF = "office@elmpark.example"
STRANGER = "x@shop.example"

MessageBuilder = Callable[..., Message]


def test_a_relationship_reads_as_an_arrow() -> None:
    relationship = Relationship(author=Group.PUPIL, recipient=Group.STAFF)

    assert str(relationship) == "pupil→staff"


@pytest.mark.parametrize(
    ("origin", "sender", "named", "expected"),
    [
        pytest.param("inside", PUPIL, PUPIL, {"pupil"}, id="inside, pupil"),
        pytest.param("inside", STAFF, STAFF, {"staff"}, id="inside, staff"),
        pytest.param("inside", STRANGER, STRANGER, {"outside"}, id="inside, forwarded"),
        pytest.param("inside", "gwen@law.example", STRANGER, {"governor"}, id="inside, governor"),
        pytest.param(
            "inside", "counsellor@elmpark.example", "", {"staff"}, id="inside, counsellor"
        ),
        pytest.param("inside", "", PUPIL, {"pupil"}, id="inside, automatic reply"),
        pytest.param("inside", "", "", {"outside"}, id="inside, nobody named"),
        pytest.param("inside", STAFF, PUPIL, {"staff", "pupil"}, id="inside, staff as pupil"),
        pytest.param("inside", PUPIL, STAFF, {"staff", "pupil"}, id="inside, pupil as staff"),
        pytest.param("inside", PUPIL, STRANGER, {"pupil"}, id="inside, pupil as a stranger"),
        pytest.param("inside", PUPIL, "mum@home.example", {"pupil"}, id="inside, pupil as parent"),
        pytest.param("inside", STRANGER, PUPIL, {"outside", "pupil"}, id="inside, redirected"),
        pytest.param("any", PUPIL, PUPIL, {"pupil"}, id="any, pupil is believed"),
        pytest.param("any", STRANGER, STRANGER, {"outside"}, id="any, stranger"),
        pytest.param("any", "", STAFF, {"staff"}, id="any, automatic reply"),
        pytest.param("outside", STRANGER, STRANGER, {"outside"}, id="outside, stranger"),
        pytest.param("outside", "mum@home.example", "", {"parent"}, id="outside, parent"),
        pytest.param("outside", "x@west.police.uk", "", {"agency"}, id="outside, agency"),
        pytest.param("outside", "gwen@law.example", "", {"outside"}, id="outside, unproven member"),
        pytest.param("outside", PUPIL, PUPIL, {"spoofed"}, id="outside, as pupil"),
        pytest.param("outside", STAFF, STRANGER, {"spoofed"}, id="outside, envelope only"),
        pytest.param("outside", STRANGER, STAFF, {"spoofed"}, id="outside, From only"),
        pytest.param("outside", "X@ELMPARK.example.", "", {"spoofed"}, id="outside, odd spelling"),
        pytest.param("outside", "x@a.elmpark.example", "", {"spoofed"}, id="outside, subdomain"),
        pytest.param("outside", "", STRANGER, {"outside"}, id="outside, bounce"),
        pytest.param("outside", "", STAFF, {"spoofed"}, id="outside, bounce as staff"),
    ],
)
def test_the_author_is_of_these_groups(
    directory: Directory,
    message: MessageBuilder,
    origin: str,
    sender: str,
    named: str,
    expected: set[str],
) -> None:
    sent = transaction(sender=sender, origin=Origin(origin))

    author = identify_author(sent, message(*[named] if named else []), directory)

    assert expected == author.groups


def test_every_name_in_from_counts(directory: Directory, message: MessageBuilder) -> None:
    sent = transaction(sender=STRANGER, origin=Origin.OUTSIDE)

    author = identify_author(sent, message(*[STRANGER] * 50, STAFF), directory)

    assert author.is_spoofed


def test_the_author_carries_what_the_file_says(
    directory: Directory, message: MessageBuilder
) -> None:
    sent = transaction(sender="Ana+x@pupils.elmpark.example")

    author = identify_author(sent, message(PUPIL), directory)

    assert (
        Author(address=PUPIL, groups=frozenset({Group.PUPIL}), person=directory.person(PUPIL))
        == author
    )


@pytest.mark.parametrize(
    ("groups", "recipient", "expected"),
    [
        pytest.param({"staff", "pupil"}, PUPIL, "staff→pupil", id="adult to a child"),
        pytest.param({"staff", "pupil"}, STAFF, "staff→staff", id="no child's right for adults"),
        pytest.param({"staff", "pupil"}, "mum@home.example", "staff→parent", id="to a parent"),
        pytest.param({"staff", "pupil"}, STRANGER, "pupil→outside", id="child to a stranger"),
        pytest.param({"governor", "pupil"}, STAFF, "governor→staff", id="governor or child"),
        pytest.param({"outside", "pupil"}, STAFF, "outside→staff", id="redirected to staff"),
        pytest.param({"outside", "pupil"}, PUPIL, "outside→pupil", id="redirected to a child"),
        pytest.param({"outside", "staff"}, STRANGER, "staff→outside", id="redirected outside"),
        pytest.param({"spoofed"}, PUPIL, "spoofed→pupil", id="spoofed"),
    ],
)
def test_the_strictest_relationship_that_is_possible_counts(
    directory: Directory, groups: set[str], recipient: str, expected: str
) -> None:
    author = Author(address="", groups=frozenset(map(Group, groups)))

    assert expected == str(relate(author, recipient, directory))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param("3,", "6,", True, id="three years"),
        pytest.param("6,", "3,", True, id="the other way round"),
        pytest.param("3,", "5,", False, id="two years"),
        pytest.param(",2014-05-01", ",2017-05-01", True, id="three birthdays"),
        pytest.param(",2014-05-01", ",2017-04-01", False, id="nearly three"),
        pytest.param("3,", ",2017-04-01", False, id="not comparable"),
        pytest.param("3,", ",", False, id="unknown"),
    ],
)
def test_pupils_three_years_apart_have_an_age_gap(one: str, other: str, expected: bool) -> None:
    lines = f"address,group,year,born\n{PUPIL},pupil,{one}\n{FRIEND},pupil,{other}"
    directory = build_directory(SCHOOL, people=read_directory(lines))
    author = Author(address=PUPIL, groups=frozenset({Group.PUPIL}), person=directory.person(PUPIL))

    assert expected is relate(author, FRIEND, directory).has_age_gap


def test_there_is_no_age_gap_with_staff(directory: Directory) -> None:
    person = Person(address=PUPIL, group=Group.PUPIL, year=3)
    author = Author(address=PUPIL, groups=frozenset({Group.PUPIL}), person=person)

    assert not relate(author, "head@elmpark.example", directory).has_age_gap
