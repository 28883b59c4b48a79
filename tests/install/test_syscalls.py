"""Every system call that the service makes is one that its units allow."""

import io
import os
import re
import shutil
import subprocess
import zipfile
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest

from mailguard.testing import mail
from mailguard.testing.service import Service
from mailguard.testing.sink import Sink

ROOT = Path(__file__).parents[2]
UNITS = ("mailguard-relay.service", "mailguard-jobs.service")
PUPIL, OTHER = "sam@pupils.elmpark.example", "max@pupils.elmpark.example"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
    pytest.mark.skipif(
        shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
    ),
    pytest.mark.skipif(os.geteuid() != 0, reason="tracing children needs root in containers"),
]

RENAMED = {"pread": "pread64", "pwrite": "pwrite64", "newfstat": "fstat"}
"""strace's names where systemd has others."""


ROOTS = {"fchown", "setgroups", "setresgid", "setresuid"}
"""Only when it runs as root, as here: SQLite gives its files to the database's owner, and processes
that read attachments stop being root."""

CAGE = {"landlock_create_ruleset", "landlock_restrict_self"}
"""The relay reads attachments, the jobs do not."""


def groups() -> dict[str, set[str]]:
    """What systemd's groups of system calls hold, other groups included by name."""
    text = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found: dict[str, set[str]] = {}
    for block in re.split(r"\n(?=@)", text):
        name, *lines = block.splitlines()
        words = {line.strip() for line in lines}
        found[name.strip()] = {word for word in words if word and not word.startswith("#")}
    return found


def expand(name: str, known: dict[str, set[str]]) -> set[str]:
    if not name.startswith("@"):
        return {name}
    return {call for part in known[name] for call in expand(part, known)}


def allowed(unit: str) -> set[str]:
    """The system calls of the unit's filter; its lines are read one after the other."""
    known = groups()
    # What systemd always adds to a list of allowed calls.
    calls = expand("@default", known)
    lines = re.findall(r"^SystemCallFilter=(.*)$", (ROOT / "systemd" / unit).read_text(), re.M)
    for line in lines:
        named = {call for word in line.lstrip("~").split() for call in expand(word, known)}
        calls = calls - named if line.startswith("~") else calls | named
    return calls


@pytest.fixture(scope="module")
def called(tmp_path_factory: pytest.TempPathFactory, rule_cache: Path) -> set[str]:
    """The system calls of the whole service at its main work, from start to end."""
    folder = tmp_path_factory.mktemp("traced")
    sink = Sink(folder / "maildir")
    sink.start()
    service = Service(
        folder=folder / "school",
        next_hop=sink.port,
        cache=rule_cache,
        extra='[retention]\ndismissed_days = 0\n[metrics]\naddress = "127.0.0.1:0"\n'
        f'folder = "{folder}/metrics"\n',
        wrapper=("strace", "-f", "-qq", "-c", "-S", "name", "-o", str(folder / "calls")),
    )
    service.start()
    for text in ("I'm going to stab you", "Football is at four."):
        assert service.send(mail(text, from_=PUPIL), sender=PUPIL, to=[OTHER])[0] == 250
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("note.txt", "All is well.")
    attached = EmailMessage(policy=SMTP)
    attached.set_content("See the note.")
    attached.add_attachment(packed.getvalue(), "application", "zip", filename="note.zip")
    assert service.send(attached.as_bytes(), sender=PUPIL, to=[OTHER])[0] == 250
    held = service.command("quarantine", "list", "--json").stdout.partition('"id": "')[2][:26]
    done = service.command("quarantine", "release", held, "--reason", "a play", "--wait", "30")
    assert done.returncode == 0, done.stderr
    # strace hands the signal on to nobody: the service is its child.
    assert service.process is not None
    children = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children")
    os.kill(int(children.read_text().split()[0]), 15)
    service.process.wait(60)
    sink.stop()
    lines = (folder / "calls").read_text().splitlines()
    return {RENAMED.get(call, call) for call in (line.split()[-1] for line in lines[2:-2])}


@pytest.mark.parametrize("unit", UNITS)
def test_no_system_call_of_the_main_work_is_outside_the_units_filter(
    unit: str, called: set[str]
) -> None:
    assert {"accept4", "fsync", "execve", "prlimit64", "renameat"} & called
    assert {"landlock_restrict_self", "prctl"} <= called
    others = CAGE if unit == "mailguard-jobs.service" else set()
    assert called - ROOTS - others - allowed(unit) == set()


@pytest.mark.parametrize("call", ["mount", "ptrace", "setuid", "init_module", "reboot", "bpf"])
@pytest.mark.parametrize("unit", UNITS)
def test_what_only_an_intruder_wants_is_outside_the_filter(unit: str, call: str) -> None:
    assert call not in allowed(unit)
