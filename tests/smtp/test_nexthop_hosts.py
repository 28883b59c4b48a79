"""Where a host is: names with several addresses, Unix sockets, TLS from the start."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from mailguard.errors import NextHopUnavailable
from mailguard.mail.raw import Raw
from mailguard.smtp.host import Host
from mailguard.smtp.nexthop import SmtpNextHop, Timeouts
from mailguard.smtp.tls import NextHopTls, client_context, server_context
from mailguard.testing.certificate import make_certificate
from mailguard.testing.logged import capture_events

QUICK = Timeouts(connect=2, greeting=2, command=2, final=2)
FIND = "mailguard.smtp.host.find_addresses"


def hop_to(host: Host, timeouts: Timeouts = QUICK, **options: Any) -> SmtpNextHop:
    return SmtpNextHop(host, hostname="mg.example", timeouts=timeouts, **options)


async def deliver(hop: SmtpNextHop) -> str:
    delivery = await hop.open()
    await delivery.mail(b"<a@b.example>")
    await delivery.rcpt(b"<c@d.example>")
    (reply,) = await delivery.data(b"", Raw.of(b"Hello\r\n"))
    await delivery.close()
    return str(reply)


class TestNames:
    def resolve(self, monkeypatch: pytest.MonkeyPatch, *answers: Any) -> list[str]:
        """Answer each look-up so; the last one again and again."""
        asked: list[str] = []

        async def find(name: str) -> tuple[str, ...]:
            answer = answers[min(len(asked), len(answers) - 1)]
            asked.append(name)
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(FIND, find)
        return asked

    async def test_the_next_address_is_tried_where_one_refuses(
        self, sink: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = self.resolve(monkeypatch, ("::1", "127.0.0.7", "127.0.0.1"))
        hop = hop_to(Host(name="mail.elmpark.example", port=sink.port))

        assert await deliver(hop) == "250 2.0.0 Taken"
        assert asked == ["mail.elmpark.example"]
        await hop.close()

    async def test_an_address_that_swallows_packets_leaves_time_for_the_next_and_is_asked_last(
        self, sink: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.resolve(monkeypatch, ("127.0.0.9", "127.0.0.1"))
        with full_listener("127.0.0.9", sink.port):
            hop = hop_to(
                Host(name="mail.elmpark.example", port=sink.port), Timeouts(connect=1), pooled=0
            )
            started = asyncio.get_running_loop().time()
            await deliver(hop)
            first = asyncio.get_running_loop().time() - started
            await deliver(hop)
            second = asyncio.get_running_loop().time() - started - first

        assert first > 0.45 > second
        assert len(sink.taken) == 2

    async def test_while_no_name_is_resolved_the_addresses_that_were_known_are_used(
        self, sink: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.resolve(monkeypatch, ("127.0.0.1",), socket.gaierror(-3, "Temporary failure"))
        hop = hop_to(Host(name="mail.elmpark.example", port=sink.port), pooled=0)

        replies = [await deliver(hop) for _ in range(2)]

        assert replies == ["250 2.0.0 Taken"] * 2

    @pytest.mark.parametrize("error", [socket.gaierror(-2, "Unknown"), UnicodeError("label")])
    async def test_a_name_that_never_was_resolved_is_unavailable(
        self, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        self.resolve(monkeypatch, error)

        with pytest.raises(NextHopUnavailable, match=r"mail.elmpark.example:25 cannot be reached"):
            await hop_to(Host(name="mail.elmpark.example", port=25)).open()

    async def test_this_machines_resolver_is_asked(self, sink: Any) -> None:
        hop = hop_to(Host(name="localhost", port=sink.port))

        assert await deliver(hop) == "250 2.0.0 Taken"
        await hop.close()

    def test_an_ipv6_address_is_written_so_that_its_port_can_be_told(self) -> None:
        assert str(Host(name="::1", port=25)) == "[::1]:25"


def full_listener(address: str, port: int) -> Any:
    """A listener that takes no connection any more: the kernel drops what else comes."""
    return _Full(address, port)


class _Full:
    def __init__(self, address: str, port: int) -> None:
        self.sockets = [socket.socket() for _ in range(4)]
        self.sockets[0].bind((address, port))
        self.sockets[0].listen(0)
        for each in self.sockets[1:]:
            each.setblocking(False)
            each.connect_ex((address, port))

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        for each in self.sockets:
            each.close()


class TestUnixSocket:
    @pytest.fixture
    async def path(self, sink: Any, tmp_path: Path) -> AsyncIterator[str]:
        path = str(tmp_path / "smtp")
        server = await asyncio.start_unix_server(sink._serve, path, limit=1 << 23)
        yield path
        server.close()

    async def test_mail_goes_by_a_unix_socket_whatever_the_policy_about_tls(
        self, sink: Any, path: str
    ) -> None:
        hop = hop_to(Host(path=path), tls=NextHopTls.VERIFY)

        assert [await deliver(hop) for _ in range(2)] == ["250 2.0.0 Taken"] * 2
        assert sink.connections == 1
        await hop.close()

    async def test_passwords_may_go_by_it(self, sink: Any, path: str) -> None:
        sink.keywords = ("AUTH PLAIN",)
        hop = hop_to(Host(path=path))

        dialogue = await hop.dial()

        assert hop.mechanisms == ("PLAIN",)
        dialogue.close()
        await hop.close()

    async def test_a_socket_that_is_not_there_is_unavailable(self, tmp_path: Path) -> None:
        path = str(tmp_path / "none")

        with pytest.raises(NextHopUnavailable, match=f"{path} cannot be reached: no such file"):
            await hop_to(Host(path=path)).open()


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield make_certificate(tmp_path_factory.mktemp("smtps") / "mg.pem")


class TestWrapped:
    @pytest.fixture
    async def host(self, sink: Any, pem: Path) -> AsyncIterator[Host]:
        context = server_context(pem, pem)
        server = await asyncio.start_server(sink._serve, "127.0.0.1", 0, limit=1 << 23, ssl=context)
        port = server.sockets[0].getsockname()[1]
        yield Host(name="localhost", port=port, is_wrapped=True)
        server.close()

    @pytest.mark.parametrize("tls", [NextHopTls.NONE, NextHopTls.MAY, NextHopTls.REQUIRE])
    async def test_tls_comes_first_whatever_the_policy(
        self, sink: Any, host: Host, tls: NextHopTls
    ) -> None:
        sink.keywords = ("STARTTLS", "AUTH PLAIN")
        hop = hop_to(host, tls=tls)

        assert await deliver(hop) == "250 2.0.0 Taken"
        assert b"STARTTLS\r\n" not in sink.commands
        assert hop.mechanisms == ("PLAIN",)
        await hop.close()

    async def test_the_certificate_is_verified_where_the_policy_wants_it(
        self, sink: Any, host: Host, pem: Path
    ) -> None:
        context = client_context(NextHopTls.VERIFY)
        context.load_verify_locations(pem)
        hop = hop_to(host, tls=NextHopTls.VERIFY, context=context)

        assert await deliver(hop) == "250 2.0.0 Taken"
        await hop.close()
        with pytest.raises(NextHopUnavailable, match="self-signed"):
            await deliver(hop_to(host, tls=NextHopTls.VERIFY))
        assert len(sink.taken) == 1

    async def test_it_never_goes_on_in_the_clear(self, sink: Any) -> None:
        host = Host(name="127.0.0.1", port=sink.port, is_wrapped=True)

        with capture_events() as logs, pytest.raises(NextHopUnavailable, match="TLS"):
            await deliver(hop_to(host, tls=NextHopTls.MAY))

        assert (logs, sink.connections) == ([], 1)
        assert [line for line in sink.commands if line.isascii()] == []
