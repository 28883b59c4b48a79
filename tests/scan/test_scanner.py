"""One scan: every check runs whatever the others do, and nothing unread is left out."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from mailguard.mail.envelope import Transaction
from mailguard.mail.message import Unread
from mailguard.mail.text import MessageView
from mailguard.scan.detector import Detector
from mailguard.scan.finding import Category, Finding, Level, Status, Symbol, Unscanned
from mailguard.scan.registry import Ruleset, build_ruleset
from mailguard.scan.rule import Rule
from mailguard.scan.scanner import scan
from mailguard.scan.school import School
from mailguard.testing import SCHOOL, transaction

BuildView = Callable[..., MessageView]

SYMBOL = Symbol(
    name="ALWAYS", category=Category.CRIME, level=Level.FLAG, says="It is so.", clauses=()
)
FOUND = Finding(symbol=SYMBOL, level=Level.FLAG, part="", where=None)


def find_always(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    yield FOUND


def find_and_fail(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    yield FOUND
    raise LookupError("hurt")


def detector(name: str, detect: Callable[..., Iterator[Finding]]) -> Detector:
    return Detector(name=name, symbols=(SYMBOL,), examples=(), detect=detect, digest="")


@pytest.fixture(scope="session")
def ruleset(rule: Callable[..., Rule]) -> Ruleset:
    """One rule, and one detector that always finds something."""
    detectors = [detector("always", find_always)]
    return build_ruleset([rule(needs=["hurt"])], school=SCHOOL, detectors=detectors)


def test_rules_and_detectors_all_report(view: BuildView, ruleset: Ruleset) -> None:
    report = scan(view("it may hurt"), transaction(), ruleset)

    assert [f.symbol.name for f in report.findings] == ["THREAT_HARM", "ALWAYS"]
    assert (report.unscanned, report.ruleset) == ((), ruleset.fingerprint)


def test_detector_that_raises_is_unscanned_and_the_others_go_on(
    view: BuildView, ruleset: Ruleset
) -> None:
    broken = detector("broken", find_and_fail)
    ruleset = replace(ruleset, detectors=(broken, broken, *ruleset.detectors))

    report = scan(view("hurt"), transaction(), ruleset)

    assert report.unscanned == (Unscanned(part="", reason="engine"),)
    assert report.failed == ("broken: LookupError", "broken: LookupError")
    assert [f.symbol.name for f in report.findings] == ["THREAT_HARM", *["ALWAYS"] * 3]


def test_matcher_that_raises_is_unscanned_and_detectors_go_on(
    view: BuildView, ruleset: Ruleset
) -> None:
    broken = replace(view("hurt"), segments=(None,))

    report = scan(broken, transaction(), ruleset)

    assert report.failed == ("rules: AttributeError",)
    assert [f.symbol.name for f in report.findings] == ["ALWAYS"]


def test_expired_deadline_stops_between_steps(view: BuildView, ruleset: Ruleset) -> None:
    answers = iter([False, True])

    report = scan(view("hurt"), transaction(), ruleset, lambda: next(answers))

    assert [f.symbol.name for f in report.findings] == ["THREAT_HARM"]
    assert report.unscanned == (Unscanned(part="", reason="timeout"),)


def test_what_could_not_be_read_is_unscanned(view: BuildView, ruleset: Ruleset) -> None:
    unread = [Unread(part="2", reason="encrypted"), Unread(part="3", reason="format")]

    report = scan(view("hello", unread=[*unread, unread[0]]), transaction(), ruleset)

    assert report.unscanned == (
        Unscanned(part="2", reason="encrypted"),
        Unscanned(part="3", reason="format"),
    )


def test_draft_rule_reports_with_its_status(view: BuildView, rule: Callable[..., Rule]) -> None:
    draft = rule(needs=["hurt"], status='"draft"')
    ruleset = build_ruleset([draft], school=SCHOOL, detectors=())

    (finding,) = scan(view("hurt"), transaction(), ruleset).findings

    assert finding.symbol.status is Status.DRAFT


def test_disabled_symbol_of_a_running_detector_is_not_reported(
    view: BuildView, ruleset: Ruleset
) -> None:
    ruleset = replace(ruleset, silent=frozenset({"ALWAYS"}))

    assert scan(view("hello"), transaction(), ruleset).findings == ()
