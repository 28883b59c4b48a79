"""TLS with clients and with the next hop, between real sockets and OpenSSL's own other side."""

import asyncio
import contextlib
import os
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.errors import NextHopUnavailable
from mailguard.mail.raw import Raw
from mailguard.smtp.nexthop import SmtpNextHop, Timeouts
from mailguard.smtp.tls import (
    Certificate,
    ListenerTls,
    NextHopTls,
    TlsFailed,
    TlsLayer,
    client_context,
    server_context,
)
from mailguard.testing.certificate import make_certificate

MAIL = [b"MAIL FROM:<ana@elmpark.example>", b"RCPT TO:<ben@elmpark.example>"]


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls") / "both.pem")


@pytest.fixture
def certificate(pem: Path) -> Certificate:
    return Certificate(pem, pem)


def code(reply: str) -> str:
    return " ".join(reply.split()[:2])


async def upgrade(client: Any, context: ssl.SSLContext | None = None) -> None:
    """The client's side of the handshake."""
    async with asyncio.timeout(10):
        await client.writer.start_tls(context or client_context(NextHopTls.MAY))


async def one_message(client: Any, content: bytes = b"Hello\r\n") -> str:
    for line in MAIL:
        await client.ask(line)
    reply: str = await client.data(content)
    return reply


class TestStarttls:
    async def test_it_is_offered_and_mail_passes_within_it(
        self, start_relay: Any, connect: Any, certificate: Certificate, sink: Any
    ) -> None:
        relay = await start_relay(tls=ListenerTls.MAY, certificate=certificate)
        client = await connect(relay)
        await client.reply()
        before = await client.ask(b"EHLO client.example")

        ready = await client.ask(b"STARTTLS")
        await upgrade(client)
        after = await client.ask(b"EHLO client.example")
        large = b"x" * 70 + b"\r\n"
        reply = await one_message(client, large * 40_000)

        assert ("STARTTLS" in before, ready[:3], "STARTTLS" in after) == (True, "220", False)
        assert reply == "250 2.0.0 Taken"
        assert sink.taken[0].data == large * 40_000
        assert relay.received[0].session.tls == "TLSv1.3 TLS_AES_256_GCM_SHA384"

    async def test_mail_in_the_clear_says_nothing_of_tls(
        self, start_relay: Any, connect: Any, certificate: Certificate
    ) -> None:
        relay = await start_relay(tls=ListenerTls.MAY, certificate=certificate)
        client = await connect(relay)
        await client.begin()

        await client.data(b"Hello\r\n")

        assert relay.received[0].session.tls == ""

    async def test_the_session_begins_anew(
        self, start_relay: Any, connect: Any, certificate: Certificate
    ) -> None:
        client = await connect(await start_relay(tls=ListenerTls.MAY, certificate=certificate))
        await client.reply()
        await client.ask(b"EHLO client.example")

        await client.ask(b"STARTTLS")
        await upgrade(client)

        assert code(await client.ask(MAIL[0])) == "503 5.5.1"

    async def test_amid_a_transaction_it_is_503(
        self, start_relay: Any, connect: Any, certificate: Certificate
    ) -> None:
        client = await connect(await start_relay(tls=ListenerTls.MAY, certificate=certificate))
        await client.begin()

        assert code(await client.ask(b"STARTTLS")) == "503 5.5.1"

    async def test_a_second_one_is_503(
        self, start_relay: Any, connect: Any, certificate: Certificate
    ) -> None:
        client = await connect(await start_relay(tls=ListenerTls.MAY, certificate=certificate))
        await client.reply()
        await client.ask(b"STARTTLS")
        await upgrade(client)

        assert code(await client.ask(b"STARTTLS")) == "503 5.5.1"
        assert code(await client.ask(b"NOOP")) == "250 2.0.0"

    @pytest.mark.parametrize("behind", [b"NOOP\r\n", b"x", b"\x16\x03\x01\x00\x05hello"])
    async def test_what_is_sent_behind_it_in_the_clear_ends_the_connection(
        self, behind: bytes, start_relay: Any, connect: Any, certificate: Certificate
    ) -> None:
        client = await connect(await start_relay(tls=ListenerTls.MAY, certificate=certificate))
        await client.reply()

        await client.send(b"STARTTLS\r\n" + behind)

        assert [code(await client.reply()), await client.reply()] == ["554 5.5.1", "closed"]

    async def test_a_command_injected_after_the_reply_is_never_obeyed(
        self, start_relay: Any, connect: Any, certificate: Certificate, sink: Any
    ) -> None:
        relay = await start_relay(tls=ListenerTls.MAY, certificate=certificate)
        client = await connect(relay)
        await client.reply()
        await client.ask(b"EHLO client.example")
        await client.ask(b"STARTTLS")

        await client.send(b"MAIL FROM:<evil@elmpark.example>\r\n")
        async with asyncio.timeout(10):
            rest = await client.reader.read()

        assert b"250" not in rest
        assert not [line for line in sink.commands if line.startswith(b"MAIL")]

    @pytest.mark.parametrize("line", [b"STARTTLS now", b"STARTTLS"])
    async def test_where_it_is_not_offered_or_has_an_argument_it_is_refused(
        self, line: bytes, start_relay: Any, connect: Any, certificate: Certificate
    ) -> None:
        relay = await start_relay(
            tls=ListenerTls.NONE if line == b"STARTTLS" else ListenerTls.MAY,
            certificate=certificate,
        )
        client = await connect(relay)
        await client.reply()

        assert code(await client.ask(line)) in ("501 5.5.4", "502 5.5.1")

    async def test_where_it_is_required_no_mail_is_taken_before_it(
        self, start_relay: Any, connect: Any, certificate: Certificate
    ) -> None:
        client = await connect(await start_relay(tls=ListenerTls.REQUIRE, certificate=certificate))
        await client.reply()
        await client.ask(b"EHLO client.example")
        refused = await client.ask(MAIL[0])

        await client.ask(b"STARTTLS")
        await upgrade(client)
        await client.ask(b"EHLO client.example")

        assert [code(refused), await one_message(client)] == ["530 5.7.0", "250 2.0.0 Taken"]

    @pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
    async def test_nothing_older_than_1_2_is_spoken(
        self, start_relay: Any, connect: Any, certificate: Certificate
    ) -> None:
        old = client_context(NextHopTls.MAY)
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        client = await connect(await start_relay(tls=ListenerTls.MAY, certificate=certificate))
        await client.reply()
        await client.ask(b"STARTTLS")

        with pytest.raises((ssl.SSLError, ConnectionError)):
            await upgrade(client, old)

    async def test_a_handshake_that_stalls_is_given_up(
        self, start_relay: Any, connect: Any, certificate: Certificate, monkeypatch: Any
    ) -> None:
        monkeypatch.setattr("mailguard.smtp.wire.HANDSHAKE_S", 0.05)
        client = await connect(await start_relay(tls=ListenerTls.MAY, certificate=certificate))
        await client.reply()
        await client.ask(b"STARTTLS")

        await client.send(b"\x16\x03\x01")

        assert await client.reply() == "closed"


