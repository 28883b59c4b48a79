"""The shipped rules keep their word, serve real clauses, and are all in docs/rules.md."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from mailguard.scan.finding import Category, Level, Symbol
from mailguard.scan.lint import Case, cases, holds, prove
from mailguard.scan.registry import Ruleset
from mailguard.service.load import shipped_rules

FILES = sorted(shipped_rules().glob("*/*.toml"))

EXAMPLES = [
    f"{file.stem}/{kind}/{number}"
    for file in FILES
    for kind, examples in tomllib.loads(file.read_text("utf-8"))["examples"].items()
    for number in range(1, len(examples) + 1)
]

CARRIED_BY_TEXT = sorted(set(Category) - {Category.UNSCANNED})
"""Every category but the one that rules cannot find."""

PAGE = (Path(__file__).parents[2] / "docs" / "rules.md").read_text("utf-8")

ROW = re.compile(
    r"^\| `([A-Z0-9_]+)`(?: \(detector\))? \| (.+?) \| L(\d)( SEAL)? \| (.+) \|$", re.M
)

CLAUSE = re.compile(r"^\| ((?:symphony|allesley):[\w.-]+) \| .+ \|$", re.M)


@pytest.fixture(scope="session")
def by_name(ruleset: Ruleset) -> Mapping[str, Case]:
    """Every example of every check, by its name."""
    return {case.name: case for case in cases(ruleset)}


def describe(symbol: Symbol) -> tuple[str, str, Level, bool, tuple[str, ...]]:
    """What the row of `symbol` must say."""
    return symbol.name, symbol.says, symbol.level, symbol.seals, symbol.clauses


def read_rows() -> list[tuple[str, str, Level, bool, tuple[str, ...]]]:
    """What the rows of the page do say."""
    return [
        (name, says, Level(int(level)), bool(seals), clauses_of(clauses))
        for name, says, level, seals, clauses in ROW.findall(PAGE)
    ]


def clauses_of(cell: str) -> tuple[str, ...]:
    """The clauses in a cell of the table; a dash is none."""
    return () if cell == "–" else tuple(cell.split(", "))


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_holds(name: str, by_name: Mapping[str, Case], ruleset: Ruleset) -> None:
    case = by_name[name]

    held = holds(case, ruleset)

    assert held


def test_every_pattern_and_exclusion_is_needed(ruleset: Ruleset) -> None:
    failures = prove(ruleset)

    assert [] == [str(failure) for failure in failures]


def test_every_file_is_a_rule_of_the_set(ruleset: Ruleset) -> None:
    names = [rule.symbol.name for rule in ruleset.rules]

    assert [file.stem for file in FILES] == sorted(names, key=[f.stem for f in FILES].index)


def test_there_are_at_least_fifty_rules(ruleset: Ruleset) -> None:
    assert len(ruleset.rules) >= 50


@pytest.mark.parametrize("category", CARRIED_BY_TEXT)
def test_a_category_has_two_rules(category: Category, ruleset: Ruleset) -> None:
    rules = [rule for rule in ruleset.rules if rule.symbol.category is category]

    assert len(rules) >= 2


def test_every_word_list_is_used() -> None:
    text = "".join(file.read_text("utf-8") for file in FILES)

    unused = [
        file.stem
        for file in sorted(shipped_rules().glob("_lists/*.txt"))
        if f"{{{{{file.stem}}}}}" not in text
    ]

    assert [] == unused


def test_only_imagery_seals(ruleset: Ruleset) -> None:
    sealing = {rule.symbol.category for rule in ruleset.rules if rule.symbol.seals}

    assert {Category.IMAGERY} == sealing


def test_no_rule_blames_the_writer_for_quoted_text(ruleset: Ruleset) -> None:
    quoting = [rule.symbol.name for rule in ruleset.rules if "quoted" in rule.places]

    assert [] == quoting


def test_the_page_has_a_row_for_every_symbol_as_it_is(ruleset: Ruleset) -> None:
    symbols = sorted(describe(symbol) for symbol in ruleset.symbols.values())

    assert symbols == sorted(read_rows())


def test_every_clause_that_is_served_has_a_gloss(ruleset: Ruleset) -> None:
    served = {clause for symbol in ruleset.symbols.values() for clause in symbol.clauses}

    assert served == set(CLAUSE.findall(PAGE))
