"""Counts for people: what the tables have gained since a mark."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, case, func, select, true

from mailguard.ports import Counts, Traffic
from mailguard.report.own_mail import Mark
from mailguard.store.elapsed import Stopwatch, counted_in, machine_uptime
from mailguard.store.engine import Database
from mailguard.store.tables import AuditEntries, CanaryRuns, LedgerRows

_DAY_S = 24 * 60 * 60


class SqlFigures:
    """The port :class:`~mailguard.ports.Figures` for one school."""

    def __init__(
        self, database: Database, school: str, *, stopwatch: Stopwatch = machine_uptime
    ) -> None:
        self._database = database
        self._school = school
        self._stopwatch = stopwatch

    async def traffic(self, days: int) -> Traffic:
        """What passed in the last `days` counted days. Raises StoreUnavailable."""
        return await self._database.read(
            lambda connection: self._traffic(connection, days * _DAY_S)
        )

    def _traffic(self, connection: Connection, seconds: int) -> Traffic:
        mine = LedgerRows.school == self._school
        begin = counted_in(connection, self._school, self._stopwatch()) - seconds
        by_relationship = (
            select(LedgerRows.relationship, func.count())
            .where(mine, LedgerRows.written > begin)
            .group_by(LedgerRows.relationship)
        )
        oldest = connection.scalar(select(func.min(LedgerRows.written)).where(mine))
        return Traffic(
            relationships=_tally(connection.execute(by_relationship)),
            is_whole=oldest is not None and oldest <= begin,
        )

    async def count(self, since: Mark) -> Counts:
        """What happened since then, in one snapshot.

        Ledger ids begin anew once retention has deleted every row, so a mark beyond the last id
        counts all rows. Raises StoreUnavailable.
        """
        return await self._database.read(lambda connection: self._count(connection, since))

    def _count(self, connection: Connection, since: Mark) -> Counts:
        upto = self._upto(connection)
        first = since.ledger if since.ledger <= upto.ledger else 0
        new = (LedgerRows.school == self._school, LedgerRows.id > first)
        by_outcome = select(LedgerRows.outcome, func.count()).where(*new).group_by("outcome")
        outcomes = _tally(connection.execute(by_outcome))
        about = self._about(connection, since.audit)
        failures = func.sum(case((CanaryRuns.failure == "", 0), else_=1), type_=Integer)
        runs = connection.execute(
            select(func.count(), func.coalesce(failures, 0)).where(
                CanaryRuns.school == self._school, CanaryRuns.id > since.canary
            )
        ).one()
        return Counts(
            checked=sum(outcomes.values()),
            unread=_unread(connection, *new),
            outcomes=outcomes,
            actions={action: len(subjects) for action, subjects in about.items()},
            about=about,
            tests=runs[0],
            failed_tests=runs[1],
            upto=upto,
        )

    def _upto(self, connection: Connection) -> Mark:
        ledger, audit, canary = (
            connection.scalar(select(func.max(number)).where(school == self._school)) or 0
            for number, school in (
                (LedgerRows.id, LedgerRows.school),
                (AuditEntries.seq, AuditEntries.school),
                (CanaryRuns.id, CanaryRuns.school),
            )
        )
        return Mark(ledger=ledger, audit=audit, canary=canary)

    def _about(self, connection: Connection, since: int) -> Mapping[str, Sequence[str]]:
        about = defaultdict(list)
        for action, subject in connection.execute(
            select(AuditEntries.action, AuditEntries.subject)
            .where(AuditEntries.school == self._school, AuditEntries.seq > since)
            .order_by(AuditEntries.seq)
        ):
            about[action].append(subject)
        return about


def _unread(connection: Connection, *conditions: ColumnElement[bool]) -> Mapping[str, int]:
    """Messages by reason; one with the same reason twice is one message."""
    reasons = func.json_each(LedgerRows.unscanned).table_valued("value")
    wanted = (
        select(reasons.c.value, func.count(LedgerRows.id.distinct()))
        .select_from(LedgerRows)
        .join(reasons, onclause=true())
        .where(*conditions)
        .group_by(reasons.c.value)
    )
    return _tally(connection.execute(wanted))


def _tally(rows: Iterable[Any]) -> Mapping[str, int]:
    return {name: number for name, number in rows}  # noqa: C416  rows are no tuples to dict()
