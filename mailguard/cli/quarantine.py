"""``mailguard quarantine``: see what is held, and why."""

import hashlib
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import click

from mailguard.cli import decide
from mailguard.cli.case import (
    Evidence,
    describe,
    history_to_json,
    read_evidence,
    state_of,
    to_json,
)
from mailguard.cli.content import describe_content
from mailguard.cli.options import as_option, by_option, config_option, json_option, load
from mailguard.cli.output import local_time, print_facts, print_json, print_table
from mailguard.cli.reference import find
from mailguard.cli.stores import with_stores
from mailguard.cli.viewing import Viewer, open_content
from mailguard.errors import EvidenceDamaged, UserError
from mailguard.flow.hold import entry_for
from mailguard.quarantine.held import HeldMessage, State
from mailguard.report.reference import reference_of
from mailguard.service.compose import Stores


@click.group()
def command() -> None:
    """Review held messages: list, show, export, release, confirm, close.

    An ID may be short: the last six characters or more, or the reference that a digest has.

    \b
    mailguard quarantine list --state held
    mailguard quarantine show MG-7K3QFM
    mailguard quarantine release 01KJ… --reason "a joke between friends"
    mailguard quarantine confirm 01KJ… --reason "bullying; parents will be called"
    """


command.add_command(decide.release)
command.add_command(decide.confirm)
command.add_command(decide.close)


@command.command(name="list")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in State]),
    help="Only messages with a recipient in this state; may be given several times.",
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The oldest N only.")
@as_option
@json_option
@config_option
def list_command(
    states: tuple[str, ...],
    limit: int | None,
    viewer: str | None,
    as_json: bool,
    config_file: str | None,
) -> None:
    """List held messages, oldest first. No content is shown.

    \b
    mailguard quarantine list
    mailguard quarantine list --state held --state sealed
    mailguard quarantine list --json | jq -r 'select(.level >= 3) | .id'
    """
    config = load(config_file)
    person = Viewer.of(viewer, config)

    async def visible(stores: Stores) -> list[HeldMessage]:
        held = await stores.held.select(states=[State(state) for state in states], limit=limit)
        return [each for each in held if await person.may_see(each, stores)]

    held = with_stores(config, visible)
    if as_json:
        for each in held:
            print_json(to_json(each))
        return
    print_table(
        ("id", "received", "state", "level", "from", "to", "what", "reference"),
        [
            (
                each.id,
                local_time(each.received, config.school.timezone),
                state_of(each),
                f"L{each.level}{' alert' if each.alert else ''}",
                each.sender or "<>",
                ", ".join(recipient.address for recipient in each.recipients),
                ", ".join(each.categories),
                reference_of(each.id),
            )
            for each in held
        ],
    )


@command.command()
@click.argument("held_id", metavar="ID")
@click.option("--content", is_flag=True, help="Show the text too. The audit log keeps the look.")
@as_option
@by_option
@json_option
@config_option
def show(
    held_id: str,
    content: bool,
    viewer: str | None,
    by: str,
    as_json: bool,
    config_file: str | None,
) -> None:
    """Show who wrote a message, when, why it is here and what happened to it since.

    Its content is hidden unless --content asks for it. No picture or attachment is ever opened.

    \b
    mailguard quarantine show 01KJ…
    mailguard quarantine show 01KJ… --content --by "G. Okafor" --as head@elmpark.example
    """
    config = load(config_file)
    person = Viewer.of(viewer, config)

    async def look(stores: Stores) -> None:
        held = await find(held_id, stores)
        await person.check(held, stores)
        text: list[tuple[str, str]] = []
        if content:
            raw = await open_content(held, stores)
            await stores.audit.append(entry_for("look", held, stores.clock, actor=by))
            text = list(describe_content(raw))
        evidence = await _evidence(held, stores)
        history = await stores.audit.entries(subject=held.id)
        if not as_json:
            facts = describe(held, evidence, history, config.school.timezone)
            return print_facts([*facts, *text])
        more = {"evidence": evidence, "history": history_to_json(history)}
        shown = {"content": [{"what": what, "text": words} for what, words in text]}
        return print_json(to_json(held) | more | (shown if content else {}))

    with_stores(config, look)


@command.command()
@click.argument("held_id", metavar="ID")
@click.argument("target", metavar="DIR|-")
@as_option
@by_option
@config_option
def export(held_id: str, target: str, viewer: str | None, by: str, config_file: str | None) -> None:
    """Copy the evidence to DIR: message.eml, evidence.json and SHA256SUMS.

    With - the exact bytes of the message alone go to standard output. The audit log keeps who took
    a copy and when. What is sealed cannot be exported.

    \b
    mailguard quarantine export 01KJ… /media/usb/case-12
    cd /media/usb/case-12 && sha256sum --check SHA256SUMS
    """
    config = load(config_file)
    person = Viewer.of(viewer, config)
    if target == "-" and sys.stdout.isatty():
        raise UserError("a message could take over your terminal; send it to a file or a pipe")

    async def copy(stores: Stores) -> None:
        held = await find(held_id, stores)
        await person.check(held, stores)
        raw = await open_content(held, stores)
        evidence = await stores.spool.evidence(held)
        folder = None if target == "-" else _make_folder(Path(target))
        # Must: nobody gets a copy of which the audit log does not know.
        await stores.held.note_export(held.id, entry_for("export", held, stores.clock, actor=by))
        if folder is None:
            for chunk in raw.chunks():
                sys.stdout.buffer.write(chunk)
            return
        _write_all(folder, {"message.eml": raw.chunks(), "evidence.json": [evidence]})
        click.echo(f"{folder}: message.eml, evidence.json, SHA256SUMS")

    with_stores(config, copy)


async def _evidence(held: HeldMessage, stores: Stores) -> Evidence | None:
    try:
        return read_evidence(await stores.spool.evidence(held))
    except EvidenceDamaged:
        return None


def _make_folder(folder: Path) -> Path:
    """Make the folder of an export, which must not hold one already."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UserError(f"{folder} is not empty; name a new folder, so that nothing is lost")
    except OSError as error:
        raise UserError(f"{folder}: {error.strerror}") from None
    return folder


def _write_all(folder: Path, files: Mapping[str, Iterable[bytes]]) -> None:
    """Write the files, for their owner's eyes only, and their checksums."""
    sums = []
    try:
        for name, chunks in files.items():
            digest = hashlib.sha256()
            with open(folder / name, "xb", opener=_private) as stream:
                for chunk in chunks:
                    digest.update(chunk)
                    stream.write(chunk)
            sums.append(f"{digest.hexdigest()}  {name}\n")
        with open(folder / "SHA256SUMS", "x", opener=_private) as stream:
            stream.writelines(sums)
    except OSError as error:
        raise UserError(f"{folder}: {error.strerror}; what is there is not whole") from None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
