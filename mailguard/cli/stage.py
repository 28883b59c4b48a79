"""Where the demo takes place: a folder, MailGuard as a process, a mail server behind it."""

import asyncio
import email.parser
import smtplib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.header import decode_header, make_header
from pathlib import Path

from mailguard.cli.ruleset import own_cache
from mailguard.errors import UserError
from mailguard.mail.envelope import Origin
from mailguard.service.compose import SystemClock
from mailguard.smtp.maildir import Delivered, MaildirServer
from mailguard.smtp.server import listen

START_S = 60.0
"""Rules are compiled anew, which takes a second or two; a busy old machine takes longer."""

STOP_S = 30.0

HOST = "127.0.0.1"

CONFIG = """\
# The demo's configuration. `mailguard config example` has every key.
[school]
name = "Elm Park Primary"
domains = ["elmpark.example"]

[people]
headteacher = ["head@elmpark.example"]
dsl = ["p.lane@elmpark.example"]
chair = ["chair@governors.example"]

[directory]
pupils = ["*@pupils.elmpark.example"]
staff = ["*@elmpark.example"]
file = "directory.csv"
helplines = ["helpline.example"]

[[listeners]]
name = "submission"
address = "{host}:{inside}"
origin = "inside"
next_hop = "smtp://{host}:{next_hop}"

[[listeners]]
name = "mx"
address = "{host}:{outside}"
origin = "outside"
next_hop = "smtp://{host}:{next_hop}"

[rules]
local = "rules"

[storage]
database = "sqlite:///{folder}/mailguard.db"
spool = "quarantine"
cache = "{cache}"
"""

DIRECTORY = """\
address,name,group,year,of
ava.reed@pupils.elmpark.example,Ava Reed,pupil,5,
j.reed@post.example,Joanna Reed,parent,,ava.reed@pupils.elmpark.example
"""


OWN_SENDER = "mailguard@elmpark.example"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail of MailGuard's own that arrived."""

    to: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A running demo."""

    folder: Path
    ports: dict[Origin, int]
    """Of MailGuard's two listeners on loopback."""

    next_hop: MaildirServer

    @property
    def config_file(self) -> Path:
        """The configuration, for every `mailguard` command."""
        return self.folder / "mailguard.toml"

    @property
    def delivered(self) -> list[Delivered]:
        """What arrived at the mail server behind MailGuard, oldest first, but for its own mail."""
        return [each for each in self.next_hop.delivered if each.sender.address != OWN_SENDER]

    def own_mail(self, subject: str) -> list[Letter]:
        """MailGuard's own mail that arrived, whose subject begins so, oldest first."""
        own = [each for each in self.next_hop.delivered if each.sender.address == OWN_SENDER]
        letters = (
            Letter(to=each.recipients[0].address, subject=_subject_of(each.file)) for each in own
        )
        return [letter for letter in letters if letter.subject.startswith(subject)]


@contextmanager
def set_stage(folder: Path) -> Iterator[Stage]:
    """Start MailGuard and a mail server in `folder`; stop both at the end."""
    behind = listen(HOST, 0)
    ports = {Origin.INSIDE: _free_port(), Origin.OUTSIDE: _free_port()}
    text = CONFIG.format(
        host=HOST,
        inside=ports[Origin.INSIDE],
        outside=ports[Origin.OUTSIDE],
        next_hop=behind.getsockname()[1],
        folder=folder,
        cache=own_cache(),
    )
    (folder / "mailguard.toml").write_text(text)
    (folder / "directory.csv").write_text(DIRECTORY)
    next_hop = MaildirServer(folder / "delivered", SystemClock())
    stage = Stage(folder=folder, ports=ports, next_hop=next_hop)
    with _running_server(next_hop, behind), _running_service(stage):
        yield stage


@contextmanager
def _running_server(server: MaildirServer, sock: socket.socket) -> Iterator[None]:
    """Run the mail server behind MailGuard in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="next hop", daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.start([sock]), loop).result(STOP_S)
    try:
        yield
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(STOP_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(STOP_S)


@contextmanager
def _running_service(stage: Stage) -> Iterator[None]:
    """Run `mailguard serve` until the end of the block."""
    command = [sys.executable, "-m", "mailguard", "serve", "--config", str(stage.config_file)]
    with (stage.folder / "serve.log").open("wb") as log:
        # A session of its own: Ctrl-C is for us, and we stop it in good order.
        process = subprocess.Popen(  # noqa: S603 # our own words only
            command, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait_for_greeting(process, stage)
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for_greeting(process: "subprocess.Popen[bytes]", stage: Stage) -> None:
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            for port in stage.ports.values():
                smtplib.SMTP(HOST, port, timeout=START_S).quit()
            return
        except OSError:
            time.sleep(0.05)
    log = (stage.folder / "serve.log").read_text("utf-8", "replace").strip()
    raise UserError(f"`mailguard serve` did not start:\n{log}")


def _subject_of(file: Path) -> str:
    with file.open("rb") as stream:
        headers = email.parser.BytesHeaderParser().parse(stream)
    return str(make_header(decode_header(headers["Subject"])))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
