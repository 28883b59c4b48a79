"""``mailguard directory``: import the school's people, and say who somebody is."""

import asyncio
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import click

from mailguard.cli.checks.result import counted
from mailguard.cli.options import by_option, config_option, json_option, load
from mailguard.cli.output import print_facts, print_json, print_table, printable
from mailguard.cli.stores import is_serving, with_stores
from mailguard.config import Config
from mailguard.errors import UserError
from mailguard.policy.directory import Directory
from mailguard.policy.joining import Joined, join
from mailguard.policy.mis import decode, read_export
from mailguard.policy.oddity import Odd, find_oddities
from mailguard.policy.people import Person, compose_directory, read_directory
from mailguard.policy.taxonomy import Group
from mailguard.ports import AuditEntry
from mailguard.service.compose import Stores, zone_of
from mailguard.service.directory import BACKUP, replace_directory
from mailguard.service.load import directory_file, load_directory, load_people

GROUPS = tuple(str(g) for g in (Group.PUPIL, Group.STAFF, Group.GOVERNOR, Group.PARENT))

LOST = 3
"""An import in which more than one in so many would go is more likely a part of an export than a
summer: the largest year of a school of two years is half of it, of any other less than a third."""

FEW = 10
"""So many may go in any case."""

LINES_SHOWN = 5


@click.group()
def command() -> None:
    """Import the school's people, and say who somebody is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What the files told."""

    joined: Joined
    odd: tuple[Odd, ...]
    text: str
    """The new directory file."""


@command.command(name="import")
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path)
)
@click.option(
    "--group",
    type=click.Choice(GROUPS),
    help="Whose list it is, where the columns do not tell.",
)
@click.option("--add-only", is_flag=True, help="Remove nobody: the files are a part of an export.")
@click.option("--force", is_flag=True, help="Do it though more than a third would be removed.")
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@click.option("--verbose", is_flag=True, help="Say who: names, addresses and odd values.")
@by_option
@json_option
@config_option
def import_command(
    files: Sequence[Path],
    group: str | None,
    add_only: bool,
    force: bool,
    dry_run: bool,
    verbose: bool,
    by: str,
    as_json: bool,
    config_file: str | None,
) -> None:
    """Bring CSV exports of the school's information system into the directory file.

    SIMS, Arbor and Bromcom are understood as they head their columns, pupils with their contacts as
    well as staff, and so are files with our own columns. People of a group that the files list and
    who are in none of them are removed. docs/directory.md says which columns are used.

    \b
    mailguard directory import --dry-run --verbose pupils.csv staff.csv
    mailguard directory import pupils.csv staff.csv
    mailguard directory import --group governor --add-only governors.csv
    """
    config = load(config_file)
    file = directory_file(config)
    before = load_people(config)
    read = _read_files(files, before, Group(group) if group else None, config, keeps_all=add_only)
    if not (add_only or force):
        _refuse_partial(before, read.joined)
    is_first = not file.exists()
    if not dry_run:
        _write(config, file, read, by)
    if as_json:
        print_json(_import_to_json(read, file, is_written=not dry_run, verbose=verbose))
        return
    _tell(read, verbose=verbose)
    if dry_run:
        click.echo("Nothing was written.")
        return
    kept = "" if is_first else f"; what it held before is in {file.name}{BACKUP}"
    click.echo(f"Written to {file}{kept}.")
    if is_serving(config):
        click.echo("It takes effect when MailGuard is restarted.")


@command.command()
@click.option("--verbose", is_flag=True, help="Say who: names, addresses and odd values.")
@json_option
@config_option
def check(verbose: bool, as_json: bool, config_file: str | None) -> None:
    """Say how many people the directory file lists, and what is odd about them.

    A file that cannot be used ends with exit status 78 and every mistake; what is odd does not.

    \b
    mailguard directory check
    mailguard directory check --verbose
    """
    config = load(config_file)
    people = load_people(config)
    odd = tuple(find_oddities(people, _today(config)))
    if as_json:
        print_json(
            {
                "file": str(directory_file(config)),
                "people": _count(people),
                "odd": _odd_to_json(odd),
            }
        )
        return
    click.echo(f"{directory_file(config)}: {_counted_people(people)}")
    _tell_odd(odd, verbose=verbose)


@command.command(name="list")
@click.option("--group", type=click.Choice(GROUPS), help="Only these.")
@json_option
@config_option
def list_command(group: str | None, as_json: bool, config_file: str | None) -> None:
    """List the people of the directory file.

    \b
    mailguard directory list --group governor
    mailguard directory list --json | jq -r 'select(.year == 6) | .name'
    """
    people = [p for p in load_people(load(config_file)) if group in (None, str(p.group))]
    if as_json:
        for person in people:
            print_json(_to_json(person))
        return
    print_table(
        ("group", "name", "address", "year", "UPN", "of"),
        [
            (
                str(person.group),
                person.name,
                person.address,
                "" if person.year is None else str(person.year),
                person.upn,
                " ".join(person.of),
            )
            for person in people
        ],
    )


