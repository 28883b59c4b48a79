"""From findings to an opinion: the level of each category for one relationship."""

from collections.abc import Iterator
from dataclasses import dataclass

from mailguard.policy.direction import effect_of
from mailguard.policy.exemption import COUNTED, is_never_held
from mailguard.policy.relationship import Relationship
from mailguard.policy.settings import Policy
from mailguard.policy.taxonomy import Group
from mailguard.scan.finding import Category, Finding, Level, ScanReport, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Opinion on a message as sent within one relationship."""

    relationship: Relationship
    levels: tuple[tuple[Category, Level], ...]
    """Each category found, with its level after the direction matrix; strictest first."""

    sealed: bool
    """Suspected illegal imagery."""

    reasons: tuple[str, ...]
    """Sentences in order of weight, for a headteacher; only what is L1 or more."""

    delivered: frozenset[Category] = frozenset()
    """Categories at L2 or more that may not stop the message (hard rule 1)."""

    alert: bool = False
    """Somebody must be told at once: L4, suspected illegal imagery, or a child at risk."""

    @property
    def level(self) -> Level:
        """The highest level, :attr:`Level.COUNT` when nothing was found."""
        return max((level for _, level in self.levels), default=Level.COUNT)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Weight:
    """What one finding adds to the verdict."""

    category: Category
    level: Level
    reason: str
    stops: bool
    alerts: bool


SPOOFED_REASON = "The sender's address is the school's own, but the message came from outside."

UNSCANNED_REASONS = {
    "format": "An attached file is of a kind that is not read.",
    "image": "An attached picture was not looked at.",
    "audio": "An attached recording was not listened to.",
    "video": "An attached film was not watched.",
    "encrypted": "A part of the message is locked, so it could not be read.",
    "broken": "An attached file is damaged, so it could not be read.",
    "bomb": "An attached file unpacks to so much that a part of it was not read.",
    "external": "A part of the message is kept elsewhere, so it could not be read.",
    "partial": "The message is only a piece of a larger one, so it could not be read as a whole.",
    "timeout": "Reading the message took too long, so a part of it was not read.",
    "killed": "Reading the message took too long, so a part of it was not read.",
    "too_deep": "The message is nested so deeply that a part of it was not read.",
    "too_many_parts": "The message has so many parts that some were not read.",
    "mime_ambiguous": "The message is built so that mail programs show different things in it.",
    "header_too_big": "The heading of the message is so long that a part of it was not read.",
    "too_long": "The message is so long that a part of it was not read.",
}
UNSCANNED_REASON = "A part of the message could not be read."
"""For every other reason, ``engine`` among them."""


def weigh(report: ScanReport, relationship: Relationship, policy: Policy) -> Verdict:
    """Form the opinion on `report` for one relationship.

    Draft findings say nothing. What hard rules 2 and 3 take out is not even counted.
    """
    weights = sorted(_weigh_all(report, relationship, policy), key=lambda w: -w.level)
    sealed = any(
        finding.symbol.seals and finding.symbol.status is Status.STABLE
        for finding in report.findings
    )
    levels: dict[Category, Level] = {}
    for weight in weights:
        levels.setdefault(weight.category, weight.level)
    stopping = {weight.category for weight in weights if weight.stops}
    return Verdict(
        relationship=relationship,
        levels=tuple(levels.items()),
        sealed=sealed,
        reasons=tuple(dict.fromkeys(w.reason for w in weights if w.level >= Level.FLAG)),
        delivered=frozenset(
            category
            for category, level in levels.items()
            if level >= Level.HOLD and category not in stopping
        ),
        alert=sealed or any(weight.alerts for weight in weights),
    )


def _weigh_all(report: ScanReport, relationship: Relationship, policy: Policy) -> Iterator[_Weight]:
    counted = _counted(relationship, policy)
    for finding in report.findings:
        symbol = finding.symbol
        if symbol.status is not Status.STABLE:
            continue
        if symbol.name in policy.decided and not symbol.seals:
            continue
        if counted is None or symbol.category in counted or symbol.seals:
            yield from _weigh_finding(finding, relationship)
    if relationship.author is Group.SPOOFED and (counted is None or Category.PHISHING in counted):
        yield _Weight(
            category=Category.PHISHING,
            level=Level.FLAG,
            reason=SPOOFED_REASON,
            stops=False,
            alerts=False,
        )
    if counted is None or Category.UNSCANNED in counted:
        for unscanned in report.unscanned:
            yield _weigh_unscanned(unscanned.reason, relationship, policy)


def _counted(relationship: Relationship, policy: Policy) -> frozenset[Category] | None:
    """The only categories that count; None for all."""
    limits = (COUNTED.get((relationship.author, relationship.recipient)), policy.counted)
    known = [limit for limit in limits if limit is not None]
    return frozenset.intersection(*known) if known else None


def _weigh_finding(finding: Finding, relationship: Relationship) -> Iterator[_Weight]:
    symbol = finding.symbol
    effect = effect_of(symbol, relationship)
    level = Level.CRITICAL if symbol.seals else effect.level(finding.level)
    is_delivered = (
        symbol.category is not Category.MALWARE
        and is_never_held(relationship.author, relationship.recipient)
    ) or (effect.delivers is not None and level <= effect.delivers)
    for category in (symbol.category, effect.also):
        if category is not None:
            yield _Weight(
                category=category,
                level=level,
                reason=symbol.says,
                stops=level >= Level.HOLD and not is_delivered,
                alerts=level >= (Level.HOLD if effect.alerts else Level.CRITICAL),
            )


def _weigh_unscanned(reason: str, relationship: Relationship, policy: Policy) -> _Weight:
    author, recipient = relationship.author, relationship.recipient
    level = policy.unscanned_level(reason, author, recipient)
    return _Weight(
        category=Category.UNSCANNED,
        level=level,
        reason=UNSCANNED_REASONS.get(reason, UNSCANNED_REASON),
        stops=level >= Level.HOLD and not is_never_held(author, recipient),
        alerts=False,
    )
