"""kill -9 at every step of a milter: whatever dies when, each message is still with the client or
in quarantine, and only what the mail server was told to deliver is delivered.

The mail server here is our own, so that it can ask again at once as a client would.
"""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mailguard.testing import mail
from mailguard.testing.milter import MilterClient
from mailguard.testing.service import Service, free_port, wait_until
from mailguard.testing.sink import Sink

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="attaching to another process needs root"),
]

PUPIL = b"<sam@pupils.elmpark.example>"
OTHER = b"<max@pupils.elmpark.example>"
TEACHER = b"<ms.khan@elmpark.example>"

HELD = "wait till break tomorrow, I'm going to stab you"
MIXED = "Everyone hates you. kill yourself, nobody would miss you."

MOST = 40
STEPS = {
    "fsync": range(1, MOST),
    "rename": range(1, MOST),
    "fdatasync": range(1, MOST),
    "write": range(1, 7),
}
"""What makes evidence durable, what makes the row so, and what answers. A worker writes its
heartbeat too, so that it would die at any number."""

MILTER = """
[[listeners]]
name = "asked"
protocol = "milter"
address = "127.0.0.1:{port}"
clients = ["192.0.2.0/24"]
next_hop = "smtp://127.0.0.1:{next_hop}"
"""

Answer = list[tuple[bytes, bytes]]


def is_traced(pid: int) -> bool:
    """Whether every thread of `pid` has a tracer."""
    try:
        states = [p.read_text() for p in Path(f"/proc/{pid}/task").glob("*/status")]
    except OSError:
        return False
    return all(re.search(r"^TracerPid:\t[1-9]", state, re.M) for state in states)


def ask_until_answered(port: int, raw: bytes, to: list[bytes]) -> Answer:
    """Ask, and after each broken connection again, as the client of a mail server comes back."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with MilterClient(("127.0.0.1", port)) as client:
                client.greet()
                answer = client.ask(raw, sender=PUPIL, to=to)
        except (OSError, EOFError, AssertionError):
            time.sleep(0.02)
            continue
        if answer[-1][0] not in b"yt":
            return answer
    raise AssertionError("never answered")


def trace(service: Service, call: str, number: int) -> "tuple[int, subprocess.Popen[bytes]]":
    """Begin with the worker that is there, or, if that was just dying, with the next."""
    while True:
        wait_until(lambda: service.pids("relay-1"))
        for pid in service.pids("relay-1"):
            tracer = subprocess.Popen(
                f"strace -f -qq -o /dev/null -p {pid} -e trace={call}"
                f" -e inject={call}:signal=KILL:when={number}".split(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            wait_until(lambda pid=pid, it=tracer: is_traced(pid) or it.poll() is not None)
            if tracer.poll() is None:
                return pid, tracer


def attack(service: Service, call: str, number: int, act: Callable[[], None]) -> bool:
    """Do `act` while strace waits to kill the worker at its `number`-th `call`; True if it died."""
    pid, tracer = trace(service, call, number)
    try:
        act()
        deadline = time.monotonic() + 0.3
        while service.pids("relay-1") == [pid] and time.monotonic() < deadline:
            time.sleep(0.02)
        return service.pids("relay-1") != [pid]
    finally:
        tracer.kill()
        tracer.wait(10)


def kill_at_every_step(
    service: Service, port: int, text: str, to: list[bytes], calls: tuple[str, ...]
) -> tuple[dict[str, Answer], int]:
    """The last answer for each message, by its marker, and how often the worker died."""
    answers: dict[str, Answer] = {}
    deaths = 0
    for call in calls:
        for number in STEPS[call]:
            marker = f"step-{call}-{number}-end"
            raw = mail(f"{text} {marker}", from_="sam@pupils.elmpark.example")

            def act(raw: bytes = raw, marker: str = marker) -> None:
                answers[marker] = ask_until_answered(port, raw, to)

            if not attack(service, call, number, act):
                break
            deaths += 1
    print(f"{deaths} deaths, {len(answers)} messages")
    return answers, deaths


def kept(service: Service) -> list[bytes]:
    return [file.read_bytes() for file in service.spool.glob("2*/*/*/*/message.eml")]


def states(service: Service) -> set[tuple[str, str]]:
    done = service.command("quarantine", "list", "--json")
    return {
        (recipient["address"], recipient["state"])
        for line in done.stdout.splitlines()
        for recipient in json.loads(line)["recipients"]
    }


@pytest.mark.parametrize(
    ("calls", "text", "to", "answer", "ends"),
    [
        (
            ("write",),
            HELD,
            [OTHER],
            [(b"d", b"")],
            {("max@pupils.elmpark.example", "held")},
        ),
        (
            tuple(STEPS),
            MIXED,
            [OTHER, TEACHER],
            [(b"-", OTHER + b"\0"), (b"a", b"")],
            {
                ("max@pupils.elmpark.example", "held"),
                ("ms.khan@elmpark.example", "delivered"),
                # Killed while the row was open: nobody knows, so a person is shown it.
                ("ms.khan@elmpark.example", "held"),
            },
        ),
    ],
    ids=["held", "mixed"],
)
def test_kill_between_end_of_message_and_answer_loses_nothing(
    make_service: Callable[..., Service],
    sink: Sink,
    calls: tuple[str, ...],
    text: str,
    to: list[bytes],
    answer: Answer,
    ends: set[tuple[str, str]],
) -> None:
    port = free_port()
    service = make_service(sink.port, extra=MILTER.format(port=port, next_hop=sink.port))

    answers, deaths = kill_at_every_step(service, port, text, to, calls)

    assert service.stop() == 0
    service.start()
    messages = kept(service)
    assert [m for m in answers if not any(m.encode() in message for message in messages)] == []
    assert [given for given in answers.values() if given != answer] == []
    assert states(service) <= ends
    assert "event=evidence_missing" not in service.log
    assert deaths >= 2 * len(calls)
    died = len(re.findall(r"event=process_died process=relay-1 status=-9\b", service.log))
    assert died >= deaths
    assert service.command("audit", "verify").returncode == 0
    assert sink.messages() == []
