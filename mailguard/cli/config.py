"""``mailguard config``: check, show and explain the configuration."""

import difflib
import json
from collections.abc import Mapping

import click

from mailguard.cli.config_text import compose_example, compose_table, toml_value
from mailguard.cli.options import config_option, load
from mailguard.cli.output import print_facts
from mailguard.cli.postfix import read_postfix
from mailguard.cli.postfix_text import compose_lines, find_handovers
from mailguard.cli.ruleset import load_rules
from mailguard.config import find_config, walk_keys
from mailguard.errors import ConfigError, UserError
from mailguard.service.load import load_policy


@click.group()
def command() -> None:
    """Check, show and explain the configuration.

    \b
    mailguard config example > mailguard.toml      a file to start from
    mailguard config check                         every mistake, all at once
    mailguard config explain school.domains        what a key means
    """


@command.command()
@config_option
def check(config_file: str | None) -> None:
    """Say whether the configuration can be used.

    Every mistake is named with its key, what is wrong and what would be right, those in the
    directory file and in the school's own rules too; the exit status is then 78. Whether the
    rest of the world fits it, `mailguard check` says.

    \b
    mailguard config check --config /etc/mailguard/mailguard.toml
    """
    config = load(config_file)
    problems: list[str] = []
    for read in (load_policy, load_rules):
        try:
            read(config)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    click.echo(f"{find_config(config_file)}: no mistakes found")


@command.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(config_file: str | None, as_json: bool) -> None:
    """Print every key with the value in use, defaults included.

    \b
    mailguard config show
    mailguard config show --json
    """
    values = load(config_file).model_dump(mode="json")
    if as_json:
        click.echo(json.dumps(values, ensure_ascii=False))
        return
    for name, value in values.items():
        for section in value if isinstance(value, list) else [value]:
            if not isinstance(section, dict):
                click.echo(f"{name} = {toml_value(section)}")
                continue
            click.echo(f"\n[[{name}]]" if isinstance(value, list) else f"\n[{name}]")
            _show_section(name, section)


def _show_section(name: str, section: Mapping[str, object]) -> None:
    """The keys with a value of their own, then each table of tables as tables."""
    tables = {key: item for key, item in section.items() if _has_tables(item)}
    for key, item in section.items():
        if key not in tables:
            click.echo(f"{key} = {toml_value(item)}")
    for key, rows in tables.items():
        assert isinstance(rows, Mapping)
        for row, cells in rows.items():
            click.echo(f"\n[{name}.{key}.{row}]")
            _show_section(f"{name}.{key}.{row}", cells)


def _has_tables(item: object) -> bool:
    return isinstance(item, Mapping) and any(isinstance(v, Mapping) for v in item.values())


@command.command()
def example() -> None:
    """Print a configuration file with every key, its meaning and its default.

    \b
    mailguard config example > /etc/mailguard/mailguard.toml
    """
    click.echo(compose_example(), nl=False)


@command.command()
@click.argument("key", required=False)
@click.option("--markdown", is_flag=True, help="Print the table of docs/configuration.md.")
def explain(key: str | None, markdown: bool) -> None:
    """Say what KEY means, what it may be and what it is by default; without KEY, all of them.

    \b
    mailguard config explain listeners.origin
    """
    if markdown:
        click.echo(compose_table(), nl=False)
        return
    known = {name: rest for name, *rest in walk_keys()}
    wanted = [name for name in known if key is None or name == key or name.startswith(f"{key}.")]
    if not wanted:
        near = difflib.get_close_matches(key or "", known, n=1)
        hint = f"did you mean {near[0]}?" if near else "`mailguard config explain` lists all keys"
        raise UserError(f"there is no key {key}; {hint}")
    for number, name in enumerate(wanted):
        if number:
            click.echo()
        kind, description, default = known[name]
        print_facts(
            [
                ("key", name),
                ("meaning", str(description)),
                ("may be", str(kind)),
                ("default", toml_value(default)),
            ]
        )


@command.command()
@click.option(
    "--used",
    is_flag=True,
    help="Print only where Postfix hands mail to MailGuard now; exit status 1 when it does.",
)
@config_option
def postfix(used: bool, config_file: str | None) -> int:
    """Print the lines that this machine's Postfix needs; nothing is changed.

    They follow from the configuration and from what `postconf` says of this machine.

    \b
    mailguard config postfix
    """
    config = load(config_file)
    found = read_postfix()
    if not used:
        click.echo(compose_lines(config, found))
        return 0
    handovers = find_handovers(config, found) if found else []
    for words in handovers:
        click.echo(words)
    return 1 if handovers else 0
