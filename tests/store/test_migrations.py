import ast
import re
import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from mailguard.errors import ConfigError
from mailguard.store import migrations
from mailguard.store.engine import Database, migrate
from mailguard.store.held_store import SqlHeldStore
from mailguard.store.tables import Table
from mailguard.testing import SCHOOL
from mailguard.testing.quarantine import audit_entry, held_message

FOLDER = Path(migrations.__file__).parent
STEPS = sorted((FOLDER / "versions").glob("*.py"))


def steps() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    return ScriptDirectory.from_config(config)


async def test_the_newest_schema_is_that_of_the_tables(database: Database) -> None:
    differences = await database.read(
        lambda connection: compare_metadata(
            MigrationContext.configure(connection, opts={"compare_type": True}), Table.metadata
        )
    )

    assert differences == []


def test_there_is_one_newest_schema() -> None:
    assert len(steps().get_heads()) == 1


def test_migrating_says_which_schema_it_is(tmp_path: Path) -> None:
    assert migrate(f"sqlite:///{tmp_path}/x.db") == steps().get_current_head()


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.stem)
def test_a_step_is_named_for_what_it_does_and_says_why(step: Path) -> None:
    module = ast.parse(step.read_text("utf-8"))
    revision = steps().get_revision(step.stem)

    assert re.fullmatch(r"\d{4}_(create|add|drop|rename|fill|change)_\w+", step.stem)
    assert len(ast.get_docstring(module).splitlines()) > 1
    assert revision is not None


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.stem)
def test_a_step_does_not_depend_on_the_tables_of_today(step: Path) -> None:
    assert "mailguard" not in step.read_text("utf-8")


async def test_migrating_again_changes_nothing(url: str, store: SqlHeldStore) -> None:
    await store.add(held_message(), audit_entry())

    migrate(url)

    assert await store.select() == [held_message()]


def test_a_path_may_hold_any_character(tmp_path: Path) -> None:
    folder = tmp_path / "100% école ü"

    migrate(f"sqlite:///{folder}/mailguard.db")

    assert (folder / "mailguard.db").exists()


def test_a_database_of_a_newer_mailguard_is_refused_and_left_alone(url: str) -> None:
    file = url.removeprefix("sqlite:///")
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999_add_wings'")

    with pytest.raises(ConfigError, match=r"a newer MailGuard has made it .*9999_add_wings"):
        migrate(url)

    with sqlite3.connect(file) as connection:
        assert connection.execute("SELECT * FROM alembic_version").fetchall() == [
            ("9999_add_wings",)
        ]


def test_all_steps_happen_or_none(tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE ledger_rows (in_the_way INTEGER)")

    with pytest.raises(Exception, match="ledger_rows"):
        migrate(f"sqlite:///{file}")

    with sqlite3.connect(file) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        assert names.fetchall() == [("ledger_rows",)]


async def test_rows_of_other_schools_are_not_seen(database: Database) -> None:
    await SqlHeldStore(database, "Oak Lane").add(held_message(school="Oak Lane"), audit_entry())

    assert await SqlHeldStore(database, SCHOOL.name).select() == []
