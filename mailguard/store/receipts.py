"""What is remembered of messages so that none arrives twice: unread replies, and who has what."""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta

from sqlalchemy import (
    ColumnElement,
    Connection,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert as upsert

from mailguard.mail.reply import Replies, Reply
from mailguard.ports import AuditEntry, UnreadReply
from mailguard.quarantine.held import HeldMessage
from mailguard.quarantine.merging import is_undecided, waits
from mailguard.store.audit_log import append_in
from mailguard.store.elapsed import Stopwatch, Uptime, count_in, counted_in, machine_uptime
from mailguard.store.engine import Database
from mailguard.store.known_receipts import CAPACITY, KnownReceipts
from mailguard.store.rows import load
from mailguard.store.tables import Clocks, DeliveredRecipients, HeldMessages, UnreadReplies

UNREAD_KEPT = timedelta(hours=24)
DELIVERED_KEPT = timedelta(days=7)
"""Longer than mail servers try again (RFC 5321 §4.5.4.1: four to five days)."""


class SqlReceipts:
    """The port :class:`~mailguard.ports.Receipts` for one school, and one event loop."""

    def __init__(
        self,
        database: Database,
        school: str,
        *,
        stopwatch: Stopwatch = machine_uptime,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._school = school
        self._stopwatch = stopwatch
        self._known = KnownReceipts(database, school, monotonic=monotonic)

    async def has_unread(self, fingerprint: str) -> bool:
        """Whether the reply to this very message may be one that its client never read."""
        return fingerprint in (await self._known.now()).unread

    async def has_any_unread(self) -> bool:
        """Whether there is any such reply."""
        return bool((await self._known.now()).unread)

    async def has_similar(self, trace_free: str) -> bool:
        """Whether such a reply was to a message like this but for its ``Received:`` fields."""
        return (await self._known.now()).similar[trace_free] > 0

    async def has_any_delivered(self) -> bool:
        """Whether there is anything for :meth:`delivered` to say of any message."""
        return (await self._known.now()).has_delivered

    async def keep_unread(
        self, fingerprint: str, replies: Replies, queue_id: str, *, trace_free: str
    ) -> None:
        """Remember replies that a client may not have read, none while they are not known yet.
        Durable on return.
        """
        values = {
            "school": self._school,
            "fingerprint": fingerprint,
            "trace_free": trace_free,
            "replies": [_write(reply) for reply in replies],
            "given": False,
        }
        this = self._unread(fingerprint)

        def work(connection: Connection) -> None:
            before = connection.execute(select(UnreadReplies.__table__).where(*this)).one_or_none()
            if before is not None and not before.given and not replies:
                return  # what is known already says more
            # Not an update: only a new id is seen by the other processes.
            connection.execute(delete(UnreadReplies).where(*this))
            connection.execute(
                insert(UnreadReplies),
                values | {"queue_id": queue_id, "written": self._now(connection)},
            )
            self._trim(connection)

        # Before it is written: whoever asks in this process is answered after that.
        self._known.view.add(fingerprint, trace_free)
        await self._database.write(work, adds=True)

    async def take_unread(
        self, fingerprint: str, merged: Callable[[HeldMessage], AuditEntry]
    ) -> UnreadReply | None:
        """The replies to this message, each at most once, whoever asks. Those that are not known
        yet may be asked for again.

        None when there are none, or a person has decided about the message meanwhile: both are
        looked at in the transaction in which the replies are used up, and `merged` is written.
        """
        this = self._unread(fingerprint)

        def work(connection: Connection) -> UnreadReply | None:
            row = connection.execute(
                select(UnreadReplies.__table__).where(
                    *this,
                    UnreadReplies.given.is_(False),
                    UnreadReplies.written > self._now(connection) - UNREAD_KEPT.total_seconds(),
                )
            ).one_or_none()
            if row is None:
                return None
            if not row.replies:
                return UnreadReply(replies=(), queue_id=row.queue_id)
            connection.execute(update(UnreadReplies).where(*this).values(given=True))
            kept = self._kept(connection, row.queue_id)
            if not all(map(is_undecided, kept)):
                return None
            waiting = [held for held in kept if waits(held)]
            for held in waiting:
                append_in(connection, self._school, merged(held))
            return UnreadReply(
                replies=tuple(map(_read, row.replies)),
                queue_id=row.queue_id,
                held_id=waiting[0].id if waiting else None,
            )

        taken = await self._database.write(work)
        if taken is None or taken.replies:
            self._known.view.remove(fingerprint)
        return taken

    async def drop_unread(self, fingerprint: str, queue_id: str) -> None:
        """Forget that a reply was to come: the message was not taken after all."""
        this = (*self._unread(fingerprint), UnreadReplies.queue_id == queue_id)
        await self._database.write(
            lambda connection: connection.execute(delete(UnreadReplies).where(*this))
        )
        self._known.view.remove(fingerprint)

    async def forget_unread(self, fingerprint: str, *, but: str) -> bool:
        """Forget what is remembered of any message like this but the one with this queue id."""
        these = (*self._unread(fingerprint), UnreadReplies.queue_id != but)
        rows = await self._database.write(
            lambda connection: connection.execute(delete(UnreadReplies).where(*these)).rowcount
        )
        if rows:
            self._known.view.remove(fingerprint)
        return bool(rows)

    async def delivered(self, fingerprint: str) -> frozenset[str]:
        """The RCPT addresses that have this message already."""

        def work(connection: Connection) -> frozenset[str]:
            now = counted_in(connection, self._school, self._stopwatch())
            wanted = select(DeliveredRecipients.address).where(
                *self._delivered(fingerprint),
                DeliveredRecipients.written > now - DELIVERED_KEPT.total_seconds(),
            )
            return frozenset(connection.scalars(wanted))

        return await self._database.read(work)

    async def note_delivered(self, fingerprint: str, addresses: Sequence[str]) -> None:
        """Remember for 7 days that these have it. Durable on return."""
        if not addresses:
            return

        def work(connection: Connection) -> None:
            now = self._now(connection)
            connection.execute(
                upsert(DeliveredRecipients).on_conflict_do_update(
                    index_elements=["school", "fingerprint", "address"], set_={"written": now}
                ),
                [
                    {
                        "school": self._school,
                        "fingerprint": fingerprint,
                        "address": address,
                        "written": now,
                    }
                    for address in dict.fromkeys(addresses)
                ],
            )

        await self._database.write(work, adds=True)
        self._known.view.has_delivered = True

    async def forget_delivered(self, fingerprint: str, addresses: Sequence[str]) -> None:
        """The sender does not send it to these again."""
        these = (*self._delivered(fingerprint), DeliveredRecipients.address.in_(addresses))
        await self._database.write(
            lambda connection: connection.execute(delete(DeliveredRecipients).where(*these))
        )

    async def expire(self) -> int:
        """Delete what is older than it may be, of every school; return how many rows.

        Raises StoreUnavailable.
        """
        return await self._database.write(lambda connection: _expire(connection, self._stopwatch()))

    def _kept(self, connection: Connection, queue_id: str) -> Sequence[HeldMessage]:
        """Two, where some copies were held and others are undeliverable."""
        these = select(HeldMessages.id).where(
            HeldMessages.school == self._school, HeldMessages.queue_id == queue_id
        )
        return load(connection, these)

    def _trim(self, connection: Connection) -> None:
        oldest = (
            select(UnreadReplies.id)
            .where(UnreadReplies.school == self._school)
            .order_by(UnreadReplies.id.desc())
            .offset(CAPACITY)
            .limit(1)
            .scalar_subquery()
        )
        connection.execute(
            delete(UnreadReplies).where(
                UnreadReplies.school == self._school, UnreadReplies.id <= oldest
            )
        )

    def _unread(self, fingerprint: str) -> tuple[ColumnElement[bool], ...]:
        return (
            UnreadReplies.school == self._school,
            UnreadReplies.fingerprint == fingerprint,
        )

    def _delivered(self, fingerprint: str) -> tuple[ColumnElement[bool], ...]:
        return (
            DeliveredRecipients.school == self._school,
            DeliveredRecipients.fingerprint == fingerprint,
        )

    def _now(self, connection: Connection) -> int:
        return count_in(connection, self._school, self._stopwatch())


def _expire(connection: Connection, uptime: Uptime) -> int:
    deleted = 0
    for school in connection.scalars(select(Clocks.school)).all():
        now = count_in(connection, school, uptime)
        for table, kept in ((UnreadReplies, UNREAD_KEPT), (DeliveredRecipients, DELIVERED_KEPT)):
            deleted += connection.execute(
                delete(table).where(
                    table.school == school, table.written <= now - kept.total_seconds()
                )
            ).rowcount
    return deleted


def _write(reply: Reply) -> str:
    """As it went over the wire."""
    return reply.encode().decode("ascii")


def _read(text: str) -> Reply:
    lines = text.splitlines()
    return Reply(code=int(text[:3]), lines=tuple(line[4:] for line in lines))
