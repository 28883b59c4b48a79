"""A deadline that is cheap to move: a connection moves one with every command."""

import asyncio
import math
from collections.abc import Callable


class Deadline:
    """Calls `expire` once when the time set last has passed.

    The loop's timer is not touched by each :meth:`set`, which would cost more than reading a
    command: it fires at the earliest time ever set, looks, and is armed again if need be.
    """

    __slots__ = ("_at", "_expire", "_loop", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, expire: Callable[[], None]) -> None:
        self._loop = loop
        self._expire = expire
        self._at = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float) -> None:
        """Expire `seconds` from now, whatever was set before."""
        self._at = self._loop.time() + seconds
        if self._timer is not None:
            if self._timer.when() <= self._at:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(self._at, self._look)

    def clear(self) -> None:
        """Do not expire until set again."""
        self._at = math.inf

    def cancel(self) -> None:
        """Let go of the loop's timer; for the end of the connection."""
        self._at = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._loop.time() >= self._at:
            self._at = math.inf
            self._expire()
        elif self._at < math.inf:
            self._timer = self._loop.call_at(self._at, self._look)
