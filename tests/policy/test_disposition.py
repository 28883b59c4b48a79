"""From a verdict to what is done."""

from collections.abc import Callable

import pytest

from mailguard.policy.disposition import Disposition, dispose, strictest
from mailguard.policy.relationship import Relationship
from mailguard.policy.settings import Policy
from mailguard.policy.taxonomy import Action, Group
from mailguard.policy.verdict import Verdict, weigh
from mailguard.scan.finding import Category, Finding, Level, ScanReport

STRANGERS = Relationship(author=Group.OUTSIDE, recipient=Group.OUTSIDE)

Find = Callable[..., Finding]
Report = Callable[..., ScanReport]


def verdict(
    levels: dict[str, int], *, delivered: set[str] | None = None, sealed: bool = False
) -> Verdict:
    """An opinion on strangers' mail."""
    return Verdict(
        relationship=STRANGERS,
        levels=tuple((Category(name), Level(level)) for name, level in levels.items()),
        sealed=sealed,
        reasons=(),
        delivered=frozenset(map(Category, delivered or ())),
    )


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        pytest.param(0, "relay", id="L0"),
        pytest.param(1, "flag", id="L1"),
        pytest.param(2, "hold", id="L2"),
        pytest.param(3, "hold", id="L3"),
        pytest.param(4, "hold", id="L4"),
    ],
)
def test_each_level_leads_to_its_action(policy: Policy, level: int, expected: str) -> None:
    disposition = dispose(verdict({"threat": level}), "x@shop.example", policy)

    assert expected == disposition.action


def test_nothing_found_is_relayed(policy: Policy) -> None:
    disposition = dispose(verdict({}), "X@Shop.example", policy)

    assert (
        disposition.action,
        disposition.address,
        disposition.unlisted,
    ) == (Action.RELAY, "X@Shop.example", False)


@pytest.mark.parametrize(
    ("actions", "level", "expected"),
    [
        pytest.param({"malware": "reject"}, 3, "reject", id="refused"),
        pytest.param({"malware": "reject"}, 2, "reject", id="refused from L2 on"),
        pytest.param({"malware": "reject"}, 1, "flag", id="not at L1"),
        pytest.param({"malware": "flag"}, 4, "flag", id="milder than hold"),
        pytest.param({"phishing": "reject"}, 3, "hold", id="another category"),
    ],
)
def test_the_school_s_choice_replaces_hold(
    policy: Policy, actions: dict[str, str], level: int, expected: str
) -> None:
    chosen = Policy(
        directory=policy.directory,
        actions={Category(name): Action(action) for name, action in actions.items()},
    )

    disposition = dispose(verdict({"malware": level}), "x@shop.example", chosen)

    assert expected == disposition.action


def test_the_strictest_category_decides(policy: Policy) -> None:
    chosen = Policy(directory=policy.directory, actions={Category.COMMERCIAL: Action.FLAG})

    disposition = dispose(verdict({"commercial": 3, "threat": 2}), "x@shop.example", chosen)

    assert disposition.action == Action.HOLD


def test_what_is_delivered_is_flagged_at_most(policy: Policy) -> None:
    opinion = verdict({"threat": 4, "phishing": 2}, delivered={"threat", "phishing"})

    assert dispose(opinion, "x@shop.example", policy).action == Action.FLAG


def test_what_is_delivered_may_be_relayed_by_choice(policy: Policy) -> None:
    chosen = Policy(directory=policy.directory, actions={Category.COMMERCIAL: Action.RELAY})
    opinion = verdict({"commercial": 2}, delivered={"commercial"})

    assert dispose(opinion, "x@shop.example", chosen).action == Action.RELAY


def test_a_seal_wins_over_every_choice(policy: Policy) -> None:
    chosen = Policy(directory=policy.directory, actions={Category.MALWARE: Action.REJECT})
    opinion = verdict({"malware": 3, "imagery": 4}, sealed=True)

    assert dispose(opinion, "x@shop.example", chosen).action == Action.SEAL


def test_the_strictest_disposition_speaks_for_the_message(
    policy: Policy, found: Find, report: Report
) -> None:
    def disposed(level: int, category: str = "threat") -> Disposition:
        opinion = weigh(report(found(category, level)), STRANGERS, policy)
        return dispose(opinion, f"{level}@shop.example", policy)

    dispositions = [disposed(0), disposed(2), disposed(4), disposed(3), disposed(4, "abuse")]

    assert dispositions[2] == strictest(dispositions)
