"""The direction matrix, every cell of it, against a table that was written by hand."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailguard.policy.direction import EFFECTS, MATRIX, Column, column_of
from mailguard.policy.disposition import Action, dispose
from mailguard.policy.relationship import Relationship
from mailguard.policy.settings import Policy
from mailguard.policy.taxonomy import Group
from mailguard.policy.verdict import weigh
from mailguard.scan.finding import Category, Finding, Level, ScanReport

# What becomes of L1, L2, L3 and L4: the level, then what is done with a message that has nothing
# else in it. r relay, f flag, h hold; a capital letter means that the safeguarding lead is alerted.
EXPECTED = """
                  abuse      threat     sexual     grooming   conduct    self_harm
pupil    pupil    1234/fhhH  1234/fhhH  1234/fhhH  1234/fhhH  0000/rrrr  1234/fFFF
pupil    staff    0122/rfff  1234/fffF  2344/ffFF  1234/fffF  0000/rrrr  1234/fFFF
pupil    parent   1234/fffF  1234/fffF  1234/fffF  1234/fffF  0000/rrrr  1234/fFFF
pupil    agency   1234/fffF  1234/fffF  1234/fffF  1234/fffF  0000/rrrr  1234/fFFF
pupil    outside  2344/hhHH  2344/hhHH  2344/hhHH  1234/fhhH  0000/rrrr  1234/fHHH
staff    pupil    2344/hhHH  2444/hHHH  2444/hHHH  3444/hHHH  1234/fffH  1111/ffff
staff    staff    1111/ffff  1234/fhhH  1334/fhhH  0000/rrrr  0000/rrrr  0000/rrrr
staff    parent   1111/ffff  1234/fhhH  1234/fhhH  0000/rrrr  0000/rrrr  0000/rrrr
staff    agency   0000/rrrr  0000/rrrr  0000/rrrr  0000/rrrr  0000/rrrr  0000/rrrr
staff    outside  1234/fhhH  1234/fhhH  2344/hhHH  0000/rrrr  0000/rrrr  0000/rrrr
parent   pupil    1234/fhhH  1234/fhhH  1234/fhhH  1234/fhhH  0000/rrrr  1234/fffF
parent   staff    0111/rfff  1234/fhhH  1234/fhhH  0000/rrrr  0000/rrrr  1234/fffF
outside  pupil    2344/hhHH  2444/hHHH  2344/hhHH  3444/hHHH  3444/hHHH  2344/hhHH
outside  staff    0123/rfff  1234/fhhH  1234/fhhH  0000/rrrr  0000/rrrr  1234/fffF
outside  outside  1234/fhhH  1234/fhhH  1234/fhhH  1234/fhhH  1234/fhhH  1234/fhhH
outside  parent   1234/fhhH  1234/fhhH  1234/fhhH  1234/fhhH  1234/fhhH  1234/fhhH
agency   staff    1111/ffff  1111/ffff  1111/ffff  0000/rrrr  0000/rrrr  1111/ffff
agency   pupil    2344/hhHH  2444/hHHH  2344/hhHH  3444/hHHH  3444/hHHH  2344/hhHH
spoofed  pupil    3444/hHHH  3444/hHHH  3444/hHHH  4444/HHHH  4444/HHHH  3444/hHHH
spoofed  staff    0234/fhhH  2344/hhHH  2344/hhHH  0000/ffff  0000/ffff  2344/hhHH
spoofed  outside  2344/hhHH  2344/hhHH  2344/hhHH  2344/hhHH  2344/hhHH  2344/hhHH
governor pupil    2344/hhHH  2444/hHHH  2444/hHHH  3444/hHHH  1234/fffH  1111/ffff
governor staff    1111/ffff  1234/fhhH  1334/fhhH  0000/rrrr  0000/rrrr  0000/rrrr
pupil    governor 0122/rfff  1234/fffF  2344/ffFF  1234/fffF  0000/rrrr  1234/fFFF
parent   governor 0111/rfff  1234/fhhH  1234/fhhH  0000/rrrr  0000/rrrr  1234/fffF
outside  governor 0123/rfff  1234/fhhH  1234/fhhH  0000/rrrr  0000/rrrr  1234/fffF

                  incitement commercial hate       malware
