import asyncio
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import IntegrityError

from mailguard.errors import ConfigError, IllegalTransition, StoreUnavailable
from mailguard.quarantine.held import Act, State
from mailguard.store.audit_log import SqlAuditLog
from mailguard.store.engine import Database, migrate
from mailguard.store.held_store import SqlHeldStore
from mailguard.store.lock import locked
from mailguard.testing import SCHOOL
from mailguard.testing.quarantine import audit_entry, held_message

Children = Callable[[Callable[[], int]], int]

ADD_CLOCK = text("INSERT INTO clocks VALUES (:school, 0, 'boot', 0)")
COUNT_CLOCKS = text("SELECT count(*) FROM clocks")


def file_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def lock_of(url: str) -> Path:
    return Path(f"{file_of(url)}.lock")


def status_of(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def add_clock(school: str) -> Callable[[Connection], None]:
    return lambda connection: connection.execute(ADD_CLOCK, {"school": school})


def count_clocks(connection: Connection) -> int:
    return connection.scalar(COUNT_CLOCKS)


def held_store(url: str, patience: float = 20) -> SqlHeldStore:
    return SqlHeldStore(Database(url, patience=patience), SCHOOL.name)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://mailguard@db.example/mailguard",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///relative.db",
        "sqlite:////var/lib/x.db?mode=ro",
        "nonsense",
        "",
    ],
)
def test_any_other_url_is_a_configuration_mistake(url: str) -> None:
    with pytest.raises(ConfigError, match="only SQLite is supported so far"):
        Database(url)


async def test_what_was_written_is_read(database: Database) -> None:
    await database.write(add_clock("Elm"))

    assert await database.read(count_clocks) == 1


async def test_nothing_is_written_when_the_work_breaks(database: Database) -> None:
    def work(connection: Connection) -> None:
        add_clock("Elm")(connection)
        raise KeyError

    with pytest.raises(KeyError):
        await database.write(work)

    assert await database.read(count_clocks) == 0


async def test_a_broken_constraint_is_the_callers_to_name(database: Database) -> None:
    await database.write(add_clock("Elm"))

    with pytest.raises(IntegrityError):
        await database.write(add_clock("Elm"))


async def test_errors_do_not_name_the_values(database: Database) -> None:
    """They are addresses, and errors are logged."""
    await database.write(add_clock("ana@elmpark.example"))

    with pytest.raises(IntegrityError) as error:
        await database.write(add_clock("ana@elmpark.example"))

    assert "ana@" not in str(error.value)


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)],
)
async def test_every_connection_is_made_durable(
    database: Database, pragma: str, value: object
) -> None:
    read = await database.read(lambda c: c.exec_driver_sql(f"PRAGMA {pragma}").scalar())

    assert read == value


async def test_a_write_is_a_writer_from_its_beginning(database: Database, url: str) -> None:
    """A read that turns into a write fails at once, whatever the timeout."""

    def write_from_elsewhere(_: Connection) -> None:
        other = sqlite3.connect(file_of(url), timeout=0)
        try:
            other.execute("BEGIN IMMEDIATE")
        finally:
            other.close()

    with pytest.raises(sqlite3.OperationalError, match="locked"):
        await database.write(write_from_elsewhere)


async def test_a_read_sees_one_moment(database: Database, url: str) -> None:
    def work(connection: Connection) -> tuple[int, int]:
        before = count_clocks(connection)
        with sqlite3.connect(file_of(url)) as other:
            other.execute("INSERT INTO clocks VALUES ('Oak', 0, 'boot', 0)")
        return before, count_clocks(connection)

    assert await database.read(work) == (0, 0)


async def test_database_files_are_private(database: Database, url: str) -> None:
    await database.write(add_clock("Elm"))
    folder = file_of(url).parent

    modes = {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in folder.iterdir()}

    assert set(modes.values()) == {"0o600"}
    assert {"mailguard.db", "mailguard.db-wal", "mailguard.db.lock"} <= modes.keys()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_a_database_nobody_has_made_is_unavailable(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/none.db")

    with pytest.raises(StoreUnavailable, match="there is none yet"):
        await database.read(count_clocks)

    assert not (tmp_path / "none.db").exists()


async def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        await Database(f"sqlite:///{tmp_path}/nowhere/x.db").write(count_clocks)


async def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"not a database" * 1000)

    with pytest.raises(StoreUnavailable, match="not a database"):
        await Database(f"sqlite:///{tmp_path}/x.db").read(count_clocks)


