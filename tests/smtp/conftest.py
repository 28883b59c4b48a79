"""A sink that shares no code with MailGuard, a bare SMTP client, and relays between the two.

Every asynchronous test of this folder runs on asyncio's loop and on uvloop, which the service uses.
"""

import asyncio
import ipaddress
import socket
import struct
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvloop

from mailguard.mail.envelope import Origin, Transaction
from mailguard.mail.reply import Replies
from mailguard.milter.server import listen_unix
from mailguard.ports import Delivery
from mailguard.scan.school import School
from mailguard.smtp.limits import LOOPBACK, BareNewline, Limits, ListenerSettings
from mailguard.smtp.listener import admit_nothing, forget, take_nothing
from mailguard.smtp.nexthop import SmtpNextHop, Timeouts
from mailguard.smtp.server import RelayServer, listen
from mailguard.smtp.tls import Certificate, ListenerTls
from mailguard.testing.certificate import make_certificate
from mailguard.testing.fakes import FakeClock

PATIENCE_S = 10.0
"""After this a test has failed: nothing here waits for time to pass."""


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@dataclass
class Taken:
    """One message as the sink got it."""

    mail: bytes
    rcpts: list[bytes]
    data: bytes


@dataclass
class Sink:
    """A small mail server, written line by line for clearness; after LHLO it speaks LMTP. `script`
    says what it answers to a verb (``.`` is the final dot, ``greeting`` the start) before its usual
    answers."""

    DROP = b"drop"
    HANG = b"hang"

    keywords: tuple[str, ...] = ("PIPELINING", "SIZE 10000000", "8BITMIME", "SMTPUTF8", "DSN")
    script: dict[bytes, deque[bytes]] = field(default_factory=lambda: defaultdict(deque))
    taken: list[Taken] = field(default_factory=list)
    commands: list[bytes] = field(default_factory=list)
    connections: int = 0
    reads_data: bool = True
    port: int = 0
    _server: Any = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def say(self, verb: bytes, *answers: bytes) -> None:
        self.script[verb].extend(answers)

    async def start(self, host: str = "127.0.0.1") -> None:
        self._server = await asyncio.start_server(self._serve, host, self.port, limit=1 << 23)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            await self._converse(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mail, rcpts, is_lmtp = b"", [], False
        await self._answer(writer, b"greeting", b"220 sink.example ESMTP\r\n")
        while True:
            line = await reader.readuntil(b"\r\n")
            self.commands.append(line)
            verb = line.split(b":")[0].split()[0].upper()
            reply = b"250 Ok\r\n"
            if verb in (b"EHLO", b"LHLO"):
                is_lmtp = verb == b"LHLO"
                lines = ("sink.example", *self.keywords)
                reply = "".join(f"250-{word}\r\n" for word in lines[:-1]).encode()
                reply += f"250 {lines[-1]}\r\n".encode()
            elif verb == b"MAIL":
                mail, rcpts = line[len(b"MAIL FROM:") : -2], []
            elif verb == b"DATA":
                reply = b"354 Go on\r\n"
            elif verb == b"QUIT":
                reply = b"221 Bye\r\n"
            sent = await self._answer(writer, verb, reply)
            if verb == b"RCPT" and sent.startswith(b"2"):
                rcpts.append(line[len(b"RCPT TO:") : -2])
            if verb == b"DATA" and not self.reads_data:
                await asyncio.Event().wait()
            if verb == b"DATA" and sent.startswith(b"354"):
                data = await self._read(reader)
                self.taken.append(Taken(mail=mail, rcpts=rcpts, data=data))
                for _ in rcpts if is_lmtp else "1":
                    await self._answer(writer, b".", b"250 2.0.0 Taken\r\n")
            if verb == b"QUIT":
                return

    async def _answer(self, writer: asyncio.StreamWriter, verb: bytes, usual: bytes) -> bytes:
        answer = self.script[verb].popleft() if self.script[verb] else usual
        if answer == Sink.DROP:
            raise ConnectionError
        if answer == Sink.HANG:
            await asyncio.Event().wait()
        writer.write(answer)
        return answer

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        lines = []
        while (line := await reader.readuntil(b"\r\n")) != b".\r\n":
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)


