"""The words policy is written in."""

from mailguard.policy.taxonomy import BEHAVIOUR, DATA, DEFAULT_ACTIONS, HYGIENE, Action
from mailguard.scan.finding import Category, Level


def test_every_category_is_of_one_kind() -> None:
    kinds = sorted([*BEHAVIOUR, *DATA, *HYGIENE])

    assert sorted(Category) == kinds


def test_each_level_leads_to_an_action() -> None:
    expected = {0: "relay", 1: "flag", 2: "hold", 3: "hold", 4: "hold"}

    assert expected == {int(level): DEFAULT_ACTIONS[level] for level in Level}


def test_actions_are_ordered_from_mild_to_strict() -> None:
    expected = ["relay", "flag", "return", "hold", "defer", "reject", "seal"]

    assert expected == sorted(set(Action), key=lambda action: action.strictness)
