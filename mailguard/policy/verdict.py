"""From findings to an opinion: the level of each category for one relationship."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mailguard.policy.direction import effect_of
from mailguard.policy.exemption import COUNTED, is_never_held
from mailguard.policy.leak import Treatment, matter_of, names_a_pupil, subjects_of, way_of
from mailguard.policy.relationship import Relationship
from mailguard.policy.settings import Policy
from mailguard.policy.taxonomy import DATA, Action, Group
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

    asked: Mapping[Category, Action] = field(default_factory=dict)
    """For each category of data that was found, what the table of :mod:`mailguard.policy.leak` asks
    for; what other categories ask for follows from their level."""

    leaks: tuple[str, ...] = ()
    """The sentences of the kinds of data that may not go on, heaviest first: what its author is
    told. No value, no word of the message."""

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
    asks: Action | None = None
    """Of data: what the table asks for."""


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


def weigh(
    report: ScanReport,
    relationship: Relationship,
    policy: Policy,
    *,
    children: frozenset[str] = frozenset(),
) -> Verdict:
    """Form the opinion on `report` for one relationship, where `children` are the pupils whose
    parent the recipient is, as :attr:`Finding.subjects` names them.

    Draft findings say nothing. What hard rules 2 and 3 take out is not even counted.
    """
    found = [
        *_weigh_all(report, relationship, policy),
        *_weigh_data(report, relationship, policy, children),
    ]
    weights = sorted(found, key=lambda w: -w.level)
    sealed = any(
        finding.symbol.seals and finding.symbol.status is Status.STABLE
        for finding in report.findings
    )
    levels: dict[Category, Level] = {}
    for weight in weights:
        levels.setdefault(weight.category, weight.level)
    stopping = {weight.category for weight in weights if weight.stops}
    delivered = frozenset(
        category
        for category, level in levels.items()
        if level >= Level.HOLD and category not in stopping
    )
    asked = _asked(weights)
    if relationship.author is Group.PUPIL and delivered - DATA:
        # Hard rule 1 again: a call for help goes on whatever else stands in it.
        asked = {category: _milder(action, Action.FLAG) for category, action in asked.items()}
    return Verdict(
        relationship=relationship,
        levels=tuple(levels.items()),
        sealed=sealed,
        reasons=tuple(dict.fromkeys(w.reason for w in weights if w.level >= Level.FLAG)),
        delivered=delivered,
        alert=sealed or any(weight.alerts for weight in weights),
        asked=asked,
        leaks=tuple(dict.fromkeys(w.reason for w in weights if w.asks in _STOPPING)),
    )


_STOPPING = frozenset({Action.RETURN, Action.HOLD})


def _asked(weights: list[_Weight]) -> dict[Category, Action]:
    """The strictest of each category of data."""
    asked: dict[Category, Action] = {}
    for weight in weights:
        if weight.asks is not None:
            before = asked.get(weight.category, weight.asks)
            asked[weight.category] = max(before, weight.asks, key=lambda a: a.strictness)
    return asked


def _milder(one: Action, other: Action) -> Action:
    return min(one, other, key=lambda action: action.strictness)


def _weigh_all(report: ScanReport, relationship: Relationship, policy: Policy) -> Iterator[_Weight]:
    counted = _counted(relationship, policy)
    for finding in report.findings:
        symbol = finding.symbol
        if symbol.status is not Status.STABLE or symbol.category in DATA:
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


def _weigh_data(
    report: ScanReport, relationship: Relationship, policy: Policy, children: frozenset[str]
) -> Iterator[_Weight]:
    subjects = subjects_of(report)
    way = way_of(relationship, is_own_child=bool(subjects) and subjects <= children)
    counted = _counted(relationship, policy)
    is_named = names_a_pupil(report)
    for finding in report.findings:
        symbol = finding.symbol
        matter = matter_of(finding, is_named=is_named) if symbol.category in DATA else None
        if matter is None or symbol.status is not Status.STABLE or symbol.name in policy.decided:
            continue
        if counted is not None and symbol.category not in counted:
            continue
        treatment = Treatment.COUNT if way is None else policy.data[matter][way]
        if treatment is not Treatment.RELAY:
            yield _weigh_leak(finding, treatment, relationship)


def _weigh_leak(finding: Finding, treatment: Treatment, relationship: Relationship) -> _Weight:
    action = treatment.action
    if is_never_held(relationship.author, relationship.recipient):
        action = _milder(action, Action.FLAG)
    level = _LEVELS[action]
    if action is Action.HOLD:
        level = max(level, min(finding.level, Level.SERIOUS))
    return _Weight(
        category=finding.symbol.category,
        level=level,
        reason=finding.symbol.says,
        stops=action in _STOPPING,
        alerts=False,
        asks=action,
    )


_LEVELS = {
    Action.RELAY: Level.COUNT,
    Action.FLAG: Level.FLAG,
    Action.RETURN: Level.HOLD,
    Action.HOLD: Level.HOLD,
}
"""What the treatment of data amounts to, among other findings."""


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
