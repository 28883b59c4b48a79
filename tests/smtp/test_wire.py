"""When replies are written, and what is taken from the client."""

import asyncio
from typing import Any

import pytest

from mailguard.mail.reply import Reply
from mailguard.smtp.deadline import Deadline
from mailguard.smtp.wire import COMMAND_LENGTH, ClientGone, LineTooLong, Wire


class Writer:
    """Stands in for asyncio's StreamWriter and its transport: remembers what was done."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.is_reading = True
        self.transport = self

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True


@pytest.fixture
async def writer() -> Writer:
    return Writer()


@pytest.fixture
async def wire(writer: Any) -> Wire:
    loop = asyncio.get_running_loop()
    return Wire(writer, Deadline(loop, lambda: None), idle_s=60)


async def test_replies_to_a_pipelined_group_are_written_at_once(wire: Wire, writer: Writer) -> None:
    wire.feed(b"ONE\r\nTWO\r\nTHREE\r\nFO")

    lines = [await wire.line()]
    wire.send(Reply.of(250, "1"))
    lines.append(await wire.line())
    wire.send(Reply.of(250, "2"))
    lines.append(await wire.line())
    wire.send(Reply.of(250, "3"))
    before = list(writer.written)
    fourth = asyncio.create_task(wire.line())
    await asyncio.sleep(0)

    assert lines == [b"ONE\r\n", b"TWO\r\n", b"THREE\r\n"]
    assert (before, writer.written) == ([], [b"250 1\r\n250 2\r\n250 3\r\n"])
    wire.feed(b"UR\r\n")
    assert await fourth == b"FOUR\r\n"


async def test_a_line_may_come_byte_by_byte(wire: Wire) -> None:
    line = asyncio.create_task(wire.line())

    for byte in b"NOOP\r\n":
        await asyncio.sleep(0)
        wire.feed(bytes([byte]))

    assert await line == b"NOOP\r\n"


async def test_a_line_too_long_is_read_to_its_end_and_not_kept(wire: Wire) -> None:
    line = asyncio.create_task(wire.line())

    for _ in range(100):
        await asyncio.sleep(0)
        wire.feed(b"x" * COMMAND_LENGTH)
    wire.feed(b"\r\nNOOP\r\n")

    with pytest.raises(LineTooLong):
        await line
    assert await wire.line() == b"NOOP\r\n"


async def test_nothing_is_read_ahead_while_the_client_is_not_waited_for(
    wire: Wire, writer: Writer
) -> None:
    wire.feed(b"x" * 100_000)
    ahead = writer.is_reading

    block = await wire.block()
    more = asyncio.create_task(wire.block())
    await asyncio.sleep(0)

    assert (ahead, len(block), writer.is_reading) == (False, 100_000, True)
    wire.feed_end()
    with pytest.raises(ClientGone):
        await more


async def test_what_arrived_before_the_end_is_still_given_out(wire: Wire) -> None:
    wire.feed(b"QUIT\r\n")
    wire.feed_end()

    line = await wire.line()

    assert line == b"QUIT\r\n"
    with pytest.raises(ClientGone):
        await wire.line()


async def test_a_client_that_reads_no_reply_is_neither_obeyed_nor_read_further(
    wire: Wire, writer: Writer
) -> None:
    wire.hold()
    line = asyncio.create_task(wire.line())
    await asyncio.sleep(0)

    wire.feed(b"NOOP\r\n")
    await asyncio.sleep(0)
    before = (line.done(), writer.is_reading)
    wire.go_on()

    assert (before, await line) == ((False, False), b"NOOP\r\n")


async def test_what_follows_the_data_is_given_back(wire: Wire) -> None:
    wire.feed(b"content QUIT\r\n")

    await wire.block()
    wire.give_back(b"QUIT\r\n")

    assert await wire.line() == b"QUIT\r\n"
