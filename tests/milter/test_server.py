"""A milter on real sockets: many mail servers, signs of life, faults, limits and its end."""

import asyncio
import errno
import io
import os
import socket
import stat
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mailguard.flow.advise import Advice
from mailguard.mail.reply import REFUSED
from mailguard.milter.server import MilterServer, listen_unix
from mailguard.testing import mail, path
from mailguard.testing.fakes import FakeClock
from mailguard.testing.milter import (
    MilterClient,
    content,
    envelope,
    frame,
    negotiation,
    settings_of,
)

BEN = b"<ben@elmpark.example>"
Start = Callable[..., Awaitable[Any]]


def ask_once(client: MilterClient) -> list[tuple[bytes, bytes]]:
    client.greet()
    return client.ask(mail(), to=[BEN])


@pytest.mark.parametrize(
    ("advice", "expected"),
    [
        (Advice(), [(b"a", b"")]),
        (Advice(discard=True), [(b"d", b"")]),
        (
            Advice(without=(path("ben@elmpark.example"),)),
            [(b"-", b"<ben@elmpark.example>\0"), (b"a", b"")],
        ),
        (Advice(refusal=REFUSED), [(b"y", b"554 5.7.1 Message refused by school policy\0")]),
        (Advice(removes_key=True), [(b"m", b"\0\0\0\x01X-MailGuard-Release\0\0"), (b"a", b"")]),
        (Advice(removes_key=True, discard=True), [(b"d", b"")]),
    ],
    ids=[
        "deliver",
        "discard",
        "deliver to the others",
        "refuse",
        "deliver without a key",
        "discard with its key",
    ],
)
async def test_the_advice_is_what_the_mail_server_reads(
    start_milter: Start, adviser: Any, advice: Advice, expected: list[tuple[bytes, bytes]]
) -> None:
    adviser.advice = advice
    running = await start_milter()

    answer = await running.talk(ask_once)

    assert answer == expected
    assert adviser.bytes_of(0) == mail()
    assert adviser.told == [True]


async def test_many_messages_come_over_one_connection(start_milter: Start, adviser: Any) -> None:
    running = await start_milter()

    def talk(client: MilterClient) -> None:
        client.greet()
        for number in range(50):
            assert client.ask(mail(f"number {number}"), to=[BEN]) == [(b"a", b"")]

    await running.talk(talk)

    assert [adviser.bytes_of(n) for n in range(50)] == [mail(f"number {n}") for n in range(50)]


