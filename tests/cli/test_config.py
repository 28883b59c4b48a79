"""Checking, showing and explaining the configuration."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mailguard.cli.config_text import compose_example, toml_value
from mailguard.config import Config, parse_config, walk_keys
from mailguard.policy.disposition import Action
from mailguard.scan.finding import Category, Level

Mailguard = Callable[..., Any]


def test_the_example_changes_nothing(tmp_path: Path) -> None:
    example = parse_config(compose_example(), folder=tmp_path)

    assert example == parse_config("", folder=tmp_path)


def test_the_example_with_every_mark_removed_has_every_default(tmp_path: Path) -> None:
    text = "\n".join(
        line.removeprefix("#") if not line.startswith("# ") else ""
        for line in compose_example().splitlines()
    )

    assert parse_config(text, folder=tmp_path) == parse_config("", folder=tmp_path)


def test_the_example_names_every_key() -> None:
    lines = compose_example().splitlines()

    named = [line.removeprefix("#").partition(" = ")[0] for line in lines if line[:1] == "#"]

    assert [key.rpartition(".")[2] for key, *_ in walk_keys()] == [
        n for n in named if n.isidentifier()
    ]


@pytest.mark.parametrize(
    "value",
    ['a "b" \\ é\n', 7, True, ["a", "b"], [], {"malware": "reject"}, {}, [1, [2]]],
    ids=str,
)
def test_a_value_is_written_as_toml_reads_it(value: object) -> None:
    assert tomllib.loads(f"key = {toml_value(value)}") == {"key": value}


def test_enums_are_written_as_their_values() -> None:
    written = toml_value({Category.MALWARE: Action.REJECT, Category.ABUSE: Level.HOLD})

    assert written == '{ malware = "reject", abuse = 2 }'


def test_show_prints_what_check_accepts(
    mailguard: Mailguard, config_file: Path, tmp_path: Path
) -> None:
    shown = mailguard("config", "show").out
    (tmp_path / "shown.toml").write_text(shown)

    again = mailguard("config", "show", "--config", str(tmp_path / "shown.toml"))

    assert again.out == shown
    assert 'name = "Elm Park Primary"' in shown


def test_show_as_json_has_all_of_it(mailguard: Mailguard, config_file: Path) -> None:
    shown = json.loads(mailguard("config", "show", "--json").out)

    assert set(shown) == set(Config.model_fields)
    assert shown["listeners"][0]["origin"] == "inside"


def test_check_says_that_all_is_well(mailguard: Mailguard, config_file: Path) -> None:
    done = mailguard("config", "check")

    assert (done.status, done.out) == (0, f"{config_file}: no mistakes found\n")


def test_explain_a_key_says_what_it_means_may_be_and_is(mailguard: Mailguard) -> None:
    done = mailguard("config", "explain", "log.level")

    assert done.out.splitlines() == [
        "key      log.level",
        "meaning  The least that is logged.",
        'may be   "debug" or "info" or "warning" or "error"',
        'default  "info"',
    ]


def test_explain_a_section_explains_its_keys(mailguard: Mailguard) -> None:
    done = mailguard("config", "explain", "school")

    explained = [line.split()[1] for line in done.out.splitlines() if line.startswith("key")]
    assert explained == [key for key, *_ in walk_keys() if key.startswith("school.")]
