"""Asking one of our own milters about a self-test, and what is said when that does not work."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mailguard.flow.advise import Advice
from mailguard.flow.canary import NOT_OURS, compose_test, is_test
from mailguard.mail.canary import Sort
from mailguard.milter import canary
from mailguard.milter.canary import ask_test
from mailguard.milter.server import MilterServer, listen_unix
from mailguard.testing import NOON
from mailguard.testing.fakes import FakeClock
from mailguard.testing.milter import settings_of

SENDER = "bad.1.2.3@canary.mailguard.invalid"
RAW = compose_test(Sort.BAD, SENDER, "3", NOON)
Start = Callable[..., Awaitable[Any]]


@pytest.mark.parametrize("advice", [Advice(), Advice(discard=True)], ids=["deliver", "discard"])
async def test_it_is_asked_about_byte_for_byte_and_any_answer_but_a_refusal_is_well(
    start_milter: Start, adviser: Any, advice: Advice
) -> None:
    adviser.advice = advice
    running = await start_milter(progress_s=0.01)
    adviser.wait = lambda: asyncio.sleep(0.05)

    problem = await ask_test(("0.0.0.0", running.port), "mg.example", SENDER, RAW)

    assert problem == ""
    assert is_test(adviser.asked[0])
    assert adviser.bytes_of(0) == RAW


async def test_a_milter_that_removes_keys_is_asked_as_well(
    start_milter: Start, adviser: Any
) -> None:
    running = await start_milter(removes_keys=True)

    assert await ask_test(("127.0.0.1", running.port), "mg.example", SENDER, RAW) == ""
    assert len(adviser.asked) == 1


async def test_it_is_asked_about_through_a_unix_socket(adviser: Any, tmp_path: Path) -> None:
    server = MilterServer(settings_of(), advise=adviser, clock=FakeClock())
    await server.start([listen_unix(tmp_path / "milter")])

    problem = await ask_test(str(tmp_path / "milter"), "mg.example", SENDER, RAW)
    await server.stop(2)

    assert problem == ""
    assert len(adviser.asked) == 1


async def test_a_refusal_is_quoted(start_milter: Start, adviser: Any) -> None:
    adviser.advice = Advice(refusal=NOT_OURS)
    running = await start_milter()

    problem = await ask_test(("127.0.0.1", running.port), "mg.example", SENDER, RAW)

    assert problem == (
        "It answered a message of the self-test with 550 5.7.1 Not a test of this installation."
    )


async def test_a_milter_that_this_machine_may_not_ask_is_said(start_milter: Start) -> None:
    running = await start_milter(servers=())

    problem = await ask_test(("127.0.0.1", running.port), "mg.example", SENDER, RAW)

    assert "closed the connection: may this machine ask it (milter_from)" in problem


@pytest.mark.parametrize("where", ["port", "path"])
async def test_nobody_there_is_said(where: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = taken.getsockname() if where == "port" else str(tmp_path / "gone")

        problem = await ask_test(address, "mg.example", SENDER, RAW)

    assert problem.startswith("Nothing accepts connections on ")


@pytest.mark.parametrize(
    ("greeting", "expected"),
    [
        (b"220 mail.example\r\n", "is no milter"),
        (b"\0\0\0\x0dO\0\0\0\x06\0\0\0\0\0\0\0\0", "does not agree"),
        (b"", "No answer within"),
    ],
    ids=["a mail server", "another milter", "silence"],
)
async def test_something_else_there_is_said(
    monkeypatch: pytest.MonkeyPatch, greeting: bytes, expected: str
) -> None:
    monkeypatch.setattr(canary, "PATIENCE_S", 0.3)

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)

    problem = await ask_test(server.sockets[0].getsockname(), "mg.example", SENDER, RAW)
    server.close()

    assert expected in problem
