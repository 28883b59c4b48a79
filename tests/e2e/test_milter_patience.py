"""Postfix waits for a milter that takes long but gives signs of life, and for no other."""

import asyncio
import os
import shutil
import smtplib
from collections.abc import AsyncIterator

import pytest

from mailguard.flow.advise import Advice, Give
from mailguard.mail.envelope import Transaction
from mailguard.milter.server import MilterServer
from mailguard.service.compose import SystemClock
from mailguard.smtp.server import listen
from mailguard.testing import mail
from mailguard.testing.milter import settings_of
from mailguard.testing.postfix import Postfix
from mailguard.testing.service import free_port
from mailguard.testing.sink import Sink

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("postfix") is None, reason="Postfix is not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="Postfix is started by root"),
]

PATIENCE_S = 2
"""Of Postfix, between signs of life."""


class SlowAdviser:
    """Takes its time, then says that the message may go on."""

    def __init__(self) -> None:
        self.told: list[bool] = []
        self.done = asyncio.Event()

    async def __call__(self, transaction: Transaction, give: Give) -> None:
        # The time itself is what is tested.
        await asyncio.sleep(2 * PATIENCE_S)
        self.told.append(give(Advice()))
        self.done.set()


@pytest.fixture
async def postfix(sink: Sink) -> AsyncIterator[Postfix]:
    port = free_port()
    postfix = Postfix(
        proxy=free_port(), relay=sink.port, milter=f"inet:127.0.0.1:{port}", patience=PATIENCE_S
    )
    await asyncio.to_thread(postfix.start)
    yield postfix
    await asyncio.to_thread(postfix.stop)


@pytest.mark.parametrize(
    ("progress_s", "code", "is_told"),
    [(0.5, 250, True), (60.0, 451, False)],
    ids=["with signs of life", "without"],
)
async def test_postfix_waits_for_a_milter_that_gives_signs_of_life(
    postfix: Postfix, progress_s: float, code: int, is_told: bool
) -> None:
    adviser = SlowAdviser()
    settings = settings_of(progress_s=progress_s)
    server = MilterServer(settings, advise=adviser, clock=SystemClock())
    await server.start([listen("127.0.0.1", int(postfix.milter.rpartition(":")[2]))])

    def send() -> int:
        with smtplib.SMTP("127.0.0.1", postfix.asking, timeout=30) as client:
            client.ehlo("client.example")
            client.mail("ana@elmpark.example")
            client.rcpt("ben@elmpark.example")
            return client.data(mail())[0]

    heard = await asyncio.to_thread(send)

    await asyncio.wait_for(adviser.done.wait(), 20)
    assert heard == code
    assert adviser.told == [is_told]
    await server.stop(5)
