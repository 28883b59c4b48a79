"""Proof that checks do what they say: every example holds, and every line of a rule is needed.

Each example goes the whole way of a message: parse, look, scan. Then each pattern and exclusion of
a rule is left out in turn, and some example must come out differently: mutation testing for data.
Phrases of a word list need not be needed one by one. Retired rules are not run, so not tested.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from mailguard.mail.envelope import Envelope, Origin, Path, QueueId, Session, Transaction
from mailguard.mail.message import parse
from mailguard.mail.raw import Raw
from mailguard.mail.text import MessageView, look
from mailguard.scan.detector import Detector
from mailguard.scan.example import RECIPIENT, SENDER, Example
from mailguard.scan.finding import Symbol
from mailguard.scan.registry import Ruleset
from mailguard.scan.roll import Pupil, build_roll, subject_id
from mailguard.scan.rule import Rule
from mailguard.scan.scanner import scan
from mailguard.scan.school import School

_NAMES = (
    *(("Cara", "Finch"), ("Ben", "Holt"), ("Will", "May"), ("Dina", "Okoro"), ("Elif", "Stone")),
    *(("Faye", "Lindqvist"), ("Gus", "Penrose"), ("Hana", "Weir"), ("Ivo", "Marsh")),
    *(("Jia", "Thorne"), ("Kofi", "Vale"), ("Lena", "Quist")),
)
_KEY = b"the roll of the examples"
_PUPILS = tuple(
    Pupil(
        subject=subject_id(_KEY, str(number)),
        names=(names,),
        born=date(2015, 5, 2 + number),
        upn="" if number else "B801200005001",
    )
    for number, names in enumerate(_NAMES)
)
SCHOOL = School(
    name="School of the examples",
    domains=frozenset({SENDER.partition("@")[2]}),
    roll=build_roll(_PUPILS, key=_KEY),
)
"""Its pupils are named in the examples of detectors that know a school's pupils."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One example of one check."""

    name: str
    """``THREAT_HARM_INTENT/no_match/2``; a detector's begins with the name of its module."""

    symbols: tuple[Symbol, ...]
    """What the check can find."""

    example: Example


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One thing that a rule or detector says and does not do."""

    name: str
    """The case, or the line: ``THREAT_HARM_INTENT/unless/1``."""

    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


def prove(ruleset: Ruleset) -> list[Failure]:
    """Return all that is wrong with the checks of `ruleset`; nothing when each keeps its word."""
    return [
        *(failure for case in cases(ruleset) for failure in _try(case, ruleset)),
        *(failure for rule in _running(ruleset) for failure in _find_idle_lines(rule, ruleset)),
        *(failure for d in ruleset.detectors for failure in _find_idle_symbols(d, ruleset)),
    ]


def cases(ruleset: Ruleset) -> list[Case]:
    """Return every example of every check that runs."""
    checks = [
        *((rule.symbol.name, (rule.symbol,), rule.examples) for rule in _running(ruleset)),
        *((d.name, d.symbols, d.examples) for d in ruleset.detectors),
    ]
    return [case for check in checks for case in _cases(*check)]


def holds(case: Case, ruleset: Ruleset) -> bool:
    """Whether the check finds something in its example exactly when it says so."""
    found = _find(case.example, ruleset)
    return case.example.matches is any(symbol.name in found for symbol in case.symbols)


def _running(ruleset: Ruleset) -> Iterator[Rule]:
    return (rule for rule in ruleset.rules if rule.symbol.name not in ruleset.silent)


def _cases(
    check: str, symbols: tuple[Symbol, ...], examples: tuple[Example, ...]
) -> Iterator[Case]:
    for kind, matches in (("match", True), ("no_match", False)):
        of_kind = (example for example in examples if example.matches is matches)
        for number, example in enumerate(of_kind, 1):
            yield Case(name=f"{check}/{kind}/{number}", symbols=symbols, example=example)


def _try(case: Case, ruleset: Ruleset) -> Iterator[Failure]:
    if not holds(case, ruleset):
        wrong = "finds nothing in" if case.example.matches else "finds something in"
        yield Failure(name=case.name, reason=f"{wrong} this example ({case.example.why or '-'})")


def _find_idle_lines(rule: Rule, ruleset: Ruleset) -> Iterator[Failure]:
    views = [_view(example) for example in rule.examples]
    outcomes = _outcomes(rule, views, ruleset)
    for line, without in _without_each_line(rule):
        if _outcomes(without, views, ruleset) == outcomes:
            name = f"{rule.symbol.name}/{line}"
            yield Failure(name=name, reason="no example comes out differently without this line")


def _without_each_line(rule: Rule) -> Iterator[tuple[str, Rule]]:
    for key in ("all", "any", "unless"):
        patterns = getattr(rule, key)
        for i in range(len(patterns)):
            fewer: dict[str, Any] = {key: patterns[:i] + patterns[i + 1 :]}
            if (without := replace(rule, **fewer)).all or without.any:
                yield f"{key}/{i + 1}", without


def _outcomes(rule: Rule, views: list[MessageView], ruleset: Ruleset) -> list[bool]:
    matcher = ruleset.matcher.only(rule)
    return [any(matcher.find(view.segments)) for view in views]


def _find_idle_symbols(detector: Detector, ruleset: Ruleset) -> Iterator[Failure]:
    found = {name for example in detector.examples for name in _find(example, ruleset)}
    for symbol in detector.symbols:
        if symbol.name not in found | ruleset.silent:
            name = f"{detector.name}/{symbol.name}"
            yield Failure(name=name, reason="no example of the detector shows this symbol")


def _find(example: Example, ruleset: Ruleset) -> set[str]:
    """Return the names of all symbols found, as the example's school would see it."""
    ruleset = replace(ruleset, school=SCHOOL)
    report = scan(_view(example), _transaction(example), ruleset)
    return {finding.symbol.name for finding in report.findings}


def _view(example: Example) -> MessageView:
    return look(parse(example.raw), example.extracts)


def _transaction(example: Example) -> Transaction:
    return Transaction(
        queue_id=QueueId("EXAMPLE"),
        session=Session(
            listener="examples",
            origin=Origin.INSIDE,
            peer="192.0.2.1",
            peer_port=25,
            helo="school.example",
            esmtp=True,
        ),
        envelope=Envelope(sender=_path(SENDER), recipients=(_path(RECIPIENT),)),
        raw=Raw.of(example.raw),
        received=datetime(2026, 3, 2, 12, tzinfo=UTC),
    )


def _path(address: str) -> Path:
    return Path(argument=f"<{address}>".encode(), address=address)
