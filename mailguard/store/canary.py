"""The rows of the self-test: how each run went, and what becomes of its messages meanwhile."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from sqlalchemy import Connection, delete, func, insert, or_, select

from mailguard.ports import CanaryRun, Clock
from mailguard.store.engine import Database
from mailguard.store.tables import CanaryMarks, CanaryRuns

KEPT = 1000
"""Runs of a school: ten days of one listener at the usual pace."""

STALE = timedelta(hours=1)
"""Marks that nobody has taken by then were left by a process that died."""


class SqlCanaryStore:
    """The port :class:`~mailguard.ports.CanaryStore` for one school."""

    def __init__(self, database: Database, school: str, clock: Clock) -> None:
        self._database = database
        self._school = school
        self._clock = clock

    async def note(self, run: CanaryRun) -> None:
        """Record one run, and forget those that are older than the last thousand."""

        def work(connection: Connection) -> None:
            connection.execute(
                insert(CanaryRuns),
                {
                    "school": self._school,
                    "at": run.at,
                    "listener": run.listener,
                    "failure": run.failure,
                },
            )
            mine = CanaryRuns.school == self._school
            oldest = (
                select(CanaryRuns.id)
                .where(mine)
                .order_by(CanaryRuns.id.desc())
                .offset(KEPT - 1)
                .limit(1)
                .scalar_subquery()
            )
            connection.execute(delete(CanaryRuns).where(mine, CanaryRuns.id < oldest))
            # Later ones too: a clock that was set back has made them.
            stale = or_(CanaryMarks.at < run.at - STALE, CanaryMarks.at > run.at + STALE)
            connection.execute(delete(CanaryMarks).where(CanaryMarks.school == self._school, stale))

        await self._database.write(work)

    async def latest(self) -> Mapping[str, CanaryRun]:
        """The last run of each listener."""
        last = (
            select(func.max(CanaryRuns.id))
            .where(CanaryRuns.school == self._school)
            .group_by(CanaryRuns.listener)
        )
        wanted = select(CanaryRuns.__table__).where(CanaryRuns.id.in_(last))
        rows = await self._database.read(lambda connection: connection.execute(wanted).all())
        return {
            row.listener: CanaryRun(at=row.at, listener=row.listener, failure=row.failure)
            for row in rows
        }

    async def mark(self, token: str, event: str) -> None:
        """Record that the test message `token` was held or came out. Durable on return."""
        row = {"school": self._school, "token": token, "event": event, "at": self._clock.now()}
        await self._database.write(lambda connection: connection.execute(insert(CanaryMarks), row))

    async def take_marks(self, token: str) -> Sequence[str]:
        """The events recorded for `token`, oldest first; they are deleted."""
        these = (CanaryMarks.school == self._school, CanaryMarks.token == token)

        def work(connection: Connection) -> Sequence[str]:
            wanted = select(CanaryMarks.event).where(*these).order_by(CanaryMarks.id)
            events = connection.scalars(wanted).all()
            if events:
                connection.execute(delete(CanaryMarks).where(*these))
            return events

        return await self._database.write(work)
