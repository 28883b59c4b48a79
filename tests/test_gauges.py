"""The figures that come from the database."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from mailguard import metrics
from mailguard.config import Config
from mailguard.ports import CanaryRun
from mailguard.quarantine.held import State
from mailguard.report.own_mail import Kind, OwnMail
from mailguard.service.compose import Stores, migrate_database, open_stores
from mailguard.service.gauges import Gauges
from mailguard.testing import mail
from mailguard.testing.quarantine import audit_entry, held_message

SCHOOL = "main"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config.model_validate(
        {
            "storage": {
                "database": f"sqlite:///{tmp_path}/mailguard.db",
                "spool": f"{tmp_path}/spool",
            },
            "people": {"headteacher": ["head@elmpark.example"]},
            "digest": {"days": []},
        }
    )


@pytest.fixture
async def stores(config: Config) -> AsyncIterator[Stores]:
    migrate_database(config)
    stores = open_stores(config)
    yield stores
    await stores.close()


@pytest.fixture(autouse=True)
def kept(tmp_path: Path) -> Iterator[None]:
    metrics.configure(tmp_path / "figures", "jobs")
    yield
    metrics.stop()


def figure(name: str, **labels: str) -> float | None:
    return metrics.registry().get_sample_value(f"mailguard_{name}", labels)


def owed(stores: Stores, kind: Kind, *, age_s: float) -> OwnMail:
    return OwnMail(
        school=SCHOOL,
        kind=kind,
        about="2026-03-02" if kind is Kind.DIGEST else "HELDID",
        recipient="head@elmpark.example",
        message_id=f"<{kind}@elmpark.example>",
        created=stores.clock.now() - timedelta(seconds=age_s),
        raw=mail(),
    )


async def test_what_is_in_quarantine(config: Config, stores: Stores) -> None:
    held = held_message(1, school=SCHOOL, level=3)
    await stores.held.add(held, audit_entry(subject=held.id))

    await Gauges(config, stores).read()

    assert (1, 0) == (
        figure("held", state="held", level="3"),
        figure("held", state=State.SEALED, level="4"),
    )
    assert 1 == figure("database_up")


async def test_what_has_left_quarantine_is_0_again(config: Config, stores: Stores) -> None:
    metrics.held("held", 3, 5)

    await Gauges(config, stores).read()

    assert 0 == figure("held", state="held", level="3")


async def test_own_mail_that_waits_and_what_of_it_is_late(config: Config, stores: Stores) -> None:
    await stores.own_mail.owe([owed(stores, Kind.ALERT, age_s=90)])
    await stores.own_mail.owe([owed(stores, Kind.DIGEST, age_s=10)])

    await Gauges(config, stores).read()

    waiting = {kind: figure("own_mail_waiting", kind=kind) for kind in Kind}
    assert {**dict.fromkeys(Kind, 0), Kind.ALERT: 1, Kind.DIGEST: 1} == waiting
    assert 90 == pytest.approx(figure("own_mail_oldest_seconds", kind="alert"), abs=5)
    assert (1, 1) == (figure("alert_overdue"), figure("digest_overdue"))


async def test_a_notice_that_is_late_is_no_overdue_digest(config: Config, stores: Stores) -> None:
    await stores.own_mail.owe([owed(stores, Kind.NOTICE, age_s=3600)])

    await Gauges(config, stores).read()

    assert 1 == figure("own_mail_waiting", kind="notice")
    assert (0, 0) == (figure("alert_overdue"), figure("digest_overdue"))


async def test_the_last_self_test_of_each_listener_there_is(config: Config, stores: Stores) -> None:
    now = stores.clock.now()
    await stores.canary.note(CanaryRun(at=now, listener="mail", failure="It came out."))
    await stores.canary.note(CanaryRun(at=now, listener="gone"))

    await Gauges(config, stores).read()

    assert (0, None) == (figure("canary_ok", listener="mail"), figure("canary_ok", listener="gone"))
    assert now.timestamp() == pytest.approx(
        figure("canary_last_run_timestamp_seconds", listener="mail")
    )


async def test_a_database_that_cannot_be_read_is_a_figure_too(
    config: Config, tmp_path: Path
) -> None:
    stores = open_stores(config)

    await Gauges(config, stores).read()

    assert 0 == figure("database_up")
    await stores.close()
