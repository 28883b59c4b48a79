"""The documentation is whole: each command, option, key, symbol, event, failure mode is in it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from mailguard.cli.app import COMMANDS, app
from mailguard.cli.config_text import compose_table
from mailguard.metrics.catalogue import CATALOGUE, Kind
from mailguard.quarantine.held import State
from mailguard.scan.finding import Level
from mailguard.scan.registry import Ruleset

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def read(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def sections(text: str) -> dict[str, str]:
    """The text below each heading, by heading, up to the next one."""
    pieces = re.split(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def leaves(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by what one types."""
    if not isinstance(command, click.Group):
        yield name, command
        return
    context = click.Context(command)
    for part in command.list_commands(context):
        found = command.get_command(context, part)
        assert found is not None
        yield from leaves(found, f"{name} {part}")


LEAVES = dict(leaves(app, "mailguard"))


def test_every_command_has_a_section_and_no_section_lacks_a_command() -> None:
    documented = {name for name in sections(read("commands.md")) if name.startswith("mailguard")}

    groups = {name.rpartition(" ")[0] for name in LEAVES} - {"mailguard"}
    assert {*LEAVES, *groups} == documented


@pytest.mark.parametrize("name", LEAVES)
def test_every_option_is_in_its_commands_section(name: str) -> None:
    section = sections(read("commands.md"))[name]

    options = {
        option
        for parameter in LEAVES[name].params
        if isinstance(parameter, click.Option)
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    assert options == set(re.findall(r"(?<=`)--[a-z-]+", section.partition("| option |")[2]))


@pytest.mark.parametrize("name", LEAVES)
def test_every_command_explains_itself_with_an_example(name: str) -> None:
    command = LEAVES[name]

    text = command.get_help(click.Context(command, info_name=name))

    assert f"\n  {name}" in text.replace(f"Usage: {name}", "")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_one_line_of_help_stands_for_its_command(name: str) -> None:
    command = app.get_command(click.Context(app), name)

    assert command is not None
    assert command.help
    assert COMMANDS[name].endswith(".")


def test_the_table_of_keys_is_the_one_the_command_prints() -> None:
    written = read("configuration.md").partition("<!-- mailguard config explain --markdown -->\n")[
        2
    ]

    assert compose_table() == written


def test_every_symbol_has_a_row_with_what_it_says(ruleset: Ruleset) -> None:
    text = read("rules.md")

    missing = [
        symbol.name
        for symbol in ruleset.symbols.values()
        if not re.search(rf"\|[^|\n]*`{symbol.name}`[^\n]*{re.escape(symbol.says)}", text)
    ]

    assert missing == []


def test_every_log_event_has_a_row_and_no_row_lacks_an_event() -> None:
    tree = ast.parse((ROOT / "mailguard" / "events.py").read_text("utf-8"))
    events = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }

    documented = set(re.findall(r"^\| `(\w+)` \|", sections(read("logs.md"))["Log events"], re.M))

    assert events == documented


def test_every_metric_has_a_row_with_its_type_labels_and_help_and_no_row_lacks_a_metric() -> None:
    kinds = {Kind.COUNTER: "counter", Kind.HISTOGRAM: "histogram"}
    rows = [
        f"| `{metric.name}` | {kinds.get(metric.kind, 'gauge')} "
        f"| {', '.join(f'`{label}`' for label in metric.labels)} | {metric.says} |"
        for metric in CATALOGUE
    ]

    assert rows == re.findall(r"^\| `mailguard_\w+` \|.*$", read("metrics.md"), re.M)


@pytest.mark.parametrize("label", sorted({label for m in CATALOGUE for label in m.labels}))
def test_the_values_of_every_label_are_named(label: str) -> None:
    page = read("metrics.md")

    assert re.search(rf"^\| (`\w+`, )*`{label}`(, `\w+`)* \|", page, re.M) or label in NAMES_ITSELF


NAMES_ITSELF = {"version", "ruleset", "code"}
"""Labels that need no explanation."""


@pytest.mark.parametrize("name", ["design.md", "flow.md", "glossary.md", "rules.md"])
def test_the_page_is_there(name: str) -> None:
    assert len(read(name)) > 1000


@pytest.mark.parametrize("word", [*State, *(f"L{level.value}" for level in Level)])
def test_the_glossary_has_every_state_and_level(word: str) -> None:
    assert re.search(rf"^\| {word} \|", read("glossary.md"), re.MULTILINE)


def failure_modes() -> list[str]:
    """The last cell of every row."""
    return re.findall(r"^\|.*\| `(test_\w+)` \|$", read("failure-modes.md"), re.MULTILINE)


def test_every_failure_mode_names_a_test() -> None:
    rows = [row for row in read("failure-modes.md").splitlines() if row.startswith("| ")]
    headings = [row for row in rows if row.startswith("| failure ")]

    assert len(rows) - len(headings) == len(failure_modes())


@pytest.mark.parametrize("name", failure_modes())
def test_every_failure_mode_has_its_test(name: str) -> None:
    tests = (path.read_text("utf-8") for path in sorted((ROOT / "tests").rglob("test_*.py")))

    assert any(re.search(rf"def {name}\(", text) for text in tests)


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.glob("*.md")])
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", [ROOT / "README.md", *DOCS.glob("*.md")], ids=lambda p: p.name)
def test_no_page_names_a_command_that_is_not_there(page: Path) -> None:
    typed = re.findall(r"^\s*(?:sudo )?(?:\S*/)?mailguard ([a-z]+)", page.read_text("utf-8"), re.M)

    assert set() == set(typed) - set(COMMANDS)
