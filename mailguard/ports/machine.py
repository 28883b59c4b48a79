"""What flow needs of the machine: its clock, and locks between processes."""

from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Wall-clock time, so that tests can set it."""

    def now(self) -> datetime:
        """The current time, aware, in UTC."""
        ...


class Lock(Protocol):
    """A lock that only one process on this store can have, gone when its holder dies."""

    def hold(self) -> AbstractAsyncContextManager[bool]:
        """Enter with True when the lock was got, False when another process has it."""
        ...
