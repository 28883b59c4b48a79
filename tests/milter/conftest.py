"""A dialogue without sockets, and a milter server with sockets but without a judge."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from mailguard.flow.advise import Advice, Give
from mailguard.mail.envelope import Transaction
from mailguard.mail.raw import Raw
from mailguard.milter.dialogue import Dialogue
from mailguard.milter.server import MilterServer
from mailguard.smtp.server import listen
from mailguard.testing.fakes import FakeClock
from mailguard.testing.milter import MilterClient, settings_of


@pytest.fixture
def make_dialogue() -> Callable[..., Dialogue]:
    def make(**options: Any) -> Dialogue:
        return Dialogue(settings_of(**options), FakeClock(), via="127.0.0.1")

    return make


@dataclass
class Adviser:
    """Gives one advice for every message, perhaps only after something."""

    advice: Advice = field(default_factory=Advice)
    choose: Callable[[Transaction], Advice] | None = None
    """Where each message gets an advice of its own."""

    asked: list[Transaction] = field(default_factory=list)
    told: list[bool] = field(default_factory=list)
    """Whether the mail server was still there, for each message."""

    wait: Callable[[], Awaitable[object]] | None = None
    error: Exception | None = None

    async def __call__(self, transaction: Transaction, give: Give) -> None:
        self.asked.append(transaction)
        if self.wait is not None:
            await self.wait()
        if self.error is not None:
            raise self.error
        self.told.append(give(self.choose(transaction) if self.choose else self.advice))

    def bytes_of(self, number: int) -> bytes:
        raw: Raw = self.asked[number].raw
        return raw.head(raw.size)


@pytest.fixture
def adviser() -> Adviser:
    return Adviser()


@dataclass
class Running:
    """A server under test, whose client runs in a thread."""

    server: MilterServer
    port: int
    adviser: Adviser

    async def talk(self, talk: Callable[[MilterClient], Any]) -> Any:
        """Open a connection and let `talk` use it, beside the loop."""

        def run() -> Any:
            with MilterClient(("127.0.0.1", self.port)) as client:
                return talk(client)

        return await asyncio.to_thread(run)


@pytest.fixture
async def start_milter(adviser: Adviser) -> AsyncIterator[Callable[..., Awaitable[Running]]]:
    servers: list[MilterServer] = []

    async def start(**options: Any) -> Running:
        server = MilterServer(settings_of(**options), advise=adviser, clock=FakeClock())
        sock = listen("127.0.0.1", 0)
        port = sock.getsockname()[1]
        await server.start([sock])
        servers.append(server)
        return Running(server=server, port=port, adviser=adviser)

    yield start
    for server in servers:
        await server.stop(2)
