"""``mailguard audit``: read the audit log, and prove that nobody changed it."""

import click

from mailguard.cli.case import history_to_json
from mailguard.cli.options import config_option, json_option, load
from mailguard.cli.output import local_time, print_json, print_table
from mailguard.cli.stores import with_stores
from mailguard.errors import EvidenceDamaged
from mailguard.ports import AuditEntry
from mailguard.quarantine.held import State
from mailguard.service.compose import Stores
from mailguard.store.audit_log import Chain


@click.group()
def command() -> None:
    """Read and verify the audit log."""


@command.command()
@click.option("--evidence", "with_evidence", is_flag=True, help="Check every stored message too.")
@json_option
@config_option
def verify(with_evidence: bool, as_json: bool, config_file: str | None) -> int:
    """Check the chain of the audit log from its first entry to its last.

    Prints the number of entries and the head, the hash of the last. Write the head down elsewhere
    now and then: only so a log that was replaced as a whole can be told. The exit status is 1 when
    the chain is broken, or when with --evidence a message is missing or not what was stored.

    \b
    mailguard audit verify
    mailguard audit verify --evidence
    """

    async def check(stores: Stores) -> tuple[Chain, list[str]]:
        return await stores.audit.verify(), await _damaged(stores) if with_evidence else []

    chain, damaged = with_stores(load(config_file), check)
    if as_json:
        print_json(
            {
                "count": chain.count,
                "head": chain.head,
                "broken_at": chain.broken_at,
                "problem": chain.problem,
                "damaged": damaged,
            }
        )
    else:
        click.echo(f"{chain.count} entries, head {chain.head}")
        if chain.problem:
            click.echo(f"The chain is broken. {chain.problem}")
        for held_id in damaged:
            click.echo(f"The evidence of {held_id} is missing or is not what was stored.")
    return 1 if chain.problem or damaged else 0


@command.command(name="list")
@click.option("--subject", default="", metavar="ID", help="Only what concerns this message.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The newest N only.")
@json_option
@config_option
def list_command(subject: str, limit: int | None, as_json: bool, config_file: str | None) -> None:
    """List who did what and when, oldest first.

    \b
    mailguard audit list --limit 20
    mailguard audit list --subject 01KJ…
    """
    config = load(config_file)

    async def read(stores: Stores) -> list[AuditEntry]:
        return list(await stores.audit.entries(subject=subject, limit=limit))

    entries = with_stores(config, read)
    if as_json:
        for entry, line in zip(entries, history_to_json(entries), strict=True):
            print_json({"subject": entry.subject} | line)
        return
    print_table(
        ("when", "who", "did", "to", "why"),
        [
            (
                local_time(entry.at, config.school.timezone),
                entry.actor,
                entry.action,
                entry.subject,
                str(entry.detail.get("reason", "")),
            )
            for entry in entries
        ],
    )


async def _damaged(stores: Stores) -> list[str]:
    """The ids of all messages whose bytes are gone or are not those that were stored."""
    damaged: list[str] = []
    for held in await stores.held.select():
        if held.state is State.PURGED:
            continue
        try:
            await stores.spool.read(held)
            await stores.spool.evidence(held)
        except EvidenceDamaged:
            damaged.append(held.id)
    return damaged
