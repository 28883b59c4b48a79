"""Flow on real stores, with the fakes of mailguard.testing for everything else."""

import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mailguard.flow.setting import Ports, Setting
from mailguard.policy.disposition import Action
from mailguard.quarantine.held import HeldId, new_held_id
from mailguard.store.engine import Database, migrate
from mailguard.store.held_store import SqlHeldStore
from mailguard.store.spool import DiskSpool
from mailguard.testing.fakes import (
    FakeClock,
    FakeJudge,
    FakeLedger,
    FakeNextHop,
    FakeReceipts,
    judgement_of,
)


@pytest.fixture
def setting() -> Setting:
    return Setting(school="Elm Park Primary", hostname="mg.elmpark.example", answer_s=5)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrated once: for each test anew it would take longer than the test."""
    file = tmp_path_factory.mktemp("flow") / "empty.db"
    migrate(f"sqlite:///{file}")
    return file


@pytest.fixture
async def database(tmp_path: Path, empty_database: Path) -> AsyncIterator[Database]:
    shutil.copy(empty_database, tmp_path / "mailguard.db")
    database = Database(f"sqlite:///{tmp_path}/mailguard.db")
    yield database
    await database.close()


@pytest.fixture
def ports(tmp_path: Path, database: Database) -> Ports:
    clock = FakeClock()
    count = iter(range(1, 1000))

    def new_id() -> HeldId:
        return new_held_id(clock.now(), next(count).to_bytes(10, "big"))

    return Ports(
        judge=FakeJudge(judgement_of(Action.RELAY)),
        spool=DiskSpool(tmp_path / "spool", largest_message=1 << 20),
        held=SqlHeldStore(database, "Elm Park Primary"),
        ledger=FakeLedger(),
        clock=clock,
        next_hop=FakeNextHop(),
        receipts=FakeReceipts(),
        new_id=new_id,
    )


@pytest.fixture
def judging(ports: Ports) -> Callable[..., Ports]:
    """Ports whose judge says this."""

    def with_judgement(*actions: Action, **options: object) -> Ports:
        return replace(ports, judge=FakeJudge(judgement_of(*actions, **options)))

    return with_judgement
