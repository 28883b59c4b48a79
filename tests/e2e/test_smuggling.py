"""SMTP smuggling: no sequence makes one message two, whatever the next hop takes for an end.

The next hops are a Postfix that is told to be lax, and Postfix's smtp-sink, which is lax by itself.
"""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailguard.smtp.limits import BareNewline
from mailguard.testing.postfix import Postfix
from mailguard.testing.service import free_port, wait_until

from ..smtp.conftest import Client, Relay, open_client, run_relay

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("postfix") is None, reason="Postfix is not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="Postfix is started by root"),
]

SEQUENCES = {
    "LF . LF": b"\n.\n",
    "LF . CRLF": b"\n.\r\n",
    "LF . CR": b"\n.\r",
    "CR . CR": b"\r.\r",
    "CR . LF": b"\r.\n",
    "CR . CRLF": b"\r.\r\n",
    "CRLF . LF": b"\r\n.\n",
    "CRLF . CR": b"\r\n.\r",
    "CRLF NUL . CRLF": b"\r\n\x00.\r\n",
    "CRLF . NUL CRLF": b"\r\n.\x00\r\n",
    "CRLF . CR CRLF": b"\r\n.\r\r\n",
    "LF CR . CRLF": b"\n\r.\r\n",
    "LF CR . LF CR": b"\n\r.\n\r",
    "CRLF LF . CRLF": b"\r\n\n.\r\n",
    "CRLF . . CRLF": b"\r\n..\r\n",
    "CRLF . space CRLF": b"\r\n. \r\n",
}
"""What some server has taken, or sent on, as the end of data, and what comes near."""

EXTRA = """
smtpd_forbid_bare_newline = no
smtpd_forbid_unauth_pipelining = no
"""

SENDER = b"<ana@elmpark.example>"
HIDDEN = (
    b"MAIL FROM:<head@elmpark.example>\r\nRCPT TO:<ben@elmpark.example>\r\n"
    b"DATA\r\nSubject: hidden\r\n\r\nnever said\r\n"
)


@dataclass
class NextHop:
    """A mail server, and how many messages it has got."""

    port: int
    count: Callable[[], int]
    reaches: Callable[[int], None]
    """Wait until it has got so many."""


@pytest.fixture(scope="module")
def postfix() -> Iterator[NextHop]:
    postfix = Postfix(proxy=free_port(), relay=free_port(), extra=EXTRA)
    postfix.start()

    def count() -> int:
        return postfix.log.count("/cleanup[")

    yield NextHop(
        port=postfix.back, count=count, reaches=lambda n: wait_until(lambda: count() >= n, 20)
    )
    postfix.stop()


@pytest.fixture(scope="module")
def smtp_sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NextHop]:
    folder, port = tmp_path_factory.mktemp("sink"), free_port()
    words = ["smtp-sink", "-u", "root", "-d", f"{folder}/%M.", f"127.0.0.1:{port}", "100"]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL)

    def count() -> int:
        return sum(1 for _ in folder.iterdir())

    wait_until(lambda: _answers(port))
    yield NextHop(port=port, count=count, reaches=lambda n: wait_until(lambda: count() >= n))
    process.terminate()
    process.wait(10)


def _answers(port: int) -> bool:
    async def ask() -> bool:
        try:
            client = await open_client(port)
        except OSError:
            return False
        greeting = await client.reply()
        client.close()
        return greeting.startswith("220")

    return asyncio.run(ask())


async def smuggle(port: int, sequence: bytes) -> tuple[str, list[str]]:
    """Send a message in which `sequence` hides another one; the reply, and what was said after."""
    client = await open_client(port)
    replies = await client.begin(SENDER)
    assert [reply[:3] for reply in replies] == ["250", "250"]
    assert (await client.ask(b"DATA")).startswith("354")
    await client.send(b"Subject: seen\r\n\r\nfirst" + sequence + HIDDEN + b".\r\nQUIT\r\n")
    reply = await client.reply()
    return reply, await _rest(client)


async def _rest(client: Client) -> list[str]:
    said = []
    while (reply := await client.reply()) != "closed":
        said.append(reply)
    client.close()
    return said


async def through(hop: NextHop, folder: Path, mode: BareNewline) -> dict[str, tuple[str, int, int]]:
    """For each sequence: the reply, how many messages arrived, and how many replies came after."""
    relay: Relay = await run_relay(folder, hop.port, bare_newline=mode)
    found = {}
    try:
        for name, sequence in SEQUENCES.items():
            before = hop.count()
            reply, said = await smuggle(relay.port, sequence)
            if reply.startswith("250"):
                await asyncio.to_thread(hop.reaches, before + 1)
            # A second one would have come by the time that a third has.
            mark = await open_client(relay.port)
            await mark.begin(SENDER)
            assert (await mark.data(b"Subject: mark\r\n")).startswith("250")
            mark.close()
            taken = reply.startswith("250")
            await asyncio.to_thread(hop.reaches, before + taken + 1)
            found[name] = (reply, hop.count() - before - 1, len(said))
    finally:
        await relay.server.stop(grace_s=1)
        await relay.next_hop.close()
    return found


@pytest.mark.parametrize("mode", BareNewline)
@pytest.mark.parametrize("kind", ["postfix", "smtp_sink"])
def test_no_sequence_smuggles_a_message_through_us(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, mode: BareNewline
) -> None:
    hop: NextHop = request.getfixturevalue(kind)

    found = asyncio.run(through(hop, tmp_path, mode))

    for name, (reply, arrived, said) in found.items():
        sequence = SEQUENCES[name]
        without_pairs = sequence.replace(b"\r\n", b"")
        is_bare = b"\r" in without_pairs or b"\n" in without_pairs
        if is_bare and mode is BareNewline.REFUSE:
            assert (reply[:9], arrived) == ("550 5.5.2", 0), name
        else:
            assert (reply[:3], arrived) == ("250", 1), name
        assert said == 1, name  # to QUIT, which was the next command


def test_without_us_the_lax_postfix_takes_one_for_two(postfix: NextHop) -> None:
    before = postfix.count()

    reply, said = asyncio.run(smuggle(postfix.port, b"\n.\r\n"))

    postfix.reaches(before + 2)
    assert reply.startswith("250")
    assert len(said) > 1


def test_a_true_end_of_data_after_a_bare_cr_is_one(postfix: NextHop, tmp_path: Path) -> None:
    """CR CRLF . CRLF ends the data for everybody: what follows is the client's own next message."""

    async def say() -> tuple[str, list[str]]:
        relay = await run_relay(tmp_path, postfix.port)
        try:
            return await smuggle(relay.port, b"\r\r\n.\r\n")
        finally:
            await relay.server.stop(grace_s=1)
            await relay.next_hop.close()

    before = postfix.count()
    reply, said = asyncio.run(say())

    postfix.reaches(before + 1)
    assert reply.startswith("550 5.5.2")
    assert [each[:3] for each in said] == ["250", "250", "354", "250", "221"]
    assert postfix.count() == before + 1
