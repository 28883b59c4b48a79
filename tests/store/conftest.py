"""Real databases and spools, a stopwatch to set by hand, and child processes to kill."""

import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine

from mailguard.store.audit_log import SqlAuditLog
from mailguard.store.elapsed import Uptime
from mailguard.store.engine import Database, migrate
from mailguard.store.held_store import SqlHeldStore
from mailguard.store.tables import Table
from mailguard.testing import SCHOOL
from mailguard.testing.fork import fork


@dataclass
class Stopwatch:
    """Says what it is told instead of the machine's uptime."""

    boot: str = "first"
    seconds: int = 1000

    def __call__(self) -> Uptime:
        return Uptime(boot=self.boot, seconds=self.seconds)

    def advance(self, *, days: float = 0, seconds: float = 0) -> None:
        self.seconds += round(days * 86400 + seconds)


@pytest.fixture
def stopwatch() -> Stopwatch:
    return Stopwatch()


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database that has all tables and no row."""
    folder = tmp_path_factory.mktemp("empty") / "db"
    migrate(f"sqlite:///{folder}/mailguard.db")
    return folder


@pytest.fixture(scope="session")
def in_memory() -> Callable[[], AbstractContextManager[Connection]]:
    """Open all tables, empty, for as long as a block runs."""
    engine = create_engine("sqlite://")
    Table.metadata.create_all(engine)

    @contextmanager
    def opened() -> Iterator[Connection]:
        with engine.connect() as connection, connection.begin() as transaction:
            yield connection
            transaction.rollback()

    return opened


@pytest.fixture
def url(empty: Path, tmp_path: Path) -> str:
    shutil.copytree(empty, tmp_path / "db")
    return f"sqlite:///{tmp_path}/db/mailguard.db"


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    yield database
    await database.close()


@pytest.fixture
def store(database: Database, stopwatch: Stopwatch) -> SqlHeldStore:
    return SqlHeldStore(database, SCHOOL.name, stopwatch=stopwatch)


@pytest.fixture
def log(database: Database) -> SqlAuditLog:
    return SqlAuditLog(database, SCHOOL.name)


@pytest.fixture
def children() -> Iterator[Callable[[Callable[[], int]], int]]:
    """Start functions in forked processes; returns the process id. Their result is the status."""
    pids = []

    def start(work: Callable[[], int]) -> int:
        pid = fork()
        if pid == 0:
            status = 99
            try:
                status = work()
            finally:
                os._exit(status)
        pids.append(pid)
        return pid

    yield start
    for pid in pids:
        with suppress(ChildProcessError):
            is_alive = os.waitpid(pid, os.WNOHANG)[0] == 0
            if is_alive:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
