"""The supervisor with real processes: restarts what dies, stops all, is gone when it is killed."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from mailguard.testing.service import wait_until

PROGRAM = """
import os, signal, sys, time
from pathlib import Path
from mailguard.service.supervise import Leash, Supervisor

folder = Path(sys.argv[1])

def body(leash: Leash) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    {prelude}
    (folder / str(os.getpid())).touch()
    leash.tell_ready()
    os.read(leash.parent, 1)
    (folder / "orphan-ended").touch()
    return 0

supervisor = Supervisor(
    {{"a": body, "b": body}}, grace_s={grace}, on_ready=(folder / "ready").touch
)
sys.exit(supervisor.run())
"""


def start(folder: Path, *, prelude: str = "pass", grace: float = 5) -> "subprocess.Popen[bytes]":
    program = textwrap.dedent(PROGRAM.format(prelude=prelude, grace=grace))
    return subprocess.Popen([sys.executable, "-c", program, str(folder)])


def children(folder: Path) -> list[int]:
    return sorted(int(file.name) for file in folder.iterdir() if file.name.isdigit())


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_it_is_ready_once_every_process_is_and_ends_0_on_sigterm(folder: Path) -> None:
    process = start(folder)
    wait_until((folder / "ready").exists)

    process.terminate()

    assert process.wait(10) == 0
    assert len(children(folder)) == 2
    assert not any(is_alive(pid) for pid in children(folder))


def test_a_killed_process_is_started_again(folder: Path) -> None:
    process = start(folder)
    wait_until((folder / "ready").exists)
    victim = children(folder)[0]

    os.kill(victim, signal.SIGKILL)

    wait_until(lambda: len(children(folder)) == 3)
    process.terminate()
    assert process.wait(10) == 0


def test_a_process_that_will_not_end_is_killed_after_the_grace(folder: Path) -> None:
    prelude = "signal.signal(signal.SIGTERM, signal.SIG_IGN); leash_read = None"
    stubborn = prelude + "\n    leash.tell_ready(); time.sleep(60)"
    process = start(folder, prelude=stubborn, grace=0.3)
    wait_until((folder / "ready").exists)

    started = time.monotonic()
    process.terminate()

    assert process.wait(10) == 1
    assert time.monotonic() - started < 5


def test_children_see_that_their_parent_is_gone(folder: Path) -> None:
    process = start(folder)
    wait_until((folder / "ready").exists)

    process.kill()

    process.wait(10)
    wait_until((folder / "orphan-ended").exists)
