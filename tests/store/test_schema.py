"""Looking at the schema of a database."""

from pathlib import Path

import pytest

from mailguard.errors import StoreUnavailable
from mailguard.store.engine import migrate
from mailguard.store.schema import read_schema


def test_a_migrated_database_has_the_newest_schema(tmp_path: Path) -> None:
    file = tmp_path / "mailguard.db"
    newest = migrate(f"sqlite:///{file}")

    schema = read_schema(file)

    assert (schema.current, schema.newest, schema.is_newest) == (newest, newest, True)
    assert schema.size == file.stat().st_size


def test_a_database_that_is_not_there_has_none_and_is_not_made(tmp_path: Path) -> None:
    schema = read_schema(tmp_path / "mailguard.db")

    assert (schema.current, schema.size, schema.is_newest) == ("", 0, False)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_has_none(tmp_path: Path) -> None:
    (tmp_path / "mailguard.db").touch()

    assert read_schema(tmp_path / "mailguard.db").current == ""


def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "mailguard.db").write_text("this is no database")

    with pytest.raises(StoreUnavailable):
        read_schema(tmp_path / "mailguard.db")


def test_a_path_may_hold_any_character(tmp_path: Path) -> None:
    migrate(f"sqlite:///{tmp_path}/mailguard.db")
    file = (tmp_path / "mailguard.db").rename(tmp_path / "a #?%20é.db")

    assert read_schema(file).is_newest
