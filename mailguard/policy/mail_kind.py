"""Which way mail goes: into the school, out of it, or within it; and which way none was seen.

What is never seen is not checked, however good the rules are.
"""

from collections.abc import Iterable
from enum import StrEnum

from mailguard.policy.taxonomy import Group

DAYS = 7
"""Without any mail of one way, after which that is told: a whole week, whatever day it is."""


class MailKind(StrEnum):
    """A message's way, by who wrote it and who is to get it."""

    INBOUND = "inbound"
    """From the world to somebody of the school."""

    OUTBOUND = "outbound"
    """From somebody of the school to the world; parents are of the world here."""

    INTERNAL = "internal"
    """From one person of the school to another."""


_OF_THE_SCHOOL = frozenset({Group.PUPIL, Group.STAFF})

_UNSURE = frozenset({Group.GOVERNOR})
"""Some have an address of the school's, others have not: their mail proves nothing."""


def kind_of(relationship: str) -> MailKind | None:
    """The way of mail with this relationship (``pupil→staff``); None where it does not tell."""
    author, _, recipient = relationship.partition("→")
    if not {author, recipient} <= _NAMES or {author, recipient} & _UNSURE:
        return None
    match author in _OF_THE_SCHOOL, recipient in _OF_THE_SCHOOL:
        case False, True:
            return MailKind.INBOUND
        case True, False:
            return MailKind.OUTBOUND
        case True, True:
            return MailKind.INTERNAL
        case _:
            return None


def kinds_missing(relationships: Iterable[str]) -> tuple[MailKind, ...]:
    """The ways that none of these is of; none where no way can be told, since then there was no
    mail at all, which is another matter."""
    seen = set(map(kind_of, relationships)) - {None}
    return tuple(kind for kind in MailKind if kind not in seen) if seen else ()


_NAMES = frozenset(map(str, Group))