async def test_waiting_for_another_process_has_an_end(url: str) -> None:
    database = Database(url, patience=0.05)
    begun = time.monotonic()

    with locked(lock_of(url), patience=0), pytest.raises(StoreUnavailable, match="lock"):
        await database.write(count_clocks)

    assert 0.05 <= time.monotonic() - begun < 2


async def test_waiting_for_a_program_that_ignores_our_lock_has_an_end(url: str) -> None:
    database = Database(url, patience=0.05)
    await database.write(count_clocks)
    stranger = sqlite3.connect(file_of(url))
    stranger.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreUnavailable, match="locked"):
        await database.write(count_clocks)

    stranger.close()


async def test_the_database_is_used_again_after_a_fault(url: str) -> None:
    database = Database(url, patience=0.05)
    stranger = sqlite3.connect(file_of(url))
    stranger.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable):
        await database.write(count_clocks)
    stranger.close()

    await database.write(add_clock("Elm"))

    assert await database.read(count_clocks) == 1
    await database.close()


async def test_a_read_does_not_wait_for_a_writer(database: Database, url: str) -> None:
    await database.read(count_clocks)

    with locked(lock_of(url), patience=0):
        assert await database.read(count_clocks) == 0


async def test_opening_and_closing_wait_for_the_writer(url: str) -> None:
    """Both may checkpoint."""
    opened, fresh = Database(url, patience=0.02), Database(url, patience=0.02)
    await opened.read(count_clocks)

    with locked(lock_of(url), patience=0):
        with pytest.raises(StoreUnavailable):
            await fresh.read(count_clocks)
        with pytest.raises(StoreUnavailable):
            await opened.close()

    await opened.close()


async def test_a_closed_database_opens_again(database: Database) -> None:
    await database.write(add_clock("Elm"))
    await database.close()

    assert await database.read(count_clocks) == 1


def test_a_forked_child_opens_a_connection_of_its_own(url: str, children: Children) -> None:
    database = Database(url)
    asyncio.run(database.write(add_clock("Elm")))

    def write_in_child() -> int:
        asyncio.run(database.write(add_clock("Oak")))
        return asyncio.run(database.read(count_clocks))

    child = children(write_in_child)

    assert status_of(child) == 2
    assert asyncio.run(database.write(count_clocks)) == 2
    asyncio.run(database.close())


def test_of_two_processes_deciding_at_once_exactly_one_wins(url: str, children: Children) -> None:
    messages = [held_message(number) for number in range(12)]
    store = held_store(url)
    for held in messages:
        asyncio.run(store.add(held, audit_entry(subject=held.id)))
    gate, opener = os.pipe()

    async def decide(act: Act) -> int:
        won = 0
        for held in messages:
            with suppress(IllegalTransition):
                await store.act(held.id, act, ["r0@elmpark.example"], audit_entry(str(act)))
                won += 1
        return won

    def race(act: Act) -> int:
        os.close(opener)
        os.read(gate, 1)
        return asyncio.run(decide(act))

    racers = [children(lambda act=act: race(act)) for act in (Act.RELEASE, Act.CONFIRM)]
    os.close(opener)
    won = [status_of(pid) for pid in racers]

    rows = asyncio.run(store.select())
    states = [held.state for held in rows]
    assert sum(won) == len(messages)
    assert [states.count(State.RELEASING), states.count(State.CONFIRMED)] == won
    assert asyncio.run(SqlAuditLog(Database(url), SCHOOL.name).verify()).count == 24


def test_four_writing_processes_progress_evenly(url: str, children: Children) -> None:
    """With a busy timeout alone, one commits hundreds of times while the others wait seconds."""
    starting_line, gun = os.pipe()

    async def write_for_a_second(school: str) -> int:
        database, written = Database(url, patience=20), 0
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline and written < 250:
            await database.write(add_clock(f"{school}-{written}"))
            written += 1
        return written

    def write(school: str) -> int:
        os.close(gun)
        # Nothing comes: it ends when nobody else holds the other end, at the same time for all.
        os.read(starting_line, 1)
        return asyncio.run(write_for_a_second(school))

    writers = [
        children(lambda school=school: write(school)) for school in ("Elm", "Oak", "Ash", "Yew")
    ]
    os.close(gun)
    os.close(starting_line)
    written = [status_of(pid) for pid in writers]

    assert asyncio.run(Database(url).read(count_clocks)) == sum(written)
    assert min(written) > 0.2 * max(written)


STATEMENTS = 8
"""Of one `add`: begin, clock, its row, message, recipients, head, entry, head, and then commit."""


