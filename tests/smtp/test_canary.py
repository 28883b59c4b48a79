"""Sending a self-test through a real listener, and what is said when that does not work."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mailguard.flow.canary import CanarySink
from mailguard.mail.canary import SINK
from mailguard.ports import Delivery
from mailguard.smtp import canary
from mailguard.smtp.canary import Entrance, send_test
from mailguard.smtp.limits import LOOPBACK
from mailguard.smtp.tls import Certificate, ListenerTls
from mailguard.testing.certificate import make_certificate

SENDER = "bad.1.2.3@canary.mailguard.invalid"
RAW = b"Subject: x\r\n\r\n.Hello\r\n"

Start = Callable[..., Awaitable[Any]]


def at(port: int, host: str = "127.0.0.1", **options: Any) -> Entrance:
    return Entrance(host=host, port=port, **options)


class Marks:
    """Where the sink leaves its marks."""

    def __init__(self) -> None:
        self.made: list[tuple[str, str]] = []

    async def mark(self, token: str, event: str) -> None:
        self.made.append((token, event))


def admitting(marks: Marks) -> Callable[[str], Awaitable[Delivery | None]]:
    """Admits :data:`SENDER` and nobody else."""

    async def admit(sender: str) -> Delivery | None:
        return CanarySink("n", marks) if sender == SENDER else None  # type: ignore[arg-type]

    return admit


async def test_it_goes_through_the_listener_to_the_sink_and_the_next_hop_hears_nothing(
    start_relay: Start, sink: Any
) -> None:
    marks = Marks()
    relay = await start_relay(admit=admitting(marks))

    problem = await send_test(at(relay.port), "mg.example", SENDER, RAW)

    (transaction,) = relay.received
    assert problem == ""
    assert marks.made == [("n", "came out")]
    assert [path.address for path in transaction.envelope.recipients] == [SINK]
    assert bytes(transaction.raw.buffer) == RAW
    assert (sink.connections, sink.commands) == (0, [])


async def test_a_stranger_on_a_public_listener_may_send_it_to_the_sink_alone(
    start_relay: Start, connect: Start, sink: Any
) -> None:
    relay = await start_relay(admit=admitting(Marks()), clients=(), public=True)

    problem = await send_test(at(relay.port), "mg.example", SENDER, RAW)
    client = await connect(relay)
    replies = await client.begin(
        b"<" + SENDER.encode() + b">", b"<eve@outside.example>", b"<ben@elmpark.example>"
    )

    assert problem == ""
    assert [reply[:3] for reply in replies] == ["250", "550", "550"]
    assert sink.commands == []


@pytest.mark.parametrize(
    "sender", ["good.1.2.3@canary.mailguard.invalid", "ana@canary.mailguard.invalid"]
)
async def test_what_is_no_test_of_ours_goes_to_the_next_hop_like_all_mail(
    start_relay: Start, connect: Start, sink: Any, sender: str
) -> None:
    relay = await start_relay(admit=admitting(Marks()))
    client = await connect(relay)

    await client.begin(f"<{sender}>".encode())
    await client.data(RAW)

    (taken,) = sink.taken
    assert taken.mail == f"<{sender}>".encode()


async def test_a_test_in_another_place_than_mail_from_is_ordinary_mail(
    start_relay: Start, connect: Start, sink: Any
) -> None:
    relay = await start_relay(admit=admitting(Marks()))
    client = await connect(relay)

    await client.begin(b"<ana@elmpark.example>", f"<{SENDER}>".encode())
    await client.data(
        b"From: " + SENDER.encode() + b"\r\nSender: <" + SENDER.encode() + b">\r\n\r\n"
    )

    (taken,) = sink.taken
    assert taken.rcpts == [f"<{SENDER}>".encode()]


async def test_it_stops_before_rcpt_where_it_is_taken_for_ordinary_mail(
    start_relay: Start, sink: Any
) -> None:
    relay = await start_relay()

    problem = await send_test(at(relay.port), "mg.example", SENDER, RAW)

    verbs = {command.split(b":")[0].split()[0] for command in sink.commands}
    assert "took a message of the self-test for ordinary mail" in problem
    assert verbs <= {b"EHLO", b"MAIL", b"RSET", b"QUIT"}
    assert sink.taken == []


async def test_a_listener_that_refuses_this_machine_is_told_with_the_address_to_add(
    start_relay: Start,
) -> None:
    relay = await start_relay(admit=admitting(Marks()), clients=("192.0.2.0/24",))

    problem = await send_test(at(relay.port), "mg.example", SENDER, RAW)

    assert problem == (
        "The listener refuses connections from this machine: add 127.0.0.1 to its clients."
    )


async def test_a_listener_on_all_addresses_is_called_on_loopback(start_relay: Start) -> None:
    relay = await start_relay(admit=admitting(Marks()))

    assert await send_test(at(relay.port, host="0.0.0.0"), "mg.example", SENDER, RAW) == ""


async def test_a_reply_that_is_not_wanted_is_quoted_with_its_step(start_relay: Start) -> None:
    async def fail(transaction: object, delivery: object) -> object:
        raise OSError

    relay = await start_relay(admit=admitting(Marks()), receive=fail)

    problem = await send_test(at(relay.port), "mg.example", SENDER, RAW)

    assert problem.startswith("It answered a message of the self-test with 451 4.3.0")


async def test_nobody_there_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        problem = await send_test(at(port), "mg.example", SENDER, RAW)

    assert problem == f"Nothing accepts connections on 127.0.0.1:{port}."


async def test_a_listener_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary, "PATIENCE_S", 0.2)
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    problem = await send_test(at(port), "mg.example", SENDER, RAW)
    server.close()

    assert problem.startswith("No reply within") or problem.endswith("did not answer in time.")


async def test_a_listener_that_hangs_up_is_said() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    problem = await send_test(at(port), "mg.example", SENDER, RAW)
    server.close()

    assert problem == f"The listener at 127.0.0.1:{port} closed the connection."


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    file = make_certificate(tmp_path_factory.mktemp("certificate") / "mg.pem")
    return Certificate(file, file)


@pytest.mark.parametrize("tls", [ListenerTls.MAY, ListenerTls.REQUIRE, ListenerTls.IMPLICIT])
@pytest.mark.parametrize("proxy_from", [(), LOOPBACK], ids=["directly", "behind a balancer"])
async def test_it_comes_in_by_tls_and_with_a_proxy_header_where_clients_do(
    start_relay: Start, certificate: Certificate, tls: ListenerTls, proxy_from: Any
) -> None:
    relay = await start_relay(
        admit=admitting(Marks()), tls=tls, certificate=certificate, proxy_from=proxy_from
    )
    entrance = at(relay.port, is_implicit=tls is ListenerTls.IMPLICIT, proxy_from=proxy_from)

    problem = await send_test(entrance, "mg.example", SENDER, RAW)

    (transaction,) = relay.received
    assert problem == ""
    assert transaction.session.tls.startswith("TLSv1.3 ")
    assert transaction.session.peer == "127.0.0.1"


async def test_it_needs_no_login_where_all_others_do(
    start_relay: Start, connect: Start, sink: Any
) -> None:
    relay = await start_relay(admit=admitting(Marks()), clients=(), passes_auth=True)

    problem = await send_test(at(relay.port), "mg.example", SENDER, RAW)
    client = await connect(relay)
    replies = await client.begin(b"<good.1.2.3@canary.mailguard.invalid>", b"<ben@elmpark.example>")

    assert problem == ""
    assert replies[0].startswith("530 5.7.0")
    assert not any(command.startswith(b"MAIL") for command in sink.commands)


async def test_a_listener_whose_tls_does_not_work_is_found(
    start_relay: Start, tmp_path: Path
) -> None:
    relay = await start_relay(admit=admitting(Marks()))

    problem = await send_test(at(relay.port, is_implicit=True), "mg.example", SENDER, RAW)

    assert problem.startswith(f"The listener at 127.0.0.1:{relay.port} failed at TLS")
