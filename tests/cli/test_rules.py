"""Listing, explaining and proving the rules."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mailguard.service.load import shipped_rules

Mailguard = Callable[..., Any]

LOCAL_RULE = """
symbol = "ABUSE_LOCAL_WORD"
category = "abuse"
level = 2
status = "stable"
says = "The writer uses the word that our school does not want."
clauses = []
why = "It is used to hurt."
[match]
in = ["body"]
within = "sentence"
any = ['''\\bzorkle\\b''']
[[examples.match]]
text = "you zorkle"
[[examples.match]]
text = "what a zorkle"
[[examples.no_match]]
text = "hello"
[[examples.no_match]]
text = "a zorkle is a bird"
"""
"""The last example does not hold."""


@pytest.fixture
def own_rule(config_file: Path) -> Path:
    """A rule of the school's own, and a shipped one that it does not want."""
    file = config_file.parent / "rules" / "abuse" / "ABUSE_LOCAL_WORD.toml"
    file.parent.mkdir(parents=True)
    file.write_text(LOCAL_RULE)
    # Most others as well: each set of patterns takes its time to compile.
    shipped = {file.stem for file in shipped_rules().glob("*/*.toml")}
    unwanted = sorted(shipped - {"THREAT_HARM_INTENT"})
    text = config_file.read_text()
    config_file.write_text(text.replace("[rules]", f"[rules]\ndisable = {unwanted}"))
    return file


def test_the_shipped_rules_prove_themselves(mailguard: Mailguard) -> None:
    done = mailguard("rules", "test")

    assert done.status == 0, done.out
    assert done.out.endswith("examples: all hold\n")


def test_a_rule_whose_example_fails_is_named(mailguard: Mailguard, own_rule: Path) -> None:
    done = mailguard("rules", "test", "--json")

    assert done.status == 1
    assert "ABUSE_LOCAL_WORD/no_match/2" in [failure["name"] for failure in done.json]


def test_a_wrong_rule_is_named_and_exits_78(mailguard: Mailguard, own_rule: Path) -> None:
    own_rule.write_text(LOCAL_RULE.replace("level = 2", "level = 9"))

    done = mailguard("rules", "list")

    assert done.status == 78
    assert str(own_rule) in done.err
    assert "level" in done.err


def test_list_has_shipped_and_own_symbols_and_disabled_ones(
    mailguard: Mailguard, own_rule: Path
) -> None:
    listed = {line["symbol"]: line for line in mailguard("rules", "list", "--json").json}

    assert listed["THREAT_HARM_INTENT"]["status"] == "stable"
    assert listed["THREAT_BLACKMAIL"]["status"] == "disabled"
    assert listed["ABUSE_LOCAL_WORD"] == {
        "symbol": "ABUSE_LOCAL_WORD",
        "category": "abuse",
        "level": 2,
        "status": "stable",
        "says": "The writer uses the word that our school does not want.",
        "clauses": [],
        "seals": False,
    }


def test_explain_tells_all_about_a_rule(mailguard: Mailguard, own_rule: Path) -> None:
    done = mailguard("rules", "explain", "abuse_local_word")

    assert done.out.splitlines() == [
        "symbol         ABUSE_LOCAL_WORD, abuse L2, stable",
        "says           The writer uses the word that our school does not want.",
        "clauses        none: safeguarding guidance",
        "why            It is used to hurt.",
        "looks in       body; within one sentence",
        f"file           {own_rule}",
        "finds          you zorkle",
        "finds          what a zorkle",
        "does not find  hello",
        "does not find  a zorkle is a bird",
    ]


def test_a_disabled_symbol_can_still_be_explained(mailguard: Mailguard, own_rule: Path) -> None:
    done = mailguard("rules", "explain", "THREAT_BLACKMAIL")

    assert done.status == 0
    assert "THREAT_BLACKMAIL, threat L3, disabled" in done.out


def test_explain_tells_how_a_detector_works(mailguard: Mailguard) -> None:
    (listed, *_) = [
        line
        for line in mailguard("rules", "list", "--json").json
        if line["category"] == "personal_data" and "NHS" in line["symbol"]
    ]

    (told,) = mailguard("rules", "explain", listed["symbol"], "--json").json

    assert "NHS" in told["how"]
    assert {example["matches"] for example in told["examples"]} == {True, False}


def test_explain_suggests_what_was_meant(mailguard: Mailguard) -> None:
    done = mailguard("rules", "explain", "THREAT_HARM_INTEND")

    assert done.status == 1
    assert "did you mean 'THREAT_HARM_INTENT'?" in done.err
