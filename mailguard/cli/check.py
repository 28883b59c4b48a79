"""``mailguard check``: is everything in order, and if not, what is to be done."""

import asyncio
import os
from collections.abc import Mapping

import click

from mailguard import logs
from mailguard.cli.checks.network import check_listeners, check_next_hops, check_service
from mailguard.cli.checks.result import Check, Result
from mailguard.cli.checks.school import check_directory, check_mode, check_rules, check_school
from mailguard.cli.checks.storage import (
    check_audit_log,
    check_database,
    check_evidence,
    check_spool,
)
from mailguard.cli.options import config_option, json_option, load
from mailguard.cli.output import print_json, printable
from mailguard.config import Config
from mailguard.errors import ConfigError, MailGuardError
from mailguard.service.compose import open_stores

CHECKS: Mapping[str, Check] = {
    "school": check_school,
    "mode": check_mode,
    "directory": check_directory,
    "rules": check_rules,
    "database": check_database,
    "audit log": check_audit_log,
    "spool": check_spool,
    "evidence": check_evidence,
    "listeners": check_listeners,
    "next hops": check_next_hops,
    "service": check_service,
}
"""In the order in which one would put things right; the name is for a check that breaks off."""


ADVICE = "See to its owner, its file system and its disk; only root may look everywhere."


@click.command(name="check")
@json_option
@config_option
def command(as_json: bool, config_file: str | None) -> int:
    """Say in plain words whether everything is in order, and what to do where it is not.

    Looks at the configuration, the rules, the database, the audit log, the spool, the disk, the
    clock, and the next hop of every listener. Changes nothing and sends no mail. The exit
    status is 0 when all is well, 1 when something is wrong, 78 when it is the configuration.

    \b
    mailguard check
    mailguard check --json | jq 'select(.ok | not)'
    """
    logs.configure(level="error")
    try:
        results = asyncio.run(_check_all(load(config_file)))
        status = 0 if all(result.ok for result in results) else 1
    except ConfigError as error:
        results = [
            Result(name="configuration", ok=False, what=problem, do="Correct it, and check again.")
            for problem in error.problems
        ]
        status = os.EX_CONFIG
    for result in results:
        if as_json:
            print_json({"name": result.name, "ok": result.ok, "what": result.what, "do": result.do})
        else:
            _print(result)
    return status


async def _check_all(config: Config) -> list[Result]:
    """Look at everything; what breaks off is not ok. Raises ConfigError."""
    results = [Result(name="configuration", ok=True, what="No mistakes found.")]
    stores = open_stores(config)
    for name, check in CHECKS.items():
        try:
            results += [result async for result in check(config, stores)]
        except ConfigError:
            raise
        except MailGuardError as error:
            results.append(Result(name=name, ok=False, what=f"{error}.", do=ADVICE))
        except OSError as error:
            what = f"{error.filename}: {error.strerror}."
            results.append(Result(name=name, ok=False, what=what, do=ADVICE))
    await stores.close()
    return results


def _print(result: Result) -> None:
    word, colour = ("ok", "green") if result.ok else ("WRONG", "red")
    if result.ok and result.do:
        word, colour = "note", "yellow"
    click.echo(f"{click.style(f'{word:5}', fg=colour)}  {result.name}: {printable(result.what)}")
    if result.do:
        click.echo(f"       {printable(result.do)}")
