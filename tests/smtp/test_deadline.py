"""Moving a deadline, earlier, later and away."""

import asyncio
from typing import Any

from mailguard.smtp.deadline import Deadline


async def test_it_expires_once(until: Any) -> None:
    expired: list[int] = []
    deadline = Deadline(asyncio.get_running_loop(), lambda: expired.append(1))

    deadline.set(0.01)
    await until(lambda: bool(expired))
    await asyncio.sleep(0.02)

    assert expired == [1]


async def test_it_can_be_moved_later_and_earlier(until: Any) -> None:
    loop = asyncio.get_running_loop()
    expired: list[float] = []
    deadline = Deadline(loop, lambda: expired.append(loop.time()))
    started = loop.time()

    deadline.set(0.01)
    deadline.set(60)
    deadline.set(0.05)
    await until(lambda: bool(expired))

    assert 0.045 < expired[0] - started < 5


async def test_cleared_it_does_not_expire_until_set_again(until: Any) -> None:
    expired: list[int] = []
    deadline = Deadline(asyncio.get_running_loop(), lambda: expired.append(1))

    deadline.set(0.01)
    deadline.clear()
    await asyncio.sleep(0.03)
    before = list(expired)
    deadline.set(0.01)
    await until(lambda: bool(expired))

    assert (before, expired) == ([], [1])


async def test_cancelled_it_never_expires() -> None:
    expired: list[int] = []
    deadline = Deadline(asyncio.get_running_loop(), lambda: expired.append(1))

    deadline.set(0.01)
    deadline.cancel()
    await asyncio.sleep(0.03)

    assert expired == []
