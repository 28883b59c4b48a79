"""``mailguard rules``: list, explain and prove what the rules and detectors find."""

import inspect
from collections.abc import Iterator, Sequence
from importlib import import_module

import click

from mailguard.cli.options import config_option, json_option, load_or_default
from mailguard.cli.output import print_facts, print_json, print_table
from mailguard.cli.ruleset import load_rules
from mailguard.errors import UserError
from mailguard.mail.message import parse
from mailguard.mail.text import look
from mailguard.scan.example import Example
from mailguard.scan.finding import Symbol
from mailguard.scan.lint import cases, prove
from mailguard.scan.nearest import suggest
from mailguard.scan.registry import Ruleset

Facts = list[tuple[str, str]]


@click.group()
def command() -> None:
    """List, explain and test the rules. None of this needs a configuration.

    \b
    mailguard rules list
    mailguard rules explain THREAT_HARM_INTENT
    mailguard rules test
    """


@command.command()
@json_option
@config_option
def test(as_json: bool, config_file: str | None) -> int:
    """Prove every rule and detector by its own examples.

    Each example must come out as its rule says, and each pattern and exclusion must be needed by
    some example. The exit status is 1 when one fails, 78 when a rule cannot be read at all.

    \b
    mailguard rules test
    mailguard rules test --config mailguard.toml        with the school's own rules
    """
    ruleset = load_rules(load_or_default(config_file)).ruleset
    failures = prove(ruleset)
    for failure in failures:
        if as_json:
            print_json({"name": failure.name, "reason": failure.reason})
        else:
            click.echo(f"{failure.name}: {failure.reason}")
    if not as_json:
        click.echo(
            f"{len(ruleset.rules)} rules, {len(ruleset.detectors)} detectors, "
            f"{sum(1 for _ in cases(ruleset))} examples: "
            f"{f'{len(failures)} failures' if failures else 'all hold'}"
        )
    return 1 if failures else 0


@command.command(name="list")
@json_option
@config_option
def list_command(as_json: bool, config_file: str | None) -> None:
    """List every symbol with its category, level and status, and what it says.

    \b
    mailguard rules list
    mailguard rules list --json | jq -r 'select(.level == 4) | .symbol'
    """
    ruleset = load_rules(load_or_default(config_file)).ruleset
    symbols = sorted(ruleset.symbols.values(), key=lambda symbol: (symbol.category, symbol.name))
    if as_json:
        for symbol in symbols:
            print_json(_to_json(symbol, ruleset))
        return
    print_table(
        ("symbol", "category", "level", "status", "says"),
        [(s.name, s.category, f"L{s.level}", _status(s, ruleset), s.says) for s in symbols],
    )


@command.command()
@click.argument("symbol")
@json_option
@config_option
def explain(symbol: str, as_json: bool, config_file: str | None) -> None:
    """Say what SYMBOL finds and why, the policy clauses it serves, and show its examples.

    \b
    mailguard rules explain THREAT_HARM_INTENT
    """
    ruleset = load_rules(load_or_default(config_file)).ruleset
    name = symbol.upper()
    if name not in ruleset.symbols:
        raise UserError(f"there is no symbol {name}{suggest(name, ruleset.symbols)}")
    known = ruleset.symbols[name]
    facts, examples = _rule_facts(name, ruleset) or _detector_facts(known, ruleset)
    if as_json:
        shown = [{"matches": e.matches, "text": _text(e), "why": e.why} for e in examples]
        print_json(_to_json(known, ruleset) | dict(facts) | {"examples": shown})
        return
    print_facts(
        [
            ("symbol", f"{name}, {known.category} L{known.level}, {_status(known, ruleset)}"),
            ("says", known.says),
            ("clauses", ", ".join(known.clauses) or "none: safeguarding guidance"),
            *facts,
            *(("finds" if e.matches else "does not find", _shown(e)) for e in examples),
        ]
    )


def _status(symbol: Symbol, ruleset: Ruleset) -> str:
    is_disabled = symbol.name in ruleset.silent and symbol.status != "retired"
    return "disabled" if is_disabled else symbol.status


def _to_json(symbol: Symbol, ruleset: Ruleset) -> dict[str, object]:
    return {
        "symbol": symbol.name,
        "category": symbol.category.value,
        "level": int(symbol.level),
        "status": _status(symbol, ruleset),
        "says": symbol.says,
        "clauses": list(symbol.clauses),
        "seals": symbol.seals,
    }


def _rule_facts(name: str, ruleset: Ruleset) -> tuple[Facts, Sequence[Example]] | None:
    rule = next((rule for rule in ruleset.rules if rule.symbol.name == name), None)
    if rule is None:
        return None
    places = ", ".join(sorted(rule.places))
    facts = [("why", rule.why), ("looks in", f"{places}; within one {rule.within}")]
    return [*facts, ("file", rule.file)], rule.examples


def _detector_facts(symbol: Symbol, ruleset: Ruleset) -> tuple[Facts, Sequence[Example]]:
    for detector in ruleset.detectors:
        if symbol in detector.symbols:
            module = import_module(f"mailguard.scan.detectors.{detector.name}")
            return [("how", inspect.getdoc(module) or "")], detector.examples
    return [], ()


def _shown(example: Example) -> str:
    return f"{_text(example)}{f'   ({example.why})' if example.why else ''}"


def _text(example: Example) -> str:
    """All text of an example, on one line."""
    return " / ".join(_pieces(example))


def _pieces(example: Example) -> Iterator[str]:
    for segment in look(parse(example.raw), example.extracts).segments:
        if text := " ".join(segment.text.split()):
            yield text
