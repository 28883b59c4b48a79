"""A private Exim for tests: where `scripts/bootstrap --tests` unpacked it, never installed."""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import mailguard
from mailguard.testing.letter import Arrived, read_arrived
from mailguard.testing.service import free_port, wait_until

UNPACKED = Path(mailguard.__file__).parents[1] / ".venv" / "unpacked"
BINARY = UNPACKED / "usr/sbin/exim4"

USER = 64999
"""Of Exim and its mail; a number that no account of the machine has."""

CONFIG = """
exim_path = {binary}
spool_directory = {folder}/spool
log_file_path = {folder}/spool/log-%s
pid_file_path = {folder}/spool/pid
keep_environment = LD_LIBRARY_PATH
primary_hostname = exim.elmpark.example
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
deliver_drop_privilege = true
host_lookup =
rfc1413_query_timeout = 0s
smtp_accept_max = 0
smtp_accept_queue_per_connection = 0
tls_advertise_hosts =
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
message_size_limit = 20M
acl_smtp_mail = accept
acl_smtp_rcpt = accept
acl_smtp_data = accept
received_header_text = Received: by exim.elmpark.example with $received_protocol id $message_exim_id
begin routers
all:
  driver = accept
  transport = files
begin transports
files:
  driver = appendfile
  user = {user}
  group = {user}
  directory = {folder}/mail
  maildir_format
  use_crlf
  envelope_to_add
  return_path_add
"""

START = """
mount --bind {folder}/passwd /etc/passwd
mount --bind {folder}/group /etc/group
exec {binary} -C {folder}/exim.conf -bdf -odi
"""
"""Exim refuses to start where its own account is missing. In a mount name space of its own there is
one, and the machine's accounts stay as they are."""


@dataclass(slots=True)
class Exim:
    """Takes all mail and puts it into one Maildir."""

    port: int = field(default_factory=free_port)
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(dir="/var/tmp")))
    """Below /var/tmp, since Exim's own user must be able to reach it."""

    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Write the configuration and start; return once it listens."""
        self.folder.chmod(0o755)
        for name in ("spool", "mail"):
            (self.folder / name).mkdir()
            os.chown(self.folder / name, USER, USER)
        for name, line in (("passwd", "::/nonexistent:/bin/false"), ("group", ":")):
            accounts = Path("/etc", name).read_text()
            number = f"{USER}:{USER}" if name == "passwd" else str(USER)
            (self.folder / name).write_text(f"{accounts}Debian-exim:x:{number}{line}\n")
        (self.folder / "exim.conf").write_text(
            CONFIG.format(binary=BINARY, folder=self.folder, port=self.port, user=USER)
        )
        libraries = {str(file.parent) for file in (UNPACKED / "usr/lib").rglob("*.so.*")}
        self.process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-ec", START.format(folder=self.folder, binary=BINARY)],
            env={**os.environ, "LD_LIBRARY_PATH": ":".join(sorted(libraries))},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: "daemon started" in self.log, 20)

    def stop(self) -> None:
        """Stop it at once and delete its folder."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def log(self) -> str:
        """Its main log so far."""
        file = self.folder / "spool" / "log-main"
        return file.read_text("utf-8", "replace") if file.exists() else ""

    def arrived(self) -> list[Arrived]:
        """What was delivered, oldest first."""
        return read_arrived(self.folder / "mail" / "new")
