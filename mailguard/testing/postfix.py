"""A private Postfix for tests: its own folders, high ports on loopback, nothing of the system's."""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mailguard.testing.service import free_port, wait_until

MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file_prefixes = /var/tmp
maillog_file = {folder}/maillog
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
myhostname = postfix.elmpark.example
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
relay_domains = elmpark.example, pupils.elmpark.example
relayhost = [127.0.0.1]:{relay}
smtp_dns_support_level = disabled
smtp_tls_security_level = none
smtpd_tls_security_level = none
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_client_connection_rate_limit = 0
smtputf8_enable = yes
in_flow_delay = 0
minimal_backoff_time = 300s
biff = no
"""

MASTER = """
127.0.0.1:{front} inet n - n - 20 smtpd
  -o smtpd_proxy_filter=127.0.0.1:{proxy}
  -o smtpd_proxy_timeout=20s
127.0.0.1:{back} inet n - n - 20 smtpd
  -o smtpd_authorized_xforward_hosts=127.0.0.0/8
  -o receive_override_options=no_unknown_recipient_checks
  -o cleanup_service_name=cleanup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""


ASKING = """
127.0.0.1:{port} inet n - n - 20 smtpd
  -o smtpd_milters={milter}
  -o milter_connect_timeout=5s
  -o milter_command_timeout=5s
  -o milter_content_timeout={patience}s
  -o smtpd_authorized_xclient_hosts=127.0.0.0/8
  -o smtpd_tls_security_level=may
  -o smtpd_relay_restrictions=permit_mynetworks,permit_auth_destination,reject
"""
"""A server that asks a milter; `milter_default_action` is Postfix's own default, tempfail."""


PICKUP = """
pickup unix n - n 1 1 pickup
"""
"""Takes what programs on the machine hand in."""


@dataclass(slots=True)
class Postfix:
    """Two servers in one: `front` hands each message to a proxy filter, `back` takes it from
    there and relays it on."""

    proxy: int
    """Port of the filter."""

    relay: int
    """Port that accepted mail is relayed to."""

    extra: str = ""
    """More lines of main.cf."""

    services: str = ""
    """More lines of master.cf."""

    front: int = field(default_factory=free_port)
    back: int = field(default_factory=free_port)
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(dir="/var/tmp")))
    """Below /var/tmp, since Postfix's own user must be able to reach it."""

    milter: str = ""
    """``inet:host:port`` or ``unix:/path``; then `asking` is a server that asks it."""

    patience: int = 20
    """Seconds for the milter's answer, between signs of life."""

    asking: int = field(default_factory=free_port)

    def start(self) -> None:
        """Write the configuration and start; return once both servers answer."""
        self.folder.chmod(0o755)
        for name in ("conf", "queue", "data"):
            (self.folder / name).mkdir()
        shutil.chown(self.folder / "data", "postfix")
        (self.folder / "conf" / "main.cf").write_text(
            MAIN.format(folder=self.folder, relay=self.relay) + self.extra
        )
        (self.folder / "conf" / "master.cf").write_text(
            MASTER.format(front=self.front, back=self.back, proxy=self.proxy)
            + (
                self.milter
                and ASKING.format(port=self.asking, milter=self.milter, patience=self.patience)
            )
            + self.services
        )
        self.run("start")
        wait_until(lambda: "daemon started" in self.log, 20)

    def stop(self) -> None:
        """Stop it at once and delete its folder."""
        self.run("abort")
        shutil.rmtree(self.folder, ignore_errors=True)

    def submit(self, raw: bytes, *, sender: str, to: Sequence[str]) -> None:
        """Hand in a message as a program on this machine does, by sendmail(1); it is taken where
        `services` has :data:`PICKUP`."""
        subprocess.run(
            ["/usr/sbin/sendmail", "-C", str(self.folder / "conf"), "-i", "-f", sender, *to],
            input=raw.replace(b"\r\n", b"\n"),
            timeout=60,
            check=True,
        )

    @property
    def log(self) -> str:
        """Its mail log so far."""
        file = self.folder / "maillog"
        return file.read_text("utf-8", "replace") if file.exists() else ""

    def run(self, command: str) -> None:
        """Run a command of `postfix`, such as ``flush``."""
        done = subprocess.run(
            ["/usr/sbin/postfix", "-c", str(self.folder / "conf"), command],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert command != "start" or done.returncode == 0, done.stderr + self.log
