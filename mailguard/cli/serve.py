"""``mailguard serve``: run the relay and its jobs."""

import click

from mailguard.cli.options import config_option, load
from mailguard.service.serve import serve


@click.command(name="serve")
@config_option
def command(config_file: str | None) -> int:
    """Run the relay until it is told to stop (SIGTERM or Ctrl-C).

    Creates or upgrades the database, makes spool and rows agree after a crash, and then accepts
    mail on every configured listener. Logs go to standard error. Messages under way are finished
    before it ends.

    \b
    mailguard serve
    mailguard serve --config ./mailguard.toml
    """
    return serve(load(config_file))
