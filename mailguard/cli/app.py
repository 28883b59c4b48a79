"""The group of all commands, and what every error of theirs looks like to a person.

Exit status: 0 fine, 1 something is wrong with what was asked or found, 2 usage, 78 configuration,
130 stopped with Ctrl-C.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from io import TextIOWrapper

import click

from mailguard import __version__
from mailguard.errors import (
    ConfigError,
    EvidenceDamaged,
    MailGuardError,
    NextHopUnavailable,
    RuleError,
    ScanFailed,
    SpoolUnavailable,
    StoreUnavailable,
)

COMMANDS: Mapping[str, str] = {
    "demo": "See MailGuard at work on sample mail, in a temporary folder.",
    "serve": "Run the relay until it is told to stop.",
    "check": "Say in plain words whether everything is in order.",
    "scan": "Judge messages in files, and say why.",
    "rules": "List, explain and test the rules.",
    "quarantine": "Review held messages: list, show, export, release, confirm.",
    "digest": "Show and send the daily summary, and see what became of it.",
    "directory": "Import the school's people, and say who somebody is.",
    "audit": "Read and verify the audit log.",
    "db": "Create, upgrade, back up and restore the database.",
    "config": "Check, show and explain the configuration.",
}
"""Each command and its one line of help: here, so that ``--help`` need not load all of them."""

REMEDIES: Mapping[type[MailGuardError], str] = {
    RuleError: "Correct the file, or name its symbol under [rules] disable.",
    NextHopUnavailable: "See that the mail server behind MailGuard runs, then try again.",
    SpoolUnavailable: "See that the disk has room and the spool may be written, then try again.",
    StoreUnavailable: "See that the disk has room and nothing else keeps the database, then try "
    "again; `mailguard check` says more.",
    ScanFailed: "Try again; `mailguard rules test` proves the rules.",
    EvidenceDamaged: "Leave the files as they are and bring them back from the backup; "
    "`mailguard audit verify --evidence` lists every damaged one.",
}
"""What to do about an error whose own words do not say it."""

INTERRUPTED = 128 + 2
"""As a shell reports death by SIGINT."""


NOT_ALLOWED = "You may not do this: run it with sudo, or as the user that runs MailGuard."


class _Commands(click.Group):
    """Imports a command's module when that command is run or asked for help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"mailguard.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, epilog="Each command explains itself: mailguard COMMAND --help")
@click.version_option(__version__, prog_name="mailguard", message="%(prog)s %(version)s")
def app() -> None:
    """MailGuard reads a school's e-mail and holds what should not pass.

    New here? Run `mailguard demo`.
    """


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command in `arguments` (``sys.argv`` when None) and return its exit status."""
    _keep_output_encodable()
    try:
        status = app.main(arguments, prog_name="mailguard", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except ConfigError as error:
        for problem in error.problems:
            click.echo(f"configuration: {problem}", err=True)
        return os.EX_CONFIG
    except MailGuardError as error:
        click.echo(f"mailguard: {error}", err=True)
        if "Permission denied" in str(error):
            click.echo(NOT_ALLOWED, err=True)
        elif type(error) in REMEDIES:
            click.echo(REMEDIES[type(error)], err=True)
        return 1
    except click.Abort:
        return INTERRUPTED
    except BrokenPipeError:
        # `| head` has enough. Python flushes once more at its end, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        click.echo(f"mailguard: {error.filename or 'the system'}: {error.strerror}", err=True)
        return 1
    return int(status or 0)


def _keep_output_encodable() -> None:
    """Let no name in a message or of a file break our output, whatever the terminal's encoding."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
