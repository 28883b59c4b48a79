"""What ties a process of the service to its parent: it hears the parent end, and shows that its
own event loop goes round."""

import asyncio
import contextlib
import os
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

BEAT_S = 5.0
"""Between two heartbeats of a process."""

_BEAT = struct.Struct("!I??I")
"""Process id, whether it is ready, whether it has done some of its work, transactions under way.
Shorter than PIPE_BUF, so that the beats of several processes do not mix (pipe(7))."""

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """One heartbeat, as the parent reads it."""

    pid: int
    is_ready: bool
    has_worked: bool
    under_way: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Leash:
    """The process's side."""

    parent: int
    """Readable at its end when the parent is gone: stop."""

    beats: int
    """Writable: the pipe that the parent reads."""

    def tell_ready(self) -> None:
        """Say that this process accepts work."""
        self._write(Beat(pid=os.getpid(), is_ready=True, has_worked=False, under_way=0))

    def beat(self, under_way: int = 0) -> None:
        """Say that this process is alive, and how many transactions it has in hand."""
        self._write(Beat(pid=os.getpid(), is_ready=False, has_worked=False, under_way=under_way))

    def once_done(
        self, act: Callable[_Given, Awaitable[_Result]]
    ) -> Callable[_Given, Awaitable[_Result]]:
        """`act`, after whose first result the parent knows that this process does its work: should
        it die, it is worth starting again soon."""
        is_told = False

        async def done(*args: _Given.args, **kwargs: _Given.kwargs) -> _Result:
            nonlocal is_told
            result = await act(*args, **kwargs)
            if not is_told:
                is_told = True
                self._write(Beat(pid=os.getpid(), is_ready=False, has_worked=True, under_way=0))
            return result

        return done

    def _write(self, beat: Beat) -> None:
        # A parent that is stopped does not read; one beat more or less is no reason to wait.
        # One that is gone is noticed elsewhere.
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            told = _BEAT.pack(beat.pid, beat.is_ready, beat.has_worked, beat.under_way)
            os.write(self.beats, told)


def read_beats(descriptor: int) -> list[Beat]:
    """All that wait in the pipe, up to some hundred."""
    told = os.read(descriptor, 256 * _BEAT.size)
    return [
        Beat(pid=pid, is_ready=is_ready, has_worked=has_worked, under_way=under_way)
        for pid, is_ready, has_worked, under_way in _BEAT.iter_unpack(told)
    ]


@asynccontextmanager
async def heartbeat(
    leash: Leash, under_way: Callable[[], int] = lambda: 0, *, every_s: float = BEAT_S
) -> AsyncIterator[None]:
    """While inside, show the parent that this event loop goes round."""
    task = asyncio.create_task(_go_on_beating(leash, under_way, every_s), name="heartbeat")
    try:
        yield
    finally:
        task.cancel()


async def _go_on_beating(leash: Leash, under_way: Callable[[], int], every_s: float) -> None:
    while True:
        leash.beat(under_way())
        await asyncio.sleep(every_s)
