"""What a scan says: findings, where they are, and what could not be read."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from mailguard.mail.text import Where


class Category(StrEnum):
    """What a finding is about. The names are a contract (docs/design.md §7)."""

    ABUSE = "abuse"
    THREAT = "threat"
    OFFENSIVE = "offensive"
    HATE = "hate"
    EXTREMISM = "extremism"
    SEXUAL = "sexual"
    IMAGERY = "imagery"
    GROOMING = "grooming"
    SELF_HARM = "self_harm"
    DISCLOSURE = "disclosure"
    DRUGS = "drugs"
    WEAPONS = "weapons"
    CRIME = "crime"
    COMMERCIAL = "commercial"
    GAMBLING = "gambling"
    PERSONAL_DATA = "personal_data"
    CREDENTIALS = "credentials"
    MALWARE = "malware"
    PHISHING = "phishing"
    VOLUME = "volume"
    COPYRIGHT = "copyright"
    CONDUCT = "conduct"
    DISREPUTE = "disrepute"
    UNSCANNED = "unscanned"


class Level(IntEnum):
    """How serious: what each level leads to is policy's table."""

    COUNT = 0
    FLAG = 1
    HOLD = 2
    SERIOUS = 3
    CRITICAL = 4


class Leak(StrEnum):
    """What kind of data a finding of personal data or credentials shows; policy's table of what may
    go where has a row for each."""

    WEAK = "weak"
    """Says little about one person: a postcode with a house number, a registration plate."""

    STRONG = "strong"
    """Identifies one person to an authority or a bank."""

    SPECIAL = "special"
    """Health, care, family, belief and the like, in words that are about a pupil."""

    MANY = "many"
    """Ten people or more: an export, a census file, a class list."""

    RECIPIENTS = "recipients"
    """Many outside addresses shown to each other."""

    CREDENTIALS = "credentials"
    OWN = "own"
    """The writer gives away their own address, number or whereabouts."""

    PUPIL = "pupil"
    """A pupil of the school is named. Nothing by itself; beside another kind it makes that one
    about somebody."""


class Status(StrEnum):
    """How far a check may act."""

    DRAFT = "draft"
    """Recorded, never acts."""

    STABLE = "stable"
    RETIRED = "retired"
    """Not run; kept so that old evidence stays readable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbol:
    """The identity of one check: what it is called and what it says to a headteacher."""

    name: str
    """Upper-case, stable for ever, e.g. ``THREAT_HARM_INTENT``."""

    category: Category
    level: Level
    says: str
    """One plain sentence without a technical word."""

    clauses: tuple[str, ...]
    """Policy clauses served, e.g. ``symphony:3.1.5``; may be empty only where neither policy
    has one."""

    status: Status = Status.STABLE
    seals: bool = False
    """Suspected illegal imagery: nobody may open the message."""

    leak: Leak | None = None
    """Only for the categories personal_data and credentials; None there means by level: L0 is weak,
    L1 and L2 strong, L3 and L4 many; credentials are credentials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Half-open range of characters in the text of the segment with this part and place."""

    part: str
    where: Where
    start: int
    end: int


SPAN_LIMIT = 20
"""Spans that a finding shows: more than a reviewer reads."""

SUBJECT_LIMIT = 20
"""Pupils that a finding names: more than any family has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One symbol, found in one part."""

    symbol: Symbol
    level: Level
    """The symbol's level, unless the detector had reason to raise or lower it (a count)."""

    part: str
    where: Where | None
    """None for findings about the message rather than its text."""

    count: int = 1
    """Units of text that matched, or distinct things found; a rule's stops at a limit."""

    spans: tuple[Span, ...] = ()
    """At most :data:`SPAN_LIMIT`, disjoint within a part and place."""

    subjects: tuple[str, ...] = ()
    """Pupils whom it is about, by the school's roll (:mod:`mailguard.scan.roll`): keyed hashes, no
    names; sorted, at most :data:`SUBJECT_LIMIT`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unscanned:
    """A part that no check saw, or an engine that failed: itself a finding (promise 3)."""

    part: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanReport:
    """All findings of one message, and all that could not be read."""

    findings: tuple[Finding, ...]
    unscanned: tuple[Unscanned, ...]
    ruleset: str
    """Fingerprint of the Ruleset that made it."""

    failed: tuple[str, ...] = ()
    """Checks that raised, as ``name: TypeOfError``, for the log; there is nothing of the message in
    it. Each report that has any also has an unscanned ``engine``."""


def acting_symbols(report: ScanReport) -> tuple[str, ...]:
    """The names of all symbols found whose rule may act, sorted, each once."""
    return tuple(
        sorted({f.symbol.name for f in report.findings if f.symbol.status is Status.STABLE})
    )
