"""`mailguard check` asks every host of every list, and sees a list that leads back to us."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest

from mailguard.cli.checks.network import check_listeners
from mailguard.cli.checks.next_hops import check_next_hops
from mailguard.cli.checks.result import Check, Result, Scene
from mailguard.config import Config, parse_config
from mailguard.errors import NextHopUnavailable
from mailguard.mail.envelope import Origin
from mailguard.service.compose import open_stores


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Nothing of it need exist."""
    text = '[school]\ndomains = ["elmpark.example"]\n[storage]\nspool = "spool"\n'
    return parse_config(text, folder=tmp_path)


def with_listener(config: Config, **values: object) -> Config:
    listener = config.listeners[0].model_copy(update=values)
    return config.model_copy(update={"listeners": (listener,)})


async def look(check: Check, config: Config) -> list[Result]:
    stores = open_stores(config)
    found = [
        result async for result in check(Scene(config=config, file=Path("none"), stores=stores))
    ]
    await stores.close()
    return found


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 next.example\r\n")
    with contextlib.suppress(ConnectionError):
        while line := await reader.readline():
            writer.write(b"502 What\r\n" if line.startswith(b"EHLO") else b"250 Ok\r\n")
    writer.close()


@contextlib.asynccontextmanager
async def two_servers(path: Path) -> Any:
    first = await asyncio.start_server(serve, "127.0.0.1", 0)
    second = await asyncio.start_unix_server(serve, path)
    yield f"127.0.0.1:{first.sockets[0].getsockname()[1]}"
    first.close()
    second.close()


async def test_each_host_of_a_list_is_asked_and_a_dead_one_is_told_apart(
    config: Config, tmp_path: Path
) -> None:
    path = tmp_path / "lmtp"
    async with two_servers(path) as address:
        urls = (f"smtp://{address}", f"lmtp+unix:{path}", "smtp://127.0.0.1:9")
        results = await look(check_next_hops, with_listener(config, next_hop=urls))

    assert [(result.name, result.ok) for result in results] == [
        (f"next hop {address}", True),
        (f"next hop {path}", True),
        ("next hop 127.0.0.1:9", False),
    ]
    assert "cannot be reached: connection refused." in results[2].what
    assert results[2].do.startswith("Start it, or take it out of next_hop.")


async def test_records_that_cannot_be_had_are_told(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def find(*_: object) -> Any:
        raise NextHopUnavailable("MX of elmpark.example cannot be had: no name server answers")

    monkeypatch.setattr("mailguard.smtp.records.find_targets", find)

    (result,) = await look(
        check_next_hops, with_listener(config, next_hop=("smtp+mx://elmpark.example",))
    )

    assert (result.name, result.ok) == ("next hop MX of elmpark.example", False)
    assert "no name server answers" in result.what
    assert result.do.startswith("See to the record and to this machine's name servers, or correct")


@pytest.mark.parametrize(
    ("protocol", "remedy"),
    [("smtp", "Use two listeners"), ("lmtp", "Have the mail server in front refuse")],
)
async def test_a_listener_for_any_mail_is_told_what_can_be_done_in_its_place(
    config: Config, protocol: str, remedy: str
) -> None:
    listener = with_listener(config, protocol=protocol, origin=Origin.ANY)

    results = await look(check_listeners, listener)

    assert [result.do.startswith(remedy) for result in results if result.do] == [True]


@pytest.mark.parametrize(
    ("address", "urls", "is_round"),
    [
        ("127.0.0.1:10025", ("smtp://127.0.0.1:10026", "smtp://127.0.0.1:10025"), True),
        ("127.0.0.1:10025", ("lmtp://localhost:10025",), True),
        ("0.0.0.0:10025", ("smtps://127.0.0.1:10025",), True),
        ("[::1]:10025", ("smtp://[::1]:10025",), True),
        (
            "unix:/run/mailguard/lmtp",
            ("smtp://a.example:25", "lmtp+unix:/run/mailguard/lmtp"),
            True,
        ),
        ("127.0.0.1:10025", ("smtp://127.0.0.1:10026", "smtp+mx://elmpark.example"), False),
        ("127.0.0.1:10025", ("smtp://mail.elmpark.example:10025",), False),
        ("unix:/run/mailguard/lmtp", ("lmtp+unix:/run/dovecot/lmtp",), False),
    ],
)
async def test_a_next_hop_that_is_a_listener_of_ours_is_seen_in_every_place_of_a_list(
    config: Config, address: str, urls: tuple[str, ...], is_round: bool
) -> None:
    results = await look(check_listeners, with_listener(config, address=address, next_hop=urls))

    assert any("round for ever" in result.what for result in results) is is_round