@dataclass
class Client:
    """Sends exactly what it is told."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    heard: list[str] = field(default_factory=list)
    """Every reply so far."""

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def reply(self) -> str:
        """The next reply, its lines joined by ``/``; ``closed`` at the end."""
        lines = []
        async with asyncio.timeout(PATIENCE_S):
            try:
                while line := await self.reader.readline():
                    lines.append(line.decode("latin-1").rstrip("\r\n"))
                    if line[3:4] != b"-":
                        break
            except ConnectionError:
                pass
        self.heard.append("/".join(lines) or "closed")
        return self.heard[-1]

    async def ask(self, command: bytes) -> str:
        await self.send(command + b"\r\n")
        return await self.reply()

    async def begin(
        self,
        mail: bytes = b"<ana@elmpark.example>",
        *rcpts: bytes,
    ) -> list[str]:
        """Greeting, EHLO, MAIL and RCPTs: the replies to the latter two."""
        await self.reply()
        await self.ask(b"EHLO client.example")
        replies = [await self.ask(b"MAIL FROM:" + mail)]
        for rcpt in rcpts or (b"<ben@elmpark.example>",):
            replies.append(await self.ask(b"RCPT TO:" + rcpt))
        return replies

    async def data(self, content: bytes) -> str:
        """DATA with `content`, dot-stuffed the slow way, and the final reply."""
        assert (await self.ask(b"DATA")).startswith("354")
        lines = content.split(b"\r\n")
        stuffed = b"\r\n".join(b"." + li if li.startswith(b".") else li for li in lines)
        await self.send(stuffed + b".\r\n")
        return await self.reply()

    async def half_close(self) -> None:
        self.writer.write_eof()

    def reset(self) -> None:
        """Break the connection with RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def close(self) -> None:
        self.writer.close()


async def relay_all(transaction: Transaction, delivery: Delivery) -> Replies:
    answers = await delivery.data(b"", transaction.raw)
    return answers if transaction.session.protocol == "lmtp" else answers[:1]


async def always_room() -> bool:
    return True


@dataclass
class Relay:
    """A running RelayServer, and what it handed on."""

    server: RelayServer
    port: int
    path: Path | None
    """Of its Unix socket, if it has one."""

    next_hop: SmtpNextHop
    received: list[Transaction]


async def run_relay(
    folder: Path,
    sink_port: int,
    *,
    receive: Any = relay_all,
    has_room: Any = always_room,
    clients: tuple[str, ...] = ("127.0.0.0/8",),
    next_hop: SmtpNextHop | None = None,
    logins: SmtpNextHop | None = None,
    host: str = "127.0.0.1",
    admit: Any = admit_nothing,
    lost: Any = forget,
    takes: Any = take_nothing,
    origin: Origin = Origin.ANY,
    path: Path | None = None,
    **settings: Any,
) -> Relay:
    received: list[Transaction] = []

    async def noting(transaction: Transaction, delivery: Delivery) -> Replies:
        received.append(transaction)
        return await receive(transaction, delivery)

    hop = next_hop or SmtpNextHop(
        "127.0.0.1",
        sink_port,
        hostname="mg.elmpark.example",
        timeouts=Timeouts(connect=5, command=5, final=5),
    )
    server = RelayServer(
        ListenerSettings(
            name="mail",
            origin=origin,
            hostname="mg.elmpark.example",
            school=School(name="Elm Park Primary", domains=frozenset({"elmpark.example"})),
            clients=tuple(ipaddress.ip_network(client) for client in clients),
            temporary=folder,
            **settings,
        ),
        receive=noting,
        next_hop=hop,
        clock=FakeClock(),
        has_room=has_room,
        logins=logins,
        admit=admit,
        lost=lost,
        takes=takes,
    )
    sock = listen_unix(path) if path else listen(host, 0)
    await server.start([sock])
    port = 0 if path else sock.getsockname()[1]
    return Relay(server=server, port=port, path=path, next_hop=hop, received=received)


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    sink = Sink()
    await sink.start()
    yield sink
    await sink.stop()


@pytest.fixture
async def start_relay(sink: Sink, tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Relay]]]:
    running: list[Relay] = []

    async def start(**options: Any) -> Relay:
        running.append(await run_relay(tmp_path, sink.port, **options))
        return running[-1]

    yield start
    for relay in running:
        await relay.server.stop(grace_s=0)
        await relay.next_hop.close()


