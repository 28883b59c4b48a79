"""A disk that fails or is full, and a process out of descriptors: 451, nothing half-kept, and the
service goes on without a person as soon as it can.

strace makes single system calls of the relay fail, as a dying disk does.
"""

import json
import os
import shutil
import smtplib
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from mailguard.testing import mail
from mailguard.testing.service import Service, wait_until
from mailguard.testing.sink import Sink

from .test_sudden_death import HELD, OTHER, PUPIL, TEACHER, is_traced

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="attaching to another process needs root"),
]

FAULTS = [
    ("fsync", "EIO", "1"),
    ("fsync", "EIO", "4+"),
    ("mkdir", "ENOSPC", "2+"),
    ("rename", "EIO", "1"),
    ("fdatasync", "EIO", "1+"),
    ("pwrite64", "ENOSPC", "1+"),
]
"""A call, its error, and at which of its calls for one message: files, folder, place, row. The
first mkdir finds its folder there already."""


@contextmanager
def failing(service: Service, call: str, error: str, when: str) -> Iterator[None]:
    """While it lasts, the relay's calls fail."""
    (pid,) = service.pids("relay-1")
    tracer = subprocess.Popen(
        f"strace -f -qq -o /dev/null -p {pid} -e trace={call}"
        f" -e inject={call}:error={error}:when={when}".split(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: is_traced(pid))
        yield
    finally:
        tracer.terminate()
        tracer.wait(10)


def listed(service: Service) -> list[dict[str, object]]:
    lines = service.command("quarantine", "list", "--json").stdout.splitlines()
    return [json.loads(line) for line in lines]


def test_a_failing_disk_is_451_and_the_retry_is_kept_once(service: Service, sink: Sink) -> None:
    codes = {}
    for number, (call, error, when) in enumerate(FAULTS, 1):
        raw = mail(f"{HELD} fault {number}", from_=PUPIL)
        with failing(service, call, error, when):
            codes[call, error, when], _ = service.send(raw, sender=PUPIL, to=[OTHER])
        assert service.send(raw, sender=PUPIL, to=[OTHER])[0] == 250

    assert service.stop() == 0
    service.start()
    rows = listed(service)
    assert codes == dict.fromkeys(codes, 451)
    assert len(rows) == len(FAULTS)
    assert sorted(row["id"] for row in rows) == sorted(
        folder.name for folder in service.spool.glob("2*/*/*/*")
    )
    assert "event=evidence_missing" not in service.log
    assert sink.messages() == []
    assert service.command("audit", "verify").returncode == 0


@pytest.fixture
def cramped(make_service: Callable[..., Service], sink: Sink) -> Service:
    """A service that may open 250 files, as one whose unit was written by hand."""
    return make_service(sink.port, wrapper=("prlimit", "--nofile=250:250"))


def test_more_clients_than_descriptors_are_told_to_come_again(cramped: Service, sink: Sink) -> None:
    first_words = []
    with ExitStack() as clients:
        for _ in range(90):
            client = socket.create_connection(("127.0.0.1", cramped.port))
            clients.enter_context(client)
            client.settimeout(10)
            first_words.append(client.recv(100)[:3])
    log = cramped.log

    wait_until(lambda: _takes_mail(cramped))
    assert first_words[0] == b"220"
    assert first_words[-1] == b"421"
    assert "event=failed" not in log
    assert "Traceback" not in log
    assert log.count("event=refused_connection") == first_words.count(b"421")
    assert len(cramped.pids("relay-1")) == 1


def _takes_mail(service: Service) -> bool:
    try:
        return service.send(mail("Trip letters", from_=PUPIL), sender=PUPIL, to=[TEACHER])[0] == 250
    except (OSError, smtplib.SMTPException):
        return False


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder of 24 MiB, in which a service named after it has all that it writes."""
    disk = tmp_path / "small"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no tmpfs can be mounted here")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_on_a_full_disk_mail_goes_on_people_decide_and_room_is_enough_to_recover(
    small_disk: Path, make_service: Callable[..., Service], sink: Sink
) -> None:
    service = make_service(sink.port, name="small")
    held, clean = mail(HELD, from_=PUPIL), mail("Trip letters", from_=PUPIL)
    assert service.send(held, sender=PUPIL, to=[OTHER])[0] == 250
    with (small_disk / "filler").open("wb", buffering=0) as filler:
        filler.write(bytes(shutil.disk_usage(small_disk).free))

    while_full = [
        service.send(held, sender=PUPIL, to=[OTHER])[0],
        service.send(clean, sender=PUPIL, to=[TEACHER])[0],
    ]
    (row,) = listed(service)
    decided = service.command("quarantine", "confirm", str(row["id"]), "--reason", "seen")
    (small_disk / "filler").unlink()
    afterwards = service.send(held, sender=PUPIL, to=[OTHER])[0]

    assert while_full == [451, 250]
    assert len(sink.messages()) == 1
    assert decided.returncode == 0, decided.stderr
    assert afterwards == 250
    assert sorted(str(row["state"]) for row in listed(service)) == ["confirmed", "held"]
    assert service.stop() == 0
