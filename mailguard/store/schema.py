"""Which schema a database has, and which this MailGuard needs; looking changes nothing."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from alembic.script import ScriptDirectory

from mailguard.errors import StoreUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """How one database stands."""

    current: str
    """Name of its last migration; ``""`` when it has none or is not there."""

    newest: str
    """Name of the last migration that this MailGuard knows."""

    size: int
    """Bytes of the file, WAL not included."""

    @property
    def is_newest(self) -> bool:
        """Whether nothing is to be migrated."""
        return self.current == self.newest


def read_schema(file: Path) -> Schema:
    """Look at the SQLite database in `file`, which need not exist. Raises StoreUnavailable."""
    newest = ScriptDirectory(str(Path(__file__).parent / "migrations")).get_current_head() or ""
    try:
        size = file.stat().st_size
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
            return Schema(current=_current(connection), newest=newest, size=size)
    except FileNotFoundError:
        return Schema(current="", newest=newest, size=0)
    except (OSError, sqlite3.Error) as error:
        raise StoreUnavailable(f"database: {error}") from error


def _current(connection: sqlite3.Connection) -> str:
    has_table = "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"
    if connection.execute(has_table).fetchone() is None:
        return ""
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else ""
