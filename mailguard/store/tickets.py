"""The rows of the tickets with which authors can have returned messages sent after all."""

import secrets
from datetime import timedelta

from sqlalchemy import Connection, delete, insert, select

from mailguard.quarantine.held import HeldId
from mailguard.quarantine.ticket import TOKEN_BYTES, VALID, Ticket, hash_token, write_token
from mailguard.store.elapsed import Stopwatch, count_in, counted_in, machine_uptime
from mailguard.store.engine import Database
from mailguard.store.tables import Tickets

KEPT = VALID + timedelta(days=30)
"""For so long somebody is told that time is up, and not that there is no such thing."""


class SqlTickets:
    """The port :class:`~mailguard.ports.Tickets` for one school."""

    def __init__(
        self, database: Database, school: str, *, stopwatch: Stopwatch = machine_uptime
    ) -> None:
        self._database = database
        self._school = school
        self._stopwatch = stopwatch

    async def issue(self, held_id: HeldId, author: str) -> str:
        """Make a token for this message, and for its author alone. Durable on return."""
        token = write_token(secrets.token_bytes(TOKEN_BYTES))

        def work(connection: Connection) -> None:
            connection.execute(
                insert(Tickets).values(
                    school=self._school,
                    token=hash_token(token),
                    held_id=held_id,
                    author=author,
                    issued=count_in(connection, self._school, self._stopwatch()),
                )
            )

        await self._database.write(work, adds=True)
        return token

    async def find(self, token: str) -> Ticket | None:
        """What `token` is good for; None when there is no such token."""
        wanted = select(Tickets.held_id, Tickets.author, Tickets.issued).where(
            Tickets.school == self._school, Tickets.token == hash_token(token)
        )

        def work(connection: Connection) -> Ticket | None:
            row = connection.execute(wanted).one_or_none()
            if row is None:
                return None
            now = counted_in(connection, self._school, self._stopwatch())
            return Ticket(
                held_id=HeldId(row.held_id),
                author=row.author,
                age=timedelta(seconds=now - row.issued),
            )

        return await self._database.read(work)

    async def expire(self) -> int:
        """Forget those that have been over for a month; return how many."""

        def work(connection: Connection) -> int:
            now = count_in(connection, self._school, self._stopwatch())
            latest = now - KEPT.total_seconds()
            stale = delete(Tickets).where(Tickets.school == self._school, Tickets.issued <= latest)
            return connection.execute(stale).rowcount

        return await self._database.write(work)
