"""The judging core in one call."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.mail.envelope import Origin
from mailguard.mail.message import Message, parse
from mailguard.policy.judge import conclude, judge
from mailguard.policy.settings import Policy
from mailguard.scan.finding import Finding, ScanReport, Unscanned
from mailguard.scan.registry import Ruleset, build_ruleset
from mailguard.scan.rule import parse_rule
from mailguard.testing import SCHOOL, mail, transaction

Find = Callable[..., Finding]
Report = Callable[..., ScanReport]
Build = Callable[..., Message]

PUPIL = "ana@pupils.elmpark.example"

RULE = """
symbol = "THREAT_SAMPLE"
category = "threat"
level = 2
status = "stable"
says = "The writer says something bad will happen."
clauses = []
why = "One word is enough here."
[match]
in = ["body"]
within = "sentence"
all = ["doom"]
[[examples.match]]
text = "doom"
[[examples.match]]
text = "doom awaits"
[[examples.no_match]]
text = "joy"
[[examples.no_match]]
text = "sorrow"
"""


@pytest.fixture(scope="module")
def ruleset() -> Ruleset:
    """One rule, no detector."""
    rule = parse_rule("rules/threat/THREAT_SAMPLE.toml", RULE, {})
    return build_ruleset([rule], school=SCHOOL, detectors=[])


def test_a_message_is_read_scanned_weighed_and_disposed_of(
    policy: Policy, ruleset: Ruleset
) -> None:
    to = ["ben@pupils.elmpark.example", "head@elmpark.example"]
    sent = transaction(mail("Doom!", from_=PUPIL), sender=PUPIL, to=to)

    judgement = judge(sent, parse(bytes(sent.raw.buffer)), (), ruleset, policy)

    expected = [
        ("hold", ("The writer says something bad will happen.",)),
        ("flag", ("The writer says something bad will happen.",)),
    ]
    assert expected == [(d.action, d.verdict.reasons) for d in judgement.dispositions]


def test_a_scan_that_runs_out_of_time_is_held(policy: Policy, ruleset: Ruleset) -> None:
    sent = transaction(mail("Joy!"))

    judgement = judge(
        sent, parse(bytes(sent.raw.buffer)), (), ruleset, policy, expired=lambda: True
    )

    expected = ((Unscanned(part="", reason="timeout"),), "hold")
    assert expected == (judgement.report.unscanned, judgement.dispositions[0].action)


def test_each_recipient_has_a_disposition_in_envelope_order(
    policy: Policy, message: Build, found: Find, report: Report
) -> None:
    to = ["ben@pupils.elmpark.example", "head@elmpark.example", "x@shop.example"]
    sent = transaction(sender=PUPIL, to=to)

    judgement = conclude(report(found("abuse", 2)), sent, message(PUPIL), policy)

    expected = [
        ("ben@pupils.elmpark.example", "pupil→pupil", "hold", 2),
        ("head@elmpark.example", "pupil→staff", "flag", 1),
        ("x@shop.example", "pupil→outside", "hold", 3),
    ]
    assert expected == [
        (d.address, str(d.relationship), d.action, d.verdict.level) for d in judgement.dispositions
    ]


def test_recipients_of_one_relationship_share_a_verdict(
    policy: Policy, message: Build, found: Find, report: Report
) -> None:
    to = [f"p{i}@pupils.elmpark.example" for i in range(3)]

    judgement = conclude(
        report(found("abuse", 2)), transaction(sender=PUPIL, to=to), message(PUPIL), policy
    )

    assert len({id(disposition.verdict) for disposition in judgement.dispositions}) == 1


def test_the_report_is_handed_on(policy: Policy, message: Build, report: Report) -> None:
    one = report(unscanned=["image"])

    assert one is conclude(one, transaction(), message(), policy).report


@pytest.mark.parametrize(
    ("sender", "named", "expected"),
    [
        pytest.param(PUPIL, PUPIL, "spoofed→staff", id="envelope"),
        pytest.param("x@shop.example", PUPIL, "spoofed→staff", id="From"),
        pytest.param("x@shop.example", "x@shop.example", "outside→staff", id="neither"),
    ],
)
def test_a_forged_address_from_outside_is_spoofed(
    policy: Policy, message: Build, report: Report, sender: str, named: str, expected: str
) -> None:
    sent = transaction(sender=sender, to=["head@elmpark.example"], origin=Origin.OUTSIDE)

    judgement = conclude(report(), sent, message(named), policy)

    assert expected == str(judgement.dispositions[0].relationship)


_ADDRESSES = st.text(alphabet='ab"\\@+.*\x00é ', max_size=30) | st.text(max_size=60)


@given(sender=_ADDRESSES, to=_ADDRESSES, named=_ADDRESSES, origin=st.sampled_from(Origin))
def test_no_address_whatever_upsets_the_judgement(
    policy: Policy,
    message: Build,
    report: Report,
    sender: str,
    to: str,
    named: str,
    origin: Origin,
) -> None:
    sent = transaction(sender=sender, to=[to], origin=origin)

    judgement = conclude(report(), sent, message(named), policy)

    assert [to] == [disposition.address for disposition in judgement.dispositions]
