"""``mailguard db``: create, upgrade and look at the database."""

import click

from mailguard.cli.options import config_option, json_option, load
from mailguard.cli.output import print_facts, print_json
from mailguard.cli.stores import database_file
from mailguard.service.compose import migrate_database
from mailguard.store.schema import read_schema


@click.group()
def command() -> None:
    """Create or upgrade the database, and see how it stands."""


@command.command()
@config_option
def migrate(config_file: str | None) -> None:
    """Create the database, or bring it to this version's schema.

    `mailguard serve` does the same when it starts. All steps are done, or none.

    \b
    mailguard db migrate
    """
    config = load(config_file)
    schema = migrate_database(config)
    click.echo(f"{database_file(config)}: schema {schema}")


@command.command()
@json_option
@config_option
def status(as_json: bool, config_file: str | None) -> int:
    """Say where the database is and whether its schema is this version's.

    The exit status is 1 when it is missing or has another schema.

    \b
    mailguard db status
    """
    config = load(config_file)
    schema = read_schema(database_file(config))
    if as_json:
        print_json(
            {
                "database": str(database_file(config)),
                "schema": schema.current,
                "newest": schema.newest,
                "bytes": schema.size,
            }
        )
    else:
        print_facts(
            [
                ("database", str(database_file(config))),
                ("schema", schema.current or "none: it has not been created yet"),
                ("needed", "" if schema.is_newest else f"{schema.newest}; `mailguard db migrate`"),
                ("size", f"{schema.size:,} bytes"),
            ]
        )
    return 0 if schema.is_newest else 1
