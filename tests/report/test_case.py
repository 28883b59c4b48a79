"""What a digest takes from the evidence: the sentences and clauses of rules that weighed."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.policy.disposition import Action
from mailguard.quarantine.evidence import compose_evidence
from mailguard.report.case import LONGEST, REASONS, read_case
from mailguard.testing import transaction
from mailguard.testing.fakes import judgement_of
from mailguard.testing.report import held_for

HELD = held_for()


@pytest.fixture
def document() -> dict[str, Any]:
    """An evidence.json as it is written, read."""
    judgement = judgement_of(Action.HOLD)
    evidence: dict[str, Any] = json.loads(compose_evidence(transaction(), judgement, HELD))
    return evidence


def verdict(level: int, *reasons: str) -> dict[str, Any]:
    return {"verdict": {"level": level, "reasons": list(reasons)}}


def finding(says: str, *clauses: str, status: str = "stable") -> dict[str, Any]:
    return {"status": status, "says": says, "clauses": list(clauses)}


def write(document: object) -> bytes:
    return json.dumps(document).encode()


def test_the_sentence_and_the_clauses_of_a_real_judgement_are_read(
    document: dict[str, Any],
) -> None:
    case = read_case(HELD, write(document))

    assert ("A sentence.",) == case.reasons
    assert ("symphony:3.1.2",) == case.clauses
    assert case.is_readable


def test_the_weightiest_reasons_of_all_recipients_come_first_each_once() -> None:
    document = {
        "dispositions": [verdict(1, "Minor.", "Shared."), verdict(3, "Serious.", "Shared.")],
        "findings": [],
    }

    assert ("Serious.", "Shared.", "Minor.") == read_case(HELD, write(document)).reasons


def test_only_a_few_reasons_are_told() -> None:
    reasons = [f"Reason {number}." for number in range(9)]
    document = {"dispositions": [verdict(2, *reasons)], "findings": []}

    assert REASONS == len(read_case(HELD, write(document)).reasons)


def test_a_rule_that_is_a_draft_or_did_not_weigh_has_no_clause_here() -> None:
    document = {
        "dispositions": [verdict(2, "It weighed.")],
        "findings": [
            finding("It weighed.", "symphony:3.1.5k", "symphony:3.1.5k"),
            finding("It weighed.", "symphony:3.1.2a", status="draft"),
            finding("It did not.", "symphony:3.1.2b"),
        ],
    }

    assert ("symphony:3.1.5k",) == read_case(HELD, write(document)).clauses


def test_a_sentence_stays_one_line_of_bearable_length() -> None:
    document = {"dispositions": [verdict(2, "Two\r\nlines. " + "x" * 999)], "findings": []}

    (reason,) = read_case(HELD, write(document)).reasons

    assert reason.startswith("Two lines. x")
    assert LONGEST == len(reason)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda document: None, id="missing"),
        pytest.param(lambda document: b"", id="empty"),
        pytest.param(lambda document: b"\xff\xfe{", id="not JSON"),
        pytest.param(lambda document: b"[1, 2]", id="a list"),
        pytest.param(lambda document: write({**document, "dispositions": None}), id="no verdicts"),
        pytest.param(lambda document: write({**document, "dispositions": [7]}), id="a number"),
        pytest.param(lambda document: write({**document, "findings": [{}]}), id="half a finding"),
        pytest.param(
            lambda document: write({**document, "dispositions": [verdict(2, {})]}), id="no sentence"
        ),
        pytest.param(lambda document: b"[" * 100_000, id="very deep"),
    ],
)
def test_damaged_evidence_is_said_to_be_damaged(
    document: dict[str, Any], damage: Callable[[dict[str, Any]], bytes | None]
) -> None:
    case = read_case(HELD, damage(document))

    assert not case.is_readable
    assert ((), ()) == (case.reasons, case.clauses)


@given(
    st.binary()
    | st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    ["dispositions", "findings", "verdict", "level", "reasons", "says"]
                ),
                inner,
            )
        ),
    ).map(write)
)
def test_nothing_in_the_spool_stops_a_digest(evidence: bytes) -> None:
    assert HELD == read_case(HELD, evidence).held