async def test_many_mail_servers_are_answered_at_once(start_milter: Start, adviser: Any) -> None:
    running, everyone = await start_milter(), asyncio.Event()

    async def wait() -> None:
        # Nobody is answered before all have asked.
        if len(adviser.asked) == 150:
            everyone.set()
        await everyone.wait()

    adviser.wait = wait

    async def ask(number: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(
            negotiation()
            + frame(b"C", b"x\x00U")
            + envelope(b"<>", [b"<r%d@elmpark.example>" % number])
            + content(mail(f"number {number}"))
        )
        await reader.readexactly(struct.unpack("!I", await reader.readexactly(4))[0])
        answer = await reader.readexactly(5)
        writer.close()
        return answer

    answers = await asyncio.wait_for(asyncio.gather(*map(ask, range(150))), 20)

    assert set(answers) == {frame(b"a")}
    arrived = {(t.envelope.recipients[0].address, t.raw.size) for t in adviser.asked}
    assert len({address for address, _ in arrived}) == 150


async def test_connections_beyond_the_limit_are_closed_until_one_ends(
    start_milter: Start, adviser: Any
) -> None:
    running = await start_milter(connections=1)

    def talk(first: MilterClient) -> bool:
        first.greet()
        with MilterClient(("127.0.0.1", running.port)) as second:
            return second.is_closed()

    assert await running.talk(talk)
    while running.server.is_busy:
        await asyncio.sleep(0)
    assert await running.talk(ask_once) == [(b"a", b"")]


async def test_a_stranger_is_not_let_in(start_milter: Start, adviser: Any) -> None:
    running = await start_milter(servers=())

    assert await running.talk(lambda client: client.is_closed())


async def test_signs_of_life_are_given_while_a_message_is_judged(
    start_milter: Start, adviser: Any
) -> None:
    running, judged = await start_milter(progress_s=0.01), asyncio.Event()
    adviser.wait = judged.wait
    loop = asyncio.get_running_loop()

    def talk(client: MilterClient) -> tuple[bytes, list[tuple[bytes, bytes]]]:
        client.greet()
        client.send(envelope(b"<>", [BEN]), content(mail()))
        signs = client.read()[0] + client.read()[0] + client.read()[0]
        loop.call_soon_threadsafe(judged.set)
        return signs, client.answer()

    assert await running.talk(talk) == (b"ppp", [(b"a", b"")])


async def test_no_sign_of_life_comes_after_the_answer(start_milter: Start, adviser: Any) -> None:
    running = await start_milter(progress_s=0.02)

    def talk(client: MilterClient) -> None:
        client.greet()
        client.ask(mail(), to=[BEN])
        client.wire.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.read()

    await running.talk(talk)


async def test_a_fault_is_451_and_the_connection_goes_on(start_milter: Start, adviser: Any) -> None:
    running = await start_milter()
    adviser.error = RuntimeError("unthought of")

    def talk(client: MilterClient) -> list[list[tuple[bytes, bytes]]]:
        client.greet()
        first = client.ask(mail(), to=[BEN])
        adviser.error = None
        return [first, client.ask(mail(), to=[BEN])]

    first, second = await running.talk(talk)

    assert first[0][0] == b"y"
    assert first[0][1].startswith(b"451 4.3.0 ")
    assert second == [(b"a", b"")]


@pytest.mark.parametrize(
    "nonsense",
    [
        b"EHLO client.example\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0\0\0\0",
        frame(b"E"),
        negotiation() + frame(b"C", b"no end"),
        negotiation() + negotiation(),
    ],
    ids=["SMTP", "HTTP", "no length", "no negotiation", "bad client", "twice"],
)
async def test_nonsense_ends_only_its_own_connection(
    start_milter: Start, adviser: Any, nonsense: bytes
) -> None:
    running = await start_milter()

    def talk(client: MilterClient) -> tuple[bool, list[tuple[bytes, bytes]]]:
        with MilterClient(("127.0.0.1", running.port)) as other:
            client.greet()
            other.send(nonsense)
            return other.is_closed(), client.ask(mail(), to=[BEN])

    assert await running.talk(talk) == (True, [(b"a", b"")])


async def test_a_mail_server_that_says_nothing_is_let_go(start_milter: Start, adviser: Any) -> None:
    running = await start_milter(idle_s=0.1)

    assert await running.talk(lambda client: client.is_closed())


async def test_a_mail_server_is_not_let_go_while_its_message_is_judged(
    start_milter: Start, adviser: Any
) -> None:
    running = await start_milter(idle_s=0.05, progress_s=0.1)
    judged = asyncio.Event()
    adviser.wait = judged.wait
    loop = asyncio.get_running_loop()

    def talk(client: MilterClient) -> list[tuple[bytes, bytes]]:
        client.greet()
        client.send(envelope(b"<>", [BEN]), content(mail()))
        assert client.read()[0] + client.read()[0] == b"pp"
        loop.call_soon_threadsafe(judged.set)
        return client.answer()

    assert await running.talk(talk) == [(b"a", b"")]


@pytest.mark.parametrize(
    "goodbye", [b"", frame(b"A"), frame(b"Q")], ids=["closes", "abort", "quit"]
)
async def test_a_mail_server_that_gives_up_is_not_answered(
    start_milter: Start, adviser: Any, goodbye: bytes
) -> None:
    running, judged = await start_milter(), asyncio.Event()
    adviser.wait, adviser.advice = judged.wait, Advice(discard=True, held_id="HELD")

    def talk(client: MilterClient) -> None:
        client.greet()
        client.send(envelope(b"<>", [BEN]), content(mail()), goodbye)

    await running.talk(talk)
    while not adviser.asked:
        await asyncio.sleep(0)
    judged.set()
    while not adviser.told:
        await asyncio.sleep(0)

    assert adviser.told == [False]


async def test_after_an_abort_while_judging_the_next_message_is_taken(
    start_milter: Start, adviser: Any
) -> None:
    running, judged = await start_milter(), asyncio.Event()
    adviser.wait = judged.wait
    loop = asyncio.get_running_loop()

    def talk(client: MilterClient) -> list[tuple[bytes, bytes]]:
        client.greet()
        client.send(envelope(b"<>", [BEN]), content(mail("first")), frame(b"A"))
        client.send(envelope(b"<>", [BEN]), content(mail("second")))
        loop.call_soon_threadsafe(judged.set)
        return client.answer()

    assert await running.talk(talk) == [(b"a", b"")]
    assert [adviser.bytes_of(n) for n in range(2)] == [mail("first"), mail("second")]
    assert adviser.told == [False, True]


async def test_talk_without_end_while_judging_ends_the_connection(
    start_milter: Start, adviser: Any
) -> None:
    running, judged = await start_milter(), asyncio.Event()
    adviser.wait = judged.wait

    def talk(client: MilterClient) -> None:
        client.greet()
        client.send(envelope(b"<>", [BEN]), content(mail()))
        with pytest.raises(OSError):
            while True:
                client.send(b"x" * 65536)

    await running.talk(talk)
    judged.set()


async def test_an_answer_that_nothing_followed_is_a_dup_risk(
    start_milter: Start, adviser: Any, log_lines: io.StringIO
) -> None:
    running, start = await start_milter(), log_lines.tell()
    adviser.advice = Advice(discard=True, held_id="HELD1")

    await running.talk(ask_once)
    while running.server.is_busy:
        await asyncio.sleep(0)

    assert "event=dup_risk" in log_lines.getvalue()[start:]
    assert "held_id=HELD1" in log_lines.getvalue()[start:]


async def test_an_answer_that_was_followed_by_quit_is_none(
    start_milter: Start, adviser: Any, log_lines: io.StringIO
) -> None:
    running, start = await start_milter(), log_lines.tell()
    adviser.advice = Advice(discard=True, held_id="HELD1")

    def talk(client: MilterClient) -> None:
        ask_once(client)
        client.send(frame(b"Q"))
        assert client.is_closed()

    await running.talk(talk)

    assert "event=dup_risk" not in log_lines.getvalue()[start:]


async def test_a_mail_server_that_vanishes_amid_a_message_is_written_down(
    start_milter: Start, adviser: Any, log_lines: io.StringIO
) -> None:
    running, start = await start_milter(), log_lines.tell()

    def talk(client: MilterClient) -> None:
        client.greet()
        client.send(envelope(b"<>", [BEN]))

    await running.talk(talk)
    while running.server.is_busy:
        await asyncio.sleep(0)

    assert "event=lost_client" in log_lines.getvalue()[start:]
    assert adviser.asked == []


# The end


async def test_stopping_closes_idle_connections_and_answers_what_is_under_way(
    start_milter: Start, adviser: Any
) -> None:
    running, judged = await start_milter(), asyncio.Event()
    adviser.wait = judged.wait
    loop = asyncio.get_running_loop()
    stopped: list[int] = []

    async def stop() -> None:
        # Longer than a client waits here: it is not the end of the grace that closes.
        stopped.append(await running.server.stop(60))

    def talk(busy: MilterClient) -> tuple[bool, list[tuple[bytes, bytes]], bool]:
        with MilterClient(("127.0.0.1", running.port)) as idle:
            idle.greet()
            busy.greet()
            busy.send(envelope(b"<>", [BEN]), content(mail()))
            while not adviser.asked:
                pass
            asyncio.run_coroutine_threadsafe(stop(), loop)
            is_closed = idle.is_closed()
            loop.call_soon_threadsafe(judged.set)
            return is_closed, busy.answer(), busy.is_closed()

    assert await running.talk(talk) == (True, [(b"a", b"")], True)
    while not stopped:
        await asyncio.sleep(0)
    assert stopped == [0]


async def test_stopping_closes_a_connection_whose_message_is_aborted(
    start_milter: Start, adviser: Any
) -> None:
    running = await start_milter()
    loop = asyncio.get_running_loop()
    stops: list[asyncio.Future[int]] = []

    def talk(client: MilterClient) -> bool:
        client.greet()
        client.send(envelope(b"<>", [BEN]))
        with MilterClient(("127.0.0.1", running.port)) as idle:
            idle.greet()
            loop.call_soon_threadsafe(
                lambda: stops.append(asyncio.ensure_future(running.server.stop(60)))
            )
            assert idle.is_closed()
        client.send(frame(b"A"))
        return client.is_closed()

    assert await running.talk(talk)
    assert await stops[0] == 0


async def test_stopping_does_not_wait_for_ever(start_milter: Start, adviser: Any) -> None:
    running = await start_milter()
    judged = asyncio.Event()
    adviser.wait = judged.wait

    def talk(client: MilterClient) -> None:
        client.greet()
        client.send(envelope(b"<>", [BEN]), content(mail()))
        while not adviser.asked:
            pass

    await running.talk(talk)

    assert await running.server.stop(0.05) == 1
    judged.set()


# Unix sockets


async def test_a_unix_socket_is_asked_like_any_other(adviser: Any, tmp_path: Path) -> None:
    server = MilterServer(settings_of(servers=()), advise=adviser, clock=FakeClock())
    await server.start([listen_unix(tmp_path / "milter")])

    def talk() -> list[tuple[bytes, bytes]]:
        with MilterClient(str(tmp_path / "milter")) as client:
            return ask_once(client)

    assert await asyncio.to_thread(talk) == [(b"a", b"")]
    assert adviser.asked[0].session.via == ""
    await server.stop(1)


def test_a_unix_socket_is_for_its_folders_group_only(tmp_path: Path) -> None:
    group = os.getgroups()[-1] if os.geteuid() else 65534
    os.chown(tmp_path, -1, group)

    with listen_unix(tmp_path / "milter"):
        found = (tmp_path / "milter").stat()

    assert stat.S_IMODE(found.st_mode) == 0o660
    assert found.st_gid == group


def test_a_socket_that_a_stopped_process_left_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "milter"))

    with listen_unix(tmp_path / "milter"), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "milter"))


def test_a_socket_that_somebody_answers_is_left_alone(tmp_path: Path) -> None:
    with listen_unix(tmp_path / "milter"), pytest.raises(OSError) as error:
        listen_unix(tmp_path / "milter")

    assert error.value.errno == errno.EADDRINUSE


def test_a_file_of_that_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "milter").write_text("mine")

    with pytest.raises(OSError):
        listen_unix(tmp_path / "milter")

    assert (tmp_path / "milter").read_text() == "mine"
