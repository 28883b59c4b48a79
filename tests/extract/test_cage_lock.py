"""A locked process is held by every wall by itself."""

import signal
import subprocess
import sys

import pytest

LOCK = "import os, resource, socket, sys\nfrom mailguard.extract import cage_lock\n"


def run(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", LOCK + code], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("left", "kept"),
    [
        pytest.param("_lock_calls", "landlock", id="landlock alone"),
        pytest.param("_lock_files", "seccomp", id="seccomp alone"),
    ],
)
def test_one_wall_is_enough_to_keep_files_closed(left: str, kept: str) -> None:
    done = run(
        f"cage_lock.{left} = lambda libc: 0\n"
        "walls = cage_lock.lock(5)\n"
        "assert bool(walls.seccomp) != bool(walls.landlock), walls\n"
        "try:\n    os.open('/etc/passwd', os.O_RDONLY)\n"
        "except PermissionError:\n    print('closed')"
    )

    if "AssertionError" in done.stderr:
        pytest.skip(f"this kernel has no {kept}")
    assert done.stdout == "closed\n"


def test_memory_has_an_end() -> None:
    done = run(
        "cage_lock.lock(5)\ntry:\n    bytes(2 << 30)\nexcept MemoryError:\n    print('full')"
    )

    assert done.stdout == "full\n"


def test_processor_time_has_an_end() -> None:
    done = run("cage_lock.lock(0)\nwhile True: pass")

    assert -done.returncode in {signal.SIGXCPU, signal.SIGKILL}


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)", id="new code"),
        pytest.param("resource.setrlimit(resource.RLIMIT_CPU, (1, 1))", id="other limits"),
        pytest.param("os.kill(1, 0)", id="signals to others"),
        pytest.param("os.pipe()", id="new descriptors"),
    ],
)
def test_what_computing_does_not_need_is_refused(code: str) -> None:
    done = run(
        "import mmap\nwalls = cage_lock.lock(5)\nassert walls.seccomp\n"
        f"try:\n    {code}\nexcept (OSError, ValueError):\n    print('refused')"
    )

    assert done.stdout == "refused\n"


def test_a_process_may_still_end_itself() -> None:
    done = run("cage_lock.lock(5)\nos.abort()")

    assert done.returncode == -signal.SIGABRT
