"""What is remembered of messages so that none arrives twice: unread replies, and who has what."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    delete,
    exists,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert as upsert

from mailguard.errors import StoreUnavailable
from mailguard.mail.reply import Replies, Reply
from mailguard.ports import AuditEntry, UnreadReply
from mailguard.quarantine.held import HeldMessage
from mailguard.quarantine.merging import is_undecided, waits
from mailguard.store.audit_log import append_in
from mailguard.store.elapsed import Stopwatch, Uptime, count_in, counted_in, machine_uptime
from mailguard.store.engine import Database
from mailguard.store.rows import load
from mailguard.store.tables import Clocks, DeliveredRecipients, HeldMessages, UnreadReplies

UNREAD_KEPT = timedelta(hours=24)
DELIVERED_KEPT = timedelta(days=7)
"""Longer than mail servers try again (RFC 5321 §4.5.4.1: four to five days)."""

CAPACITY = 10_000
"""Unread replies of a school; beyond it the oldest go. A client that vanishes ever again costs rows
and memory no further than this."""

NEWS = (
    select(UnreadReplies.id, UnreadReplies.fingerprint, UnreadReplies.trace_free)
    .where(
        UnreadReplies.school == bindparam("school"),
        UnreadReplies.id > bindparam("upto"),
        UnreadReplies.given.is_(False),
    )
    .order_by(UnreadReplies.id)
)
ANY_DELIVERED = select(exists().where(DeliveredRecipients.school == bindparam("school")))

LOOK_EVERY_S = 1.0
"""A look takes the database thread some 0.2 ms. One is due this often, and whenever the database
was written to, so that a client may try again at once and at another process."""

LOOK_APART_S = 0.005
"""Between two looks, however often the database is written to."""

SETTLED_NS = 20_000_000
"""A write younger than this may not have been readable yet when we looked: the file changes before
the commit does, and its time goes in steps of some milliseconds."""

LOOK_WITHIN_S = 0.25
"""A message waits no longer than this for a look, and none waits while one is late: then the
database is locked, and what was known before has to do."""

RELOAD_EVERY_S = 3600.0
"""In between only what is new is read, so that what has expired is known a little too long. That
does no harm: nothing is given out of memory."""


@dataclass(slots=True)
class _View:
    """What one process knows of the tables."""

    unread: dict[str, str] = field(default_factory=dict)
    """Fingerprints without trace by exact ones."""

    similar: Counter[str] = field(default_factory=Counter)
    """How often each of those is there."""

    has_delivered: bool = False
    upto: int = 0
    """The last id that was read."""

    loaded_at: float = -math.inf

    def add(self, fingerprint: str, trace_free: str) -> None:
        """There is a reply to this."""
        self.remove(fingerprint)
        self.unread[fingerprint] = trace_free
        self.similar[trace_free] += 1

    def remove(self, fingerprint: str) -> None:
        """There is none any more."""
        before = self.unread.pop(fingerprint, None)
        if before is not None:
            self.similar[before] -= 1
            if not self.similar[before]:
                del self.similar[before]


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
        self._monotonic = monotonic
        self._view = _View()
        self._looked_at = -math.inf
        self._seen = -1
        """The database's last write that a look has certainly seen."""

        self._look: asyncio.Task[None] | None = None
        self._is_late = False

    async def has_unread(self, fingerprint: str) -> bool:
        """Whether the reply to this very message may be one that its client never read."""
        await self._refresh()
        return fingerprint in self._view.unread

    async def has_any_unread(self) -> bool:
        """Whether there is any such reply."""
        await self._refresh()
        return bool(self._view.unread)

    async def has_similar(self, trace_free: str) -> bool:
        """Whether such a reply was to a message like this but for its ``Received:`` fields."""
        await self._refresh()
        return self._view.similar[trace_free] > 0

    async def has_any_delivered(self) -> bool:
        """Whether there is anything for :meth:`delivered` to say of any message."""
        await self._refresh()
        return self._view.has_delivered

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
        self._view.add(fingerprint, trace_free)
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
            self._view.remove(fingerprint)
        return taken

    async def drop_unread(self, fingerprint: str, queue_id: str) -> None:
        """Forget that a reply was to come: the message was not taken after all."""
        this = (*self._unread(fingerprint), UnreadReplies.queue_id == queue_id)
        await self._database.write(
            lambda connection: connection.execute(delete(UnreadReplies).where(*this))
        )
        self._view.remove(fingerprint)

    async def forget_unread(self, fingerprint: str, *, but: str) -> bool:
        """Forget what is remembered of any message like this but the one with this queue id."""
        these = (*self._unread(fingerprint), UnreadReplies.queue_id != but)
        rows = await self._database.write(
            lambda connection: connection.execute(delete(UnreadReplies).where(*these)).rowcount
        )
        if rows:
            self._view.remove(fingerprint)
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
        self._view.has_delivered = True

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

    async def _refresh(self) -> None:
        """Look what is new, unless somebody did just now. Never raises."""
        if self._look is None and self._is_due(now := self._monotonic()):
            self._looked_at = now
            self._look = asyncio.create_task(self._see(now), name="receipts")
        if self._look is None or self._is_late:
            return
        done, _ = await asyncio.wait({self._look}, timeout=LOOK_WITHIN_S)
        self._is_late = not done

    def _is_due(self, now: float) -> bool:
        passed = now - self._looked_at
        if passed < LOOK_APART_S:
            return False
        written = self._database.written_at()
        if passed < LOOK_EVERY_S and written == self._seen:
            return False
        self._seen = written if abs(time.time_ns() - written) > SETTLED_NS else -1
        return True

    async def _see(self, now: float) -> None:
        """Bring the view up to date, if the database lets us."""
        view = self._view
        if now - view.loaded_at >= RELOAD_EVERY_S or len(view.unread) > 2 * CAPACITY:
            view = _View(loaded_at=now)
        try:
            rows, view.has_delivered = await self._database.read(
                lambda connection: self._news(connection, view.upto)
            )
            for row in rows:
                view.add(row.fingerprint, row.trace_free)
                view.upto = row.id
            self._view = view
        except StoreUnavailable:
            pass
        finally:
            self._look = None
            self._is_late = False

    def _news(self, connection: Connection, upto: int) -> tuple[Sequence[Any], bool]:
        rows = connection.execute(NEWS, {"school": self._school, "upto": upto}).all()
        return rows, bool(connection.scalar(ANY_DELIVERED, {"school": self._school}))

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
