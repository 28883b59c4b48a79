"""The ledger: a row for each message judged, written in groups beside the mail, never before it."""

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import fields
from datetime import timedelta
from itertools import islice

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.exc import SQLAlchemyError

from mailguard.errors import StoreUnavailable
from mailguard.ports import LedgerRow
from mailguard.quarantine.retention import Retention
from mailguard.store.elapsed import Stopwatch, Uptime, count_in, machine_uptime
from mailguard.store.engine import Database
from mailguard.store.tables import Clocks, LedgerRows

GROUP = 256
"""Rows in one commit at most: enough that the sync costs each row little, and still some 10 ms."""

INTERVAL = 0.25
"""Seconds that a row waits for others, and a failed group for its next try. A crash may lose the
rows of as long."""

CAPACITY = 10_000
"""Rows kept while the database cannot be written: some 10 MB, and several seconds of the fastest
relaying that was measured."""

COLUMNS = tuple(field.name for field in fields(LedgerRow))


class SqlLedger:
    """The port :class:`~mailguard.ports.Ledger`, for the event loop that first records a row."""

    def __init__(self, database: Database, *, stopwatch: Stopwatch = machine_uptime) -> None:
        self._database = database
        self._stopwatch = stopwatch
        self._rows: deque[LedgerRow] = deque()
        self._writer: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._is_closing = False
        self.lost = 0
        """Rows given up: there was no room while the database was away, or it refused them."""

    def record(self, row: LedgerRow) -> None:
        """Queue a row. Never blocks or raises; with :data:`CAPACITY` rows waiting, it is lost."""
        if len(self._rows) >= CAPACITY:
            self.lost += 1
            return
        self._rows.append(row)
        if len(self._rows) == GROUP:
            self._wake.set()
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all(), name="ledger")

    async def expire(self, retention: Retention) -> int:
        """Delete rows older than `retention` says, by counted time; return how many.

        Raises StoreUnavailable.
        """
        kept = timedelta(days=retention.ledger)
        return await self._database.write(
            lambda connection: _expire(connection, kept, self._stopwatch())
        )

    async def close(self) -> None:
        """Write what is queued; what the database does not take now is lost, and counted."""
        self._is_closing = True
        self._wake.set()
        if self._writer is not None:
            await self._writer
        self.lost += len(self._rows)
        self._rows.clear()

    async def _write_all(self) -> None:
        may_go_on = True
        while self._rows:
            if len(self._rows) < GROUP or not may_go_on:
                await self._wait()
            may_go_on = await self._write_group()
            if self._is_closing and not may_go_on:
                return

    async def _wait(self) -> None:
        if self._is_closing:
            return
        self._wake.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(INTERVAL):
                await self._wake.wait()

    async def _write_group(self) -> bool:
        """Write the oldest rows and forget them; False when they must wait."""
        group = tuple(islice(self._rows, GROUP))
        try:
            await self._database.write(
                lambda connection: _insert(connection, group, self._stopwatch()), adds=True
            )
        except StoreUnavailable:
            return False
        except SQLAlchemyError:
            # The same rows would fail again, and keep all later ones waiting.
            self.lost += len(group)
        for _ in group:
            self._rows.popleft()
        return True


def _insert(connection: Connection, group: tuple[LedgerRow, ...], uptime: Uptime) -> None:
    now = {school: count_in(connection, school, uptime) for school in {r.school for r in group}}
    connection.execute(
        insert(LedgerRows),
        [
            {name: getattr(row, name) for name in COLUMNS} | {"written": now[row.school]}
            for row in group
        ],
    )


def _expire(connection: Connection, kept: timedelta, uptime: Uptime) -> int:
    deleted = 0
    for school in connection.scalars(select(Clocks.school)).all():
        latest = count_in(connection, school, uptime) - kept.total_seconds()
        deleted += connection.execute(
            delete(LedgerRows).where(LedgerRows.school == school, LedgerRows.written <= latest)
        ).rowcount
    return deleted