pupil    pupil    2344/hhHH  1234/fhhH  1234/fhhH  1234/fhhH
pupil    staff    2344/ffFF  0000/rrrr  1234/fffF  1234/fhhH
pupil    parent   2344/ffFF  0000/rrrr  1234/fffF  1234/fhhH
pupil    agency   2344/ffFF  0000/rrrr  1234/fffF  1234/fhhH
pupil    outside  2344/hhHH  1234/fhhH  1234/fhhH  1234/fhhH
staff    pupil    2444/hHHH  1111/ffff  1234/fhhH  1234/fhhH
staff    staff    1234/fhhH  1111/ffff  1234/fhhH  1234/fhhH
staff    parent   1234/fhhH  0000/rrrr  1234/fhhH  1234/fhhH
staff    agency   0000/rrrr  0000/rrrr  0000/rrrr  1234/fhhH
staff    outside  1234/fhhH  1234/fhhH  1234/fhhH  1234/fhhH
parent   pupil    2344/hhHH  1111/ffff  1234/fhhH  1234/fhhH
parent   staff    1234/fhhH  0000/rrrr  1234/fhhH  1234/fhhH
outside  pupil    2344/hhHH  1222/fhhh  1234/fhhH  1234/fhhH
outside  staff    1234/fhhH  1111/ffff  1234/fhhH  1234/fhhH
outside  outside  1234/fhhH  1234/fhhH  1234/fhhH  1234/fhhH
outside  parent   1234/fhhH  1234/fhhH  1234/fhhH  1234/fhhH
agency   staff    1111/ffff  0000/rrrr  1111/ffff  1234/fhhH
agency   pupil    2344/hhHH  1222/fhhh  1234/fhhH  1234/fhhH
spoofed  pupil    3444/hHHH  1222/fhhh  2344/hhHH  2234/hhhH
spoofed  staff    2344/hhHH  1111/ffff  2344/hhHH  2234/hhhH
spoofed  outside  2344/hhHH  1234/fhhH  2344/hhHH  2234/hhhH
governor pupil    2444/hHHH  1111/ffff  1234/fhhH  1234/fhhH
governor staff    1234/fhhH  1111/ffff  1234/fhhH  1234/fhhH
pupil    governor 2344/ffFF  0000/rrrr  1234/fffF  1234/fhhH
parent   governor 1234/fhhH  0000/rrrr  1234/fhhH  1234/fhhH
outside  governor 1234/fhhH  1111/ffff  1234/fhhH  1234/fhhH
"""

SYMBOLS = {
    "incitement": ("self_harm", "SELF_HARM_ENCOURAGEMENT"),
}

ALIKE = {
    "offensive": "abuse",
    "imagery": "sexual",
    "disclosure": "self_harm",
    "extremism": "hate",
    "drugs": "hate",
    "weapons": "hate",
    "crime": "hate",
    "disrepute": "hate",
}
"""Categories that share a column."""

RULES = Path(__file__).parents[2] / "rules"

LETTERS = {Action.RELAY: "r", Action.FLAG: "f", Action.HOLD: "h"}


def cells() -> Iterator[object]:
    """One case for each author, recipient and category."""
    for block in EXPECTED.strip("\n").split("\n\n"):
        heading, *lines = (line.split() for line in block.splitlines())
        for author, recipient, *expected in lines:
            for column, outcome in zip(heading, expected, strict=True):
                for name in (column, *(twin for twin in ALIKE if ALIKE[twin] == column)):
                    yield pytest.param(
                        author, recipient, name, outcome, id=f"{author}→{recipient} {name}"
                    )


@pytest.mark.parametrize(("author", "recipient", "column", "expected"), list(cells()))
def test_a_finding_weighs_what_the_matrix_says(
    policy: Policy,
    found: Callable[..., Finding],
    report: Callable[..., ScanReport],
    author: str,
    recipient: str,
    column: str,
    expected: str,
) -> None:
    relationship = Relationship(author=Group(author), recipient=Group(recipient))
    category, name = SYMBOLS.get(column, (column, ""))

    verdicts = [
        weigh(report(found(category, level, name=name)), relationship, policy)
        for level in (1, 2, 3, 4)
    ]
    dispositions = [dispose(verdict, "x@elmpark.example", policy) for verdict in verdicts]

    levels = "".join(str(int(dict(verdict.levels)[Category(category)])) for verdict in verdicts)
    letters = "".join(
        LETTERS[one.action].upper() if one.alert else LETTERS[one.action] for one in dispositions
    )
    assert expected == f"{levels}/{letters}"


@pytest.mark.parametrize("category", sorted(Category))
def test_what_is_only_counted_stays_a_count_in_every_direction(
    policy: Policy,
    found: Callable[..., Finding],
    report: Callable[..., ScanReport],
    category: Category,
) -> None:
    one = report(found(category, 0))

    levels = {
        dict(weigh(one, Relationship(author=a, recipient=r), policy).levels).get(category, 0)
        for a in Group
        for r in Group
        if (a, category) != (Group.SPOOFED, Category.PHISHING)
    }

    assert {0} == levels


@pytest.mark.parametrize("category", ["gambling", "copyright", "volume"])
def test_no_direction_matters_for_the_rest(
    policy: Policy,
    found: Callable[..., Finding],
    report: Callable[..., ScanReport],
    category: str,
) -> None:
    groups = set(Group) - {Group.HELPLINE, Group.CONFIDANT}
    one = report(found(category, 3))

    levels = {
        dict(weigh(one, Relationship(author=a, recipient=r), policy).levels)[Category(category)]
        for a in groups
        for r in groups
    }

    assert {Level.SERIOUS} == levels


def test_contact_cues_between_pupils_far_apart_in_age_are_raised(
    policy: Policy, found: Callable[..., Finding], report: Callable[..., ScanReport]
) -> None:
    relationship = Relationship(author=Group.PUPIL, recipient=Group.PUPIL, has_age_gap=True)

    verdict = weigh(report(found("grooming", 1), found("abuse", 1)), relationship, policy)

    assert dict(verdict.levels) == {Category.GROOMING: Level.HOLD, Category.ABUSE: Level.FLAG}


def test_abuse_of_a_pupil_by_staff_is_a_matter_of_conduct_too(
    policy: Policy, found: Callable[..., Finding], report: Callable[..., ScanReport]
) -> None:
    relationship = Relationship(author=Group.STAFF, recipient=Group.PUPIL)

    verdict = weigh(report(found("abuse", 2)), relationship, policy)

    assert dict(verdict.levels) == {Category.ABUSE: Level.SERIOUS, Category.CONDUCT: Level.SERIOUS}


@pytest.mark.parametrize(
    "name",
    [
        "SELF_HARM_ENCOURAGE",
        "SELF_HARM_INCITING",
        "SELF_HARM_KYS",
        "SELF_HARM_METHOD",
        "SELF_HARM_PACT",
    ],
)
def test_these_names_mean_that_self_harm_is_urged_upon_another(
    policy: Policy, found: Callable[..., Finding], report: Callable[..., ScanReport], name: str
) -> None:
    relationship = Relationship(author=Group.PUPIL, recipient=Group.PUPIL)

    verdict = weigh(report(found("self_harm", 2, name=name)), relationship, policy)

    assert dispose(verdict, "x@elmpark.example", policy).action == Action.HOLD


def test_each_shipped_self_harm_rule_is_on_its_side_of_the_line(
    found: Callable[..., Finding],
) -> None:
    # A new rule of this kind is either about a person at risk, who is delivered, or about what is
    # done to another, which is held: decide, and name it here if it is the second.
    expected = {"SELF_HARM_ENCOURAGE", "SELF_HARM_KYS", "SELF_HARM_METHOD"}
    names = {file.stem for file in (RULES / "self_harm").glob("*.toml")}

    urging = {
        name
        for name in names
        if column_of(found("self_harm", name=name).symbol) is Column.INCITEMENT
    }

    assert expected == urging


def test_every_pair_of_groups_has_a_row() -> None:
    assert {(a, r) for a in Group for r in Group} == set(MATRIX)


def test_every_sign_is_used() -> None:
    used = {effect for row in MATRIX.values() for effect in row.values()}

    assert set() == set(EFFECTS.values()) - used
