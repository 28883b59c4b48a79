"""The configuration: defaults, and the quality of every message about a mistake."""

from pathlib import Path

import pytest

from mailguard.config import Config, find_config, load_config, parse_config, walk_keys
from mailguard.errors import ConfigError
from mailguard.mail.envelope import Origin
from mailguard.policy.leak import DEFAULT_TABLE, Matter, Treatment, Way

BAD = sorted((Path(__file__).parent / "bad_configs").iterdir())

EXAMPLE = """
mode = "enforce"
[school]
name = "Elm Park Primary"
domains = ["elmpark.example"]
timezone = "Europe/London"
[people]
headteacher = ["head@elmpark.example"]
dsl = []
[directory]
pupils = ["*@pupils.elmpark.example"]
staff  = ["*@elmpark.example"]
file   = "directory.csv"
[[listeners]]
name = "mail"
address = "127.0.0.1:10025"
protocol = "smtp"
origin = "any"
next_hop = "smtp://127.0.0.1:10026"
clients = ["127.0.0.0/8"]
public = false
[rules]
local = "/etc/mailguard/rules"
disable = []
[storage]
database = "sqlite:////var/lib/mailguard/mailguard.db"
spool = "/var/lib/mailguard/quarantine"
"""


@pytest.mark.parametrize("folder", BAD, ids=lambda folder: folder.name)
def test_each_mistake_is_reported_in_these_words(folder: Path) -> None:
    expected = (folder / "expected").read_text().splitlines()

    with pytest.raises(ConfigError) as caught:
        parse_config((folder / "mailguard.toml").read_text(), folder=folder)

    assert list(caught.value.problems) == expected


def test_an_empty_file_gives_every_default() -> None:
    assert parse_config("", folder=Path("/etc/mailguard")) == Config()


def test_the_contract_keys_are_understood(tmp_path: Path) -> None:
    config = parse_config(EXAMPLE, folder=tmp_path)

    assert config.school.domains == ("elmpark.example",)
    assert config.listeners[0].origin is Origin.ANY
    assert config.directory.file == str(tmp_path / "directory.csv")
    assert config.storage.database == "sqlite:////var/lib/mailguard/mailguard.db"


def test_relative_paths_are_taken_from_the_files_folder(tmp_path: Path) -> None:
    file = tmp_path / "mailguard.toml"
    file.write_text('[storage]\nspool = "spool"\n[rules]\nlocal = "rules"\n')

    config = load_config(file)

    assert config.storage.spool == str(tmp_path / "spool")
    assert config.rules.local == str(tmp_path / "rules")


def test_a_missing_file_is_a_config_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name another file with --config or MAILGUARD_CONFIG"):
        load_config(tmp_path / "none.toml")


def test_a_file_that_may_not_be_read_wants_sudo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)

    with pytest.raises(ConfigError, match="Permission denied; use sudo, or name another file"):
        load_config(tmp_path / "mailguard.toml")


def test_a_file_that_is_not_utf8_is_a_config_error(tmp_path: Path) -> None:
    file = tmp_path / "mailguard.toml"
    file.write_bytes(b'mode = "\xff"')

    with pytest.raises(ConfigError, match="not UTF-8"):
        load_config(file)


def test_the_environment_names_the_file_when_no_option_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MAILGUARD_CONFIG", "/srv/mailguard.toml")

    assert find_config(None) == Path("/srv/mailguard.toml")
    assert find_config("/tmp/other.toml") == Path("/tmp/other.toml")


def test_every_key_has_a_description_and_a_default() -> None:
    keys = list(walk_keys())

    undescribed = [key for key, _, description, _ in keys if not description.endswith(".")]

    assert undescribed == []
    assert "listeners.next_hop" in [key for key, *_ in keys]


def test_a_school_changes_single_cells_of_the_table_for_data() -> None:
    changed = parse_config(
        '[policy.data.strong]\nstaff_outside = "return"', folder=Path("/")
    ).policy.data

    assert Treatment.RETURN == changed[Matter.STRONG][Way.STAFF_OUTSIDE]
    assert DEFAULT_TABLE == {
        **changed,
        Matter.STRONG: {**changed[Matter.STRONG], Way.STAFF_OUTSIDE: Treatment.FLAG},
    }
