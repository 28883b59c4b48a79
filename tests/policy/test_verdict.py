"""From findings to an opinion."""

from collections.abc import Callable

import pytest

from mailguard.policy.relationship import Relationship
from mailguard.policy.settings import Policy
from mailguard.policy.taxonomy import Group
from mailguard.policy.verdict import SPOOFED_REASON, UNSCANNED_REASON, UNSCANNED_REASONS, weigh
from mailguard.scan.finding import Category, Finding, Level, ScanReport, Status

STRANGERS = Relationship(author=Group.OUTSIDE, recipient=Group.OUTSIDE)
TO_STAFF = Relationship(author=Group.PUPIL, recipient=Group.STAFF)
AMONG_PUPILS = Relationship(author=Group.PUPIL, recipient=Group.PUPIL)

Find = Callable[..., Finding]
Report = Callable[..., ScanReport]


def test_nothing_found_is_a_count_without_reasons(policy: Policy, report: Report) -> None:
    verdict = weigh(report(), STRANGERS, policy)

    assert (
        verdict.level,
        verdict.levels,
        verdict.reasons,
        verdict.sealed,
        verdict.alert,
    ) == (Level.COUNT, (), (), False, False)


def test_each_category_has_its_highest_level_strictest_first(
    policy: Policy, found: Find, report: Report
) -> None:
    findings = found("abuse", 1), found("threat", 2), found("abuse", 3), found("drugs", 0)

    verdict = weigh(report(*findings), STRANGERS, policy)

    expected = (
        (Category.ABUSE, Level.SERIOUS),
        (Category.THREAT, Level.HOLD),
        (Category.DRUGS, Level.COUNT),
    )
    assert expected == verdict.levels


def test_reasons_stand_in_order_of_weight_once_each(
    policy: Policy, found: Find, report: Report
) -> None:
    findings = (
        found("abuse", 1, says="One."),
        found("threat", 3, says="Three."),
        found("abuse", 1, name="OTHER", says="One."),
        found("drugs", 0, says="Nothing."),
        found("hate", 2, says="Two."),
    )

    verdict = weigh(report(*findings), STRANGERS, policy)

    assert verdict.reasons == ("Three.", "Two.", "One.")


@pytest.mark.parametrize("status", [Status.DRAFT, Status.RETIRED])
def test_a_check_that_is_not_stable_never_acts(
    policy: Policy, found: Find, report: Report, status: Status
) -> None:
    draft = found("imagery", 4, status=status, seals=True)

    assert weigh(report(), STRANGERS, policy) == weigh(report(draft), STRANGERS, policy)


def test_a_seal_cue_is_critical_at_whatever_level_it_is_found(
    policy: Policy, found: Find, report: Report
) -> None:
    verdict = weigh(report(found("imagery", 1, seals=True)), STRANGERS, policy)

    assert (verdict.sealed, verdict.alert, verdict.level) == (True, True, Level.CRITICAL)


def test_imagery_without_a_seal_cue_is_not_sealed(
    policy: Policy, found: Find, report: Report
) -> None:
    assert not weigh(report(found("imagery", 3)), STRANGERS, policy).sealed


def test_what_may_not_stop_the_message_is_told(policy: Policy, found: Find, report: Report) -> None:
    findings = found("threat", 3), found("abuse", 1), found("malware", 3)

    verdict = weigh(report(*findings), TO_STAFF, policy)

    assert {Category.THREAT} == verdict.delivered


def test_one_finding_that_stops_is_enough_for_its_category(
    policy: Policy, found: Find, report: Report
) -> None:
    findings = (
        found("self_harm", 4, name="SELF_HARM_IDEATION"),
        found("self_harm", 2, name="SELF_HARM_ENCOURAGE"),
    )

    verdict = weigh(report(*findings), AMONG_PUPILS, policy)

    assert frozenset() == verdict.delivered


