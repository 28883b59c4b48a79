"""Copying the database while it is in use, and putting a copy back."""

import os
import sqlite3
import stat
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from mailguard.errors import StoreUnavailable, UserError
from mailguard.store import migrations
from mailguard.store.audit_log import SqlAuditLog
from mailguard.store.backup import back_up, restore
from mailguard.store.engine import Database
from mailguard.store.held_store import SqlHeldStore
from mailguard.store.schema import read_schema
from mailguard.testing import SCHOOL
from mailguard.testing.quarantine import audit_entry, held_message

FORGE = ("DROP TRIGGER audit_entries_no_update", "UPDATE audit_entries SET actor = 'x'")

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def file_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


async def first_rows(file: Path) -> list[str]:
    database = Database(f"sqlite:///{file}")
    rows = await SqlHeldStore(database, SCHOOL.name).select()
    await database.close()
    return [held.id for held in rows]


async def test_a_backup_has_what_is_only_in_the_wal_and_is_one_private_file(
    url: str, store: SqlHeldStore, tmp_path: Path
) -> None:
    await store.add(held_message(), audit_entry())
    target = tmp_path / "copy.db"

    copied = back_up(file_of(url), target)

    assert file_of(url).with_name("mailguard.db-wal").stat().st_size > 0
    assert await first_rows(target) == [held_message().id]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert copied.schema == read_schema(file_of(url)).newest
    assert [p.name for p in tmp_path.iterdir() if "copy" in p.name] == [
        "copy.db",
        "copy.db.lock",
    ]


def test_a_backup_is_one_moment_however_much_is_written_meanwhile(url: str, tmp_path: Path) -> None:
    # Two tables that always have as many rows; the second is at the end of the file.
    with closing(sqlite3.connect(file_of(url), timeout=30)) as writer:
        for table in ("first", "last"):
            writer.execute(f"CREATE TABLE {table} (filling TEXT)")
            writer.executemany(f"INSERT INTO {table} VALUES (?)", [("x" * 1000,)] * 4000)
        writer.commit()
    written = threading.Event()

    def write_between(done: int, of: int) -> None:
        with closing(sqlite3.connect(file_of(url), timeout=30)) as writer:
            for table in ("first", "last"):
                writer.execute(f"INSERT INTO {table} VALUES ('new')")
            writer.commit()
        written.set()

    back_up(file_of(url), tmp_path / "copy.db", write_between)

    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        counts = [copy.execute(f"SELECT count(*) FROM {t}").fetchone() for t in ("first", "last")]
    assert written.is_set()
    assert counts == [(4000,), (4000,)]


def test_a_backup_replaces_nothing(url: str, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("precious")

    with pytest.raises(UserError, match="exists already"):
        back_up(file_of(url), tmp_path / "copy.db")

    assert (tmp_path / "copy.db").read_text() == "precious"


def test_a_backup_into_a_folder_that_is_not_there_says_so(url: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no folder .*none; make it first"):
        back_up(file_of(url), tmp_path / "none" / "copy.db")


def test_a_damaged_database_makes_no_backup(url: str, tmp_path: Path) -> None:
    damage(file_of(url))

    with pytest.raises(StoreUnavailable):
        back_up(file_of(url), tmp_path / "copy.db")

    assert [p.name for p in tmp_path.iterdir()] == ["db"]


def test_without_a_database_there_is_no_backup_and_none_is_made(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no database"):
        back_up(tmp_path / "mailguard.db", tmp_path / "copy.db")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_roots_backup_leaves_no_file_that_the_service_may_not_open(
    url: str, tmp_path: Path
) -> None:
    database = file_of(url)
    for file in (database.parent, *database.parent.iterdir()):
        os.chown(file, 65534, 65534)
    database.with_name("mailguard.db.lock").unlink(missing_ok=True)

    back_up(database, tmp_path / "copy.db")

    assert {file.stat().st_uid for file in database.parent.iterdir()} == {65534}


async def test_restoring_brings_back_what_was_and_keeps_what_is(
    url: str, store: SqlHeldStore, database: Database, tmp_path: Path
) -> None:
    await store.add(held_message(), audit_entry())
    back_up(file_of(url), tmp_path / "copy.db")
    later = held_message(2)
    await store.add(later, audit_entry())
    await database.close()

    done = await restore(tmp_path / "copy.db", file_of(url), SCHOOL.name, now=NOW)

    assert done.kept == file_of(url).with_name("mailguard.db.before-restore-20260302T120000Z")
    assert (done.chain.count, done.chain.problem) == (1, "")
    assert await first_rows(file_of(url)) == [held_message().id]
    assert await first_rows(done.kept) == [held_message().id, later.id]


async def test_restoring_where_there_is_none_makes_one(
    url: str, store: SqlHeldStore, tmp_path: Path
) -> None:
    await store.add(held_message(), audit_entry())
    back_up(file_of(url), tmp_path / "copy.db")
    (tmp_path / "new").mkdir()

    done = await restore(
        tmp_path / "copy.db", tmp_path / "new" / "mailguard.db", SCHOOL.name, now=NOW
    )

    assert done.kept is None
    assert await first_rows(tmp_path / "new" / "mailguard.db") == [held_message().id]


async def test_a_database_that_somebody_has_open_is_not_replaced(
    url: str, store: SqlHeldStore, tmp_path: Path
) -> None:
    back_up(file_of(url), tmp_path / "copy.db")
    await store.add(held_message(), audit_entry())

    with pytest.raises(UserError, match="has the database open"):
        await restore(tmp_path / "copy.db", file_of(url), SCHOOL.name, now=NOW)

    assert await store.select() == [held_message()]
    assert sorted(p.name for p in file_of(url).parent.iterdir() if "restore" in p.name) == []


async def test_a_damaged_database_is_replaced_and_kept(url: str, tmp_path: Path) -> None:
    back_up(file_of(url), tmp_path / "copy.db")
    damage(file_of(url))
    before = file_of(url).read_bytes()

    done = await restore(tmp_path / "copy.db", file_of(url), SCHOOL.name, now=NOW)

    assert done.kept is not None
    assert done.kept.read_bytes() == before
    assert read_schema(file_of(url)).is_newest


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda file: damage(file), "cannot be used"),
        (lambda file: file.write_text("no database"), "cannot be used"),
        (lambda file: file.write_bytes(b""), "not one of MailGuard's"),
        (
            lambda file: change(file, "UPDATE alembic_version SET version_num = '9999_add_wings'"),
            "of a newer MailGuard",
        ),
        (lambda file: change(file, *FORGE), "audit log is broken"),
        (lambda file: file.unlink(), "no file"),
    ],
    ids=["damaged", "other file", "empty file", "newer", "changed audit log", "missing"],
)
async def test_a_backup_that_is_not_sound_changes_nothing(
    url: str, store: SqlHeldStore, database: Database, tmp_path: Path, spoil: object, says: str
) -> None:
    await store.add(held_message(), audit_entry())
    await database.close()
    copy = tmp_path / "copy.db"
    back_up(file_of(url), copy)
    spoil(copy)  # type: ignore[operator]

    with pytest.raises(UserError, match=says):
        await restore(copy, file_of(url), SCHOOL.name, now=NOW)

    assert await first_rows(file_of(url)) == [held_message().id]
    assert [p for p in file_of(url).parent.iterdir() if "restore" in p.name] == []


