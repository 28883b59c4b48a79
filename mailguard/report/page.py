"""A page for people, before it is text or HTML: both forms are made of this and so say the same."""

from dataclasses import dataclass

Fact = tuple[str, str]
"""What it is called, and what it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One thing to look at."""

    reference: str
    title: str
    facts: tuple[Fact, ...]
    reasons: tuple[str, ...]
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading and what is below it, in this order."""

    heading: str
    lead: str = ""
    cards: tuple[Card, ...] = ()
    facts: tuple[Fact, ...] = ()
    points: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    note: str = ""
    is_urgent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The whole page."""

    title: str
    subtitle: tuple[str, ...]
    summary: str
    """The one sentence that somebody in a hurry reads."""

    warnings: tuple[str, ...]
    sections: tuple[Section, ...]
