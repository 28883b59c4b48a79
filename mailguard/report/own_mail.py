"""MailGuard's own mail: what is owed to whom, and how far it has got.

Who is owed what is a row, made once for each (kind, about, recipient), with the finished message in
it; sending is a matter of going through the rows. So no clock, restart or second process makes a
second copy.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """What a mail of ours is."""

    DIGEST = "digest"
    ALERT = "alert"
    NOTICE = "notice"
    """To a technician: a message could not be delivered to everybody."""

    RETURN = "return"
    """To the author of a message that went back because of the data in it."""

    DATA = "data"
    """To the data protection lead, weekly: what went back, and what became of it."""

    @property
    def is_periodic(self) -> bool:
        """Of such mail nobody gets two for one time, and the next one covers what is missed."""
        return self in (Kind.DIGEST, Kind.DATA)


class Standing(StrEnum):
    """How far a mail of ours has got."""

    WAITING = "waiting"
    """Not yet taken by the next hop; it is tried again and again."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    """The next hop refused a digest, a list or an author's notice for good. Any other mail goes on
    waiting, whatever is said to it."""

    UNKNOWN = "unknown"
    """The next hop gave no last word on a digest: it is not sent again, since nobody may get two.
    Any other mail is."""

    SUPERSEDED = "superseded"
    """A digest that was still waiting when the next one was due, which covers its time too; an
    alert that was refused to somebody who is not named any more, and others were told; a notice
    that nobody needs any more, or whose message another one names as well; an author's notice about
    a message that somebody has decided about since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How far the tables had grown: what a digest covers is counted, never read off a clock."""

    ledger: int = 0
    """Id of the last ledger row."""

    audit: int = 0
    """Number of the last audit entry."""

    canary: int = 0
    """Id of the last self-test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """The time that a digest reports on."""

    since: datetime | None
    """When the last one that was accepted ends; None for a person's first."""

    until: datetime
    upto: Mark
    """The next digest begins after this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnMail:
    """One mail of ours to one person."""

    school: str
    kind: Kind
    about: str
    """What it is about: the school's day (``2026-11-23``; ``2026-11-23/2`` when a person asked for
    another copy) or a held id."""

    recipient: str
    message_id: str
    """With its angle brackets; made of the four above, so that a copy sent twice has it too."""

    created: datetime
    raw: bytes
    """The whole message with CRLF, without the key, which is added when it is sent. Empty once the
    mail has ended: it may hold names."""

    covers: Coverage | None = None
    """Of a digest."""

    standing: Standing = Standing.WAITING
    reply: str = ""
    """The next hop's last reply about it."""

    ended: datetime | None = None
    """When it stopped waiting."""
