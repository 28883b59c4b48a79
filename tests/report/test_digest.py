"""What a digest picks from the cases: which are open, which need somebody today, who is named."""

from dataclasses import replace

import pytest

from mailguard.policy.directory import Person, build_directory
from mailguard.policy.taxonomy import Group
from mailguard.quarantine.held import HeldMessage, State
from mailguard.report.digest import SHOWN, Detail, arrange, code_of, is_open
from mailguard.report.people import describe_person
from mailguard.scan.finding import Category
from mailguard.testing import SCHOOL
from mailguard.testing.report import copy_for, digest_of, held_for, item_of

OUTSIDER = "stranger@far.example"


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        pytest.param(held_for(), True, id="held"),
        pytest.param(held_for(copy_for(decided=True)), True, id="released, refused, held again"),
        pytest.param(held_for(copy_for(state=State.PENDING)), False, id="on its way"),
        pytest.param(held_for(copy_for(state=State.DELIVERED)), True, id="delivered, L2"),
        pytest.param(held_for(copy_for(state=State.DELIVERED), level=1), False, id="a minor flag"),
        pytest.param(
            held_for(copy_for(state=State.DELIVERED), level=1, alert=True), True, id="an alert"
        ),
        pytest.param(held_for(copy_for(state=State.DELIVERED, decided=True)), False, id="closed"),
        pytest.param(held_for(copy_for(state=State.SEALED)), True, id="sealed"),
        pytest.param(held_for(copy_for(state=State.SEALED, decided=True)), False, id="seal closed"),
        pytest.param(held_for(copy_for(state=State.RELEASING)), False, id="about to be sent"),
        pytest.param(
            held_for(copy_for(state=State.RELEASING, reply="451 4.3.0 later")), True, id="refused"
        ),
        pytest.param(held_for(copy_for(state=State.RELEASED)), False, id="released"),
        pytest.param(held_for(copy_for(state=State.CONFIRMED)), False, id="confirmed"),
        pytest.param(held_for(copy_for(state=State.PURGED)), False, id="deleted"),
        pytest.param(
            held_for(
                copy_for(state=State.CONFIRMED, decided=True), copy_for(state=State.DELIVERED)
            ),
            False,
            id="one copy confirmed, the other was delivered",
        ),
        pytest.param(
            held_for(copy_for(state=State.CONFIRMED, decided=True), copy_for()),
            True,
            id="one copy confirmed, the other still held",
        ),
    ],
)
def test_a_message_is_open_until_a_person_has_looked(held: HeldMessage, expected: bool) -> None:
    assert expected == is_open(held)


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        pytest.param(held_for(level=2), False, id="moderate, since yesterday"),
        pytest.param(held_for(level=3), True, id="serious"),
        pytest.param(held_for(level=2, alert=True), True, id="alert"),
        pytest.param(held_for(copy_for(state=State.SEALED), level=2), True, id="sealed"),
        pytest.param(held_for(level=2, hours=42), True, id="two school days"),
        pytest.param(held_for(level=2, hours=18), False, id="one school day"),
    ],
)
def test_what_is_serious_or_old_needs_somebody_today(held: HeldMessage, expected: bool) -> None:
    today, waiting = arrange([item_of(held)])

    assert (int(expected), int(not expected)) == (today.total, waiting.total)


def test_the_most_urgent_comes_first() -> None:
    old = item_of(held_for(number=1, level=3, hours=50))
    new = item_of(held_for(number=2, level=3, hours=1))
    critical = item_of(held_for(number=3, level=4))
    alert = item_of(held_for(number=4, level=3, alert=True))
    sealed = item_of(held_for(copy_for(state=State.SEALED), number=5, level=4))

    today, _ = arrange([new, old, critical, alert, sealed])

    assert (sealed, alert, critical, old, new) == today.shown


def test_a_section_shows_thirty_and_counts_the_rest() -> None:
    items = [item_of(held_for(number=number, level=3)) for number in range(1, 42)]

    digest = digest_of(*items)

    assert (SHOWN, 41, 11) == (
        len(digest.today.shown),
        digest.today.total,
        digest.today.left_out,
    )
    assert 41 == digest.to_review


