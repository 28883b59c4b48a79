"""Run the service's processes, start again what dies or is stuck, and stop them all as asked.

A hole in one process is not a hole in all: relay workers and jobs are forked from a parent that
never speaks to anybody but systemd. The parent has no event loop and no threads, so forking is
safe, and it vouches for the processes to systemd's watchdog: only while it goes round itself.
"""

import contextlib
import math
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mailguard import events, metrics
from mailguard.service.leash import BEAT_S, Leash, read_beats
from mailguard.service.notify import watchdog_s

FIRST_DELAY_S = 0.2
LAST_DELAY_S = 60.0
"""Between starts of a process that keeps dying: quick for one crash, calm for a crash loop, twice
as long each time. Who opens the log after a night of it can still read it."""

LAST_DELAY_AT_WORK_S = 1.0
"""The same for one that had done some of its work: a client that comes again and again with a
message that kills a relay must not keep all others waiting for a minute each time."""

STEADY_S = 60.0
"""A process that lived so long after it was ready is in no crash loop."""

SILENCE_S = 60.0
"""After so long without a heartbeat a process is stuck: an event loop of ours that is busy comes
round many times a second, and waits for disk and database in threads."""

ENDINGS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""All end the service in good order. SIGHUP is what a closed terminal sends; it reloads nothing."""

Body = Callable[[Leash], int]
"""What a process does; its result is the exit status."""


@dataclass(slots=True)
class _Member:
    name: str
    body: Body
    pid: int = 0
    was_ready: bool = False
    ready_at: float = math.inf
    """By the monotonic clock; of the process that runs now."""

    has_worked: bool = False
    """It too."""

    delay: float = FIRST_DELAY_S
    due: float = 0.0
    silent_s: float = 0.0
    under_way: int = 0


class Supervisor:
    """A set of named processes under one parent."""

    def __init__(
        self,
        bodies: dict[str, Body],
        *,
        grace_s: float,
        tell: Callable[[str], None],
        silence_s: float = SILENCE_S,
        beat_s: float = BEAT_S,
    ):
        """`tell` gets what sd_notify(3) describes: ``READY=1`` once, when every process has said
        that it is ready; ``STATUS=``, ``WATCHDOG=1`` and at the end ``STOPPING=1``."""
        self._members = [_Member(name=name, body=body) for name, body in bodies.items()]
        self._grace_s = grace_s
        self._tell = tell
        self._silence_s = silence_s
        watchdog = watchdog_s()
        # Half of it, as sd_watchdog_enabled(3) recommends.
        self._round_s = beat_s if watchdog is None else min(beat_s, watchdog / 2)
        self._has_watchdog = watchdog is not None
        self._round_ended = 0.0
        self._told_at = 0.0
        self._status = ""
        self._parent_end, self._leash_end = os.pipe()
        self._beats_end, self._child_beats_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._wake_end, self._signal_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._is_ready = False
        self._stopping = False

    def run(self) -> int:
        """Return 0 once all processes have ended after SIGTERM, SIGINT or SIGHUP, 1 if one had to
        be killed."""
        signal.set_wakeup_fd(self._signal_end)
        for number in ENDINGS:
            # `nohup` wants it ignored.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        selector = selectors.DefaultSelector()
        selector.register(self._wake_end, selectors.EVENT_READ)
        selector.register(self._beats_end, selectors.EVENT_READ)
        self._round_ended = time.monotonic()
        while not self._stopping:
            self._start_due()
            for key, _ in selector.select(self._patience()):
                self._drain(key.fd)
            self._reap()
            self._look_round()
        return self._end()

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _start_due(self) -> None:
        now = time.monotonic()
        for member in self._members:
            if not member.pid and member.due <= now:
                self._fork(member)

    def _patience(self) -> float:
        now = time.monotonic()
        due = [member.due - now for member in self._members if not member.pid]
        return max(0.0, min(self._round_s, *due)) if due else self._round_s

    def _drain(self, descriptor: int) -> None:
        if descriptor != self._beats_end:
            os.read(descriptor, 256)
            return
        members = {member.pid: member for member in self._members}
        for beat in read_beats(descriptor):
            # One that has died since is nobody's.
            if (member := members.get(beat.pid)) is None:
                continue
            member.silent_s = 0.0
            if not beat.has_worked:
                member.under_way = beat.under_way
            if beat.is_ready:
                member.was_ready = True
                member.ready_at = time.monotonic()
            member.has_worked |= beat.has_worked
        if not self._is_ready and all(member.was_ready for member in self._members):
            self._is_ready = True
            self._tell("READY=1")

    def _look_round(self) -> None:
        """Kill what is stuck, and let systemd hear from us."""
        now = time.monotonic()
        # Silence counts only while we listen: a machine that was frozen is not full of stuck
        # processes, they have just not had their turn yet.
        passed = min(now - self._round_ended, 2 * self._round_s)
        self._round_ended = now
        for member in self._members:
            if not member.pid:
                continue
            member.silent_s += passed
            if member.silent_s > self._silence_s:
                events.process_stuck(member.name, member.silent_s)
                member.silent_s = 0.0
                os.kill(member.pid, signal.SIGKILL)
        if not self._is_ready:
            return
        if now - self._told_at >= self._round_s / 2:
            self._told_at = now
            metrics.supervisor_seen()
            if self._has_watchdog:
                self._tell("WATCHDOG=1")
            self._tell_status()

    def _tell_status(self) -> None:
        status = self._describe()
        if status != self._status:
            self._status = status
            self._tell(f"STATUS={status}")

    def _describe(self) -> str:
        """E.g. ``relay 2 of 2, jobs 1 of 1, 4 messages under way``."""
        kinds: dict[str, list[bool]] = {}
        for member in self._members:
            kinds.setdefault(member.name.partition("-")[0], []).append(bool(member.pid))
        words = [f"{kind} {sum(alive)} of {len(alive)}" for kind, alive in kinds.items()]
        count = sum(member.under_way for member in self._members)
        if count:
            words.append(f"{count} message{'s' * (count > 1)} under way")
        return ", ".join(words)

    def _fork(self, member: _Member) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        member.silent_s = 0.0
        try:
            member.pid = os.fork()
        except OSError as error:
            # No memory or too many processes just now. The others go on, so must we.
            events.job_failed(member.name, error)
            member.due = time.monotonic() + member.delay
            member.delay = min(member.delay * 2, LAST_DELAY_S)
            return
        if member.pid:
            metrics.process_started(member.name)
            return
        status = 1
        try:
            self._become_child(member.name)
            status = member.body(Leash(parent=self._parent_end, beats=self._child_beats_end))
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
        metrics.become(name)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        # A closed terminal tells all of its processes; what ends us is our parent.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for descriptor in (self._leash_end, self._beats_end, self._wake_end, self._signal_end):
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
        member.under_way = 0
        if now - member.ready_at >= STEADY_S:
            # It was at work: this death is none of a crash loop.
            member.delay = FIRST_DELAY_S
        if member.has_worked:
            member.delay = min(member.delay, LAST_DELAY_AT_WORK_S)
        member.has_worked = False
        member.ready_at = math.inf
        member.due = now + member.delay
        metrics.process_ended(member.name)
        if not self._stopping:
            events.process_died(member.name, status, member.delay)
        member.delay = min(member.delay * 2, LAST_DELAY_S)

    def _end(self) -> int:
        """Ask all to stop, wait for what they have in hand, and kill what does not end."""
        self._tell("STOPPING=1")
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
            metrics.process_ended(member.name)
        events.stopped("service")
        return 1 if stubborn else 0
