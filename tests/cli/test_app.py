"""What every command does alike: help, exit status, and errors as sentences."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mailguard import __version__

Mailguard = Callable[..., Any]


def test_help_names_every_command_and_loads_none(mailguard: Mailguard) -> None:
    code = (
        "import sys; from mailguard.cli.app import run; run(['--help']); "
        "print([m for m in sys.modules if m.startswith('mailguard.cli.')])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    *_, loaded = done.stdout.splitlines()
    assert loaded == "['mailguard.cli.app']"
    assert "  quarantine  Review held messages" in done.stdout


def test_version_is_printed(mailguard: Mailguard) -> None:
    done = mailguard("--version")

    assert (0, f"mailguard {__version__}\n") == (done.status, done.out)


@pytest.mark.parametrize(
    "words",
    [("florist",), ("scan",), ("scan", "--florist", "x"), ("quarantine", "release", "X"), ()],
    ids=["unknown command", "no path", "unknown option", "no reason", "no command"],
)
def test_a_wrong_command_line_exits_2(mailguard: Mailguard, words: tuple[str, ...]) -> None:
    done = mailguard(*words)

    assert done.status == 2
    assert done.out == ""


def test_a_wrong_configuration_is_told_whole_and_exits_78(
    mailguard: Mailguard, tmp_path: Path
) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text('mode = "asleep"\n[school]\ndomain = "elmpark.example"\n')

    done = mailguard("serve", "--config", str(file))

    assert done.status == 78
    assert done.err.splitlines() == [
        "configuration: mode: 'asleep' is not known; write 'enforce' or 'observe'",
        "configuration: school.domain: there is no such key; did you mean school.domains?",
    ]


def test_what_cannot_be_done_is_one_sentence_and_exits_1(mailguard: Mailguard) -> None:
    done = mailguard("config", "explain", "school.domans")

    assert done.status == 1
    assert done.err == "mailguard: there is no key school.domans; did you mean school.domains?\n"


def test_a_fault_comes_with_what_to_do_about_it(
    mailguard: Mailguard, config_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "mailguard.db").write_text("this is no database")

    done = mailguard("quarantine", "list")

    assert done.status == 1
    assert done.err.startswith("mailguard: database: ")
    assert "`mailguard check` says more." in done.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_a_sentence(
    mailguard: Mailguard, config_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "rules").mkdir(mode=0)

    done = mailguard("rules", "list")

    assert done.status == 1
    assert "Permission denied" in done.err


def test_a_reader_that_goes_away_is_no_error() -> None:
    words = [sys.executable, "-m", "mailguard", "config", "example"]
    code = f"import subprocess; p = subprocess.Popen({words!r}, stdout=subprocess.PIPE); "
    code += "p.stdout.close(); print(p.wait())"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == ("1\n", "")


def test_output_survives_a_terminal_that_lacks_a_letter(tmp_path: Path) -> None:
    file = tmp_path / "f.toml"
    file.write_text('[school]\nname = "Łódź"', encoding="utf-8")
    words = [sys.executable, "-m", "mailguard", "config", "show", "--config", str(file)]

    done = subprocess.run(
        words, capture_output=True, check=True, env={"PYTHONIOENCODING": "cp1252"}
    )

    assert 'name = "\\u0141ód\\u017a"' in done.stdout.decode("cp1252")