class TestImplicit:
    @pytest.fixture
    async def client(
        self, start_relay: Any, certificate: Certificate
    ) -> AsyncIterator[tuple[Any, Any]]:
        self.relay = await start_relay(tls=ListenerTls.IMPLICIT, certificate=certificate)
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.relay.port, ssl=client_context(NextHopTls.MAY)
        )
        yield reader, writer
        writer.transport.abort()

    async def test_the_connection_begins_with_tls(self, client: tuple[Any, Any]) -> None:
        reader, writer = client
        writer.write(b"EHLO client.example\r\nSTARTTLS\r\nQUIT\r\n")

        async with asyncio.timeout(10):
            said = await reader.read()

        assert said.startswith(b"220 mg.elmpark.example ESMTP\r\n250-mg.elmpark.example\r\n")
        assert b"STARTTLS" not in said
        assert said.endswith(b"503 5.5.1 TLS is active already\r\n221 2.0.0 Bye\r\n")

    async def test_who_speaks_smtp_to_it_is_cut_off_without_a_word(
        self, start_relay: Any, connect: Any, certificate: Certificate
    ) -> None:
        relay = await start_relay(tls=ListenerTls.IMPLICIT, certificate=certificate)
        client = await connect(relay)

        await client.send(b"EHLO client.example\r\n")

        async with asyncio.timeout(10):
            assert b"mg.elmpark" not in await client.reader.read()


