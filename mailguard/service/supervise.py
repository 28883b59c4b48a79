"""Run the service's processes, start again what dies, and stop them all as asked.

A hole in one process is not a hole in all: relay workers and jobs are forked from a parent that
never speaks to anybody. The parent has no event loop and no threads, so forking is safe.
"""

import contextlib
import os
import selectors
import signal
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mailguard import events

FIRST_DELAY_S = 0.2
LAST_DELAY_S = 30.0
"""Between starts of a process that keeps dying: quick for one crash, calm for a crash loop."""

_PID = struct.Struct("!I")

Body = Callable[["Leash"], int]
"""What a process does; its result is the exit status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leash:
    """What ties a process to its parent."""

    parent: int
    """Readable at its end when the parent is gone: stop."""

    ready: int
    """Write the process id here once work can begin."""

    def tell_ready(self) -> None:
        """Say that this process accepts work."""
        os.write(self.ready, _PID.pack(os.getpid()))


@dataclass(slots=True)
class _Member:
    name: str
    body: Body
    pid: int = 0
    was_ready: bool = False
    delay: float = FIRST_DELAY_S
    due: float = 0.0


class Supervisor:
    """A set of named processes under one parent."""

    def __init__(self, bodies: dict[str, Body], *, grace_s: float, on_ready: Callable[[], None]):
        """`on_ready` is called once, when every process has said that it is ready."""
        self._members = [_Member(name=name, body=body) for name, body in bodies.items()]
        self._grace_s = grace_s
        self._on_ready = on_ready
        self._parent_end, self._leash_end = os.pipe()
        self._ready_end, self._child_ready_end = os.pipe()
        self._wake_end, self._signal_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._is_ready = False
        self._stopping = False

    def run(self) -> int:
        """Return 0 once all processes have ended after SIGTERM or SIGINT, 1 if one had to be
        killed."""
        os.set_blocking(self._ready_end, False)
        signal.set_wakeup_fd(self._signal_end)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        selector = selectors.DefaultSelector()
        selector.register(self._wake_end, selectors.EVENT_READ)
        selector.register(self._ready_end, selectors.EVENT_READ)
        while not self._stopping:
            self._start_due()
            for key, _ in selector.select(self._patience()):
                self._drain(key.fd)
            self._reap()
        return self._end()

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _start_due(self) -> None:
        now = time.monotonic()
        for member in self._members:
            if not member.pid and member.due <= now:
                self._fork(member)

    def _patience(self) -> float | None:
        due = [member.due for member in self._members if not member.pid]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _drain(self, descriptor: int) -> None:
        told = os.read(descriptor, 64 * _PID.size)
        if descriptor != self._ready_end:
            return
        ready = {pid for (pid,) in _PID.iter_unpack(told)}
        for member in self._members:
            if member.pid in ready:
                member.was_ready = True
                # It got as far as working: the next death is not a crash loop at start.
                member.delay = FIRST_DELAY_S
        if not self._is_ready and all(member.was_ready for member in self._members):
            self._is_ready = True
            self._on_ready()

    def _fork(self, member: _Member) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        member.pid = os.fork()
        if member.pid:
            return
        status = 1
        try:
            self._become_child(member.name)
            status = member.body(Leash(parent=self._parent_end, ready=self._child_ready_end))
        except BaseException as error:
            events.job_failed(member.name, error)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            # Must: a child never returns into the parent's code.
            os._exit(status)

    def _become_child(self, name: str) -> None:
        with contextlib.suppress(OSError):
            # What `top` and `ps -C` show; the kernel keeps 15 characters.
            Path("/proc/self/comm").write_text(f"mg-{name}")
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        for descriptor in (self._leash_end, self._ready_end, self._wake_end, self._signal_end):
            os.close(descriptor)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            self._mourn(pid, os.waitstatus_to_exitcode(status))

    def _mourn(self, pid: int, status: int) -> None:
        member = next((m for m in self._members if m.pid == pid), None)
        if member is None:
            return
        now = time.monotonic()
        member.pid = 0
        member.due = now + member.delay
        if not self._stopping:
            events.process_died(member.name, status, member.delay)
        member.delay = min(member.delay * 2, LAST_DELAY_S)

    def _end(self) -> int:
        """Ask all to stop, wait for what they have in hand, and kill what does not end."""
        os.close(self._leash_end)
        for member in self._members:
            if member.pid:
                os.kill(member.pid, signal.SIGTERM)
        deadline = time.monotonic() + self._grace_s
        while any(member.pid for member in self._members) and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.02)
        stubborn = [member for member in self._members if member.pid]
        for member in stubborn:
            os.kill(member.pid, signal.SIGKILL)
            os.waitpid(member.pid, 0)
        events.stopped("service")
        return 1 if stubborn else 0
