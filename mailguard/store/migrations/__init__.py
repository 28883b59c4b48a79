"""Bring a database to the schema of this MailGuard.

How to add a step: a file ``versions/NNNN_verb_object.py`` whose docstring says why; expand first,
contract in a later release; plain SQLAlchemy types, no import from :mod:`mailguard.store.tables`,
because a step must go on meaning what it meant.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from mailguard.errors import ConfigError


def knows(schema: str) -> bool:
    """Whether a database with this schema is of this MailGuard or an older one."""
    script = ScriptDirectory(str(Path(__file__).parent))
    return schema in {revision.revision for revision in script.walk_revisions()}


def upgrade(connection: Connection) -> str:
    """Apply every step that is missing, in the caller's transaction; return the newest's name.

    Raises ConfigError for a database that holds steps this MailGuard does not know.
    """
    config = Config()
    # Config interpolates %.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    script = ScriptDirectory.from_config(config)
    known = {revision.revision for revision in script.walk_revisions()}
    if newer := set(MigrationContext.configure(connection).get_current_heads()) - known:
        raise ConfigError(
            [
                "storage.database: a newer MailGuard has made it "
                f"(schema {', '.join(sorted(newer))}); install that version or a later one"
            ]
        )
    command.upgrade(config, "head")
    head = script.get_current_head()
    assert head is not None
    return head
