"""aiosmtpd's own test-suite against our server: it passes but for a list of wanted differences."""

import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import pytest

SUITE = Path(__file__).parent / "aiosmtpd_suite"
REQUIREMENT, HASH = (
    (SUITE / "requirements.txt").read_text().splitlines()[1].split(" --hash=sha256:")
)
SDIST = Path(__file__).parents[2] / ".cache" / "sdist" / f"{REQUIREMENT.replace('==', '-')}.tar.gz"

pytestmark = pytest.mark.skipif(
    not SDIST.exists(), reason="aiosmtpd's tests are not here: scripts/bootstrap --tests"
)


def named(entries: list[dict[str, Any]]) -> set[str]:
    assert all(entry["why"] for entry in entries)
    return {test for entry in entries for test in entry["tests"]}


def test_aiosmtpds_own_tests_pass_but_for_the_differences_we_want(tmp_path: Path) -> None:
    assert hashlib.sha256(SDIST.read_bytes()).hexdigest() == HASH
    with tarfile.open(SDIST) as archive:
        archive.extractall(tmp_path, filter="data")
    known = tomllib.loads((SUITE / "differences.toml").read_text())
    left_out, differs = named(known["left_out"]), named(known["differs"])
    folder, report = next(tmp_path.iterdir()), tmp_path / "report.json"

    run = subprocess.run(
        [
            *[sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(folder)],
            *["-p", "adapter", "-p", "no:asyncio", "-p", "no:xdist", "-p", "no:hypothesispytest"],
            *["-o", "markers=client_data controller_data handler_data", "-W", "ignore"],
            *[f"aiosmtpd/tests/{name}" for name in known["files"]],
        ],
        cwd=folder,
        env={
            **{key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")},
            "AIOSMTPD_SDIST": str(folder),
            "AIOSMTPD_REPORT": str(report),
            "AIOSMTPD_LEFT_OUT": " ".join(sorted(left_out)),
            "PYTHONPATH": str(SUITE),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert report.exists(), run.stdout + run.stderr
    went = json.loads(report.read_text())
    failed = {name for name, how in went.items() if how not in ("passed", "left out")}
    wanted = {name for name in went if set(names_of(name)) & differs}
    assert wanted == failed, run.stdout
    assert set() == (left_out | differs) - {each for name in went for each in names_of(name)}
    assert sum(how == "passed" for how in went.values()) > 130


def names_of(test: str) -> tuple[str, ...]:
    """What a list may call it: itself, all its parameters, or its class."""
    return test, test.partition("[")[0], test.rpartition("::")[0]
