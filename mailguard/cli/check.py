"""``mailguard check``: is everything in order, and if not, what is to be done."""

import asyncio
import functools
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from mailguard import logs
from mailguard.cli.checks.cage import check_cage
from mailguard.cli.checks.clock import check_clock
from mailguard.cli.checks.coverage import check_coverage
from mailguard.cli.checks.network import check_listeners, check_service
from mailguard.cli.checks.next_hops import check_next_hops
from mailguard.cli.checks.own_mail import check_own_mail, check_people_told
from mailguard.cli.checks.owner import lines_as, other_owner
from mailguard.cli.checks.permissions import check_permissions
from mailguard.cli.checks.postfix import check_postfix
from mailguard.cli.checks.result import Check, Result, Scene
from mailguard.cli.checks.school import (
    check_configuration,
    check_directory,
    check_mode,
    check_rules,
    check_school,
)
from mailguard.cli.checks.self_test import check_self_test
from mailguard.cli.checks.storage import (
    check_audit_log,
    check_database,
    check_evidence,
    check_room,
    check_spool,
)
from mailguard.cli.checks.undeliverable import check_undeliverable
from mailguard.cli.checks.units import check_units
from mailguard.cli.options import config_option, json_option
from mailguard.cli.output import print_json, printable
from mailguard.config import Config, find_config, load_config
from mailguard.errors import ConfigError, MailGuardError
from mailguard.service.compose import open_stores

CHECKS: Mapping[str, Check] = {
    "school": check_school,
    "mode": check_mode,
    "directory": check_directory,
    "rules": check_rules,
    "cage": check_cage,
    "configuration": check_configuration,
    "clock": check_clock,
    "permissions": check_permissions,
    "database": check_database,
    "audit log": check_audit_log,
    "spool": check_spool,
    "room": check_room,
    "evidence": check_evidence,
    "listeners": check_listeners,
    "next hops": check_next_hops,
    "coverage": check_coverage,
    "postfix": check_postfix,
    "alerts": check_people_told,
    "own mail": check_own_mail,
    "undeliverable": check_undeliverable,
    "service": check_service,
    "self-test": check_self_test,
    "units": check_units,
}
"""In the order in which one would put things right; the name is for a check that breaks off."""

ADVICE = "See to its owner, its file system and its disk; only root may look everywhere."

RUN_AS = "Run this as root, or as the user that MailGuard runs as."

_BRING_BACK = (
    "Stop the service, keep the file as it is, and bring back the last backup: "
    "`mailguard db restore FILE`."
)

ADVICE_ABOUT: Mapping[str, str] = {
    "malformed": f"The disk or a person has damaged it. {_BRING_BACK}",
    "not a database": f"It was overwritten. {_BRING_BACK}",
    "is locked": "Something else has been writing to it for long, and mail waits for it too. Check "
    "again in a minute; `fuser -v` on the file names who it is.",
    "No space left": "Make room on its disk.",
}
"""By words of the error: what sqlite3 and the system say."""

PATIENCE_S = 15.0
"""For one check: a person is waiting, and a mail server may be slow."""

Tell = Callable[[Mapping[str, object]], None]
"""Takes ``{"name", "ok", "what", "do"}``, a result; ``{"looking"}``, what is done now; or
``{"problem"}``, a mistake of the configuration."""


@click.command(name="check")
@json_option
@config_option
def command(as_json: bool, config_file: str | None) -> int:
    """Say in plain words whether everything is in order, and what to do where it is not.

    Does things instead of reading settings: proves the rules, stores an item and a row
    and takes them away again, asks the next hop whether it would take mail to the headteacher.
    As root it does so as the user who owns the database. Sends no mail and leaves nothing behind.
    The exit status is 0 when all is well, 1 when something is wrong, 78 when it is the
    configuration.

    \b
    mailguard check
    mailguard check --json | jq 'select(.ok | not)'
    """
    logs.configure(level="error")
    report = _Report(as_json)
    file = find_config(config_file)
    try:
        config = load_config(file)
    except ConfigError as error:
        _tell_problems(error, report.take)
        return report.status
    owner = other_owner(config)
    check = functools.partial(_check, config, file)
    if owner is None:
        check(report.take)
    else:
        for line in lines_as(owner, lambda write: check(lambda told: write(json.dumps(told)))):
            report.take(json.loads(line))
    return report.status


def _check(config: Config, file: Path, tell: Tell) -> None:
    asyncio.run(_check_all(config, file, tell))


async def _check_all(config: Config, file: Path, tell: Tell) -> None:
    """Look at everything; what breaks off is not ok."""
    scene = Scene(config=config, file=file, stores=open_stores(config))
    try:
        for name, check in CHECKS.items():
            tell({"looking": name})
            await _check_one(name, check, scene, tell)
    except ConfigError as error:
        _tell_problems(error, tell)
    await scene.stores.close()


async def _check_one(name: str, check: Check, scene: Scene, tell: Tell) -> None:
    """Raises ConfigError."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            async for result in check(scene):
                _tell(result, tell)
    except ConfigError:
        raise
    except TimeoutError:
        what = f"It took longer than {PATIENCE_S:.0f} s."
        _tell(Result(name=name, ok=False, what=what, do=ADVICE), tell)
    except MailGuardError as error:
        # E.g. "database: database is locked": its name stands before it already.
        what = str(error).removeprefix(f"{name}: ")
        _tell(Result(name=name, ok=False, what=f"{what}.", do=_advice(what)), tell)
    except OSError as error:
        what = f"{error.filename}: {error.strerror}."
        _tell(Result(name=name, ok=False, what=what, do=_advice(what)), tell)


def _advice(what: str) -> str:
    return next((do for words, do in ADVICE_ABOUT.items() if words in what), ADVICE)


def _tell(result: Result, tell: Tell) -> None:
    tell({"name": result.name, "ok": result.ok, "what": result.what, "do": result.do})


def _tell_problems(error: ConfigError, tell: Tell) -> None:
    for problem in error.problems:
        tell({"problem": problem})


class _Report:
    """Prints each result as it comes, and knows the exit status."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._is_watched = not as_json and sys.stdout.isatty() and sys.stderr.isatty()
        self.status = 0

    def take(self, told: Mapping[str, object]) -> None:
        """Print what was told."""
        if "looking" in told:
            self._show(f"looking at: {told['looking']} …")
            return
        self._show("")
        if "problem" in told:
            self.status = os.EX_CONFIG
            is_unread = "Permission denied" in str(told["problem"])
            do = RUN_AS if is_unread else "Correct it, and check again."
            self._print({"name": "configuration", "ok": False, "what": told["problem"], "do": do})
            return
        self.status = self.status or int(not told["ok"])
        self._print(told)

    def _show(self, progress: str) -> None:
        """On a terminal, for as long as nothing else is printed."""
        if self._is_watched:
            click.echo(f"\r\033[K{progress}", err=True, nl=False)

    def _print(self, result: Mapping[str, object]) -> None:
        if self._as_json:
            print_json(result)
            return
        word, colour = ("ok", "green") if result["ok"] else ("WRONG", "red")
        if result["ok"] and result["do"]:
            word, colour = "note", "yellow"
        what = printable(str(result["what"]))
        click.echo(f"{click.style(f'{word:5}', fg=colour)}  {result['name']}: {what}")
        for line in str(result["do"]).splitlines():
            click.echo(f"       {printable(line)}".rstrip())
