"""The wheel is whole: it works where there is no checkout."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory: pytest.TempPathFactory, rule_cache: Path) -> Path:
    """A Python with the wheel installed, and beside it only what MailGuard depends on."""
    folder = tmp_path_factory.mktemp("elsewhere")
    # Compiled rules are keyed by their patterns: the wheel's are those of the checkout.
    (folder / ".cache").symlink_to(rule_cache.parent)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run([*pip, *build], check=True, cwd=folder)
    venv.create(folder / "venv", symlinks=True)
    (wheel,) = folder.glob("*.whl")
    python = str(folder / "venv" / "bin" / "python")
    subprocess.run([*pip, "--python", python, "install", "--no-deps", str(wheel)], check=True)
    # A path in a .pth file is not searched for further .pth files: the checkout's own, through
    # which the tests see it, stays out of sight.
    (site,) = (folder / "venv" / "lib").glob("python3*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def run(
    elsewhere: Path, words: Sequence[str], given: bytes = b""
) -> "subprocess.CompletedProcess[bytes]":
    """Run `mailguard` of the wheel, away from the checkout."""
    return subprocess.run(
        [str(elsewhere / "venv" / "bin" / "mailguard"), *words],
        input=given,
        capture_output=True,
        cwd=elsewhere,
        env={"PATH": os.environ["PATH"], "HOME": str(elsewhere)},
        check=False,
    )


def test_the_wheel_is_what_runs(elsewhere: Path) -> None:
    code = "import mailguard; print(mailguard.__file__)"
    python = elsewhere / "venv" / "bin" / "python"

    done = subprocess.run([python, "-c", code], capture_output=True, text=True, cwd=elsewhere)

    assert done.stdout.startswith(str(elsewhere))


def test_rules_are_in_the_wheel_and_prove_themselves(elsewhere: Path) -> None:
    done = run(elsewhere, ["rules", "test"])

    assert done.stdout.decode().endswith("all hold\n")
    assert done.returncode == 0


def test_migrations_are_in_the_wheel(elsewhere: Path) -> None:
    config = elsewhere / "mailguard.toml"
    config.write_text(f'[storage]\ndatabase = "sqlite:///{elsewhere}/state/mailguard.db"\n')

    migrated = run(elsewhere, ["db", "migrate", "--config", str(config)])
    status = run(elsewhere, ["db", "status", "--config", str(config)])

    assert (migrated.returncode, status.returncode) == (0, 0), migrated.stderr
    assert (elsewhere / "state" / "mailguard.db").exists()


def test_a_message_can_be_judged_with_nothing_but_the_wheel(elsewhere: Path) -> None:
    message = b"From: a@b.example\r\nTo: c@d.example\r\n\r\nI'm going to stab you on Friday.\r\n"

    done = run(elsewhere, ["scan", "--json", "-"], message)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["categories"]["threat"] >= 2


def test_the_demos_samples_are_in_the_wheel(elsewhere: Path) -> None:
    (site,) = (elsewhere / "venv" / "lib").glob("python3*/site-packages")

    assert len(list((site / "mailguard" / "cli" / "samples").glob("*/*.eml"))) >= 30
