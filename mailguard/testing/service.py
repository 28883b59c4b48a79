"""The real service for tests: `mailguard serve` as a process of its own, started and stopped."""

import os
import select
import signal
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mailguard.testing import CANARY

START_S = 90.0
"""Compiling the rules takes some ten seconds when their cache is new; on a busy machine, more."""

CONFIG = """
mode = "{mode}"
[school]
name = "Elm Park Primary"
domains = ["elmpark.example", "pupils.elmpark.example"]
[people]
headteacher = ["head@elmpark.example"]
[directory]
pupils = ["*@pupils.elmpark.example"]
staff = ["*@elmpark.example"]
[[listeners]]
name = "mail"
address = "127.0.0.1:{port}"
origin = "{origin}"
next_hop = "smtp://127.0.0.1:{next_hop}"
[rules]
local = "{folder}/rules"
disable = {disable}
[relay]
workers = {workers}
[canary]
minutes = {canary}
[mail]
next_hop = "smtp://127.0.0.1:{own_mail}"
[digest]
time = "{digest_time}"
days = {digest_days}
[storage]
database = "sqlite:///{folder}/mailguard.db"
spool = "{folder}/spool"
cache = "{cache}"
"""


def free_port() -> int:
    """A port on loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(slots=True)
class Service:
    """A running MailGuard with a folder, a configuration and a log of its own."""

    folder: Path
    next_hop: int
    """Port of the next hop on loopback."""

    cache: Path
    """Shared by all services of a test run, so that rules are compiled once."""

    origin: str = "inside"
    mode: str = "enforce"
    workers: int = 1
    canary: int = 0
    """Minutes between self-tests. None, so that they do not get in the way of what is counted."""

    own_mail: int = 1
    """Port that takes digests and alerts. Nobody does, so that they do not get in the way of what
    is counted."""

    digest_time: str = "07:30"
    digest_days: Sequence[str] = ()
    """None, for the same reason."""

    disable: Sequence[str] = ()
    """Symbols that do not run."""

    extra: str = ""
    """More TOML, appended."""

    only: str = ""
    """The part of the service to run; all of it when empty."""

    wrapper: Sequence[str] = ()
    """Words in front of the command, e.g. ``strace …``."""

    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "mailguard.toml"

    @property
    def log(self) -> str:
        """Everything that it wrote so far."""
        return (self.folder / "log").read_text("utf-8", "replace")

    @property
    def spool(self) -> Path:
        """The spool's root."""
        return self.folder / "spool"

    def start(self) -> None:
        """Start it and return once every listener accepts."""
        self.write_config()
        # Both parts may run on one folder.
        address = self.folder / f"notify{self.only}"
        address.unlink(missing_ok=True)
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel,
            (self.folder / "log").open("ab") as log,
        ):
            channel.bind(str(address))
            self.process = subprocess.Popen(
                [*self.wrapper, *self._command("serve", *self._part)],
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment, "NOTIFY_SOCKET": str(address)},
                start_new_session=True,
            )
            self._wait_for(channel)

    def write_config(self) -> None:
        """Write the configuration file and start nothing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config.write_text(
            CONFIG.format(
                mode=self.mode,
                port=self.port,
                origin=self.origin,
                next_hop=self.next_hop,
                folder=self.folder,
                cache=self.cache,
                workers=self.workers,
                canary=self.canary,
                own_mail=self.own_mail,
                digest_time=self.digest_time,
                digest_days=list(self.digest_days),
                disable=list(self.disable),
            )
            + self.extra
        )

    def _wait_for(self, channel: socket.socket) -> None:
        assert self.process is not None
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if select.select([channel], [], [], 0.05)[0]:
                assert channel.recv(64) == b"READY=1"
                return
            assert self.process.poll() is None, f"it ended:\n{self.log}"
        raise AssertionError(f"not ready after {START_S} s:\n{self.log}")

    def stop(self) -> int:
        """End it with SIGTERM; return its exit status, having looked for leaks in its log."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(60)
        assert CANARY not in self.log
        return status

    def kill(self) -> None:
        """End every process of it at once, as a power cut would."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def pids(self, name: str) -> list[int]:
        """Its processes of this name, e.g. ``relay-1`` or ``jobs``."""
        assert self.process is not None
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                comm = (folder / "comm").read_text().strip()
                session = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[3])
            except (OSError, IndexError):
                continue
            if comm == f"mg-{name}" and session == self.process.pid:
                found.append(int(folder.name))
        return sorted(found)

    def command(self, *words: str, **options: Any) -> "subprocess.CompletedProcess[str]":
        """Run a `mailguard` command with this configuration."""
        return subprocess.run(
            [*self._command(*words)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **options,
        )

    @property
    def _part(self) -> tuple[str, ...]:
        return ("--only", self.only) if self.only else ()

    def _command(self, name: str, *words: str) -> list[str]:
        # Groups take --config after their own command: `quarantine list --config FILE`.
        return [sys.executable, "-m", "mailguard", name, *words, "--config", str(self.config)]

    def send(
        self,
        raw: bytes,
        *,
        sender: str = "ana@elmpark.example",
        to: Sequence[str] = ("ben@elmpark.example",),
    ) -> tuple[int, bytes]:
        """Send one message with smtplib; return the reply to its final dot."""
        with smtplib.SMTP("127.0.0.1", self.port, timeout=30) as client:
            client.ehlo("client.example")
            code, text = client.mail(sender)
            for address in to:
                if code == 250:
                    code, text = client.rcpt(address)
            return client.data(raw) if code == 250 else (code, text)


def wait_until(condition: Any, seconds: float = 10.0) -> None:
    """Return as soon as `condition()` is true; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)
