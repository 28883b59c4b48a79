"""What still counts of a message that a reviewer has released."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from mailguard.policy.disposition import dispose
from mailguard.policy.relationship import Relationship
from mailguard.policy.settings import Policy
from mailguard.policy.taxonomy import Action, Group
from mailguard.policy.verdict import weigh
from mailguard.scan.finding import Category, Finding, Level, ScanReport, Unscanned

Find = Callable[..., Finding]
Report = Callable[..., ScanReport]

ALL = [Relationship(author=author, recipient=to) for author in Group for to in Group]
INNOCENT = sorted(set(Category) - {Category.MALWARE})


@pytest.mark.parametrize("relationship", ALL, ids=str)
def test_nothing_that_was_decided_about_stops_or_flags_it(
    policy: Policy, found: Find, report: Report, relationship: Relationship
) -> None:
    said = report(*(found(category, 4) for category in INNOCENT))
    said = replace(said, unscanned=(Unscanned(part="1", reason="encrypted"),))

    verdict = weigh(said, relationship, policy.for_released())

    assert verdict.levels == ()
    assert not verdict.alert
    assert dispose(verdict, "x@elmpark.example", policy).action is Action.RELAY


@pytest.mark.parametrize("relationship", ALL, ids=str)
def test_malware_stops_it_as_ever(
    policy: Policy, found: Find, report: Report, relationship: Relationship
) -> None:
    said = report(found("malware", 3), found("abuse", 3))

    released = weigh(said, relationship, policy.for_released())

    before = dict(weigh(said, relationship, policy).levels)
    assert dict(released.levels) == {Category.MALWARE: before[Category.MALWARE]}
    assert dispose(released, "x@elmpark.example", policy).action is Action.HOLD


@pytest.mark.parametrize("relationship", ALL, ids=str)
def test_malware_that_the_reviewer_was_shown_stops_it_no_more(
    policy: Policy, found: Find, report: Report, relationship: Relationship
) -> None:
    shown, new = found("malware", 3, name="MALWARE_SHOWN"), found("malware", 3, name="MALWARE_NEW")
    under = policy.for_released(["MALWARE_SHOWN"])

    first = weigh(report(shown), relationship, under)
    second = weigh(report(shown, new), relationship, under)

    assert (first.levels, first.reasons) == ((), ())
    assert dict(second.levels).keys() == {Category.MALWARE}
    assert dispose(second, "x@elmpark.example", policy).action is Action.HOLD


def test_what_seals_is_never_decided_about(policy: Policy, found: Find, report: Report) -> None:
    said = report(found("imagery", 4, seals=True, name="IMAGERY_KNOWN"))
    relationship = Relationship(author=Group.STAFF, recipient=Group.OUTSIDE)

    assert weigh(said, relationship, policy.for_released(["IMAGERY_KNOWN"])).sealed


def test_sealed_imagery_stops_it_as_ever(policy: Policy, found: Find, report: Report) -> None:
    said = report(found("imagery", 4, seals=True))
    relationship = Relationship(author=Group.STAFF, recipient=Group.OUTSIDE)

    verdict = weigh(said, relationship, policy.for_released())

    assert verdict.sealed
    assert verdict.alert
    assert dispose(verdict, "x@elmpark.example", policy).action is Action.SEAL


def test_all_else_of_the_schools_policy_stays(policy: Policy) -> None:
    mine = replace(policy, actions={Category.MALWARE: Action.REJECT}, unscanned={"x": Level.FLAG})

    assert mine.for_released() == replace(mine, counted=frozenset({Category.MALWARE}))
