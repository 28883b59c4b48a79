"""Copy the database while it is in use, and put a copy back.

A backup is one snapshot: SQLite's online backup inside one read transaction, during which others go
on writing. Opening and closing happen under the lock of :mod:`mailguard.store.engine`, because
either may checkpoint.

What comes back is proved and brought to today's schema in a folder of its own first. The database
is then replaced in one rename, and the one that was there stays beside it.
"""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mailguard.errors import StoreUnavailable, UserError
from mailguard.store.audit_log import Chain, SqlAuditLog
from mailguard.store.durable import fsync_folder
from mailguard.store.engine import PATIENCE, Database, migrate
from mailguard.store.lock import locked
from mailguard.store.migrations import knows
from mailguard.store.schema import read_schema

PAGES = 256
"""Pages (a megabyte) between two reports of progress."""

SIDES = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database that is open."""

WITH_SCHOOL = ("held_messages", "audit_entries", "ledger_rows", "secrets")
"""Tables in which a school that was ever at work has rows."""

IN_USE = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}

WORKSHOP = ".restore-"
"""Folders of this name are where copies are proved; the number of the process follows."""

Progress = Callable[[int, int], None]
"""Called with the pages copied so far and all there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """A backup that was made."""

    size: int
    """Bytes."""

    schema: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A database that was put back."""

    schema_before: str
    schema: str
    chain: Chain
    kept: Path | None
    """Where the database that was there is now; None when there was none."""


def back_up(database: Path, target: Path, progress: Progress = lambda done, of: None) -> Copied:
    """Write a complete, proved copy of `database` to `target`, mode 0600, durable on return.

    Others may use the database meanwhile. Raises UserError when `target` exists already,
    StoreUnavailable when the copy cannot be made or is not sound; nothing is then left behind.
    """
    if not database.exists():
        raise UserError(f"there is no database at {database} yet")
    if target.exists() or target.is_symlink():
        raise UserError(f"{target} exists already, and a backup replaces nothing; name another")
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with _faults():
            _copy(database, partial, progress)
        _prove(partial)
        _sync(partial)
        # Not rename: it would replace a file made meanwhile.
        target.hardlink_to(partial)
        partial.unlink()
        fsync_folder(target.parent)
    except FileExistsError:
        raise UserError(f"{target} exists already, and a backup replaces nothing") from None
    except FileNotFoundError:
        raise UserError(f"there is no folder {target.parent}; make it first") from None
    except OSError as error:
        raise StoreUnavailable(f"{target}: {error.strerror}") from error
    finally:
        for leftover in (partial, *(partial.with_name(partial.name + end) for end in SIDES)):
            leftover.unlink(missing_ok=True)
    return Copied(size=target.stat().st_size, schema=read_schema(target).current)


async def restore(
    backup: Path, database: Path, school: str, *, now: datetime, broken_chain: bool = False
) -> Restored:
    """Replace `database` by the copy in `backup`, proved and migrated. Durable on return.

    Raises UserError when something has the database open, when the copy is damaged, of a newer
    MailGuard or of another school, or its audit log broken (unless `broken_chain`);
    StoreUnavailable when the disk fails. Whatever is raised, the database that was there is as it
    was.
    """
    if not backup.is_file():  # noqa: ASYNC240  nothing else runs in this loop
        raise UserError(f"there is no file {backup}")
    _sweep(database.parent)
    try:
        workshop = Path(tempfile.mkdtemp(dir=database.parent, prefix=f"{WORKSHOP}{os.getpid()}-"))
    except OSError as error:
        raise StoreUnavailable(f"{database.parent}: {error.strerror}") from error
    try:
        copy = workshop / database.name
        with _faults():
            shutil.copyfile(backup, copy)
            copy.chmod(0o600)
        schema_before = _admit(copy)
        schema = migrate(f"sqlite:///{copy}")
        _admit_school(copy, school)
        chain = await _verify(copy, school)
        if chain.problem and not broken_chain:
            raise UserError(
                f"{backup}: its audit log is broken. {chain.problem} Take another backup, or say "
                "--broken-chain"
            )
        _settle_wal(copy)
        _sync(copy)
        kept = _swap(copy, database, now)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
    return Restored(schema_before=schema_before, schema=schema, chain=chain, kept=kept)


def _sweep(folder: Path) -> None:
    """Remove what a restore that was killed has left: all of a database, which nobody would look
    for there."""
    for workshop in folder.glob(f"{WORKSHOP}*-*"):
        owner = workshop.name.removeprefix(WORKSHOP).partition("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists():
            shutil.rmtree(workshop, ignore_errors=True)


def _copy(database: Path, target: Path, progress: Progress) -> None:
    # Must: opening as root must not make a lock that the service may not open.
    lock = database.with_name(database.name + ".lock")
    with locked(lock, PATIENCE):
        _give_away(lock, database)
        source = sqlite3.connect(f"{database.as_uri()}?mode=rw", uri=True, timeout=PATIENCE)
    try:
        # One snapshot from the first page to the last, however long others go on writing.
        source.isolation_level = None
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        with closing(sqlite3.connect(target)) as copy:
            source.backup(
                copy,
                pages=PAGES,
                progress=lambda _, remaining, total: progress(total - remaining, total),
            )
            copy.execute("PRAGMA journal_mode=DELETE").fetchone()
        source.execute("COMMIT")
    finally:
        with locked(lock, PATIENCE):
            source.close()


def _admit(copy: Path) -> str:
    """The schema of a copy that is sound and of no newer MailGuard. Raises UserError."""
    try:
        _prove(copy)
    except StoreUnavailable as error:
        raise UserError(f"the backup cannot be used: {error}") from None
    schema = read_schema(copy).current
    if not schema:
        raise UserError("the backup cannot be used: it is a database, but not one of MailGuard's")
    if not knows(schema):
        raise UserError(
            f"the backup is of a newer MailGuard (schema {schema}); install that version first"
        )
    return schema


def _admit_school(copy: Path, school: str) -> None:
    """Raises UserError for a copy that has rows, and none of this school: they would be listed
    nowhere, and its chain of no entries would count as unbroken."""
    rows = " UNION ".join(f"SELECT school FROM {table}" for table in WITH_SCHOOL)  # noqa: S608
    with _faults(), closing(sqlite3.connect(copy)) as connection:
        schools = {str(row[0]) for row in connection.execute(rows)}
    if schools and school not in schools:
        raise UserError(
            f"the backup is of another school: school.id is {school} here, and there "
            f"{', '.join(sorted(schools))}"
        )


def _prove(file: Path) -> None:
    """Read all of it. Raises StoreUnavailable with what is wrong."""
    with _faults(), closing(sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE").fetchone()
        found = [row[0] for row in connection.execute("PRAGMA integrity_check")]
        orphans = connection.execute("PRAGMA foreign_key_check").fetchall()
    if found != ["ok"]:
        raise StoreUnavailable(f"the copy is damaged: {found[0]}")
    if orphans:
        raise StoreUnavailable(f"the copy is damaged: {len(orphans)} rows of {orphans[0][0]}")


async def _verify(file: Path, school: str) -> Chain:
    database = Database(f"sqlite:///{file}")
    try:
        return await SqlAuditLog(database, school).verify()
    finally:
        await database.close()


def _swap(copy: Path, database: Path, now: datetime) -> Path | None:
    """Put `copy` in the place of `database`, alone with it; return where that one is now."""
    lock = database.with_name(database.name + ".lock")
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    kept = database.with_name(f"{database.name}.before-restore-{stamp}")
    try:
        with locked(lock, PATIENCE):
            _give_away(lock, database)
            is_replaced = database.exists()
            if is_replaced:
                _settle_wal(database, is_whole=False)
                # A second name first: there is no moment without a database.
                kept.hardlink_to(database)
            for end in SIDES:
                # Left by a database too damaged to take them in; they would be taken for the new
                # one's.
                with suppress(FileNotFoundError):
                    database.with_name(database.name + end).rename(kept.with_name(kept.name + end))
            _give_away(copy, database)
            copy.replace(database)
            fsync_folder(database.parent)
    except TimeoutError:
        raise UserError("something is writing to the database; stop MailGuard first") from None
    except OSError as error:
        raise StoreUnavailable(f"{error.filename}: {error.strerror}") from error
    return kept if is_replaced else None


def _settle_wal(database: Path, *, is_whole: bool = True) -> None:
    """Take what is in the WAL into the file itself, which needs the database to itself.

    Raises UserError when somebody has it open. One that is damaged is left as it is, unless it
    `is_whole` by what was proved before.
    """
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=rw", uri=True, timeout=0)) as one:
            one.execute("PRAGMA journal_mode=DELETE").fetchone()
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in IN_USE:
            raise UserError(
                "something has the database open; stop MailGuard first: systemctl stop 'mailguard*'"
            ) from None
        if is_whole:
            raise StoreUnavailable(f"database: {error}") from error


def _sync(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _give_away(file: Path, database: Path) -> None:
    """Root's file becomes that of the database's owner, else of its folder's: the service's."""
    if os.geteuid() == 0:
        owner = (database if database.exists() else database.parent).stat()
        os.chown(file, owner.st_uid, owner.st_gid)


@contextmanager
def _faults() -> Iterator[None]:
    """Make every fault of disk or database a StoreUnavailable."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreUnavailable(f"database: {error}") from error
    except OSError as error:
        raise StoreUnavailable(f"database: {error}") from error
