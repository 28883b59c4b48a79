"""``mailguard db``: create, upgrade, back up, restore and look at the database."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from mailguard import logs
from mailguard.cli.options import by_option, config_option, json_option, load
from mailguard.cli.output import print_facts, print_json
from mailguard.cli.stores import database_file, is_serving, with_stores
from mailguard.config import Config
from mailguard.errors import UserError
from mailguard.ports import AuditEntry
from mailguard.service.compose import Stores, SystemClock, migrate_database
from mailguard.store.backup import Progress, back_up, restore
from mailguard.store.schema import read_schema


@click.group()
def command() -> None:
    """Create or upgrade the database, back it up, and see how it stands."""


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


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@config_option
def backup(file: Path, config_file: str | None) -> None:
    """Copy the database to FILE while the service goes on working.

    The copy is one snapshot, read again from its first byte to its last before it gets its name,
    and only its owner may read it. A file that exists is not replaced. The evidence lies in the
    spool, and is copied after the database: see docs/deployment.md.

    \b
    mailguard db backup /var/backups/mailguard/2026-11-23.db
    """
    config = load(config_file)
    with _progress() as progress:
        copied = back_up(database_file(config), file, progress)
    click.echo(f"{file}: {copied.size:,} bytes, schema {copied.schema}, sound")


@command.command(name="restore")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--broken-chain", is_flag=True, help="Take it although its audit log is broken.")
@by_option
@config_option
def restore_command(file: Path, broken_chain: bool, by: str, config_file: str | None) -> None:
    """Put the backup in FILE in the place of the database. The service must be stopped.

    The backup is proved and brought to this version's schema first. The database that was there
    stays beside it as mailguard.db.before-restore-<time>. The audit log records who did this.

    \b
    mailguard db restore /var/backups/mailguard/2026-11-23.db
    """
    config = load(config_file)
    if is_serving(config):
        raise UserError(
            f"something accepts mail on {config.listeners[0].address}; stop MailGuard first: "
            "systemctl stop 'mailguard*'"
        )
    logs.configure(level="error")
    database = database_file(config)
    now = SystemClock().now()
    done = asyncio.run(
        restore(file, database, config.school.id, now=now, broken_chain=broken_chain)
    )
    entry = AuditEntry(
        at=now, actor=by, action="restore", subject="database", detail={"schema": done.schema}
    )
    rows, folders = with_stores(config, lambda stores: _record_and_compare(stores, entry))
    print_facts(
        [
            ("database", str(database)),
            ("schema", _change(done.schema_before, done.schema)),
            ("audit log", done.chain.problem or f"{done.chain.count} entries, unbroken"),
            ("before", str(done.kept) if done.kept else "there was none"),
            *_advice(config, rows, folders),
        ]
    )


async def _record_and_compare(stores: Stores, entry: AuditEntry) -> tuple[int, int]:
    """Messages without files, and folders without a row."""
    await stores.audit.append(entry)
    known, folders = await stores.held.inventory(), set(await stores.spool.folders())
    return len(known.keys() - folders), len(folders - known.keys())


def _advice(config: Config, rows: int, folders: int) -> Iterator[tuple[str, str]]:
    spool = config.storage.spool
    yield (
        "evidence",
        f"{rows} messages have no files in {spool}; bring those back from the backup too"
        if rows
        else "every message has its files",
    )
    if folders:
        yield "newer", f"{folders} folders in {spool} have no row: held again at the next start"


def _change(before: str, after: str) -> str:
    return after if before == after else f"{before} -> {after}"


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done, of: None
        return
    # Here, not above: rich takes longer to load than most commands take to run.
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("copying", total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)
