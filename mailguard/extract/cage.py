"""Have hostile files read by processes that can only compute, and outlive their deaths."""

import contextlib
import hashlib
import math
import signal
import time
from collections import OrderedDict
from dataclasses import dataclass, replace

from mailguard.extract.cage_lock import Walls
from mailguard.extract.cage_process import Child, Dead, Zygote
from mailguard.extract.found import Found, Limits, Missed, Opened, Reading
from mailguard.extract.item import About
from mailguard.extract.patience import CLOCK_TIMES

__all__ = ["Cage", "Dead", "Trial"]

CPU_TIMES = 6
"""One process reads all files of one message, each with its own time, and none may spin for ever
should the process that watches it be stopped."""

KEPT_READINGS = 1000
KEPT_CHARACTERS = 16 << 20
"""What is remembered of files read: a letter to all parents is read once."""

AGAIN_S = 2.0
"""Of processor time for the second reading of a file that a process has died of, which may have
taken all of its own: an ordinary file needs a tenth."""

_SECOND_READERS = {"pdf"}
"""Readers with two ways of reading a file (``About.is_again``)."""

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

    blindness: str = ""
    """Why pictures are not read though they were to be; ``""`` if they are, or were not to be."""


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

        self.spent = 0.0
        """Seconds of processor time that reading has taken so far."""

    def start(self) -> None:
        """Have libraries loaded by the time there is something to read. Raises OSError."""
        if self._zygote is None:
            self._zygote = Zygote(
                self._limits.seconds * CPU_TIMES, reads_pictures=self._limits.pictures > 0
            )

    def get_ready(self) -> Walls:
        """Return once a process waits for a file, and what holds it. Raises Dead."""
        child = self._take()
        try:
            child.greet()
        except Dead:
            self.close()
            raise
        return child.walls

    def read(
        self,
        data: bytes,
        about: About,
        seconds: float | None = None,
        deadline: float = math.inf,
    ) -> Reading:
        """Read one file within its limits; never raises for it.

        It takes no more than `seconds` of processor time, and is missed for the reason ``timeout``
        if that is not enough. By the clock it ends at `deadline` (monotonic), or when it has had
        some times those seconds: what the machine had no time for until then is missed for the
        reason ``engine``.
        """
        allowed = self._limits.seconds if seconds is None else min(seconds, self._limits.seconds)
        deadline = min(deadline, time.monotonic() + allowed * CLOCK_TIMES)
        end = self.spent + allowed
        plain = self._read(data, replace(about, passwords=()), end, deadline)
        if about.passwords and "encrypted" in plain.misses:
            return self._read(data, about, end, deadline)
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
            worked = dict(child.try_out())
        finally:
            self._discard(child)
            self._child = None
        return Trial(
            seccomp=child.walls.seccomp,
            landlock=child.walls.landlock,
            readers=tuple(map(str, child.hello["readers"])),
            failed=tuple(map(str, child.hello["failed"])),
            allowed=tuple(name for name, works in worked.items() if works),
            blindness=str(child.hello["blindness"]),
        )

    def close(self) -> None:
        """End all of its processes."""
        zygote, self._zygote = self._zygote, None
        child, self._child = self._child, None
        if child is not None:
            child.close()
        if zygote is not None:
            zygote.close()

    def _read(self, data: bytes, about: About, end: float, deadline: float) -> Reading:
        key = hashlib.sha256(data).hexdigest(), about
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        # Must: a process that has seen another file may have been taken over by it, and what it
        # says of this one holds for this message only.
        is_first = self._child is None or not self._child.is_used
        deaths = len(self.deaths)
        reading = self._ask(data, about, end, deadline)
        if len(self.deaths) > deaths and _has_second_reader(reading):
            reading = self._ask_again(data, about, reading, deadline)
        if is_first and _PASSING.isdisjoint(reading.misses):
            self._keep(key, reading)
        return reading

    def _keep(self, key: tuple[str, About], reading: Reading) -> None:
        self._kept[key] = reading
        self._kept_characters += reading.size
        while self._kept_characters > KEPT_CHARACTERS or len(self._kept) > KEPT_READINGS:
            _, oldest = self._kept.popitem(last=False)
            self._kept_characters -= oldest.size

    def _ask(self, data: bytes, about: About, end: float, deadline: float) -> Reading:
        found: list[Found] = []
        seconds = end - self.spent
        if seconds <= 0 or time.monotonic() >= deadline:
            reason = "timeout" if seconds <= 0 else "engine"
            return Reading(found=(Missed(path=about.name, reason=reason),))
        try:
            before = time.monotonic()
            child = self._take()
            # Making the first process is no fault of the file, and takes none of its time.
            deadline += time.monotonic() - before
            limits = replace(self._limits, seconds=seconds)
            try:
                for each in child.read(data, about, limits, deadline):
                    found.append(each)
            finally:
                self.spent += child.used
        except Dead as dead:
            reason = dead.reason
            if self._child is not None:
                died_of = self._discard(self._child)
                reason = "timeout" if died_of == signal.SIGXCPU else reason
                self._child = None
            self.deaths.append(reason)
            found.append(Missed(path=about.name, reason=reason))
        return Reading(found=tuple(found))

    def _ask_again(self, data: bytes, about: About, reading: Reading, deadline: float) -> Reading:
        """`reading`, and what is found without the reader that the last process has died of."""
        again = self._ask(
            data,
            replace(about, is_again=True),
            self.spent + AGAIN_S,
            max(deadline, time.monotonic() + AGAIN_S * CLOCK_TIMES),
        )
        known = set(reading.found)
        return Reading(
            found=reading.found + tuple(each for each in again.found if each not in known)
        )

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


def _has_second_reader(reading: Reading) -> bool:
    """Whether the file that was opened last can be read in another way."""
    opened = [each for each in reading.found if isinstance(each, Opened)]
    return bool(opened) and not _SECOND_READERS.isdisjoint(opened[-1].reader.split(", "))
