"""When listeners are tested, and what is written down of it."""

import asyncio
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from mailguard.config import Config, parse_config
from mailguard.ports import CanaryRun
from mailguard.service.canary import RETRY_S, START_S, CanaryRounds
from mailguard.service.compose import Stores, migrate_database, open_stores
from mailguard.testing.service import free_port

CONFIG = """
[[listeners]]
name = "mail"
address = "127.0.0.1:{port}"
[storage]
database = "sqlite:///{folder}/mailguard.db"
spool = "spool"
[canary]
minutes = {minutes}
"""

QUARTER = 15 * 60.0
Make = Callable[..., Config]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A configuration with a listener where nobody listens."""

    def make_config(minutes: int = 15) -> Config:
        text = CONFIG.format(port=free_port(), folder=tmp_path, minutes=minutes)
        config = parse_config(text, folder=tmp_path)
        migrate_database(config)
        return config

    return make_config


def runs_at(config: Config, *times: float) -> list[bool]:
    """Look at these seconds after the start; whether each look wrote a run down."""
    now = 0.0

    async def look() -> list[bool]:
        nonlocal now
        stores = open_stores(config)
        rounds = CanaryRounds(config, stores, clock_s=lambda: now)
        found = []
        for each in times:
            now = each
            before = await latest(stores)
            await rounds.look()
            found.append(await latest(stores) != before)
        await stores.close()
        return found

    return asyncio.run(look())


async def latest(stores: Stores) -> CanaryRun | None:
    return (await stores.canary.latest()).get("mail")


def test_a_failure_right_after_the_start_is_tried_again_before_anybody_is_told(make: Make) -> None:
    assert runs_at(make(), 0.0, START_S - 1, START_S + 1) == [False, False, True]


def test_after_a_failure_the_next_test_comes_soon(make: Make) -> None:
    first = START_S + 1

    noted = runs_at(make(), first, first + RETRY_S - 1, first + RETRY_S)

    assert noted == [True, False, True]


def test_a_test_that_is_switched_off_is_never_made(make: Make) -> None:
    assert runs_at(make(minutes=0), 0.0, QUARTER, 10 * QUARTER) == [False, False, False]


def test_a_failure_is_logged_as_a_warning_with_what_is_wrong(
    make: Make, log_lines: io.StringIO
) -> None:
    config = make()

    runs_at(config, START_S + 1)

    *_, line = log_lines.getvalue().splitlines()
    assert "event=canary" in line
    assert "level=warning" in line
    assert f"Nothing accepts connections on {config.listeners[0].address}." in line
