"""Is everything in order, and what is to be done where it is not?"""

import contextlib
import io
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mailguard.cli import check as check_module
from mailguard.cli.app import run
from mailguard.cli.checks.result import Result, Scene
from mailguard.config import Config, load_config
from mailguard.errors import ConfigError, StoreUnavailable
from mailguard.flow.canary import BAD_SYMBOLS
from mailguard.service.compose import migrate_database
from mailguard.service.load import shipped_rules
from mailguard.testing.service import free_port
from mailguard.testing.sink import Sink

Mailguard = Callable[..., Any]
Hold = Callable[..., Any]
Results = dict[str, dict[str, Any]]

TROUBLED = """
[school]
name = "Elm Park Primary"
[directory]
pupils = ["*@pupils.elmpark.example"]
[[listeners]]
name = "unknown"
address = "127.0.0.1:9"
next_hop = "smtp://127.0.0.1:7"
[[listeners]]
name = "open"
address = "127.0.0.1:11"
origin = "inside"
public = true
next_hop = "smtp://127.0.0.1:7"
[[listeners]]
name = "round"
address = "127.0.0.1:13"
origin = "outside"
next_hop = "smtp://127.0.0.1:9"
[[listeners]]
name = "sealed"
address = "127.0.0.1:15"
origin = "outside"
next_hop = "smtp://127.0.0.1:7"
tls = "may"
tls_certificate = "gone.pem"
[[listeners]]
name = "clear"
address = "127.0.0.1:17"
origin = "inside"
next_hop = "smtp://127.0.0.1:7"
auth = "pass"
[rules]
disable = {disable}
[[listeners]]
name = "wide"
address = "127.0.0.1:19"
origin = "inside"
clients = ["127.0.0.0/8", "10.0.0.0/8", "::/0", "192.0.2.0/24"]
next_hop = "smtp://127.0.0.1:7"
[digest]
days = []
[storage]
database = "sqlite:///{folder}/mailguard.db"
spool = "spool"
cache = "{cache}"
"""

SOUND = """
[school]
name = "Elm Park Primary"
domains = ["elmpark.example"]
[people]
headteacher = ["head@elmpark.example"]
dsl = ["dsl@elmpark.example"]
[directory]
pupils = ["*@pupils.elmpark.example"]
staff = ["*@elmpark.example"]
[[listeners]]
address = "127.0.0.1:{port}"
origin = "inside"
next_hop = "smtp://127.0.0.1:{next_hop}"
[[listeners]]
name = "mx"
address = "127.0.0.1:11"
origin = "outside"
next_hop = "smtp://127.0.0.1:{next_hop}"
[rules]
disable = {disable}
[storage]
database = "sqlite:///{folder}/mailguard.db"
spool = "spool"
cache = "{cache}"
"""


KEPT = {*BAD_SYMBOLS, "SELF_HARM_KYS"}
MOST = sorted({file.stem for file in shipped_rules().glob("*/*.toml")} - KEPT)
"""Each check proves all rules, which takes a second or two for all of them."""