@command.command()
@click.argument("address")
@json_option
@config_option
def show(address: str, as_json: bool, config_file: str | None) -> None:
    """Say which group ADDRESS is of, why, and what the directory file has on it.

    \b
    mailguard directory show j.reed@post.example
    """
    directory = load_directory(load(config_file))
    group, why = directory.classify(address), directory.explain(address)
    person = directory.person(address)
    relatives = _relatives(person, directory) if person else []
    if as_json:
        print_json(
            {"address": address, "group": str(group), "why": why}
            | ({"person": _to_json(person)} if person else {})
        )
        return
    print_facts([("address", address), ("group", str(group)), ("why", why)])
    if person:
        print_facts(
            [
                ("name", person.name),
                ("year", "" if person.year is None else str(person.year)),
                ("born", str(person.born or "")),
                ("UPN", person.upn),
                ("family", "\n".join(relatives)),
            ]
        )


def _read_files(
    files: Sequence[Path],
    before: tuple[Person, ...],
    group: Group | None,
    config: Config,
    *,
    keeps_all: bool,
) -> _Read:
    today = _today(config)
    exports = [
        read_export(decode(_bytes(file)), today=today, file=file.name, group=group)
        for file in files
    ]
    joined = join(
        before,
        (person for export in exports for person in export.people),
        covers=frozenset[Group]().union(*(export.covers for export in exports)),
        keeps_all=keeps_all,
    )
    text = compose_directory(joined.people)
    # Must: the service starts with what is written, or it is not written. Raises ConfigError.
    read_directory(text)
    odd = (
        *(odd for export in exports for odd in export.odd),
        *joined.odd,
        *find_oddities(joined.people, today),
    )
    return _Read(joined=joined, odd=odd, text=text)


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}") from None


def _refuse_partial(before: tuple[Person, ...], joined: Joined) -> None:
    known = Counter(person.group for person in before)
    for group, gone in Counter(person.group for person in joined.gone).items():
        if gone > FEW and gone * LOST > known[group]:
            raise UserError(
                f"{gone} of {known[group]} in the group {group} would be removed. Is that all of "
                "the export? Use --add-only for a part of one, or --force"
            )


def _write(config: Config, file: Path, read: _Read, by: str) -> None:
    """Record, then replace: an import that is not recorded does not happen."""
    joined = read.joined

    async def record(stores: Stores) -> None:
        await stores.audit.append(
            AuditEntry(
                at=stores.clock.now(),
                actor=by,
                action="configuration",
                subject=hashlib.sha256(read.text.encode()).hexdigest(),
                detail={
                    "reason": "directory import",
                    "people": len(joined.people),
                    "added": len(joined.added),
                    "gone": len(joined.gone),
                    "changed": len(joined.changed),
                },
            )
        )
        await asyncio.to_thread(replace_directory, file, read.text)

    with_stores(config, record)


def _tell(read: _Read, *, verbose: bool) -> None:
    joined = read.joined
    click.echo(_counted_people(joined.people))
    for word, people in (
        ("added", joined.added),
        ("removed", joined.gone),
        ("changed", joined.changed),
    ):
        click.echo(f"{word}: {_counted_people(people) if people else 'nobody'}")
        for person in people if verbose else ():
            click.echo(f"    {printable(_named(person))}")
    _tell_odd(read.odd, verbose=verbose)


def _tell_odd(found: Iterable[Odd], *, verbose: bool) -> None:
    by_kind: dict[str, list[Odd]] = defaultdict(list)
    for odd in found:
        by_kind[odd.kind].append(odd)
    for kind, odds in by_kind.items():
        places = [f"{odd.file} line {odd.line}" for odd in odds if odd.line]
        shown = ", ".join(places[:LINES_SHOWN]) + (", …" if len(places) > LINES_SHOWN else "")
        click.echo(f"odd: {len(odds)} {kind}" + (f" ({printable(shown)})" if shown else ""))
        for odd in odds if verbose else ():
            click.echo(f"    {printable(odd.who)}")


def _relatives(person: Person, directory: Directory) -> list[str]:
    own = {person.address, person.upn} - {""}
    of = {*person.of}
    return [
        _named(other)
        for other in directory.everyone
        if own & {*other.of} or of & {other.address, other.upn}
    ]


def _named(person: Person) -> str:
    return f"{person.name} <{person.address or person.upn}> {person.group}".strip()


def _count(people: Iterable[Person]) -> dict[str, int]:
    return dict(sorted(Counter(str(person.group) for person in people).items()))


def _counted_people(people: Sequence[Person]) -> str:
    groups = ", ".join(f"{count:,} {group}" for group, count in _count(people).items())
    return counted(len(people), "person", "people") + (f" ({groups})" if groups else "")


def _odd_to_json(found: Iterable[Odd]) -> list[dict[str, object]]:
    counts = Counter(odd.kind for odd in found)
    return [
        {"kind": kind.name.lower(), "count": count, "says": str(kind)}
        for kind, count in counts.items()
    ]


def _import_to_json(
    read: _Read, file: Path, *, is_written: bool, verbose: bool
) -> dict[str, object]:
    joined = read.joined
    told: dict[str, object] = {
        "file": str(file),
        "written": is_written,
        "people": _count(joined.people),
        "odd": _odd_to_json(read.odd),
    }
    for word, people in (
        ("added", joined.added),
        ("gone", joined.gone),
        ("changed", joined.changed),
    ):
        told[word] = [_to_json(person) for person in people] if verbose else len(people)
    return told


def _to_json(person: Person) -> dict[str, object]:
    return {
        "address": person.address,
        "name": person.name,
        "group": str(person.group),
        "year": person.year,
        "born": str(person.born) if person.born else None,
        "upn": person.upn,
        "of": list(person.of),
    }


def _today(config: Config) -> date:
    return datetime.now(zone_of(config)).date()