def test_people_of_the_school_are_named_and_others_are_not() -> None:
    held = held_for(
        copy_for("ava@pupils.elmpark.example"),
        copy_for("office@elmpark.example", "pupil→staff"),
        copy_for("j.reed@post.example", "pupil→parent"),
        copy_for("chair@hills.example", "pupil→governor"),
        copy_for(OUTSIDER, "pupil→outside"),
    )

    item = item_of(held)

    assert "Ben Cole" == item.sender
    assert (
        "Ava Reed",
        "office@elmpark.example",
        "a parent or carer",
        "a governor",
        "somebody outside the school",
    ) == item.recipients


def test_many_recipients_are_counted() -> None:
    pupils = [copy_for(f"p{number}@pupils.elmpark.example") for number in range(8)]
    outside = [copy_for(f"p{number}@far.example") for number in range(3)]

    assert item_of(held_for(*outside, *pupils)).recipients[-1] == "4 more"
    assert item_of(held_for(*outside)).recipients == ("3 people outside the school",)


@pytest.mark.parametrize(
    ("sender", "relationship", "expected"),
    [
        ("", "pupil→pupil", "an automatic message"),
        (OUTSIDER, "outside→pupil", "somebody outside the school"),
        ("ben@pupils.elmpark.example", "spoofed→pupil", "somebody under a forged address of"),
        ("<b>you\u202e idiot</b>@elmpark.example", "staff→pupil", "an address of the school"),
        ("new.boy@pupils.elmpark.example", "pupil→pupil", "new.boy@pupils.elmpark.example"),
    ],
    ids=["null sender", "outside", "forged", "an address that says something", "no name known"],
)
def test_who_wrote_it_is_said_in_words(sender: str, relationship: str, expected: str) -> None:
    item = item_of(held_for(copy_for(relationship=relationship), sender=sender))

    assert item.sender.startswith(expected)


@pytest.mark.parametrize("detail", ["people", "reference"])
@pytest.mark.parametrize(
    "category", ["disclosure", "self_harm", "grooming", "conduct", "unheard_of"]
)
def test_nobody_is_named_in_a_delicate_matter(category: str, detail: Detail) -> None:
    held = replace(held_for(level=3), categories={"abuse": 3, category: 0})

    item = item_of(held, detail=detail)

    assert ("", ()) == (item.sender, item.recipients)


def test_nobody_is_named_in_a_sealed_matter() -> None:
    item = item_of(held_for(copy_for(state=State.SEALED), category="imagery", sealed=True))

    assert ("", ()) == (item.sender, item.recipients)


def test_nobody_is_ever_named_where_the_school_wants_references_only() -> None:
    item = item_of(held_for(), detail="reference")

    assert ("", ()) == (item.sender, item.recipients)


def test_categories_of_level_two_are_told_or_else_the_highest() -> None:
    held = held_for()

    several = replace(held, categories={"offensive": 1, "abuse": 2, "threat": 3})
    minor = replace(held, categories={"offensive": 0, "commercial": 1})
    unknown = replace(held, categories={"unheard_of": 3})

    assert (Category.THREAT, Category.ABUSE) == item_of(several).categories
    assert (Category.COMMERCIAL,) == item_of(minor).categories
    assert () == item_of(unknown).categories


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("550 5.1.1 no such user zq7canary", "550 5.1.1"),
        ("451 try again, zq7canary", "451"),
        ("550-5.7.1 zq7canary", ""),
        ("zq7canary 1.2.3", ""),
        ("", ""),
        ("550 1.zq7.3", "550"),
    ],
)
def test_of_a_reply_only_its_codes_are_told(reply: str, expected: str) -> None:
    assert expected == code_of(reply)


def test_a_name_in_the_directory_turns_no_line_round_and_speaks_to_no_terminal() -> None:
    ava = "ava@pupils.elmpark.example"
    name = "Zo\u00eb \u202eReed\x1b[2J\r\n\u2028Cole"
    directory = build_directory(SCHOOL, people=[Person(address=ava, name=name, group=Group.PUPIL)])

    assert "Zo\u00eb Reed [2J Cole" == describe_person(ava, directory)
