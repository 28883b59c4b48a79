"""Two clocks: processor time, which a file uses up, and the clock on the wall, which it shares."""

import time

CLOCK_TIMES = 3.0
"""By the clock, reading may take so many times its processor time: on a machine with three
processes ready to run for each core nothing changes. One that is busier than that is soon behind
with everything, and what it could not finish is no fault of the file's."""

STILL = 0.05
"""A process that got a smaller share of the time than this did not want more: it waits for what
never comes. With twenty others ready to run on the same core it would still have got as much."""

_OF_WHOLE_PROCESS = 2
"""CPUCLOCK_SCHED, linux/posix-timers.h"""


def processor_time(pid: int) -> float:
    """Seconds of processor time that process `pid` has used so far, without its children.

    Raises OSError when there is no such process. Unlike ``/proc``, it answers about processes that
    hide from others.
    """
    return time.clock_gettime((~pid << 3) | _OF_WHOLE_PROCESS)


class Patience:
    """How long one process is waited for, which now begins to work.

    It has `seconds` of processor time, and until `deadline` by the monotonic clock.
    """

    def __init__(self, pid: int, seconds: float, deadline: float) -> None:
        self._pid = pid
        self._seconds = seconds
        self._deadline = deadline
        self._began = time.monotonic()
        self._used_before = self._ever_used(0.0)
        self._used = 0.0

    @property
    def used(self) -> float:
        """Seconds of processor time used since; of a process that is gone, what was last known."""
        self._used = self._ever_used(self._used_before + self._used) - self._used_before
        return self._used

    @property
    def left(self) -> float:
        """Seconds until it is worth looking again; 0 when the patience is at its end."""
        processor = self._seconds - self.used
        clock = self._deadline - time.monotonic()
        if processor <= 0 or clock <= 0:
            return 0.0
        # Nobody uses more processor time than passes: these are no threads.
        return max(0.001, min(processor, clock))

    @property
    def is_to_blame(self) -> bool:
        """Whether it had what it was to have, or did not want it; else the machine was too busy."""
        taken = time.monotonic() - self._began
        used = self.used
        return used >= self._seconds or used < taken * STILL

    def _ever_used(self, otherwise: float) -> float:
        try:
            return processor_time(self._pid)
        except OSError:
            return otherwise
