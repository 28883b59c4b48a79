"""`mailguard check` says which mail never comes by MailGuard."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from mailguard.cli.checks.coverage import check_coverage
from mailguard.cli.checks.result import Result, Scene
from mailguard.config import Config, ListenerSection
from mailguard.policy.mail_kind import MailKind
from mailguard.service.compose import open_stores
from mailguard.service.coverage import blind_to, kinds_through
from mailguard.service.digest import digest_setting
from mailguard.service.load import load_directory
from mailguard.store.ledger import COLUMNS
from mailguard.store.tables import Clocks, LedgerRows
from mailguard.testing.fakes import FakeClock
from mailguard.testing.quarantine import ledger_row

IN, OUT, WITHIN = MailKind
DAY = 86400
MONDAY = datetime(2026, 11, 23, 7, 30, tzinfo=UTC)


def listening(config: Config, *listeners: dict[str, Any]) -> Config:
    """The configuration with these listeners."""
    return config.model_copy(
        update={"listeners": tuple(ListenerSection(**values) for values in listeners)}
    )


@pytest.mark.parametrize(
    ("values", "kinds"),
    [
        ({"origin": "any"}, {IN, OUT, WITHIN}),
        ({"origin": "outside"}, {IN}),
        ({"origin": "inside"}, {OUT, WITHIN}),
        ({"origin": "any", "protocol": "milter"}, {IN, OUT, WITHIN}),
        ({"origin": "any", "protocol": "lmtp"}, {IN, WITHIN}),
        ({"origin": "inside", "protocol": "lmtp"}, {WITHIN}),
        (
            {"origin": "outside", "auth": "pass", "tls": "may", "tls_certificate": "x.pem"},
            {IN, OUT, WITHIN},
        ),
    ],
    ids=lambda values: "-".join(map(str, values.values())) if isinstance(values, dict) else None,
)
def test_a_listener_sees_what_its_settings_let_come(
    values: dict[str, Any], kinds: set[MailKind]
) -> None:
    assert kinds_through(ListenerSection(**values)) == kinds


def test_two_listeners_see_together_what_each_of_them_does(config: Config) -> None:
    inbound, own = {"origin": "outside"}, {"name": "own", "origin": "inside"}

    assert blind_to(listening(config, inbound)) == (OUT, WITHIN)
    assert blind_to(listening(config, inbound, own)) == ()


def test_the_digest_is_told_what_the_listeners_cannot_see(config: Config) -> None:
    one_way = listening(config, {"origin": "outside"})

    assert digest_setting(one_way, load_directory(one_way)).blind_to == (OUT, WITHIN)


def check(config: Config, *rows: tuple[str, int]) -> list[Result]:
    """What is said after ten counted days, with ledger rows by relationship and day."""

    async def run() -> list[Result]:
        stores = open_stores(config)
        values = [
            {name: getattr(ledger_row(school=config.school.id), name) for name in COLUMNS}
            | {"relationship": relationship, "written": day * DAY}
            for relationship, day in rows
        ]
        clock = {"school": config.school.id, "seconds": 10 * DAY, "boot": "", "uptime": 0}
        if rows:
            await stores.database.write(lambda c: c.execute(insert(LedgerRows), values))
            await stores.database.write(lambda c: c.execute(insert(Clocks), clock))
        scene = Scene(
            config=config, file=Path("none"), stores=replace(stores, clock=FakeClock(MONDAY))
        )
        found = [result async for result in check_coverage(scene)]
        await stores.close()
        return found

    return asyncio.run(run())


@pytest.fixture
def seeing(config: Config) -> Config:
    """A configuration whose listener may see everything, with a database."""
    return listening(config, {"origin": "any"})


def test_an_outside_listener_alone_is_wrong_from_the_first_day(config: Config) -> None:
    outbound, internal = check(listening(config, {"origin": "outside"}))

    assert not outbound.ok
    assert outbound.what.startswith("Mail from the school to the world (outbound) is never seen")
    assert not internal.ok
    assert 'docs/deployment.md, "What is seen"' in internal.do


def test_a_new_installation_is_well(seeing: Config) -> None:
    (result,) = check(seeing)

    assert (result.ok, result.what) == (True, "No mail of any kind was seen in 7 days yet.")


def test_what_was_seen_is_counted_by_its_way(seeing: Config) -> None:
    (result,) = check(
        seeing, ("staff→staff", 1), ("outside→pupil", 9), ("pupil→helpline", 9), ("staff→pupil", 8)
    )

    assert (result.ok, result.what) == (
        True,
        "In the last 7 days: inbound 1, outbound 1, internal 1.",
    )


def test_a_way_that_was_not_seen_for_a_week_is_named(seeing: Config) -> None:
    (result,) = check(
        seeing, ("staff→staff", 1), ("staff→pupil", 2), ("outside→pupil", 9), ("staff→parent", 9)
    )

    assert not result.ok
    assert result.what.startswith("Mail within the school (internal) was not seen for 7 days")
    assert "two mailboxes of one provider" in result.what
    assert "ana@" not in result.what


def test_nothing_is_missed_before_a_week_has_been_counted(seeing: Config) -> None:
    (result,) = check(seeing, ("outside→pupil", 9))

    assert result.ok


def test_the_section_that_is_named_is_there(pytestconfig: pytest.Config) -> None:
    page = (pytestconfig.rootpath / "docs" / "deployment.md").read_text("utf-8")

    assert "\n## What is seen\n" in page
