"""The supervisor as systemd's watchdog sees it, and as it watches over its own processes."""

import os
import select
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailguard.service.notify import watchdog_s
from mailguard.testing.service import wait_until

PROGRAM = """
import asyncio, functools, os, signal, sys, time
from pathlib import Path
from mailguard import logs
from mailguard.service.leash import Leash, heartbeat
from mailguard.service.notify import notify
from mailguard.service.supervise import Supervisor

folder = Path(sys.argv[1])

async def work(leash, name):
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    loop.add_signal_handler(signal.SIGUSR1, lambda: time.sleep(60))
    async with heartbeat(leash, lambda: 2, every_s=0.05):
        (folder / f"{name}.{os.getpid()}").touch()
        leash.tell_ready()
        await ended.wait()

def body(leash, *, name):
    asyncio.run(work(leash, name))
    return 0

logs.configure()
bodies = {name: functools.partial(body, name=name) for name in ("relay-1", "relay-2", "jobs")}
sys.exit(Supervisor(bodies, grace_s=5, tell=notify, silence_s=0.6, beat_s=0.1).run())
"""


class Systemd:
    """Starts the program as systemd would, and reads what it is told."""

    def __init__(self, folder: Path, watchdog_s: float = 0.2) -> None:
        self.folder = folder
        self.channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.channel.bind(str(folder / "notify"))
        self.told: list[str] = []
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", textwrap.dedent(PROGRAM), str(folder)],
                stderr=log,
                start_new_session=True,
                env={
                    **os.environ,
                    "NOTIFY_SOCKET": str(folder / "notify"),
                    "WATCHDOG_USEC": str(int(watchdog_s * 1e6)),
                },
            )

    def hear(self) -> list[str]:
        """All that was told up to now."""
        while select.select([self.channel], [], [], 0)[0]:
            self.told.append(self.channel.recv(4096).decode())
        return self.told

    def pids(self, name: str) -> list[int]:
        """Every process that ever worked under this name."""
        return [int(file.suffix[1:]) for file in self.folder.glob(f"{name}.*")]

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    systemd = Systemd(tmp_path)
    wait_until(lambda: "READY=1" in systemd.hear())
    yield systemd
    if systemd.process.poll() is None:
        os.killpg(systemd.process.pid, signal.SIGKILL)
        systemd.process.wait(10)
    systemd.channel.close()


def test_systemd_hears_that_we_are_ready_and_alive_and_stopping_in_this_order(
    systemd: Systemd,
) -> None:
    wait_until(lambda: systemd.hear().count("WATCHDOG=1") >= 3)

    systemd.process.terminate()

    assert systemd.process.wait(10) == 0
    told = systemd.hear()
    assert "READY=1" == told[0]
    assert "STOPPING=1" == told[-1]
    assert 1 == told.count("READY=1")


def test_the_status_says_in_words_what_works_and_how_much_is_under_way(systemd: Systemd) -> None:
    wait_until(lambda: "STATUS=relay 2 of 2, jobs 1 of 1, 6 messages under way" in systemd.hear())


def test_a_process_whose_event_loop_is_blocked_is_killed_and_started_again(
    systemd: Systemd,
) -> None:
    (stuck,) = systemd.pids("relay-1")

    os.kill(stuck, signal.SIGUSR1)

    wait_until(lambda: len(systemd.pids("relay-1")) == 2)
    assert "event=process_stuck process=relay-1 silent_s=0.6" in systemd.log
    assert "event=process_died process=relay-1 status=-9" in systemd.log
    assert not Path(f"/proc/{stuck}").exists()
    assert (1, 1) == (len(systemd.pids("relay-2")), len(systemd.pids("jobs")))


def test_a_stopped_process_is_killed_and_started_again(systemd: Systemd) -> None:
    (stopped,) = systemd.pids("jobs")

    os.kill(stopped, signal.SIGSTOP)

    wait_until(lambda: len(systemd.pids("jobs")) == 2)
    assert "event=process_stuck process=jobs" in systemd.log


def test_a_supervisor_that_does_not_go_round_does_not_say_that_it_lives(systemd: Systemd) -> None:
    os.kill(systemd.process.pid, signal.SIGSTOP)
    systemd.hear()
    before = systemd.hear().count("WATCHDOG=1")

    # Several times the watchdog's interval: there is nothing to wait for.
    time.sleep(0.5)

    assert systemd.hear().count("WATCHDOG=1") - before <= 1


def test_after_a_freeze_of_the_whole_service_nobody_is_taken_for_stuck(systemd: Systemd) -> None:
    os.killpg(systemd.process.pid, signal.SIGSTOP)
    # Longer than a process may be silent: the time has to pass.
    time.sleep(1.0)
    frozen = systemd.hear().count("WATCHDOG=1")

    os.killpg(systemd.process.pid, signal.SIGCONT)

    wait_until(lambda: systemd.hear().count("WATCHDOG=1") > frozen + 4)
    assert "process_stuck" not in systemd.log
    assert 1 == len(systemd.pids("relay-1"))


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
    ids=["none", "ours", "ours by id", "another's", "zero", "no number"],
)
def test_the_watchdog_is_ours_when_systemd_says_so(
    environment: dict[str, str], expected: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert expected == watchdog_s()
