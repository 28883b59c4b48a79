"""Have hostile files read by processes that can only compute, and outlive their deaths."""

import contextlib
import hashlib
import signal
import time
from collections import OrderedDict
from dataclasses import dataclass, replace

from mailguard.extract.cage_process import START_S, Child, Dead, Zygote
from mailguard.extract.found import Found, Limits, Missed, Reading
from mailguard.extract.item import About

__all__ = ["Cage", "Dead", "Trial"]

GRACE_S = 1.0
"""After its own deadline a reader has this long to say what it has."""

CPU_TIMES = 6
"""One process reads all files of one message, each with its own time, and none may spin for ever
should the process that watches it be stopped."""

KEPT_READINGS = 1000
KEPT_CHARACTERS = 16 << 20
"""What is remembered of files read: a letter to all parents is read once."""

_PASSING = {"timeout", "killed", "engine"}
"""Misses that say more about the moment than about the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What holds a caged process, and what it could do nevertheless."""

    seccomp: bool
    landlock: int
    readers: tuple[str, ...]
    failed: tuple[str, ...]
    """Readers that could not be loaded, and why."""

    allowed: tuple[str, ...]
    """What worked that must not."""


class Cage:
    """Reads files in a process made for it. Not for several threads.

    Everything is started when first needed, and again after it died.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._zygote: Zygote | None = None
        self._child: Child | None = None
        self._kept: OrderedDict[tuple[str, About], Reading] = OrderedDict()
        self._kept_characters = 0
        self.deaths: list[str] = []
        """Reasons of deaths since somebody last emptied it."""

    def start(self) -> None:
        """Have libraries loaded by the time there is something to read."""
        if self._zygote is None:
            self._zygote = Zygote(self._limits.seconds * CPU_TIMES)

    def read(self, data: bytes, about: About, seconds: float | None = None) -> Reading:
        """Read one file within its limits, and `seconds` if that is less; never raises for it."""
        allowed = self._limits.seconds if seconds is None else min(seconds, self._limits.seconds)
        deadline = time.monotonic() + allowed
        plain = self._read(data, replace(about, passwords=()), deadline)
        if about.passwords and "encrypted" in plain.misses:
            return self._read(data, about, deadline)
        return plain

    def renew(self) -> None:
        """Have what comes next read by a process that has seen nothing yet, and make it now."""
        if self._child is not None and self._child.is_used:
            self._discard(self._child)
            self._child = None
            with contextlib.suppress(OSError):
                self._child = self._fork()

    def try_out(self) -> Trial:
        """Let a caged process do what it must not be able to do. Raises Dead."""
        self.renew()
        child = self._take()
        try:
            worked = dict(child.try_out(time.monotonic() + START_S))
        finally:
            self._discard(child)
            self._child = None
        return Trial(
            seccomp=child.hello["seccomp"] is True,
            landlock=int(child.hello["landlock"]),
            readers=tuple(map(str, child.hello["readers"])),
            failed=tuple(map(str, child.hello["failed"])),
            allowed=tuple(name for name, works in worked.items() if works),
        )

    def close(self) -> None:
        """End all of its processes."""
        zygote, self._zygote = self._zygote, None
        child, self._child = self._child, None
        if child is not None:
            child.close()
        if zygote is not None:
            zygote.close()

    def _read(self, data: bytes, about: About, deadline: float) -> Reading:
        key = hashlib.sha256(data).hexdigest(), about
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        # Must: a process that has seen another file may have been taken over by it, and what it
        # says of this one holds for this message only.
        is_first = self._child is None or not self._child.is_used
        reading = self._ask(data, about, deadline)
        if is_first and _PASSING.isdisjoint(reading.misses):
            self._keep(key, reading)
        return reading

    def _keep(self, key: tuple[str, About], reading: Reading) -> None:
        self._kept[key] = reading
        self._kept_characters += reading.size
        while self._kept_characters > KEPT_CHARACTERS or len(self._kept) > KEPT_READINGS:
            _, oldest = self._kept.popitem(last=False)
            self._kept_characters -= oldest.size

    def _ask(self, data: bytes, about: About, deadline: float) -> Reading:
        found: list[Found] = []
        if time.monotonic() >= deadline:
            return Reading(found=(Missed(path=about.name, reason="timeout"),))
        try:
            before = time.monotonic()
            child = self._take()
            # Making the first process is no fault of the file, and takes none of its time.
            deadline += time.monotonic() - before
            limits = replace(self._limits, seconds=deadline - time.monotonic())
            for each in child.read(data, about, limits, deadline + GRACE_S):
                found.append(each)
        except Dead as dead:
            reason = dead.reason
            if self._child is not None:
                died_of = self._discard(self._child)
                reason = "timeout" if died_of == signal.SIGXCPU else reason
                self._child = None
            self.deaths.append(reason)
            found.append(Missed(path=about.name, reason=reason))
        return Reading(found=tuple(found))

    def _take(self) -> Child:
        """A child that may be asked. Raises Dead."""
        if self._child is not None and not self._child.is_used and not self._child.is_alive():
            # It died while it had nothing to do: no file is to blame for that.
            self._discard(self._child)
            self._child = None
        if self._child is None:
            try:
                self._child = self._fork()
            except OSError:
                self.close()
                raise Dead("engine") from None
        return self._child

    def _fork(self) -> Child:
        """Raises OSError when no process can be made."""
        if self._zygote is not None and not self._zygote.is_alive():
            self._zygote.close()
            self._zygote = None
        self.start()
        assert self._zygote is not None
        return self._zygote.fork()

    def _discard(self, child: Child) -> int:
        """End `child`; return the signal that it had died of, or died of now."""
        child.close()
        if self._zygote is None:
            return 0
        try:
            return self._zygote.kill(child.pid)
        except OSError:
            self._zygote.close()
            self._zygote = None
            return 0
