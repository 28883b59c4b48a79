import asyncio
import os
import threading
from collections.abc import Callable

from mailguard.store.threads import Threads

Children = Callable[[Callable[[], int]], int]


def status_of(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


async def test_work_is_done_in_another_thread() -> None:
    threads = Threads(1, "worker")

    name = await threads.run(lambda: threading.current_thread().name)

    assert name.startswith("worker")
    threads.stop()


async def test_work_goes_on_when_its_caller_is_cancelled() -> None:
    threads, begun, may_end, ended = Threads(1, "worker"), *(threading.Event() for _ in range(3))

    def work() -> None:
        begun.set()
        may_end.wait(5)
        ended.set()

    caller = asyncio.create_task(threads.run(work))
    await asyncio.to_thread(begun.wait, 5)
    caller.cancel()
    may_end.set()

    assert await asyncio.to_thread(ended.wait, 5)
    threads.stop()


async def test_stopped_threads_are_started_again_when_needed() -> None:
    threads = Threads(1, "worker")
    await threads.run(int)
    threads.stop()

    assert await threads.run(lambda: 7) == 7
    threads.stop()


def test_a_forked_child_gets_threads_of_its_own(children: Children) -> None:
    threads = Threads(1, "worker")
    asyncio.run(threads.run(int))

    child = children(lambda: asyncio.run(threads.run(lambda: 7)))

    assert status_of(child) == 7
    threads.stop()