class TestCertificate:
    def test_a_renewed_one_is_shown_from_the_next_handshake_on(self, tmp_path: Path) -> None:
        file = make_certificate(tmp_path / "mg.pem")
        certificate = Certificate(file, file)
        old = certificate.context()

        make_certificate(file)

        assert certificate.context() is not old
        assert certificate.context() is certificate.context()

    @pytest.mark.parametrize("content", [b"", b"garbage", None])
    def test_one_that_cannot_be_used_is_reported_once_and_the_old_one_kept(
        self, content: bytes | None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        file = make_certificate(tmp_path / "mg.pem")
        certificate = Certificate(file, file)
        old = certificate.context()

        file.unlink() if content is None else file.write_bytes(content)
        contexts = [certificate.context(), certificate.context()]
        make_certificate(file)

        assert contexts == [old, old]
        assert certificate.context() is not old

    def test_a_key_with_a_passphrase_is_refused_and_asks_nobody(self, tmp_path: Path) -> None:
        file = make_certificate(tmp_path / "mg.pem")
        sealed = tmp_path / "sealed.key"
        command = f"openssl pkey -in {file} -aes256 -passout pass:abc -out {sealed}"
        subprocess.run(command.split(), check=True, timeout=30)

        with pytest.raises(ssl.SSLError):
            Certificate(file, sealed)


class TestLayer:
    def shake(self, pem: Path, cut: int) -> tuple[TlsLayer, TlsLayer]:
        server = TlsLayer(server_context(pem, pem), is_server=True)
        client = TlsLayer(client_context(NextHopTls.MAY), is_server=False, host="localhost")
        client.begin()
        while not (server.is_ready and client.is_ready):
            for source, target in ((client, server), (server, client)):
                data = source.take()
                for start in range(0, len(data), cut):
                    assert target.feed(data[start : start + cut]) == b""
        return client, server

    @pytest.mark.parametrize("cut", [1, 7, 65536])
    def test_bytes_come_out_as_they_went_in_however_they_are_cut(self, pem: Path, cut: int) -> None:
        client, server = self.shake(pem, cut)
        content = os.urandom(100_000)

        client.write(content)
        client.close()
        data = client.take()
        got = b"".join(server.feed(data[i : i + cut]) for i in range(0, len(data), cut))

        assert (got, server.is_over) == (content, True)

    @given(junk=st.binary(min_size=1, max_size=200))
    def test_garbage_is_no_handshake(self, pem: Path, junk: bytes) -> None:
        server = TlsLayer(server_context(pem, pem), is_server=True)

        with contextlib.suppress(TlsFailed):
            assert server.feed(junk) == b""
        assert not server.is_ready

    def test_a_changed_record_is_refused(self, pem: Path) -> None:
        client, server = self.shake(pem, 65536)
        client.write(b"MAIL FROM:<>\r\n")
        data = bytearray(client.take())
        data[-1] ^= 1

        with pytest.raises(TlsFailed):
            server.feed(bytes(data))


class TlsSink:
    """A next hop with STARTTLS, on asyncio's own TLS."""

    def __init__(self, pem: Path) -> None:
        self.context = server_context(pem, pem)
        self.greeting_extra = b""
        self.commands: list[bytes] = []
        self.secret: list[bytes] = []
        self.offers = True
        self.agrees = b"220 Go\r\n"

    async def start(self) -> None:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 23)
        self.port = self.server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 sink\r\n")
        is_secret = False
        while line := await reader.readline():
            (self.secret if is_secret else self.commands).append(line)
            verb = line[:4].upper()
            if verb == b"STAR":
                writer.write(self.agrees)
                if self.agrees.startswith(b"220"):
                    try:
                        await writer.start_tls(self.context)
                    except (OSError, ssl.SSLError):
                        break
                    is_secret = True
            elif verb == b"EHLO" and self.offers and not is_secret:
                writer.write(b"250-sink\r\n250-EVIL\r\n250 STARTTLS\r\n")
            elif verb == b"EHLO":
                writer.write(b"250-sink\r\n250 DSN\r\n")
            elif verb == b"DATA":
                writer.write(b"354 Go\r\n")
                await reader.readuntil(b"\r\n.\r\n")
                writer.write(b"250 Taken\r\n")
            elif verb == b"QUIT":
                break
            else:
                writer.write(b"250 Ok\r\n")
        writer.close()


@pytest.fixture
async def tls_sink(pem: Path) -> AsyncIterator[TlsSink]:
    sink = TlsSink(pem)
    await sink.start()
    yield sink
    sink.server.close()


async def deliver(sink: TlsSink, tls: NextHopTls, **options: Any) -> tuple[str, tuple[str, ...]]:
    hop = SmtpNextHop(
        options.pop("host", "localhost"),
        sink.port,
        hostname="mg.example",
        tls=tls,
        timeouts=Timeouts(connect=5, greeting=5, command=5, final=5),
        **options,
    )
    delivery = await hop.open()
    await delivery.mail(b"<a@b.example>")
    await delivery.rcpt(b"<c@d.example>")
    (reply,) = await delivery.data(b"", Raw.of(b"Hello\r\n" * 100_000))
    await delivery.close()
    await hop.close()
    return str(reply), hop.keywords