async def test_a_broken_audit_log_comes_back_when_that_is_wanted(
    url: str, store: SqlHeldStore, database: Database, tmp_path: Path
) -> None:
    await store.add(held_message(), audit_entry())
    await database.close()
    back_up(file_of(url), tmp_path / "copy.db")
    change(tmp_path / "copy.db", *FORGE)

    done = await restore(
        tmp_path / "copy.db", file_of(url), SCHOOL.name, now=NOW, broken_chain=True
    )

    assert done.chain.broken_at == 1


async def test_the_backup_of_another_school_changes_nothing(
    url: str, store: SqlHeldStore, database: Database, tmp_path: Path
) -> None:
    await store.add(held_message(), audit_entry())
    await database.close()
    back_up(file_of(url), tmp_path / "copy.db")

    with pytest.raises(UserError, match=f"other-school here, and there {SCHOOL.name}"):
        await restore(tmp_path / "copy.db", file_of(url), "other-school", now=NOW)

    assert await first_rows(file_of(url)) == [held_message().id]


async def test_a_restore_removes_what_one_that_was_killed_has_left(
    url: str, store: SqlHeldStore, database: Database, tmp_path: Path
) -> None:
    await store.add(held_message(), audit_entry())
    await database.close()
    back_up(file_of(url), tmp_path / "copy.db")
    folder = file_of(url).parent / "work"
    folder.mkdir()
    of_the_living = folder / f".restore-{os.getppid()}-x"
    of_the_dead = folder / ".restore-4194999-x"  # above the highest pid there can be
    for left in (of_the_living, of_the_dead):
        left.mkdir()
        (left / "mailguard.db").touch()

    await restore(tmp_path / "copy.db", folder / "mailguard.db", SCHOOL.name, now=NOW)

    assert [p.name for p in folder.glob(".restore-*")] == [of_the_living.name]


async def test_an_older_schema_is_migrated(url: str, tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    migrate_to("0004_create_own_mails", old)

    done = await restore(old, file_of(url), SCHOOL.name, now=NOW)

    assert done.schema_before == "0004_create_own_mails"
    assert read_schema(file_of(url)).is_newest
    log = SqlAuditLog(Database(url), SCHOOL.name)
    assert (await log.verify()).problem == ""


def migrate_to(schema: str, file: Path) -> None:
    """A database as an older MailGuard has left it."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with create_engine(f"sqlite:///{file}").begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, schema)


def damage(file: Path) -> None:
    """Overwrite the middle of it, all but the first page."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with file.open("r+b") as stream:
        stream.seek(4096)
        stream.write(b"\xff" * (file.stat().st_size - 4096))


def change(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
