"""For the whole suite: what is logged is kept, and searched for content after each test."""

import io
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from mailguard import events, logs
from mailguard.scan.registry import Ruleset
from mailguard.service.load import load_ruleset
from mailguard.testing import CANARY, SCHOOL

# How long an example takes depends on what else runs on the machine.
settings.register_profile("anywhere", deadline=None)
settings.load_profile("anywhere")

HOMES = (
    "tests/install",
    ("tests/e2e/test_sudden_death", "tests/e2e/test_disk_faults", "tests/e2e/test_m"),
    "tests/e2e",
)
"""Where most of the time goes. Each of these begins with another worker, so that none is left alone
with them at the end, and those of installation, which share one system, do not wait for it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first; xdist deals out the list in as many equal pieces as there are workers."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    longest: list[list[pytest.Item]] = [[] for _ in range(workers)]
    others: list[pytest.Item] = []
    for item in items:
        home = next((i for i, name in enumerate(HOMES) if item.nodeid.startswith(name)), None)
        (others if home is None else longest[home % workers]).append(item)
    piece = -(-len(items) // workers)
    items.clear()
    for first in longest:
        room = piece - len(first)
        items += first + others[:room]
        others = others[room:]


@pytest.fixture(scope="session")
def rule_cache(pytestconfig: pytest.Config) -> Path:
    """Where compiled rules are kept from run to run; its name is what XDG_CACHE_HOME would hold."""
    assert pytestconfig.cache is not None
    folder = pytestconfig.cache.mkdir("shipped-rules") / "mailguard"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def ruleset(rule_cache: Path) -> Ruleset:
    """Every shipped rule and detector."""
    return load_ruleset(school=SCHOOL, cache=rule_cache).ruleset


@pytest.fixture(scope="session", autouse=True)
def log_lines() -> io.StringIO:
    """All log lines of this test process, from the most talkative level on."""
    lines = io.StringIO()
    logs.configure(level="debug", to=lines)
    logging.getLogger().setLevel(logging.DEBUG)
    # The logger is bound at its first use, and must not be by a command that a test runs.
    events.stopped("nothing: the tests begin")
    return lines


@pytest.fixture(autouse=True)
def no_content_in_logs(log_lines: io.StringIO) -> Iterator[None]:
    """Fails any test in which a word of a message reached a log (promise 5)."""
    start = log_lines.tell()
    yield
    assert CANARY not in log_lines.getvalue()[start:]