class TestNextHop:
    @pytest.mark.parametrize("tls", [NextHopTls.MAY, NextHopTls.REQUIRE])
    async def test_all_mail_goes_within_tls(self, tls: NextHopTls, tls_sink: TlsSink) -> None:
        reply, keywords = await deliver(tls_sink, tls)

        assert (reply, keywords) == ("250 Taken", ("DSN",))
        assert tls_sink.commands == [b"EHLO mg.example\r\n", b"STARTTLS\r\n"]
        assert tls_sink.secret[:2] == [b"EHLO mg.example\r\n", b"MAIL FROM:<a@b.example>\r\n"]

    async def test_without_a_policy_it_stays_in_the_clear(self, tls_sink: TlsSink) -> None:
        await deliver(tls_sink, NextHopTls.NONE)

        assert b"STARTTLS\r\n" not in tls_sink.commands

    async def test_a_trusted_certificate_is_verified(self, tls_sink: TlsSink, pem: Path) -> None:
        context = client_context(NextHopTls.VERIFY)
        context.load_verify_locations(pem)

        reply, _ = await deliver(tls_sink, NextHopTls.VERIFY, context=context)

        assert reply == "250 Taken"

    @pytest.mark.parametrize(
        ("knows", "host", "reason"),
        [(False, "localhost", "self-signed"), (True, "127.0.0.2", "IP address mismatch")],
    )
    async def test_any_other_certificate_is_no_next_hop(
        self, knows: bool, host: str, reason: str, pem: Path
    ) -> None:
        sink = TlsSink(pem)
        sink.server = await asyncio.start_server(sink._serve, host, 0)
        sink.port = sink.server.sockets[0].getsockname()[1]
        context = client_context(NextHopTls.VERIFY)
        if knows:
            context.load_verify_locations(pem)

        with pytest.raises(NextHopUnavailable, match=reason):
            await deliver(sink, NextHopTls.VERIFY, context=context, host=host)

        assert not [line for line in sink.secret if line.startswith(b"MAIL")]
        sink.server.close()

    @pytest.mark.parametrize("tls", [NextHopTls.REQUIRE, NextHopTls.VERIFY])
    @pytest.mark.parametrize("agrees", [b"", b"454 4.7.0 Not now\r\n"])
    async def test_where_tls_must_be_and_is_not_there_is_no_mail(
        self, tls: NextHopTls, agrees: bytes, tls_sink: TlsSink
    ) -> None:
        tls_sink.offers, tls_sink.agrees = bool(agrees), agrees

        with pytest.raises(NextHopUnavailable, match="does not offer TLS"):
            await deliver(tls_sink, tls)

    @pytest.mark.parametrize("agrees", [b"", b"454 4.7.0 Not now\r\n"])
    async def test_where_tls_may_be_and_is_not_mail_goes_without(
        self, agrees: bytes, tls_sink: TlsSink
    ) -> None:
        tls_sink.offers, tls_sink.agrees = bool(agrees), agrees

        reply, _ = await deliver(tls_sink, NextHopTls.MAY)

        assert reply == "250 Taken"

    async def test_a_handshake_that_fails_is_no_reason_to_keep_mail_where_tls_only_may_be(
        self, tls_sink: TlsSink
    ) -> None:
        tls_sink.context.maximum_version = ssl.TLSVersion.TLSv1_2
        tls_sink.context.set_ciphers("AES128-SHA256")
        context = client_context(NextHopTls.MAY)
        context.minimum_version = ssl.TLSVersion.TLSv1_3

        reply, _ = await deliver(tls_sink, NextHopTls.MAY, context=context)

        assert reply == "250 Taken"
        assert b"MAIL FROM:<a@b.example>\r\n" in tls_sink.commands

    @pytest.mark.parametrize("injected", [b"250-x\r\n", b"250 Ok\r\n", b"x"])
    async def test_a_reply_injected_behind_starttls_is_not_believed(
        self, injected: bytes, tls_sink: TlsSink
    ) -> None:
        tls_sink.agrees = b"220 Go\r\n" + injected

        with pytest.raises(NextHopUnavailable):
            await deliver(tls_sink, NextHopTls.REQUIRE)
