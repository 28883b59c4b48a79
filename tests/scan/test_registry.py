"""A ruleset: no name twice, nothing unknown disabled, and a fingerprint that means something."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

from mailguard.errors import RuleError
from mailguard.mail.text import Segment
from mailguard.scan.registry import build_ruleset
from mailguard.scan.rule import Rule
from mailguard.testing import SCHOOL

BuildRule = Callable[..., Rule]


def test_symbol_of_two_rules_is_refused_with_both_files(rule: BuildRule) -> None:
    rules = [rule(needs=["a"]), replace(rule(needs=["b"]), file="local/threat/THREAT_HARM.toml")]

    with pytest.raises(RuleError, match=r"^local.*also in rules/threat/THREAT_HARM\.toml"):
        build_ruleset(rules, school=SCHOOL)


def test_symbol_of_a_rule_and_a_detector_is_refused(rule: BuildRule) -> None:
    with pytest.raises(RuleError, match=r"also in rules/threat/NHS_NUMBER\.toml"):
        build_ruleset([rule("NHS_NUMBER", needs=["a"])], school=SCHOOL)


def test_unknown_name_cannot_be_disabled(rule: BuildRule) -> None:
    with pytest.raises(RuleError, match="did you mean 'THREAT_HARM'"):
        build_ruleset([rule(needs=["a"])], school=SCHOOL, disabled=["THREAT_HARMS"])


def test_disabled_rule_is_not_run_but_its_symbol_is_known(
    rule: BuildRule, segment: Callable[..., Segment]
) -> None:
    ruleset = build_ruleset([rule(needs=["hurt"])], school=SCHOOL, disabled=["THREAT_HARM"])

    assert ruleset.rules == ()
    assert list(ruleset.matcher.find([segment("hurt")])) == []
    assert "THREAT_HARM" in ruleset.symbols


def test_retired_rule_is_kept_but_not_run(rule: BuildRule, segment: Callable[..., Segment]) -> None:
    ruleset = build_ruleset([rule(needs=["hurt"], status='"retired"')], school=SCHOOL)

    assert [r.symbol.name for r in ruleset.rules] == ["THREAT_HARM"]
    assert list(ruleset.matcher.find([segment("hurt")])) == []
    assert "THREAT_HARM" in ruleset.symbols


def test_detector_with_all_symbols_disabled_is_left_out(rule: BuildRule) -> None:
    names = ["PROGRAM_ATTACHMENT", "RISKY_ATTACHMENT", "NHS_NUMBER"]

    one, both = (build_ruleset([], school=SCHOOL, disabled=names[:n]) for n in (1, 3))

    assert "risky_attachment" in {detector.name for detector in one.detectors}
    assert {"risky_attachment", "nhs_number"}.isdisjoint(d.name for d in both.detectors)


def test_fingerprint_is_the_same_in_any_order_and_school(rule: BuildRule) -> None:
    rules = [rule("THREAT_A", needs=["a"]), rule("THREAT_B", needs=["b"])]
    other = replace(SCHOOL, name="Other", domains=frozenset())

    fingerprints = {
        build_ruleset(rules, school=SCHOOL).fingerprint,
        build_ruleset(rules[::-1], school=other).fingerprint,
    }

    assert len(fingerprints) == 1
    assert {len(fingerprint) for fingerprint in fingerprints} == {16}


def test_fingerprint_is_the_same_in_another_process() -> None:
    source = (
        "from mailguard.scan.registry import build_ruleset\n"
        "from mailguard.testing import SCHOOL\n"
        "print(build_ruleset([], school=SCHOOL).fingerprint)"
    )

    elsewhere = subprocess.run(
        [sys.executable, "-c", source], check=True, capture_output=True, text=True
    ).stdout.strip()

    assert build_ruleset([], school=SCHOOL).fingerprint == elsewhere


def test_fingerprint_changes_with_rules_detectors_and_what_is_disabled(rule: BuildRule) -> None:
    one, other = rule(needs=["a"]), rule(needs=["b"])
    detectors = build_ruleset([], school=SCHOOL).detectors
    changed = (replace(detectors[0], digest="0"), *detectors[1:])

    fingerprints = {
        build_ruleset([one], school=SCHOOL).fingerprint,
        build_ruleset([other], school=SCHOOL).fingerprint,
        build_ruleset([one], school=SCHOOL, detectors=changed).fingerprint,
        build_ruleset([one], school=SCHOOL, disabled=["NHS_NUMBER"]).fingerprint,
        build_ruleset([one], school=SCHOOL, disabled=["THREAT_HARM"]).fingerprint,
    }

    assert len(fingerprints) == 5