async def open_client(port: int, host: str = "127.0.0.1") -> Client:
    return Client(*await asyncio.open_connection(host, port, limit=1 << 20))


@pytest.fixture
async def connect() -> AsyncIterator[Callable[..., Awaitable[Client]]]:
    clients: list[Client] = []

    async def connect_to(relay: Relay, host: str = "127.0.0.1") -> Client:
        if relay.path:
            clients.append(Client(*await asyncio.open_unix_connection(relay.path)))
        else:
            clients.append(await open_client(relay.port, host))
        return clients[-1]

    yield connect_to
    for client in clients:
        client.writer.transport.abort()


@pytest.fixture(scope="module")
def round_trip(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    """Send one message through a relay: the MAIL, RCPT and final replies, and what arrived.

    One loop for a whole module, so that hypothesis can use it.
    """
    loop = uvloop.new_event_loop()
    sink = Sink()

    async def begin() -> dict[BareNewline, Client]:
        await sink.start()
        clients = {}
        for bare in BareNewline:
            folder = tmp_path_factory.mktemp("relay")
            relay = await run_relay(
                folder,
                sink.port,
                bare_newline=bare,
                limits=Limits(errors=10**6, idle_commands=10**6),
            )
            relays.append(relay)
            clients[bare] = await open_client(relay.port)
            await clients[bare].reply()
            await clients[bare].ask(b"EHLO client.example")
        return clients

    async def send(
        content: bytes,
        mail: bytes = b"<ana@elmpark.example>",
        rcpt: bytes = b"<ben@elmpark.example>",
        bare: BareNewline = BareNewline.REFUSE,
    ) -> tuple[str, Taken | None]:
        client = clients[bare]
        sink.taken.clear()
        assert (await client.ask(b"MAIL FROM:" + mail)).startswith("250")
        assert (await client.ask(b"RCPT TO:" + rcpt)).startswith("250")
        reply = await client.data(content)
        return reply, sink.taken[0] if sink.taken else None

    async def end() -> None:
        for client in clients.values():
            client.close()
        for relay in relays:
            await relay.server.stop(grace_s=1)
            await relay.next_hop.close()
        await sink.stop()

    relays: list[Relay] = []
    clients = loop.run_until_complete(begin())
    yield lambda *args, **options: loop.run_until_complete(send(*args, **options))
    loop.run_until_complete(end())
    loop.close()


@pytest.fixture(scope="module")
def say_lines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Say some lines on a new connection, in pieces; the replies, one for each line."""
    loop = uvloop.new_event_loop()
    sink = Sink(keywords=("PIPELINING", "AUTH PLAIN", "XFORWARD NAME ADDR"))
    folder = tmp_path_factory.mktemp("forgery")
    pem = make_certificate(folder / "mg.pem")
    relays: dict[bool, Relay] = {}

    async def begin() -> None:
        await sink.start()
        for passes_auth in (False, True):
            relays[passes_auth] = await run_relay(
                folder,
                sink.port,
                clients=("10.0.0.0/8",),
                public=True,
                xforward_from=LOOPBACK,
                passes_auth=passes_auth,
                tls=ListenerTls.MAY,
                certificate=Certificate(pem, pem),
                limits=Limits(errors=10**6, idle_commands=10**6),
            )
            await relays[passes_auth].next_hop.probe()

    async def say(lines: list[bytes], cut: int, passes_auth: bool) -> tuple[list[str], Any]:
        client = await open_client(relays[passes_auth].port)
        greeting = await client.reply()
        assert greeting.startswith("220")
        wire = b"".join(line + b"\r\n" for line in lines)
        for start in range(0, len(wire), cut):
            await client.send(wire[start : start + cut])
        replies = [await client.reply() for _ in lines]
        client.close()
        return replies, sink

    loop.run_until_complete(begin())
    yield lambda *args: loop.run_until_complete(say(*args))
    for relay in relays.values():
        loop.run_until_complete(relay.server.stop(grace_s=1))
        loop.run_until_complete(relay.next_hop.close())
    loop.run_until_complete(sink.stop())
    loop.close()


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Let the loop run until a condition holds."""

    async def wait(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await asyncio.sleep(0.001)

    return wait
