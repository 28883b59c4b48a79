"""The audit log: who did what, each entry chained by hash to the one before.

``hash`` is the SHA-256 of the previous entry's hash (64 hex digits; zeros before the first) and the
canonical JSON (sorted keys, no spaces, ASCII) of the entry's own columns. Whoever changes, removes,
reorders or inserts an entry must recompute every later hash, and so changes the head.

Limits: somebody who can write the database can replace the chain from any point on, head included.
Only a head that was kept elsewhere shows that.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, LargeBinary, Row, bindparam, cast, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from mailguard.errors import EvidenceDamaged
from mailguard.ports import AuditEntry
from mailguard.store.engine import Database
from mailguard.store.tables import AuditEntries, AuditHeads, storable

GENESIS = "0" * 64
"""Stands for the hash before the first entry."""

BATCH = 1000
"""Entries read at a time: about half a megabyte."""

HEAD = select(AuditHeads.seq, cast(AuditHeads.hash, LargeBinary).label("hash")).where(
    AuditHeads.school == bindparam("school")
)

_heads = upsert(AuditHeads)
MOVE_HEAD = _heads.on_conflict_do_update(
    index_elements=["school"], set_={"seq": _heads.excluded.seq, "hash": _heads.excluded.hash}
)

COVERED = ("seq", "school", "at", "actor", "action", "subject", "detail")
"""The columns that an entry's hash covers, beside the hash of the entry before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """What a check of the log found."""

    count: int
    """Entries that are sound, from the first on."""

    head: str
    """Hash of the last of them."""

    broken_at: int | None = None
    """Number of the first entry that is not as it was written, or is missing."""

    problem: str = ""
    """What is wrong with it, as a sentence."""


class SqlAuditLog:
    """The port :class:`~mailguard.ports.AuditLog` for one school."""

    def __init__(self, database: Database, school: str) -> None:
        self._database = database
        self._school = school

    async def append(self, entry: AuditEntry) -> None:
        """Chain and commit one entry. Raises StoreUnavailable."""
        await self._database.write(lambda connection: append_in(connection, self._school, entry))

    async def entries(self, *, subject: str = "", limit: int | None = None) -> Sequence[AuditEntry]:
        """What was done, to `subject` alone if given: the newest `limit`, oldest first.

        They are not verified. Raises EvidenceDamaged for one that cannot be read, StoreUnavailable.
        """
        wanted = (
            select(AuditEntries.__table__)
            .where(AuditEntries.school == self._school)
            .order_by(AuditEntries.seq.desc())
            .limit(limit)
        )
        if subject:
            wanted = wanted.where(AuditEntries.subject == subject)
        rows = await self._database.read(lambda connection: connection.execute(wanted).all())
        return [_entry(row) for row in reversed(rows)]

    async def verify(self) -> Chain:
        """Check the whole chain, reading it piece by piece. Raises StoreUnavailable."""
        return await self._database.read(lambda connection: verify_in(connection, self._school))


def append_in(connection: Connection, school: str, entry: AuditEntry) -> None:
    """Chain `entry` in the caller's transaction, so that both commit or neither."""
    seq, prev = _head(connection, school)
    row: dict[str, Any] = {
        "seq": seq + 1,
        "school": storable(school),
        "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": storable(entry.actor),
        "action": storable(entry.action),
        "subject": storable(entry.subject),
        "detail": _canonical(entry.detail),
        "prev": prev,
    }
    row["hash"] = _hash(row)
    connection.execute(insert(AuditEntries), row)
    connection.execute(MOVE_HEAD, {name: row[name] for name in ("school", "seq", "hash")})


def verify_in(connection: Connection, school: str) -> Chain:
    """Follow a school's chain from its first entry to its recorded head, or to the first break."""
    columns = (_raw(getattr(AuditEntries, name)) for name in (*COVERED, "prev", "hash"))
    rows = connection.execute(
        select(*columns).where(AuditEntries.school == school).order_by(AuditEntries.seq)
    )
    chain = Chain(count=0, head=GENESIS)
    for row in rows.yield_per(BATCH).mappings():
        entry = {name: _read(value) for name, value in row.items()}
        if problem := _problem(entry, chain):
            return replace(chain, broken_at=chain.count + 1, problem=problem)
        chain = Chain(count=chain.count + 1, head=entry["hash"])
    if (chain.count, chain.head) != _head(connection, school):
        problem = f"Entry {chain.count + 1} and perhaps more are missing at the end."
        return replace(chain, broken_at=chain.count + 1, problem=problem)
    return chain


def _head(connection: Connection, school: str) -> tuple[int, str]:
    row = connection.execute(HEAD, {"school": school}).one_or_none()
    return (row.seq, _read(row.hash)) if row else (0, GENESIS)


def _entry(row: Row[Any]) -> AuditEntry:
    try:
        return AuditEntry(
            at=datetime.fromisoformat(row.at),
            actor=row.actor,
            action=row.action,
            subject=row.subject,
            detail=json.loads(row.detail),
        )
    except (ValueError, TypeError) as error:
        raise EvidenceDamaged(f"entry {row.seq} of the audit log was changed") from error


def _problem(entry: dict[str, Any], chain: Chain) -> str:
    """What is wrong with the entry that should follow `chain`; ``""`` if nothing."""
    number = chain.count + 1
    if entry["seq"] != number:
        return f"Entry {number} is missing."
    if entry["prev"] != chain.head:
        return f"Entry {number} does not follow the entry before it."
    if entry["hash"] != _hash(entry):
        return f"Entry {number} was changed after it was written."
    return ""


def _raw(column: Any) -> Any:
    """Text as bytes: a flipped bit may leave what is not UTF-8, and is a break, not an error."""
    return column if column.key == "seq" else cast(column, LargeBinary).label(column.key)


def _read(value: Any) -> Any:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def _canonical(value: dict[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _hash(row: dict[str, Any]) -> str:
    covered = _canonical({name: row[name] for name in COVERED})
    return hashlib.sha256((row["prev"] + covered).encode("ascii")).hexdigest()
