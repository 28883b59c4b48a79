"""Threads for blocking work, which a forked process gets anew."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Threads:
    """At most `count` threads, started when first needed.

    After a fork the child has the object but not the threads; it starts its own.
    """

    def __init__(self, count: int, name: str) -> None:
        self._count = count
        self._name = name
        self._pool: ThreadPoolExecutor | None = None
        self._pid = 0

    async def run(self, work: Callable[[], T]) -> T:
        """Do `work` in one of the threads. Once begun it runs to its end, cancelled or not."""
        if self._pool is None or self._pid != os.getpid():
            self._pool = ThreadPoolExecutor(self._count, thread_name_prefix=self._name)
            self._pid = os.getpid()
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def stop(self) -> None:
        """Let the threads finish what they are doing, and end them."""
        if self._pool is not None and self._pid == os.getpid():
            self._pool.shutdown()
        self._pool = None
