"""How data is printed: tables on a terminal, plain lines for a pipe, JSON for programs.

Whatever comes from a message (an address, a file name) is printed by these functions only: no
character of it can move the cursor or colour the terminal.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import click

WIDTH = 140
"""Characters of a drawn table's line when it goes somewhere else than to a terminal."""

WHOLE = 26
"""Characters of a value that is never cut in two: an id has so many, and people copy it."""


def print_json(data: Mapping[str, object]) -> None:
    """Print one object on one line."""
    click.echo(json.dumps(data, ensure_ascii=False))


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, drawn: bool | None = None
) -> None:
    """Print a table: drawn on a terminal, else one line a row with tabs between the values.

    `drawn` says which, whatever standard output is.
    """
    lines = [[printable(value) for value in row] for row in rows]
    is_terminal = sys.stdout.isatty()
    if not (is_terminal if drawn is None else drawn):
        for line in (columns, *lines):
            click.echo("\t".join(line))
        return
    # Here, not above: rich takes longer to load than most commands take to run.
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column, *values in zip(columns, *lines, strict=True):
        table.add_column(column, overflow="fold", no_wrap=max(map(len, values), default=0) <= WHOLE)
    for line in lines:
        # Text, not str: square brackets in an address are no instruction to rich.
        table.add_row(*(Text(value) for value in line))
    Console(width=None if is_terminal else WIDTH, highlight=False).print(table)


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Print names and values in two columns; a value of several lines stays in its column."""
    lines = [(name, value) for name, value in facts if value]
    width = max((len(name) for name, _ in lines), default=0)
    for name, value in lines:
        for number, line in enumerate(value.split("\n")):
            click.echo(f"{'' if number else name:<{width}}  {printable(line)}")


def printable(text: str) -> str:
    """`text` with every character that is no sign on paper written as its escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def local_time(moment: datetime, zone: str) -> str:
    """`moment` as a person at the school writes it: ``2 Mar 2026, 12:00:05``."""
    local = moment.astimezone(ZoneInfo(zone))
    return f"{local.day} {local:%b %Y, %H:%M:%S}"
