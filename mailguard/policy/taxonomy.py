"""The words policy is written in: groups of people, kinds of category, and actions."""

from collections.abc import Mapping
from enum import StrEnum

from mailguard.scan.finding import Category, Level


class Group(StrEnum):
    """What a person is to the school."""

    PUPIL = "pupil"
    STAFF = "staff"
    GOVERNOR = "governor"
    PARENT = "parent"
    HELPLINE = "helpline"
    """Childline and the like, counsellors: nothing about such mail is listed to anyone."""

    CONFIDANT = "confidant"
    """Union, legal adviser, regulator, whistle-blowing line: no head visibility."""

    AGENCY = "agency"
    """Police, NHS, local authority: personal data may go there."""

    OUTSIDE = "outside"
    SPOOFED = "spoofed"
    """An author in the school's domains, from a listener of the outside world."""


class Action(StrEnum):
    """What policy says to do, mildest first: the order is a contract of `strictest`.

    That is all there is: no action writes to a parent or the police (hard rule 5), and none to a
    pupil but `return`, about the pupil's own words.
    """

    RELAY = "relay"
    FLAG = "flag"
    """Relay, and keep a copy as evidence."""

    RETURN = "return"
    """Keep it as evidence and tell the author, who may correct it: for data on its way out."""

    HOLD = "hold"
    DEFER = "defer"
    """4xx: the sender tries again later."""

    REJECT = "reject"
    """5xx: the sender is told."""

    SEAL = "seal"
    """Hold, and nobody can open it."""

    @property
    def strictness(self) -> int:
        """0 for the mildest; larger is stricter."""
        return _STRICTNESS[self]


_STRICTNESS = {action: rank for rank, action in enumerate(Action)}

DEFAULT_ACTIONS: Mapping[Level, Action] = {
    Level.COUNT: Action.RELAY,
    Level.FLAG: Action.FLAG,
    Level.HOLD: Action.HOLD,
    Level.SERIOUS: Action.HOLD,
    Level.CRITICAL: Action.HOLD,
}
"""What each level leads to. L4 also alerts; suspected illegal imagery seals at any level."""

BEHAVIOUR = frozenset(
    {
        Category.ABUSE,
        Category.THREAT,
        Category.OFFENSIVE,
        Category.HATE,
        Category.EXTREMISM,
        Category.SEXUAL,
        Category.IMAGERY,
        Category.GROOMING,
        Category.SELF_HARM,
        Category.DISCLOSURE,
        Category.DRUGS,
        Category.WEAPONS,
        Category.CRIME,
        Category.CONDUCT,
        Category.DISREPUTE,
    }
)
"""What people do to one another, or suffer: safeguarding and discipline."""

DATA = frozenset({Category.PERSONAL_DATA, Category.CREDENTIALS})
"""What must not leave: the data lead's concern."""

HYGIENE = frozenset(
    {
        Category.MALWARE,
        Category.PHISHING,
        Category.COMMERCIAL,
        Category.GAMBLING,
        Category.COPYRIGHT,
        Category.VOLUME,
        Category.UNSCANNED,
    }
)
"""What keeps the service clean: mostly the technician's concern."""

LOCKED = frozenset({Category.IMAGERY, Category.EXTREMISM})
"""No school can switch these off: the UK Safer Internet Centre's monitoring standard asks that
nobody at the school can disable monitoring for illegal content."""
