"""The demo, from beginning to end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

DEMO = [sys.executable, "-m", "mailguard", "demo"]


@pytest.fixture
def environment(tmp_path: Path, rule_cache: Path) -> dict[str, str]:
    """Rules that are compiled already, and a place for temporary files that can be looked at."""
    return {**os.environ, "TMPDIR": str(tmp_path), "XDG_CACHE_HOME": str(rule_cache.parent)}


def test_it_shows_everything_ends_by_itself_and_leaves_nothing(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    done = subprocess.run(
        DEMO, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL, timeout=120
    )

    assert done.returncode == 0, done.stdout + done.stderr
    for part in (
        "messages were sent",
        "delivered, copy kept, alert",
        "sealed",
        "byte for byte",
        "$ mailguard quarantine show ",
        "The writer says they will hurt",
        "released to ",
        "It arrived: the very bytes that were held.",
        ": confirmed",
        "$ mailguard audit verify --evidence",
        "mails went to head@elmpark.example, p.lane@elmpark.example.",
        "$ mailguard digest preview",
        "1. NEEDS YOU TODAY (",
        "released 1, confirmed 1, closed 0",
        "head@elmpark.example: taken by the mail server (250 ",
        "It arrived, for head@elmpark.example: “MailGuard daily summary – ",
        "README.md",
    ):
        assert part in done.stdout
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_it_keeps_running_where_one_wants_to_try_and_stops_when_asked(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    with subprocess.Popen(
        [*DEMO, "--stay", "--keep"],
        stdout=subprocess.PIPE,
        text=True,
        env={**environment, "PYTHONUNBUFFERED": "1"},
    ) as demo:
        assert demo.stdout is not None
        seen = []
        for line in demo.stdout:
            seen.append(line)
            if "Ctrl-C stops" in line:
                break
        (folder,) = tmp_path.glob("mailguard-demo-*")
        listed = subprocess.run(
            [sys.executable, "-m", "mailguard", "quarantine", "list", "--json"],
            env={**environment, "MAILGUARD_CONFIG": str(folder / "mailguard.toml")},
            capture_output=True,
            text=True,
        )
        demo.send_signal(signal.SIGTERM)
        rest = demo.stdout.read()

    assert demo.returncode == 0, "".join(seen) + rest
    assert len(listed.stdout.splitlines()) > 10
    assert f"Everything is kept in {folder}" in rest
    assert (folder / "mailguard.db").exists()
