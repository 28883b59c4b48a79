"""Locks between processes, gone when their holder dies."""

import fcntl
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from mailguard.store.durable import give_to_owner

POLL = 0.001
"""Seconds between two looks at a lock that another process has: about one commit's time."""


@contextmanager
def locked(path: Path, patience: float) -> Iterator[None]:
    """Hold the flock on `path`, made with mode 0600, while the block runs. Blocks the thread.

    Raises TimeoutError when another process still has it after `patience` seconds.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        give_to_owner(descriptor, path.parent)
        _take(descriptor, time.monotonic() + patience)
        try:
            yield
        finally:
            # Closing alone would leave it with a child forked meanwhile.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _take(descriptor: int, deadline: float) -> None:
    # Polled, because flock has no time limit: a queue for it could not be left again.
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise TimeoutError("another process has the lock") from None
        time.sleep(POLL)


class FileLock:
    """The port :class:`~mailguard.ports.Lock`, as a flock on one file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[bool]:
        """Enter at once: with True when the lock was got, False when somebody else has it."""
        # Jobs may start before anything was ever stored beside it.
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(self._path, patience=0))
            except TimeoutError:
                yield False
                return
            yield True
