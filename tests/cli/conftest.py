"""What the tests of the commands share: a way to run them, and a school's configuration."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from mailguard.cli.app import run
from mailguard.config import Config, load_config
from mailguard.flow.hold import compose, keep
from mailguard.flow.plan import plan_for
from mailguard.flow.undeliverable import keep_undeliverable
from mailguard.mail.reply import Reply
from mailguard.policy.disposition import Action
from mailguard.quarantine.held import HeldMessage
from mailguard.service.compose import migrate_database, open_stores, ports_of, setting_of
from mailguard.testing import transaction
from mailguard.testing.fakes import FakeJudge, FakeNextHop, judgement_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> list[dict[str, Any]]:
        """What it printed, one object a line."""
        return [json.loads(line) for line in self.out.splitlines()]


Mailguard = Callable[..., Done]

CONFIG = """
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
name = "mail"
address = "127.0.0.1:9"
origin = "inside"
next_hop = "smtp://127.0.0.1:7"
[rules]
local = "rules"
[storage]
database = "sqlite:///{folder}/mailguard.db"
spool = "spool"
cache = "{cache}"
"""
"""Ports 7 (echo) and 9 (discard) have no server on any machine that runs tests."""


@pytest.fixture
def mailguard(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, rule_cache: Path
) -> Mailguard:
    """Runs a command as `mailguard` does, in this process."""
    monkeypatch.delenv("MAILGUARD_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(rule_cache.parent))

    def run_command(*words: str) -> Done:
        status = run(words)
        out, err = capfd.readouterr()
        return Done(status=status, out=out, err=err)

    return run_command


@pytest.fixture
def config_file(tmp_path: Path, rule_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration of Elm Park, which every command then finds by itself."""
    file = tmp_path / "mailguard.toml"
    file.write_text(CONFIG.format(folder=tmp_path, cache=rule_cache))
    monkeypatch.setenv("MAILGUARD_CONFIG", str(file))
    return file


@pytest.fixture
def config(config_file: Path) -> Config:
    """The same configuration, read, with a database."""
    config = load_config(config_file)
    migrate_database(config)
    return config


Hold = Callable[..., HeldMessage]


@pytest.fixture
def hold(config: Config) -> Hold:
    """Puts a message into quarantine as the relay does, judged as the test says."""

    def hold_message(
        *actions: Action,
        raw: bytes | None = None,
        sender: str = "ana@pupils.elmpark.example",
        to: tuple[str, ...] = ("ben@pupils.elmpark.example",),
        **session: str,
    ) -> HeldMessage:
        judgement = judgement_of(*(actions or (Action.HOLD,)), to=to)
        received = transaction(raw, sender=sender, to=to)
        received = replace(received, session=replace(received.session, **session))
        setting = setting_of(config)
        plan = plan_for(judgement, setting.mode)

        async def keep_it() -> HeldMessage:
            stores = open_stores(config)
            ports = ports_of(stores, FakeJudge(judgement), FakeNextHop(), [])
            held = compose(received, judgement, plan, ports, setting)
            await keep(held, received, judgement, plan, ports)
            await stores.close()
            return held

        return asyncio.run(keep_it())

    return hold_message


Undeliver = Callable[..., HeldMessage]


@pytest.fixture
def undeliver(config: Config) -> Undeliver:
    """Keeps a message as the relay does that the next hop refused for its last recipient."""

    def keep_it(
        to: tuple[str, ...] = ("ben@pupils.elmpark.example", "cara@pupils.elmpark.example"),
        reply: Reply = Reply.of(552, "5.2.2 Mailbox full"),  # noqa: B008  frozen
    ) -> HeldMessage:
        received = transaction(sender="ana@pupils.elmpark.example", to=to)
        judgement = judgement_of(*[Action.RELAY] * len(to), to=to)

        async def keep_and_read() -> HeldMessage:
            stores = open_stores(config)
            ports = ports_of(stores, FakeJudge(judgement), FakeNextHop(), [])
            refused = {len(to) - 1: reply}
            setting = setting_of(config)
            held_id = await keep_undeliverable(received, judgement, refused, ports, setting)
            held = await stores.held.by_id(held_id)
            await stores.close()
            return held

        return asyncio.run(keep_and_read())

    return keep_it
