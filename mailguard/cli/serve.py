"""``mailguard serve``: run the relay and its jobs."""

import click

from mailguard.cli.options import config_option, load
from mailguard.service.serve import Part, serve


@click.command(name="serve")
@click.option(
    "--only",
    type=click.Choice([part.value for part in Part]),
    help="Run this part alone; the other is then a unit of its own.",
)
@config_option
def command(only: str | None, config_file: str | None) -> int:
    """Run the relay until it is told to stop (SIGTERM or Ctrl-C).

    Creates or upgrades the database, makes spool and rows agree after a crash, and then accepts
    mail on every configured listener. Logs go to standard error. Messages under way are finished
    before it ends. To make it read its configuration again, stop it and start it.

    \b
    mailguard serve
    mailguard serve --config ./mailguard.toml
    mailguard serve --only relay
    """
    return serve(load(config_file), Part(only) if only else None)
