"""kill -9 at every step: whatever dies when, each message is with the client, the next hop or the
quarantine, and the service is back without a person.

strace kills a process at its n-th call of one system call, for n = 1, 2, 3, … until it survives.
Its counters are per thread and per call, so a set of calls would kill at fewer places than it
seems: one call at a time, and every test asserts how many deaths there were.
"""

import os
import re
import shutil
import smtplib
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mailguard.testing import mail
from mailguard.testing.service import Service, wait_until
from mailguard.testing.sink import Sink

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="attaching to another process needs root"),
]

PUPIL = "sam@pupils.elmpark.example"
OTHER = "max@pupils.elmpark.example"
TEACHER = "ms.khan@elmpark.example"

HELD = "wait till break tomorrow, I'm going to stab you"
QUIET = "Nobody wants you in our group. You are worthless."
"""Held, and no alert: the jobs have nothing else to do."""

CLEAN = "Trip letters are due on Friday."
MIXED = "Everyone hates you. kill yourself, nobody would miss you."

FILES = ("fsync", "fdatasync", "rename", "renameat", "renameat2", "mkdir", "mkdirat", "pwrite64")
SOCKETS = ("write", "writev", "sendto", "sendmsg", "connect")
MOST = 40
"""Steps of one call for one message, more than were ever seen: the loop ends."""

OF_JOBS = {"pwrite64": range(1, 18, 3), "write": range(1, 9)}
"""Steps of the jobs process where others will do: it writes a page at a time, and it looks for what
is owed each second, so that it would die at any number."""