def check(file: Path) -> tuple[int, Results]:
    """Run `check`; what it says by name, and of things with one name the last."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        status = run(["check", "--json", "--config", str(file)])
    results = [json.loads(line) for line in printed.getvalue().splitlines()]
    return status, {result["name"]: result for result in results}


@pytest.fixture
def config_file(config_file: Path) -> Path:
    """The configuration of Elm Park, with few rules."""
    text = config_file.read_text()
    config_file.write_text(text.replace("[rules]", f"[rules]\ndisable = {MOST}"))
    return config_file


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory, rule_cache: Path) -> tuple[int, Results]:
    """What is said of a school where much is wrong."""
    folder = tmp_path_factory.mktemp("troubled")
    (folder / "mailguard.toml").write_text(
        TROUBLED.format(folder=folder, cache=rule_cache, disable=MOST)
    )
    (folder / "mailguard.db").write_text("this is no database")
    return check(folder / "mailguard.toml")


@pytest.fixture(scope="module")
def sound(
    tmp_path_factory: pytest.TempPathFactory, rule_cache: Path
) -> Iterator[tuple[int, Results]]:
    """What is said of a school where all is well."""
    folder = tmp_path_factory.mktemp("sound")
    sink = Sink(folder / "maildir")
    sink.start()
    file = folder / "mailguard.toml"
    file.write_text(
        SOUND.format(
            folder=folder, cache=rule_cache, port=free_port(), next_hop=sink.port, disable=MOST
        )
    )
    migrate_database(load_config(file))
    (folder / "spool").mkdir(mode=0o700)
    yield check(file)
    sink.stop()


def test_all_is_well_when_all_is_well(sound: tuple[int, Results]) -> None:
    status, results = sound

    assert [result for result in results.values() if not result["ok"]] == []
    assert status == 0


def test_each_result_has_name_ok_what_and_do(sound: tuple[int, Results]) -> None:
    _, results = sound

    assert {tuple(result) for result in results.values()} == {("name", "ok", "what", "do")}


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("rules", "all proved."),
        ("audit log", "0 entries, unbroken"),
        ("spool", "can be written, and gives it back unchanged."),
        ("room", "MiB are free"),
        ("clock", "in Europe/London."),
        ("evidence", "Messages kept: 0"),
        ("service", "Nothing accepts mail"),
        ("database", "gives back what is written into it"),
        ("permissions", "Evidence and database are for root alone."),
        ("digest", "The next one is due on "),
        ("alerts", "They go to dsl@elmpark.example; the digest goes to head@elmpark.example."),
        ("own mail", "No digest, alert or notice is late."),
        ("self-test mail", "It has not been tested yet."),
        ("listener mail", "only this machine may send to any domain."),
    ],
)
def test_what_is_well_is_said(sound: tuple[int, Results], name: str, what: str) -> None:
    assert what in sound[1][name]["what"]


@pytest.mark.parametrize(
    ("name", "what", "do"),
    [
        ("school", "No domain is the school's.", "Set school.domains"),
        (
            "people",
            "Nobody is named as headteacher or dsl.",
            "Set people.headteacher and people.dsl.",
        ),
        ("database", "file is not a database.", "It was overwritten. Stop the service"),
        ("listener open", "Anyone may connect, and is believed", 'Set origin = "outside"'),
        ("listener round", "round for ever", "Set next_hop"),
        ("listener sealed", "gone.pem cannot be used for 'sealed': No such", "Name a PEM file"),
        ("listener wide", "All of 10.0.0.0/8, ::/0 may send mail", "Name in `clients`"),
        ("alerts", "Nobody is told of anything", "Set people.headteacher"),
        ("next hop 127.0.0.1:7", "It does not answer", "Start the mail server"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(
    troubled: tuple[int, Results], name: str, what: str, do: str
) -> None:
    status, results = troubled

    assert status == 1
    assert not results[name]["ok"]
    assert what in results[name]["what"]
    assert results[name]["do"].startswith(do)


@pytest.mark.parametrize(
    ("name", "do"),
    [
        ("directory", "It names no staff"),
        ("listener unknown", "Use two listeners"),
        ("listener clear", 'Set tls = "require"'),
        ("spool", "`mailguard serve` makes it"),
        ("digest", "Set digest.days, unless"),
    ],
)
def test_what_could_be_better_is_advised(troubled: tuple[int, Results], name: str, do: str) -> None:
    assert troubled[1][name]["ok"]
    assert troubled[1][name]["do"].startswith(do)


def test_a_person_reads_sentences(mailguard: Mailguard, config_file: Path) -> None:
    done = mailguard("check")

    assert "WRONG  next hop 127.0.0.1:7: It does not answer" in done.out
    assert "\n       Start the mail server behind MailGuard" in done.out
    assert "note   database: " in done.out


def test_checking_leaves_nothing_behind(config: Config, config_file: Path) -> None:
    folder = config_file.parent
    (folder / "spool").mkdir(mode=0o700)
    before = rows_of(config)

    _, results = check(config_file)

    # The spool's own folder for what is being written is there from the first message on.
    assert [*(folder / "spool").rglob("*")] == [folder / "spool" / "tmp"]
    assert results["spool"]["ok"]
    assert results["database"]["ok"]
    assert rows_of(config) == before
    assert {path.name for path in folder.iterdir()} == {
        "mailguard.db",
        "mailguard.db.ballast",
        "mailguard.db.lock",
        "mailguard.toml",
        "spool",
    }


def test_checking_makes_no_database_and_no_spool(config_file: Path) -> None:
    before = sorted(config_file.parent.iterdir())

    check(config_file)

    assert sorted(config_file.parent.iterdir()) == before


def rows_of(config: Config) -> list[str]:
    """Every row of the database, as SQL."""
    file = config.storage.database.removeprefix("sqlite:///")
    with contextlib.closing(sqlite3.connect(file)) as database:
        return list(database.iterdump())


def test_a_wrong_configuration_is_78_and_every_mistake_a_result(
    mailguard: Mailguard, config_file: Path
) -> None:
    text = config_file.read_text()
    config_file.write_text(text.replace('"inside"', '"inward"\ncolour = "red"'))

    done = mailguard("check", "--json")

    assert done.status == 78
    assert [(result["name"], result["ok"]) for result in done.json] == [
        ("configuration", False),
        ("configuration", False),
    ]


def test_a_configuration_that_one_may_not_read_is_no_mistake_in_it(
    monkeypatch: pytest.MonkeyPatch, config_file: Path
) -> None:
    def refuse(file: Path) -> Config:
        raise ConfigError([f"{file}: Permission denied; name another file with --config"])

    monkeypatch.setattr(check_module, "load_config", refuse)

    status, results = check(config_file)

    assert status == 78
    assert results["configuration"]["do"].startswith("Run this as root")


def test_a_wrong_directory_file_is_78(config_file: Path) -> None:
    text = config_file.read_text()
    config_file.write_text(text.replace("[directory]", '[directory]\nfile = "people.csv"'))
    (config_file.parent / "people.csv").write_text("address,group\nana@elmpark.example,wizard\n")

    status, results = check(config_file)

    assert status == 78
    assert "line 2" in results["configuration"]["what"]


@pytest.mark.parametrize(
    ("error", "what", "do"),
    [
        (StoreUnavailable("database: database is locked"), "database is locked.", "Something else"),
        (
            StoreUnavailable("database: database disk image is malformed"),
            "database disk image is malformed.",
            "The disk or a person has damaged it.",
        ),
        (OSError(28, "No space left on device", "/x"), "/x: No space left on device.", "Make room"),
        (PermissionError(13, "Permission denied", "/x"), "/x: Permission denied.", "See to its"),
    ],
    ids=["locked", "damaged", "full", "another's"],
)
def test_what_breaks_off_is_said_once_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, config_file: Path, error: Exception, what: str, do: str
) -> None:
    async def broken(scene: Scene) -> AsyncIterator[Result]:
        raise error
        yield

    monkeypatch.setattr(check_module, "CHECKS", {"database": broken})

    status, results = check(config_file)

    assert (status, results["database"]["what"]) == (1, what)
    assert results["database"]["do"].startswith(do)


def test_evidence_that_is_gone_is_wrong(hold: Hold, config_file: Path) -> None:
    gone, _ = hold(), hold()
    (config_file.parent / "spool" / gone.folder).rename(config_file.parent / "elsewhere")

    _, results = check(config_file)

    assert not results["evidence"]["ok"]
    assert results["evidence"]["what"] == f"The files of 1 are gone, first {gone.id}."


def test_what_was_set_aside_in_the_spool_is_named(config_file: Path, config: Config) -> None:
    (Path(config.storage.spool) / "aside" / "2026-03-01-X").mkdir(parents=True)

    _, results = check(config_file)

    assert not results["evidence"]["ok"]
    assert "1, in " in results["evidence"]["what"]
    assert results["evidence"]["do"].startswith("Look at them")
