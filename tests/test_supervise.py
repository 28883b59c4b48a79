"""The supervisor with real processes: restarts what dies, stops all, is gone when it is killed."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from mailguard import events
from mailguard.service.supervise import Supervisor
from mailguard.testing.service import wait_until

PROGRAM = """
import os, signal, sys, time
from pathlib import Path
from mailguard.service.leash import Leash
from mailguard.service.supervise import Supervisor

folder = Path(sys.argv[1])

def body(leash: Leash) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    {prelude}
    (folder / str(os.getpid())).touch()
    leash.tell_ready()
    os.read(leash.parent, 1)
    (folder / "orphan-ended").touch()
    return 0

def tell(state: str) -> None:
    with (folder / "told").open("a") as told:
        print(state, file=told)
    if state == "READY=1":
        (folder / "ready").touch()

{before}
supervisor = Supervisor({{"a": body, "b": body}}, grace_s={grace}, tell=tell)
sys.exit(supervisor.run())
"""


NO_MEMORY_ONCE = """
answers = [BlockingIOError(11, "Resource temporarily unavailable")]
fork = os.fork
def fork_or_fail():
    if answers:
        raise answers.pop()
    return fork()
os.fork = fork_or_fail
"""


def start(
    folder: Path, *, prelude: str = "pass", before: str = "", grace: float = 5
) -> "subprocess.Popen[bytes]":
    program = textwrap.dedent(PROGRAM.format(prelude=prelude, before=before, grace=grace))
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


def test_a_process_that_dies_as_soon_as_it_is_ready_is_started_ever_later(folder: Path) -> None:
    prelude = "(folder / str(os.getpid())).touch(); leash.tell_ready(); return 1"
    process = start(folder, prelude=prelude)

    # Both, after 0.2, 0.4, 0.8 and 1.6 seconds.
    wait_until(lambda: len(children(folder)) >= 10, 30)

    process.terminate()
    assert process.wait(10) == 0
    born = sorted((folder / str(pid)).stat().st_mtime for pid in children(folder))
    assert born[-1] - born[0] > 2


def test_the_pause_between_deaths_grows_to_a_minute_and_each_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses = []
    monkeypatch.setattr(events, "process_died", lambda _name, _status, s: pauses.append(s))
    supervisor = Supervisor({"a": lambda _: 1}, grace_s=1, tell=print)
    (member,) = supervisor._members

    def die(lived_s: float) -> None:
        member.pid, member.ready_at = 1, time.monotonic() - lived_s
        supervisor._mourn(1, 1)

    for lived_s in (*[0] * 11, 61, 0):
        die(lived_s)

    assert pauses[:3] == [0.2, 0.4, 0.8]
    assert pauses[8:] == [51.2, 60, 60, 0.2, 0.4]


@pytest.mark.parametrize(
    ("constant", "prelude"),
    [
        pytest.param(
            "LAST_DELAY_AT_WORK_S = 0.2",
            "import asyncio; asyncio.run(leash.once_done(asyncio.sleep)(0)); time.sleep(0.1)",
            id="has done some of its work",
        ),
        pytest.param("STEADY_S = 0.1", "time.sleep(0.2)", id="has lived for long"),
    ],
)
def test_a_process_that_was_at_work_is_started_again_soon(
    folder: Path, constant: str, prelude: str
) -> None:
    begin = "(folder / str(os.getpid())).touch(); leash.tell_ready();"
    before = f"from mailguard.service import supervise; supervise.{constant}"
    process = start(folder, prelude=f"{begin} {prelude}; return 1", before=before)

    # Both; otherwise the pauses alone would be 0.2 + 0.4 + 0.8 + 1.6 + 3.2 + 6.4 seconds.
    wait_until(lambda: len(children(folder)) >= 14, 10)

    process.terminate()
    assert process.wait(10) == 0


def test_a_process_that_cannot_be_started_is_tried_again_and_the_others_go_on(folder: Path) -> None:
    process = start(folder, before=NO_MEMORY_ONCE)

    wait_until((folder / "ready").exists)

    process.terminate()
    assert process.wait(10) == 0
    assert len(children(folder)) == 2
