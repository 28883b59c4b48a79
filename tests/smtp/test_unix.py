"""A listener on a Unix socket: whoever may open it counts as this machine."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mailguard.flow.canary import CanarySink
from mailguard.milter.server import listen_unix
from mailguard.ports import Delivery
from mailguard.smtp.canary import Entrance, send_test
from mailguard.smtp.limits import LOOPBACK, Limits
from mailguard.smtp.tls import Certificate, ListenerTls
from mailguard.testing.certificate import make_certificate

Start = Callable[..., Awaitable[Any]]

TEST = "bad.1.2.3@canary.mailguard.invalid"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "smtp"


async def test_mail_passes_and_comes_from_this_machine(
    start_relay: Start, connect: Start, sink: Any, path: Path
) -> None:
    relay = await start_relay(path=path)
    client = await connect(relay)

    await client.begin()
    reply = await client.data(b"Hello\r\n")

    (transaction,) = relay.received
    assert reply == "250 2.0.0 Taken"
    assert (transaction.session.peer, transaction.session.peer_port) == ("127.0.0.1", 0)
    assert sink.taken[0].data == b"Hello\r\n"


async def test_lmtp_is_spoken_there_too(start_relay: Start, connect: Start, path: Path) -> None:
    relay = await start_relay(path=path, is_lmtp=True)
    client = await connect(relay)

    said = [await client.reply(), await client.ask(b"LHLO client.example")]

    assert [said[0], said[1][:3]] == ["220 mg.elmpark.example LMTP", "250"]


async def test_it_is_open_to_this_machine_only_if_that_is_a_client(
    start_relay: Start, connect: Start, path: Path
) -> None:
    relay = await start_relay(path=path, clients=("192.0.2.0/24",))

    client = await connect(relay)

    assert (await client.reply())[:9] == "554 5.7.1"
    assert await client.reply() == "closed"


async def test_xforward_is_taken_from_it(start_relay: Start, connect: Start, path: Path) -> None:
    relay = await start_relay(path=path)
    client = await connect(relay)
    await client.reply()
    await client.ask(b"EHLO client.example")

    await client.ask(b"XFORWARD ADDR=192.0.2.9")
    await client.ask(b"MAIL FROM:<>")
    await client.ask(b"RCPT TO:<ben@elmpark.example>")
    await client.data(b"Hello\r\n")

    session = relay.received[0].session
    assert (session.peer, session.via) == ("192.0.2.9", "127.0.0.1")


async def test_a_load_balancer_there_must_say_proxy(
    start_relay: Start, connect: Start, path: Path
) -> None:
    relay = await start_relay(path=path, proxy_from=LOOPBACK, clients=("192.0.2.0/24",))
    client = await connect(relay)

    await client.send(b"PROXY TCP4 192.0.2.7 192.0.2.1 4000 25\r\n")

    assert (await client.reply())[:3] == "220"


async def test_its_connections_are_counted_as_one_address(
    start_relay: Start, connect: Start, path: Path
) -> None:
    relay = await start_relay(path=path, limits=Limits(connections_per_address=2))
    clients = [await connect(relay) for _ in range(3)]

    assert [(await client.reply())[:3] for client in clients] == ["220", "220", "421"]


async def test_an_early_talker_is_turned_away_there_too(path: Path, start_relay: Start) -> None:
    sock = listen_unix(path)
    relay = await start_relay()
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"EHLO early.example\r\n")

    # Only now it is accepted, and what was said is there already.
    await relay.server.start([sock])

    assert (await reader.readline())[:9] == b"554 5.5.0"
    writer.close()


async def test_two_workers_share_it(start_relay: Start, connect: Start, path: Path) -> None:
    """As after a fork: each process has the socket, and either may accept."""
    sock = listen_unix(path)
    first, second = await start_relay(), await start_relay()
    await first.server.start([sock.dup()])
    await second.server.start([sock])

    async def ask() -> bytes:
        reader, writer = await asyncio.open_unix_connection(path)
        line = await reader.readline()
        writer.close()
        return line[:3]

    said = Counter([await ask() for _ in range(20)])

    assert said == {b"220": 20}


async def test_a_server_that_stops_says_so_to_idle_clients(
    start_relay: Start, connect: Start, path: Path
) -> None:
    relay = await start_relay(path=path)
    client = await connect(relay)
    await client.reply()
    await client.ask(b"EHLO client.example")

    await relay.server.stop(grace_s=5)

    assert (await client.reply())[:9] == "421 4.3.2"


@pytest.mark.parametrize("tls", [ListenerTls.NONE, ListenerTls.MAY, ListenerTls.IMPLICIT])
@pytest.mark.parametrize("is_lmtp", [False, True], ids=["smtp", "lmtp"])
async def test_the_self_test_goes_through_it(
    start_relay: Start, path: Path, tmp_path: Path, tls: ListenerTls, is_lmtp: bool
) -> None:
    marks = []

    class Marks:
        async def mark(self, token: str, event: str) -> None:
            marks.append((token, event))

    async def admit(sender: str) -> Delivery | None:
        return CanarySink("n", Marks()) if sender == TEST else None  # type: ignore[arg-type]

    pem = make_certificate(tmp_path / "mg.pem")
    await start_relay(
        path=path, is_lmtp=is_lmtp, admit=admit, tls=tls, certificate=Certificate(pem, pem)
    )
    entrance = Entrance(path=str(path), is_lmtp=is_lmtp, is_implicit=tls is ListenerTls.IMPLICIT)

    problem = await send_test(entrance, "mg.example", TEST, b"Subject: x\r\n\r\nHello\r\n")

    assert problem == ""
    assert marks == [("n", "came out")]


async def test_a_socket_that_nobody_answers_is_named(path: Path) -> None:
    listen_unix(path).close()

    problem = await send_test(Entrance(path=str(path)), "mg.example", TEST, b"x\r\n")

    assert problem == f"Nothing accepts connections on {path}."