def test_a_forged_address_is_a_note_by_itself(policy: Policy, report: Report) -> None:
    spoofed = Relationship(author=Group.SPOOFED, recipient=Group.STAFF)

    verdict = weigh(report(), spoofed, policy)

    assert (
        verdict.levels,
        verdict.reasons,
    ) == (((Category.PHISHING, Level.FLAG),), (SPOOFED_REASON,))


@pytest.mark.parametrize(
    ("reason", "author", "recipient", "expected"),
    [
        pytest.param("format", "outside", "pupil", 0, id="format"),
        pytest.param("image", "outside", "pupil", 0, id="image"),
        pytest.param("audio", "outside", "pupil", 0, id="audio"),
        pytest.param("video", "outside", "pupil", 0, id="video"),
        pytest.param("external", "outside", "pupil", 1, id="external"),
        pytest.param("encrypted", "outside", "staff", 1, id="encrypted to staff"),
        pytest.param("encrypted", "staff", "outside", 1, id="encrypted by staff"),
        pytest.param("encrypted", "pupil", "pupil", 1, id="encrypted among pupils"),
        pytest.param("encrypted", "parent", "pupil", 1, id="encrypted by a parent"),
        pytest.param("encrypted", "pupil", "outside", 2, id="encrypted to a stranger"),
        pytest.param("encrypted", "outside", "pupil", 2, id="encrypted by a stranger"),
        pytest.param("encrypted", "spoofed", "pupil", 2, id="encrypted and spoofed"),
        pytest.param("broken", "staff", "staff", 1, id="broken"),
        pytest.param("broken", "outside", "pupil", 2, id="broken by a stranger"),
        pytest.param("bomb", "staff", "staff", 2, id="bomb"),
        pytest.param("engine", "staff", "staff", 2, id="engine"),
        pytest.param("timeout", "staff", "staff", 2, id="timeout"),
        pytest.param("killed", "staff", "staff", 2, id="killed"),
        pytest.param("too_deep", "staff", "staff", 2, id="too deep"),
        pytest.param("too_many_parts", "staff", "staff", 2, id="too many parts"),
        pytest.param("header_too_big", "staff", "staff", 2, id="header too big"),
        pytest.param("mime_ambiguous", "staff", "staff", 2, id="mime ambiguous"),
        pytest.param("too_long", "staff", "staff", 2, id="too long"),
        pytest.param("partial", "staff", "staff", 2, id="partial"),
        pytest.param("never_heard_of", "staff", "staff", 2, id="unknown"),
    ],
)
def test_what_was_not_read_is_itself_a_finding(
    policy: Policy, report: Report, reason: str, author: str, recipient: str, expected: int
) -> None:
    relationship = Relationship(author=Group(author), recipient=Group(recipient))

    verdict = weigh(report(unscanned=[reason]), relationship, policy)

    assert expected == dict(verdict.levels)[Category.UNSCANNED]


def test_the_school_may_set_the_level_of_what_was_not_read(policy: Policy, report: Report) -> None:
    strict = Policy(
        directory=policy.directory, unscanned={"image": Level.HOLD, "encrypted": Level.COUNT}
    )
    to_stranger = Relationship(author=Group.PUPIL, recipient=Group.OUTSIDE)

    verdicts = [
        weigh(report(unscanned=[reason]), to_stranger, strict) for reason in ("image", "encrypted")
    ]

    assert [verdict.level for verdict in verdicts] == [Level.HOLD, Level.COUNT]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        pytest.param("encrypted", UNSCANNED_REASONS["encrypted"], id="known"),
        pytest.param("engine", UNSCANNED_REASON, id="any other"),
    ],
)
def test_what_was_not_read_is_told_in_plain_words(
    policy: Policy, report: Report, reason: str, expected: str
) -> None:
    assert (expected,) == weigh(report(unscanned=[reason]), STRANGERS, policy).reasons


def test_two_parts_that_were_not_read_for_one_reason_are_told_once(
    policy: Policy, report: Report
) -> None:
    verdict = weigh(report(unscanned=["encrypted", "encrypted"]), STRANGERS, policy)

    assert len(verdict.reasons) == 1
