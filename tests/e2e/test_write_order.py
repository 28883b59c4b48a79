"""Promise 1, seen from the kernel: files, folder, parents, row, and only then the reply."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailguard.testing import mail
from mailguard.testing.service import Service, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="attaching to another process needs root"),
]

CALLS = "fsync,fdatasync,rename,renameat,renameat2,write,writev,sendto,sendmsg"


@pytest.fixture
def trace(service: Service, tmp_path: Path) -> Iterator[Path]:
    """What the relay does, one system call a line, with paths."""
    (pid,) = service.pids("relay-1")
    log = tmp_path / "strace"
    tracer = subprocess.Popen(
        [
            *["strace", "-f", "-y", "-qq", "-s", "64", "-o"],
            str(log),
            "-p",
            str(pid),
            "-e",
            f"trace={CALLS}",
        ]
    )
    wait_until(log.exists)
    wait_until(lambda: "TracerPid:\t0" not in Path(f"/proc/{pid}/status").read_text())
    yield log
    tracer.terminate()
    tracer.wait(10)


def test_250_comes_after_files_folder_parents_and_row(service: Service, trace: Path) -> None:
    code, _ = service.send(
        mail("I'm going to stab you tomorrow"),
        sender="sam@pupils.elmpark.example",
        to=["max@pupils.elmpark.example"],
    )

    wait_until(lambda: "queued as" in trace.read_text())
    lines = trace.read_text().splitlines()

    def first(pattern: str, after: int = -1) -> int:
        found = [i for i, line in enumerate(lines) if i > after and re.search(pattern, line)]
        assert found, f"no {pattern} after line {after}:\n" + "\n".join(lines)
        return found[0]

    spool = re.escape(str(service.spool))
    message = first(rf"fsync\(\d+<{spool}/tmp/\w+/message\.eml>")
    evidence = first(rf"fsync\(\d+<{spool}/tmp/\w+/evidence\.json>")
    rename = first(r"rename\w*\(", max(message, evidence))
    parents = [
        first(rf"fsync\(\d+<{spool}{level}>", rename)
        for level in (r"/\d{4}/\d\d/\d\d", r"/\d{4}/\d\d", r"/\d{4}", "")
    ]
    row = first(r"fdatasync\(\d+<.*mailguard\.db-wal>", max(parents))
    reply = first(r"queued as", row)
    assert code == 250
    assert message < rename < min(parents) <= max(parents) < row < reply
