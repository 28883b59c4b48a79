"""What a process knows of unread replies without asking, so that a message to which none belongs
costs next to nothing."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, exists, select

from mailguard.errors import StoreUnavailable
from mailguard.store.engine import Database
from mailguard.store.tables import DeliveredRecipients, UnreadReplies

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
class View:
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


class KnownReceipts:
    """Keeps a :class:`View` of one school's tables up to date, for one event loop."""

    def __init__(
        self, database: Database, school: str, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._school = school
        self._monotonic = monotonic
        self.view = View()
        """As it is; whoever writes to the tables says so here as well."""

        self._looked_at = -math.inf
        self._seen = -1
        """The database's last write that a look has certainly seen."""

        self._look: asyncio.Task[None] | None = None
        self._is_late = False

    async def now(self) -> View:
        """What is known, after a look at what is new, unless somebody looked just now. Never
        raises."""
        if self._look is None and self._is_due(now := self._monotonic()):
            self._looked_at = now
            self._look = asyncio.create_task(self._see(now), name="receipts")
        if self._look is None or self._is_late:
            return self.view
        done, _ = await asyncio.wait({self._look}, timeout=LOOK_WITHIN_S)
        self._is_late = not done
        return self.view

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
        view = self.view
        if now - view.loaded_at >= RELOAD_EVERY_S or len(view.unread) > 2 * CAPACITY:
            view = View(loaded_at=now)
        try:
            rows, view.has_delivered = await self._database.read(
                lambda connection: self._news(connection, view.upto)
            )
            for row in rows:
                view.add(row.fingerprint, row.trace_free)
                view.upto = row.id
            self.view = view
        except StoreUnavailable:
            pass
        finally:
            self._look = None
            self._is_late = False

    def _news(self, connection: Connection, upto: int) -> tuple[Sequence[Any], bool]:
        rows = connection.execute(NEWS, {"school": self._school, "upto": upto}).all()
        return rows, bool(connection.scalar(ANY_DELIVERED, {"school": self._school}))
