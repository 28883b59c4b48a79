"""The database: one connection in one thread of each process, and one writer at a time in all.

1. Every write transaction, every checkpoint, and opening and closing the file (which may
   checkpoint) happen under one flock on ``<db>.lock``, in every process. SQLite before 3.51.3 can
   corrupt a WAL that several connections checkpoint at once (https://sqlite.org/wal.html), and a
   busy timeout alone lets one of four writers starve the others.
2. Every write transaction starts with ``BEGIN IMMEDIATE``: a read that turns into a write fails
   at once, whatever the timeout.
3. ``synchronous=FULL``: in WAL mode anything less does not sync at each commit, and we answer 250
   for what was committed.
4. No connection crosses a fork.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError

from mailguard import events
from mailguard.errors import ConfigError, StoreUnavailable
from mailguard.store.durable import fsync_folder, give_to_owner
from mailguard.store.lock import locked
from mailguard.store.threads import Threads

PATIENCE = 5.0
"""Seconds to wait for another process's write. A commit takes milliseconds; the client of a held
message waits 100 s at least (Postfix's `smtpd_proxy_timeout`)."""

WAL_LIMIT = 16 << 20
"""Bytes to which a checkpoint cuts the WAL. SQLite checkpoints at 4 MB; only a purge goes past."""

BALLAST_SIZE = 1 << 20
"""Bytes given up when the disk is full: SQLite cannot even delete then. One decision or purge takes
some 50 KB of the WAL, and a purge then frees more."""

T = TypeVar("T")

_inherited: list[Connection] = []
"""Connections of a parent process: kept, because closing one here would disturb the parent's."""


class Database:
    """One SQLite file. All methods raise StoreUnavailable when it cannot be used now."""

    def __init__(self, url: str, *, patience: float = PATIENCE) -> None:
        """Remember where it is; nothing is opened yet.

        Raises ConfigError for any other `url` than ``sqlite:////absolute/path``.
        """
        self._path = _path_of(url)
        self._patience = patience
        self._wal = self._path.with_name(self._path.name + "-wal")
        self._ballast = self._path.with_name(self._path.name + ".ballast")
        self._engine = _engine(self._path, patience)
        self._threads = Threads(1, "database")
        self._connection: Connection | None = None
        self._pid = 0
        self._is_suspect = False
        self._lacks_ballast = False

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in the database thread, on one snapshot of the data."""
        return await self._threads.run(lambda: self._read(work))

    async def write(self, work: Callable[[Connection], T], *, adds: bool = False) -> T:
        """Run `work` in the database thread, in one transaction.

        On return all of it is durable; after an exception none of it happened. A broken
        constraint raises SQLAlchemy's IntegrityError. When the disk is full, the ballast is given
        up and `work` run once more, unless it only `adds` to what has to be kept; a later write
        takes ballast again, once there is room.
        """
        return await self._threads.run(lambda: self._write(work, adds=adds))

    def written_at(self) -> int:
        """When anybody, in any process, last wrote; nanoseconds of the file system's clock, and 0
        when that cannot be seen. It costs one system call, here and now."""
        try:
            return self._wal.stat().st_mtime_ns
        except OSError:
            return 0

    async def close(self) -> None:
        """Close the file; it is opened again when next needed."""
        try:
            await self._threads.run(self._close)
        finally:
            self._threads.stop()

    def _read(self, work: Callable[[Connection], T]) -> T:
        with self._faults():
            if self._must_open():
                with self._exclusive():
                    self._open()
            return self._transact("BEGIN", work)

    def _write(self, work: Callable[[Connection], T], *, adds: bool) -> T:
        try:
            result = self._write_once(work)
        except StoreUnavailable as error:
            if adds or not (_is_disk_full(error) and self._give_up_ballast()):
                raise
            events.ballast_given_up()
            return self._write_once(work)
        self._take_ballast_again()
        return result

    def _write_once(self, work: Callable[[Connection], T]) -> T:
        with self._faults(), self._exclusive():
            if self._must_open():
                self._open()
            # The commit, and the checkpoint that SQLite adds to it every 1,000 pages, come
            # before the lock is given back.
            return self._transact("BEGIN IMMEDIATE", work)

    def _close(self) -> None:
        if self._connection is None:
            return
        with self._faults(), self._exclusive():
            self._disconnect()

    def _transact(self, begin: str, work: Callable[[Connection], T]) -> T:
        assert self._connection is not None
        with self._connection.execution_options(mailguard_begin=begin).begin():
            return work(self._connection)

    def _exclusive(self) -> AbstractContextManager[None]:
        return locked(self._path.with_name(self._path.name + ".lock"), self._patience)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Make every fault of disk or database the one error that a sender can wait out."""
        try:
            yield
        except IntegrityError:
            raise
        except DBAPIError as error:
            # After a failed write or fsync, what this connection believes is worth nothing.
            self._is_suspect = True
            raise StoreUnavailable(f"database: {error.orig}") from error
        except OSError as error:
            raise StoreUnavailable(f"database: {error}") from error

    def _give_up_ballast(self) -> bool:
        """Free its space for what must be written; True when there was any to free."""
        try:
            self._ballast.unlink()
        except OSError:
            return False
        self._lacks_ballast = True
        return True

    def _create(self) -> None:
        """Make the file, durably, with the mode that SQLite will copy for the WAL."""
        if self._path.exists():
            return
        with self._faults():
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                give_to_owner(descriptor, self._path.parent)
            finally:
                os.close(descriptor)
            fsync_folder(self._path.parent)

    def _take_ballast(self) -> None:
        """Reserve its space, if the disk has it."""
        if self._ballast.exists():
            return
        descriptor = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            give_to_owner(descriptor, self._path.parent)
            os.posix_fallocate(descriptor, 0, BALLAST_SIZE)
        except OSError:
            self._ballast.unlink()
        finally:
            os.close(descriptor)

    def _take_ballast_again(self) -> None:
        """What this process gave up, once the disk has room and not only at the next start: it may
        be full again before that."""
        if not self._lacks_ballast:
            return
        with suppress(OSError):
            disk = os.statvfs(self._path.parent)
            if disk.f_bavail * disk.f_frsize >= BALLAST_SIZE + WAL_LIMIT:
                self._take_ballast()
                self._lacks_ballast = False
                events.ballast_taken()

    def _must_open(self) -> bool:
        return self._connection is None or self._is_suspect or self._pid != os.getpid()

    def _open(self) -> None:
        self._disconnect()
        if not self._path.exists():
            raise StoreUnavailable(f"database: there is none yet at {self._path}")
        self._connection = self._engine.connect()
        self._pid = os.getpid()
        self._is_suspect = False

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._pid == os.getpid():
            connection.close()
        else:
            _inherited.append(connection)


def migrate(url: str) -> str:
    """Create the database or bring it to the newest schema; return the name of that schema.

    Raises ConfigError for a database that a newer MailGuard has made, StoreUnavailable when it
    cannot be opened or written. All steps commit together or not at all.
    """
    # Here, not above: Alembic takes 0.2 s to import, and worker processes never migrate.
    from mailguard.store.migrations import upgrade

    database = Database(url)
    try:
        database._create()
        schema = database._write_once(upgrade)
        database._take_ballast()
        return schema
    finally:
        database._close()


def _path_of(url: str) -> Path:
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = URL.create("")
    path = Path(parsed.database or "")
    if parsed.get_backend_name() != "sqlite" or parsed.query or not path.is_absolute():
        raise ConfigError(
            [
                "storage.database: only SQLite is supported so far, as sqlite:// and an absolute "
                "path: sqlite:////var/lib/mailguard/mailguard.db"
            ]
        )
    return path


def _engine(path: Path, patience: float) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=NullPool,
        # isolation_level: we say BEGIN ourselves. timeout: for programs that ignore our flock.
        connect_args={"isolation_level": None, "timeout": patience, "check_same_thread": False},
        # Parameters are addresses; errors are logged.
        hide_parameters=True,
    )
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    return engine


def _is_disk_full(error: StoreUnavailable) -> bool:
    fault = error.__cause__
    return (
        isinstance(fault, DBAPIError)
        and getattr(fault.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    )


def _configure(connection: sqlite3.Connection, _record: object) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
    if mode != "wal":
        raise sqlite3.OperationalError("this file system cannot hold a database in WAL mode")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute(f"PRAGMA journal_size_limit={WAL_LIMIT}")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options()["mailguard_begin"])