def die_at(statement: int) -> None:
    """Kill this process before the n-th statement from the next transaction's beginning."""
    seen: list[str] = []

    def watch(sql: str) -> None:
        if seen or sql.startswith("BEGIN IMMEDIATE"):
            seen.append(sql)
        if len(seen) == statement:
            os.kill(os.getpid(), signal.SIGKILL)

    @event.listens_for(Engine, "connect")
    def trace(connection: sqlite3.Connection, _: object) -> None:
        connection.set_trace_callback(watch)


@pytest.mark.parametrize("statement", range(1, STATEMENTS + 2))
def test_a_writer_killed_before_its_commit_leaves_nothing(
    url: str, children: Children, statement: int
) -> None:
    def write_and_die() -> int:
        die_at(statement)
        asyncio.run(held_store(url).add(held_message(), audit_entry()))
        return 0

    child = children(write_and_die)

    assert status_of(child) == -signal.SIGKILL
    assert after_crash(url) == (0, 0, "ok")


def test_a_writer_killed_after_its_commit_leaves_all_of_it(url: str, children: Children) -> None:
    def write_and_die() -> int:
        die_at(STATEMENTS + 2)
        asyncio.run(held_store(url).add(held_message(), audit_entry()))
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    child = children(write_and_die)

    assert status_of(child) == -signal.SIGKILL
    assert after_crash(url) == (1, 1, "ok")


def after_crash(url: str) -> tuple[int, int, str]:
    """Messages, sound audit entries, and what SQLite thinks of the file."""
    database = Database(url, patience=2)
    messages = asyncio.run(SqlHeldStore(database, SCHOOL.name).select())
    chain = asyncio.run(SqlAuditLog(database, SCHOOL.name).verify())
    integrity = asyncio.run(
        database.read(lambda c: str(c.exec_driver_sql("PRAGMA integrity_check").scalar()))
    )
    asyncio.run(database.close())
    assert chain.broken_at is None
    return len(messages), chain.count, integrity


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A disk of 4 MiB, or of as many as the test says."""
    size = getattr(request, "param", 4)
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no tmpfs can be mounted here")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as filler:
        free = shutil.disk_usage(disk).free
        filler.write(bytes(free))


async def test_a_full_disk_takes_nothing_more_but_still_lets_people_decide(
    small_disk: Path,
) -> None:
    url = f"sqlite:///{small_disk}/mailguard.db"
    migrate(url)
    store, other = held_store(url), Database(url)
    await other.read(count_clocks)  # keeps the WAL from going when the first closes after a fault
    await store.add(held_message(1), audit_entry())
    fill(small_disk)

    with pytest.raises(StoreUnavailable, match="full"):
        for number in range(2, 100):
            await store.add(held_message(number), audit_entry())
    await store.act(held_message(1).id, Act.CONFIRM, ["r0@elmpark.example"], audit_entry())

    assert (await store.by_id(held_message(1).id)).state == State.CONFIRMED
    assert not (small_disk / "mailguard.db.ballast").exists()


async def test_starting_again_takes_new_ballast(small_disk: Path) -> None:
    url = f"sqlite:///{small_disk}/mailguard.db"
    migrate(url)
    (small_disk / "mailguard.db.ballast").unlink()

    migrate(url)

    assert (small_disk / "mailguard.db.ballast").stat().st_blocks * 512 == 1 << 20


@pytest.mark.parametrize("small_disk", [32], indirect=True)
async def test_once_the_disk_has_room_again_ballast_is_taken_again(small_disk: Path) -> None:
    url = f"sqlite:///{small_disk}/mailguard.db"
    migrate(url)
    store, other = held_store(url), Database(url)
    await other.read(count_clocks)
    await store.add(held_message(1), audit_entry())
    fill(small_disk)
    with pytest.raises(StoreUnavailable, match="full"):
        for number in range(2, 100):
            await store.add(held_message(number), audit_entry())
    await store.act(held_message(1).id, Act.CONFIRM, ["r0@elmpark.example"], audit_entry())
    given_up = not (small_disk / "mailguard.db.ballast").exists()

    (small_disk / "filler").unlink()
    await store.add(held_message(200), audit_entry())

    assert given_up
    assert (small_disk / "mailguard.db.ballast").stat().st_blocks * 512 == 1 << 20


async def test_a_disk_without_room_for_ballast_is_used_all_the_same(small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(bytes(shutil.disk_usage(small_disk).free - (600 << 10)))

    migrate(f"sqlite:///{small_disk}/mailguard.db")

    assert not (small_disk / "mailguard.db.ballast").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files for others")
def test_made_by_root_the_database_belongs_to_the_folders_owner(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)

    migrate(f"sqlite:///{tmp_path}/mailguard.db")

    assert {file.stat().st_uid for file in tmp_path.iterdir()} == {65534}
