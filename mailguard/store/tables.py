"""The tables, typed. Rows never leave `store`: its classes take and give the core's dataclasses.

Every row carries its `school`, so that one database can serve a trust.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Instant(TypeDecorator[datetime]):
    """An aware time, kept as UTC: SQLite has no time zones."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


def storable(text: str) -> str:
    """`text` as a database can hold it: UTF-8 has no lone surrogates, they become ``\\udcNN``."""
    return text.encode("utf-8", "backslashreplace").decode()


class Words(TypeDecorator[str]):
    """Text from outside, made storable."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else storable(value)


class Table(DeclarativeBase):
    """The base of all tables. Constraints have names, so that a later step can change them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012  SQLAlchemy reads it as it is
        str: Words,
        datetime: Instant,
        bytes: LargeBinary,
        dict[str, Any]: JSON,
        list[str]: JSON,
    }


class HeldMessages(Table):
    """One row for each message in quarantine; after a purge, its tombstone."""

    __tablename__ = "held_messages"
    __table_args__ = (
        Index(None, "school", "id"),
        Index(None, "school", "received"),
        Index(None, "school", "alert", "told"),
        Index(None, "school", "queue_id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    school: Mapped[str]
    queue_id: Mapped[str]
    listener: Mapped[str]
    received: Mapped[datetime]
    sender: Mapped[str]
    sender_argument: Mapped[bytes]
    level: Mapped[int]
    categories: Mapped[dict[str, Any]]
    symbols: Mapped[list[str]]
    sealed: Mapped[bool]
    alert: Mapped[bool]
    sha256: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    ruleset: Mapped[str]
    folder: Mapped[str]
    dup_risk: Mapped[bool]
    exported: Mapped[bool]
    attempt_at: Mapped[datetime | None]
    """When an attempt to send began whose end is not recorded."""

    touched: Mapped[int] = mapped_column(BigInteger)
    """Counted seconds (see :class:`Clocks`) when anything last happened to it."""

    told: Mapped[bool] = mapped_column(default=False, server_default=false())
    """The mails that its alert asks for have been made."""


class HeldRecipients(Table):
    """One row for each recipient of a held message, in envelope order."""

    __tablename__ = "held_recipients"
    __table_args__ = (Index(None, "school", "state", "held_id"),)

    held_id: Mapped[str] = mapped_column(
        ForeignKey("held_messages.id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True)
    school: Mapped[str]
    address: Mapped[str]
    argument: Mapped[bytes]
    relationship: Mapped[str]
    state: Mapped[str]
    reply: Mapped[str]
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    bounced: Mapped[bool] = mapped_column(default=False, server_default=false())


class AuditEntries(Table):
    """The hash-chained log, a chain for each school. Triggers refuse to change or delete a row."""

    __tablename__ = "audit_entries"
    __table_args__ = (Index(None, "school", "subject"),)

    school: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    """1, 2, 3, … without a gap."""

    at: Mapped[str]
    """Text, unlike other times: the hash covers exactly what is stored."""

    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[str]
    """Canonical JSON."""

    prev: Mapped[str]
    hash: Mapped[str]


class AuditHeads(Table):
    """The end of each school's chain: without it, entries cut off the end would not be missed."""

    __tablename__ = "audit_heads"

    school: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str]


class LedgerRows(Table):
    """One row for each message judged."""

    __tablename__ = "ledger_rows"
    __table_args__ = (Index(None, "school", "received"), Index(None, "school", "written"))

    id: Mapped[int] = mapped_column(primary_key=True)
    school: Mapped[str]
    queue_id: Mapped[str]
    received: Mapped[datetime]
    listener: Mapped[str]
    sender: Mapped[str]
    recipients: Mapped[list[str]]
    relationship: Mapped[str]
    level: Mapped[int]
    categories: Mapped[list[str]]
    symbols: Mapped[list[str]]
    disposition: Mapped[str]
    outcome: Mapped[str]
    unscanned: Mapped[list[str]]
    size: Mapped[int] = mapped_column(BigInteger)
    ms: Mapped[int]
    written: Mapped[int] = mapped_column(BigInteger)
    """Counted seconds when the row was written."""

    ident: Mapped[str] = mapped_column(default="", server_default="")


class OwnMails(Table):
    """One row for each mail of ours to one person; see :mod:`mailguard.report.own_mail`."""

    __tablename__ = "own_mails"
    __table_args__ = (
        UniqueConstraint("message_id"),
        Index(None, "school", "standing"),
        Index(None, "school", "kind", "recipient", "id"),
        UniqueConstraint("school", "kind", "about", "recipient"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    school: Mapped[str]
    kind: Mapped[str]
    about: Mapped[str]
    recipient: Mapped[str]
    message_id: Mapped[str]
    created: Mapped[datetime]
    raw: Mapped[bytes]
    since: Mapped[datetime | None]
    until: Mapped[datetime | None]
    ledger_upto: Mapped[int | None] = mapped_column(BigInteger)
    audit_upto: Mapped[int | None] = mapped_column(BigInteger)
    canary_upto: Mapped[int | None] = mapped_column(BigInteger)
    standing: Mapped[str]
    reply: Mapped[str]
    ended: Mapped[datetime | None]
    spent: Mapped[bool]
    """Its key was used: it has come back through a listener once."""


class Secrets(Table):
    """Random keys, each made at its first use."""

    __tablename__ = "secrets"

    school: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[bytes]


class CanaryRuns(Table):
    """One row for each self-test of a listener, the last thousand."""

    __tablename__ = "canary_runs"
    __table_args__ = (Index(None, "school", "listener", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    school: Mapped[str]
    at: Mapped[datetime]
    listener: Mapped[str]
    failure: Mapped[str]


class CanaryMarks(Table):
    """What happened to a test message that is under way."""

    __tablename__ = "canary_marks"
    __table_args__ = (Index(None, "school", "token"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    school: Mapped[str]
    token: Mapped[str]
    event: Mapped[str]
    at: Mapped[datetime]


class ReleaseKeys(Table):
    """One row for each attempt to send a released message to a mail server that asks about it."""

    __tablename__ = "release_keys"

    school: Mapped[str] = mapped_column(primary_key=True)
    token: Mapped[str] = mapped_column(primary_key=True)
    issued: Mapped[datetime]
    spent: Mapped[bool]
    """It has come back, and the mail server was told to deliver it."""


class Tickets(Table):
    """One row for each token with which an author can have a returned message sent."""

    __tablename__ = "tickets"

    school: Mapped[str] = mapped_column(primary_key=True)
    token: Mapped[str] = mapped_column(primary_key=True)
    """Its SHA-256."""

    held_id: Mapped[str]
    author: Mapped[str]
    issued: Mapped[int] = mapped_column(BigInteger)
    """Counted seconds."""


class UnreadReplies(Table):
    """One row for each message whose client may not have read the reply."""

    __tablename__ = "unread_replies"
    __table_args__ = (
        UniqueConstraint("school", "fingerprint"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    school: Mapped[str]
    fingerprint: Mapped[str]
    trace_free: Mapped[str]
    replies: Mapped[list[str]]
    """As on the wire."""

    queue_id: Mapped[str]
    given: Mapped[bool]
    """It was given once more, and is good no more."""

    written: Mapped[int] = mapped_column(BigInteger)
    """Counted seconds when it was kept last."""


class DeliveredRecipients(Table):
    """One row for each recipient who has a message that its sender still has, too."""

    __tablename__ = "delivered_recipients"

    school: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(primary_key=True)
    written: Mapped[int] = mapped_column(BigInteger)
    """Counted seconds when it was noted last."""


class Clocks(Table):
    """How much time has really passed for a school's rows; see :mod:`mailguard.store.elapsed`."""

    __tablename__ = "clocks"

    school: Mapped[str] = mapped_column(primary_key=True)
    seconds: Mapped[int] = mapped_column(BigInteger)
    """Counted so far; never goes back."""

    boot: Mapped[str]
    """The machine's start in which it was last counted."""

    uptime: Mapped[int] = mapped_column(BigInteger)
    """Seconds since that start, when it was last counted."""
