"""What a process gives up before it opens hostile files: the walls of the cage.

Resource limits, ``no_new_privs``, landlock and seccomp, in that order and for good. Everything
that can be had from this kernel is taken; :func:`lock` says what that was. By ctypes, since the
Python bindings for landlock and seccomp are hardly maintained and 100 lines do.
"""

import contextlib
import ctypes
import os
import platform
import resource
import signal
import struct
from dataclasses import dataclass

MEMORY = 3 << 29
"""Bytes of address space: 1.5 GB. The libraries reserve some 0.6 GB when they are loaded; the rest
is for the largest attachment (150 MB), a few times."""

NOBODY = 65534

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
_MODE_FILTER = 2

# linux/landlock.h; the numbers of new system calls are the same on all machines.
_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_ASK_VERSION = 1
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
"""Bits of handled_access_fs by version of the interface; 16 from version 5."""

# linux/seccomp.h, linux/audit.h
_KILL, _ERRNO_EPERM, _ALLOW = 0x80000000, 0x00050001, 0x7FFF0000
_MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000

_CALLS: dict[str, tuple[int, int]] = {
    # name: number on x86_64, on aarch64
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "fstat": (5, 80),
    "lseek": (8, 62),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "nanosleep": (35, 101),
    "getpid": (39, 172),
    "exit": (60, 93),
    "uname": (63, 160),
    "gettimeofday": (96, 169),
    "getrusage": (98, 165),
    "sysinfo": (99, 179),
    "times": (100, 153),
    "sigaltstack": (131, 132),
    "gettid": (186, 178),
    "futex": (202, 98),
    "sched_getaffinity": (204, 123),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "exit_group": (231, 94),
    "getcpu": (309, 168),
    "getrandom": (318, 278),
    "membarrier": (324, 283),
    "rseq": (334, 293),
}
"""What computing needs: memory, time, and the descriptors that are open already."""

_MMAP, _MPROTECT, _TGKILL, _PRLIMIT = (9, 222), (10, 226), (234, 131), (302, 261)
_PROT_EXEC = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Walls:
    """What holds a locked process."""

    seccomp: bool
    landlock: int
    """Version of the kernel's interface, 0 where there is none."""


def lock(seconds: float) -> Walls:
    """Give up everything but computing, for good; `seconds` is processor time.

    Files that are open stay open. A wall that this kernel does not have is missing, and no error.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    _limit(seconds)
    if os.geteuid() == 0:
        # Without root's rights too, where there is no seccomp to keep them from being used.
        with contextlib.suppress(OSError):
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
    # Must: after the change of user, which undoes both.
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    landlock = _lock_files(libc)
    return Walls(seccomp=_lock_calls(libc), landlock=landlock)


def _limit(seconds: float) -> None:
    _lower(resource.RLIMIT_AS, MEMORY)
    _lower(resource.RLIMIT_CPU, int(seconds) + 1)
    _lower(resource.RLIMIT_FSIZE, 0)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, 16)
    _lower(resource.RLIMIT_NPROC, 0)


def _lower(which: int, limit: int) -> None:
    _, hard = resource.getrlimit(which)
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(which, (limit, limit))


def _lock_files(libc: ctypes.CDLL) -> int:
    """Allow no path and no port, by landlock; return its version, 0 where there is none."""
    version = int(libc.syscall(_CREATE_RULESET, None, 0, _ASK_VERSION))
    if version <= 0:
        return 0
    files = (1 << _FILE_RIGHTS.get(version, 16)) - 1
    # struct landlock_ruleset_attr: files, then ports (version 4), then signals and sockets (6).
    rights = [files, *([0b11] if version >= 4 else []), *([0b11] if version >= 6 else [])]
    asked = struct.pack(f"={len(rights)}Q", *rights)
    ruleset = libc.syscall(_CREATE_RULESET, asked, ctypes.c_size_t(len(asked)), 0)
    if ruleset < 0:
        return 0
    done = libc.syscall(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)
    return version if done == 0 else 0


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def _lock_calls(libc: ctypes.CDLL) -> bool:
    """Refuse all system calls but :data:`_CALLS`, by seccomp; return whether that is so now."""
    machine = platform.machine()
    if machine not in _MACHINES:
        return False
    code = b"".join(_compile(machine))
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.addressof(buffer))
    return bool(libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0) == 0)


def _compile(machine: str) -> list[bytes]:
    """The filter, as instructions of classic BPF (struct sock_filter)."""
    column = list(_MACHINES).index(machine)
    program = [
        _load(4),
        *_unless(_MACHINES[machine], _KILL),
        _load(0),
        # The x32 calls are others under the same numbers.
        _step(0x35, _X32, 0, 1),
        _end(_KILL),
    ]
    for numbers in _CALLS.values():
        program += [_step(0x15, numbers[column], 0, 1), _end(_ALLOW)]
    # No new code: neither mapped nor made from data.
    for numbers in (_MMAP, _MPROTECT):
        program += _if(numbers[column], [_load_argument(2), _step(0x45, _PROT_EXEC, 0, 1)])
    # abort(3), of itself.
    program += _if(_TGKILL[column], [_load_argument(0), _step(0x15, os.getpid(), 1, 0)])
    # To ask for a limit, not to set one: the pointer to the new one is null.
    program += _if(
        _PRLIMIT[column],
        [
            _load_argument(2),
            _step(0x15, 0, 0, 2),
            _load_argument(2, high=True),
            _step(0x15, 0, 1, 0),
        ],
    )
    return [*program, _end(_ERRNO_EPERM)]


def _if(number: int, test: list[bytes]) -> list[bytes]:
    """For call `number`: `test` goes to the next instruction to refuse, over it to allow."""
    steps = [*test, _end(_ERRNO_EPERM), _end(_ALLOW)]
    return [_step(0x15, number, 0, len(steps)), *steps]


def _unless(value: int, verdict: int) -> list[bytes]:
    return [_step(0x15, value, 1, 0), _end(verdict)]


def _load(offset: int) -> bytes:
    """Load a word of struct seccomp_data."""
    return _step(0x20, offset, 0, 0)


def _load_argument(number: int, *, high: bool = False) -> bytes:
    return _load(16 + 8 * number + (4 if high else 0))


def _end(verdict: int) -> bytes:
    return _step(0x06, verdict, 0, 0)


def _step(code: int, value: int, if_true: int, if_false: int) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
