"""The rows of held messages; each change commits together with its audit entry."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from mailguard.errors import IllegalTransition, UnknownItem
from mailguard.ports import AuditEntry
from mailguard.quarantine.held import (
    STANDING,
    Act,
    Decision,
    HeldId,
    HeldMessage,
    State,
    apply_to,
)
from mailguard.quarantine.retention import FINISHED, Retention, due_for_purge
from mailguard.store.audit_log import append_in
from mailguard.store.elapsed import Stopwatch, count_in, machine_uptime
from mailguard.store.engine import Database
from mailguard.store.rows import Ids, load, message_values, recipient_values, standing_values
from mailguard.store.tables import HeldMessages, HeldRecipients

RESULTS = frozenset({Act.SENT, Act.REFUSE, Act.BOUNCE})
"""The acts that record what the next hop said."""


class SqlHeldStore:
    """The port :class:`~mailguard.ports.HeldStore` for one school."""

    def __init__(
        self, database: Database, school: str, *, stopwatch: Stopwatch = machine_uptime
    ) -> None:
        self._database = database
        self._school = school
        self._stopwatch = stopwatch

    @property
    def school(self) -> str:
        """The id of the school whose rows these are."""
        return self._school

    async def add(self, held: HeldMessage, entry: AuditEntry) -> None:
        """Insert a row whose files are already durable. Durable on return.

        Raises IllegalTransition when a message of this id is there already.
        """

        def work(connection: Connection) -> None:
            touched = self._now(connection)
            connection.execute(insert(HeldMessages), message_values(held) | {"touched": touched})
            connection.execute(insert(HeldRecipients), recipient_values(held))
            append_in(connection, self._school, entry)

        try:
            await self._database.write(work, adds=True)
        except IntegrityError as error:
            raise IllegalTransition(f"{held.id} is in quarantine already.") from error

    async def by_id(self, held_id: str) -> HeldMessage:
        """Look one up. Raises UnknownItem."""
        return await self._database.read(lambda connection: self._one(connection, held_id))

    async def ending(self, end: str) -> Sequence[HeldMessage]:
        """Those whose id ends in `end`, oldest first."""
        ids = self._ids(()).where(HeldMessages.id.endswith(end, autoescape=True))
        return await self._database.read(lambda connection: load(connection, ids))

    async def select(
        self, *, states: Iterable[State] = (), limit: int | None = None
    ) -> Sequence[HeldMessage]:
        """All messages with a recipient in one of `states` (all when empty), oldest first."""
        ids = self._ids(tuple(states)).limit(limit)
        return await self._database.read(lambda connection: load(connection, ids))

    async def inventory(self) -> Mapping[str, HeldId]:
        """The id of every message whose evidence must be in the spool, by its folder."""
        kept = (
            select(HeldRecipients.held_id)
            .where(HeldRecipients.state != State.PURGED)
            .where(HeldRecipients.held_id == HeldMessages.id)
        )
        wanted = select(HeldMessages.folder, HeldMessages.id).where(
            HeldMessages.school == self._school, kept.exists()
        )
        rows = await self._database.read(lambda connection: connection.execute(wanted).all())
        return {row.folder: HeldId(row.id) for row in rows}

    async def due(self, retention: Retention) -> Sequence[HeldMessage]:
        """The messages whose content is to be deleted now, oldest first.

        Their age is counted, never read off the wall clock: see :mod:`mailguard.store.elapsed`.
        """

        def work(connection: Connection) -> Sequence[HeldMessage]:
            now = self._now(connection)
            latest = now - timedelta(days=retention.shortest).total_seconds()
            ids = select(HeldMessages.id).where(
                HeldMessages.id.in_(self._ids(tuple(FINISHED))), HeldMessages.touched <= latest
            )
            return self._due_among(connection, ids, now, retention)

        return await self._database.write(work)

    async def expire(self, held_id: HeldId, retention: Retention, entry: AuditEntry) -> bool:
        """Turn a message into its tombstone if it is still due; False when it no longer is.

        Looked at again in the same transaction: a reviewer may have decided since it was listed.
        """

        def work(connection: Connection) -> bool:
            this = select(HeldMessages.id).where(HeldMessages.id == held_id)
            due = self._due_among(connection, this, self._now(connection), retention)
            for held in due:
                addresses = [recipient.address for recipient in held.recipients]
                decision = Decision(by=entry.actor, at=entry.at)
                self._save(connection, apply_to(held, Act.EXPIRE, addresses, decision))
                append_in(connection, self._school, entry)
            return bool(due)

        return await self._database.write(work)

    def _due_among(
        self, connection: Connection, ids: Ids, now: int, retention: Retention
    ) -> Sequence[HeldMessage]:
        rows = connection.execute(ids.add_columns(HeldMessages.touched))
        touched: dict[str, int] = {row.id: row.touched for row in rows}
        return [
            held
            for held in load(connection, ids)
            if due_for_purge(held, timedelta(seconds=now - touched[held.id]), retention)
        ]

    async def act(
        self,
        held_id: HeldId,
        act: Act,
        addresses: Sequence[str],
        entry: AuditEntry,
        *,
        reply: str = "",
        dup_risk: bool = False,
    ) -> HeldMessage:
        """Apply `act` to these recipients, all or none, as a compare-and-set.

        `entry` says who acts, when, and (``detail["reason"]``) why. `dup_risk` marks the message
        as one that may arrive twice. Raises IllegalTransition, naming who decided what and when;
        UnknownItem for an unknown message or recipient. Returns the message as it is now.
        """
        reason = str(entry.detail.get("reason", ""))
        decision = Decision(by=entry.actor, at=entry.at, reason=reason)

        def work(connection: Connection) -> HeldMessage:
            before = self._one(connection, held_id)
            after = apply_to(before, act, addresses, decision, reply=reply)
            after = replace(after, dup_risk=before.dup_risk or dup_risk)
            self._save(connection, after)
            if act in RESULTS and all(r.state is not State.RELEASING for r in after.recipients):
                _change(connection, held_id, attempt_at=None)
            append_in(connection, self._school, entry)
            return after

        return await self._database.write(work)

    async def withdraw(
        self, held_id: HeldId, entry: AuditEntry, addresses: Sequence[str] = ()
    ) -> None:
        """Delete a `pending` row whose transaction was answered otherwise; where `addresses` are
        given, only their copies, if another's is left.

        Raises IllegalTransition when it is no longer pending, UnknownItem.
        """

        def work(connection: Connection) -> None:
            held = self._one(connection, held_id)
            gone = [r for r in held.recipients if not addresses or r.address in addresses]
            if {recipient.state for recipient in gone} != {State.PENDING}:
                standing = STANDING[held.state]
                raise IllegalTransition(f"The message {standing}, so it cannot be withdrawn.")
            if len(gone) < len(held.recipients):
                left = tuple(r for r in held.recipients if r not in gone)
                rest = replace(held, recipients=left)
                # All anew: their positions count from nought without a gap.
                connection.execute(delete(HeldRecipients).where(HeldRecipients.held_id == held_id))
                connection.execute(insert(HeldRecipients), recipient_values(rest))
            else:
                connection.execute(delete(HeldMessages).where(HeldMessages.id == held_id))
            append_in(connection, self._school, entry)

        await self._database.write(work)

    async def note_attempt(self, held_id: HeldId, at: datetime) -> bool:
        """Record that sending is about to begin.

        True when an earlier attempt has no recorded end: the message may then arrive twice, and
        is marked so. Raises UnknownItem.
        """

        def work(connection: Connection) -> bool:
            held = self._one(connection, held_id)
            open_since = connection.scalar(
                select(HeldMessages.attempt_at).where(HeldMessages.id == held_id)
            )
            has_open = open_since is not None
            dup_risk = held.dup_risk or has_open
            _change(connection, held_id, attempt_at=at, dup_risk=dup_risk)
            return has_open

        return await self._database.write(work)

    async def note_failure(self, held_id: HeldId, reply: str) -> None:
        """Record that an attempt ended without the next hop taking the message.

        `reply` is kept with each copy that still waits to be sent. Raises UnknownItem.
        """

        def work(connection: Connection) -> None:
            self._one(connection, held_id)
            _change(connection, held_id, attempt_at=None)
            connection.execute(
                update(HeldRecipients)
                .where(HeldRecipients.held_id == held_id, HeldRecipients.state == State.RELEASING)
                .values(reply=reply)
            )

        await self._database.write(work)

    async def note_export(self, held_id: HeldId, entry: AuditEntry) -> None:
        """Record that somebody took a copy of the evidence. Raises UnknownItem."""

        def work(connection: Connection) -> None:
            self._one(connection, held_id)
            _change(connection, held_id, exported=True, touched=self._now(connection))
            append_in(connection, self._school, entry)

        await self._database.write(work)

    def _ids(self, states: Sequence[State]) -> Ids:
        if not states:
            return (
                select(HeldMessages.id)
                .where(HeldMessages.school == self._school)
                .order_by(HeldMessages.id)
            )
        return (
            select(HeldRecipients.held_id)
            .distinct()
            .where(HeldRecipients.school == self._school, HeldRecipients.state.in_(states))
            .order_by(HeldRecipients.held_id)
        )

    def _one(self, connection: Connection, held_id: str) -> HeldMessage:
        found = load(connection, self._ids(()).where(HeldMessages.id == held_id))
        if not found:
            raise UnknownItem(f"There is no message {held_id} in quarantine.")
        return found[0]

    def _now(self, connection: Connection) -> int:
        return count_in(connection, self._school, self._stopwatch())

    def _save(self, connection: Connection, held: HeldMessage) -> None:
        touched = self._now(connection)
        _change(connection, held.id, dup_risk=held.dup_risk, touched=touched)
        for position, recipient in enumerate(held.recipients):
            connection.execute(
                update(HeldRecipients)
                .where(HeldRecipients.held_id == held.id, HeldRecipients.position == position)
                .values(standing_values(recipient))
            )


def _change(connection: Connection, held_id: str, **values: object) -> None:
    connection.execute(update(HeldMessages).where(HeldMessages.id == held_id).values(values))