@dataclass
class Victim:
    """One process of a service that is to die at a step."""

    service: Service
    name: str
    deaths: int = 0
    markers: list[bytes] = field(default_factory=list)

    def attack(self, call: str, number: int, act: Callable[[], None]) -> bool:
        """Do `act` while strace waits to kill at the `number`-th `call`; True when it died."""
        wait_until(lambda: self.service.pids(self.name))
        (pid,) = self.service.pids(self.name)
        tracer = subprocess.Popen(
            f"strace -f -qq -o /dev/null -p {pid} -e trace={call}"
            f" -e inject={call}:signal=KILL:when={number}".split(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(lambda: is_traced(pid))
            act()
            died = self._is_gone(pid)
        finally:
            # Not SIGTERM: a tracer whose process is just dying may not look at it.
            tracer.kill()
            tracer.wait(10)
        self.deaths += died
        return died

    def _is_gone(self, pid: int) -> bool:
        """Whether it died; a death at its very last step may come after the client's reply."""
        deadline = time.monotonic() + 0.5
        while time.monotonic() < deadline:
            if self.service.pids(self.name) != [pid]:
                return True
            time.sleep(0.02)
        return False


def is_traced(pid: int) -> bool:
    """Whether every thread of `pid` has a tracer."""
    try:
        states = [p.read_text() for p in Path(f"/proc/{pid}/task").glob("*/status")]
    except OSError:
        return False
    return all(re.search(r"^TracerPid:\t[1-9]", state, re.M) for state in states)


def send_as_a_server_would(
    service: Service, raw: bytes, to: list[str], patience: float = 20
) -> None:
    """Try again until 250, as the queue of a mail server does."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            code, _ = service.send(raw, sender=PUPIL, to=to)
        except (OSError, smtplib.SMTPException):
            code = 0
        if code == 250:
            return
        assert code < 500
        time.sleep(0.05)
    raise AssertionError("never accepted")


def kill_at_every_step(victim: Victim, calls: tuple[str, ...], text: str, to: list[str]) -> None:
    for call in calls:
        for number in range(1, MOST):
            marker = f"step-{call}-{number}-end"
            victim.markers.append(marker.encode())
            raw = mail(f"{text} {marker}", from_=PUPIL)
            if not victim.attack(
                call, number, lambda raw=raw: send_as_a_server_would(victim.service, raw, to)
            ):
                break


def kept(service: Service) -> list[bytes]:
    return [file.read_bytes() for file in service.spool.glob("2*/*/*/*/message.eml")]


def deaths_by_signal(service: Service, name: str) -> int:
    return len(re.findall(rf"event=process_died process={name} status=-9\b", service.log))


def restart(service: Service) -> None:
    assert service.stop() == 0
    service.start()


@pytest.mark.parametrize("calls", [FILES, SOCKETS], ids=["files", "sockets"])
def test_kill_between_dot_and_reply_loses_no_held_message(
    service: Service, sink: Sink, calls: tuple[str, ...]
) -> None:
    relay = Victim(service, "relay-1")

    kill_at_every_step(relay, calls, HELD, [OTHER])

    restart(service)
    messages = kept(service)
    assert "event=evidence_missing" not in service.log
    assert [m for m in relay.markers if not any(m in message for message in messages)] == []
    assert sink.messages() == []
    assert deaths_by_signal(service, "relay-1") >= max(3, relay.deaths)
    assert service.command("audit", "verify").returncode == 0


@pytest.mark.parametrize("calls", [SOCKETS], ids=["sockets"])
def test_kill_between_dot_and_reply_loses_no_clean_message(
    service: Service, sink: Sink, calls: tuple[str, ...]
) -> None:
    relay = Victim(service, "relay-1")

    kill_at_every_step(relay, calls, CLEAN, [TEACHER])

    arrived = sink.messages()
    assert [m for m in relay.markers if not any(m in message for message in arrived)] == []
    assert deaths_by_signal(service, "relay-1") >= max(3, relay.deaths)


@pytest.mark.parametrize("calls", [FILES, SOCKETS], ids=["files", "sockets"])
def test_kill_in_a_mixed_transaction_loses_neither_half(
    service: Service, sink: Sink, calls: tuple[str, ...]
) -> None:
    relay = Victim(service, "relay-1")

    kill_at_every_step(relay, calls, MIXED, [OTHER, TEACHER])

    restart(service)
    held, arrived = kept(service), sink.messages()
    assert "event=evidence_missing" not in service.log
    for marker in relay.markers:
        assert any(marker in message for message in held)
        assert any(marker in message for message in arrived)
    assert {path.address for d in sink.delivered for path in d.recipients} == {TEACHER}
    assert deaths_by_signal(service, "relay-1") >= max(3, relay.deaths)
    assert service.command("audit", "verify").returncode == 0


@pytest.mark.parametrize("calls", [("fdatasync", "pwrite64"), SOCKETS], ids=["database", "sockets"])
def test_kill_between_release_and_its_record_sends_and_records(
    service: Service, sink: Sink, calls: tuple[str, ...]
) -> None:
    jobs = Victim(service, "jobs")

    for call in calls:
        for number in OF_JOBS.get(call, range(1, MOST)):
            marker = f"step-{call}-{number}-end"
            jobs.markers.append(marker.encode())
            send_as_a_server_would(service, mail(f"{QUIET} {marker}", from_=PUPIL), [OTHER])
            newest = held_ids(service)[-1]
            if not jobs.attack(call, number, lambda newest=newest: release(service, newest)):
                break

    arrived = sink.messages()
    copies = [sum(marker in message for message in arrived) for marker in jobs.markers]
    assert min(copies) >= 1
    assert sum(copies) - len(copies) <= service.log.count("event=dup_risk")
    assert deaths_by_signal(service, "jobs") >= max(3, jobs.deaths)
    assert service.command("audit", "verify").returncode == 0


def release(service: Service, held_id: str) -> None:
    done = service.command("quarantine", "release", held_id, "--reason", "drama", "--wait", "20")
    assert done.returncode == 0, done.stderr + service.log[-2000:]


def held_ids(service: Service) -> list[str]:
    return sorted(folder.name for folder in service.spool.glob("2*/*/*/*"))


def test_power_cut_at_any_moment_leaves_a_service_that_starts(
    make_service: Callable[..., Service], sink: Sink
) -> None:
    service = make_service(sink.port)
    for _ in range(3):
        service.send(mail(HELD, from_=PUPIL), sender=PUPIL, to=[OTHER])
        service.kill()
        service.start()

    assert len(kept(service)) == 3
    assert service.command("audit", "verify").returncode == 0
