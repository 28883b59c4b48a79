"""``mailguard scan``: judge messages in files exactly as the relay would."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import click

from mailguard import logs
from mailguard.cli.envelope import Given, compose_transaction
from mailguard.cli.explanation import explain
from mailguard.cli.mailbox import Unreadable, find_files, read_messages
from mailguard.cli.options import config_option, json_option, load_or_default
from mailguard.cli.output import print_json, printable
from mailguard.cli.ruleset import load_rules
from mailguard.cli.scanned import Scanned, summarise, to_json
from mailguard.config import Config
from mailguard.extract.cage import Cage
from mailguard.extract.judging import ScanJudge
from mailguard.extract.pool import ScanPool
from mailguard.mail.envelope import Origin
from mailguard.policy.disposition import Policy
from mailguard.service.load import Loaded, load_policy, unpacking_of

MANY = 20
"""Files from which on a terminal shows progress: fewer take less than a second."""

Files = Sequence[Path | Unreadable]


@click.command(name="scan")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option("--from", "sender", metavar="ADDRESS", help="Envelope sender; <> is the null sender.")
@click.option("--to", "recipients", metavar="ADDRESS", multiple=True, help="Envelope recipient.")
@click.option(
    "--origin",
    type=click.Choice([origin.value for origin in Origin]),
    help="Where it came from. Default: inside if the sender is of the school, else outside.",
)
@click.option("--domain", "domains", metavar="D", multiple=True, help="A domain of the school.")
@click.option("--explain", "explains", is_flag=True, help="Show each step, message text included.")
@json_option
@config_option
def command(
    paths: tuple[str, ...],
    sender: str | None,
    recipients: tuple[str, ...],
    origin: str | None,
    domains: tuple[str, ...],
    explains: bool,
    as_json: bool,
    config_file: str | None,
) -> int:
    """Judge messages in files, and say why.

    PATH is an .eml file, an mbox, a Maildir, a folder of .eml files, or - for standard input.
    Without --from and --to the envelope is Return-Path, else From; and To, Cc and Bcc. Nothing is
    sent or stored. No configuration is needed; without one, only --domain says which addresses are
    the school's.

    No message text is printed but by --explain. The exit status is 0 whatever is found, and 1 when
    a PATH cannot be read.

    \b
    mailguard scan message.eml
    mailguard scan --explain --domain elmpark.example message.eml
    mailguard scan --json ~/Maildir | jq -r 'select(.level >= 2) | .path'
    mailguard scan --from ava@pupils.elmpark.example --to head@elmpark.example - < message.eml
    """
    logs.configure(level="error")
    given = Given(
        sender=None if sender is None else sender.strip("<>"),
        recipients=recipients,
        origin=None if origin is None else Origin(origin),
    )

    files = [file for path in paths for file in find_files(path)]
    config = _with_domains(load_or_default(config_file), domains)
    policy = load_policy(config)
    loaded = load_rules(config, policy.directory.school)
    cage = Cage(unpacking_of(config))

    def show(scanned: Scanned) -> None:
        explanation: tuple[str, ...] = ()
        if explains:
            explanation = explain(scanned, loaded.ruleset, cage, config.relay.scan_s / 2)
        if as_json:
            print_json(to_json(scanned) | ({"explain": explanation} if explains else {}))
            return
        for line in explanation or summarise(scanned):
            click.echo(line)

    try:
        return asyncio.run(_scan_all(files, given, config, loaded, policy, show))
    finally:
        cage.close()


async def _scan_all(
    files: Files,
    given: Given,
    config: Config,
    loaded: Loaded,
    policy: Policy,
    show: Callable[[Scanned], None],
) -> int:
    """Judge every message and show it; go on after what cannot be read, and return 1 then."""
    school = policy.directory.school
    pool = ScanPool(loaded.ruleset, loaded.setup, config.relay.scan_s, unpacking_of(config))
    judge = ScanJudge(loaded.ruleset, policy, pool, budget_s=config.relay.scan_s)
    status = 0
    for file in _with_progress(files):
        for found in [file] if isinstance(file, Unreadable) else read_messages(file):
            if isinstance(found, Unreadable):
                click.echo(f"mailguard: {printable(found.name)}: {found.reason}", err=True)
                status = 1
                continue
            transaction = compose_transaction(found.content, given, school)
            started = time.perf_counter()
            judgement = await judge.judge(transaction)
            ms = (time.perf_counter() - started) * 1000
            show(Scanned(name=found.name, transaction=transaction, judgement=judgement, ms=ms))
    await pool.close()
    return status


def _with_domains(config: Config, domains: Iterable[str]) -> Config:
    """`config`, with more domains of the school."""
    own = (*config.school.domains, *(domain.lower().strip(".@") for domain in domains))
    school = config.school.model_copy(update={"domains": own})
    return config.model_copy(update={"school": school})


def _with_progress(files: Files) -> Iterable[Path | Unreadable]:
    """`files`, with a bar on a terminal that shows nothing else."""
    if len(files) < MANY or sys.stdout.isatty() or not sys.stderr.isatty():
        return files
    # Here, not above: rich takes longer to load than a message takes to judge.
    from rich.console import Console
    from rich.progress import track

    return track(files, "scanning", console=Console(stderr=True), transient=True)
