"""Run every check over one message; one that fails is reported and keeps no other from running."""

from collections.abc import Callable, Iterator
from functools import partial

from mailguard.mail.envelope import Transaction
from mailguard.mail.text import MessageView
from mailguard.scan.finding import Finding, ScanReport, Unscanned
from mailguard.scan.registry import Ruleset

_Check = tuple[str, Callable[[], Iterator[Finding]]]


def never() -> bool:
    """Say that there is always time left."""
    return False


def scan(
    view: MessageView,
    transaction: Transaction,
    ruleset: Ruleset,
    expired: Callable[[], bool] = never,
) -> ScanReport:
    """Return what all rules, then all detectors, find in `view`; never raises for its content.

    `expired` is asked before each step: once it says true, the rest is left out and the report has
    an unscanned ``timeout``. A check that raises leaves an unscanned ``engine``.
    """
    findings: list[Finding] = []
    unscanned = [Unscanned(part=unread.part, reason=unread.reason) for unread in view.unread]
    failed: list[str] = []
    for name, check in _checks(view, transaction, ruleset):
        if expired():
            unscanned.append(Unscanned(part="", reason="timeout"))
            break
        try:
            findings.extend(f for f in check() if f.symbol.name not in ruleset.silent)
        except Exception as error:  # whatever a check does wrong: the others must still run
            failed.append(f"{name}: {type(error).__name__}")
    if failed:
        unscanned.append(Unscanned(part="", reason="engine"))
    return ScanReport(
        findings=tuple(findings),
        unscanned=tuple(dict.fromkeys(unscanned)),
        ruleset=ruleset.fingerprint,
        failed=tuple(failed),
    )


def _checks(view: MessageView, transaction: Transaction, ruleset: Ruleset) -> Iterator[_Check]:
    yield "rules", partial(ruleset.matcher.find, view.segments)
    for detector in ruleset.detectors:
        yield detector.name, partial(detector.detect, view, transaction, ruleset.school)
