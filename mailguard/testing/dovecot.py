"""A private Dovecot for tests, that takes mail over LMTP: own folders, nothing of the system's."""

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mailguard.testing.letter import Arrived, read_arrived
from mailguard.testing.service import free_port, wait_until

BINARY = Path("/usr/sbin/dovecot")
LMTP = Path("/usr/lib/dovecot/lmtp")

NOBODY = 65534

CONFIG = """
protocols = lmtp
base_dir = {folder}/base
log_path = {folder}/log
ssl = no
hostname = dovecot.elmpark.example
postmaster_address = postmaster@elmpark.example
mail_location = maildir:{folder}/mail/%n
mail_uid = {nobody}
mail_gid = {nobody}
mail_save_crlf = yes
mail_plugins = quota
first_valid_uid = 1
recipient_delimiter =
auth_username_chars =
lmtp_add_received_header = no
plugin {{
  quota = maildir:User quota
}}
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = passwd-file
  args = {folder}/users
}}
service anvil {{
  client_limit = 1000
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
  unix_listener lmtp {{
    mode = 0666
  }}
}}
"""


@dataclass(slots=True)
class Dovecot:
    """Takes mail for its users only, each into a Maildir of their own."""

    users: Mapping[str, int]
    """Address, and how many bytes fit into its mailbox; 0 is any number."""

    port: int = field(default_factory=free_port)
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(dir="/var/tmp")))
    """Below /var/tmp, since the mail's user must be able to reach it."""

    process: "subprocess.Popen[bytes] | None" = None

    @property
    def socket(self) -> Path:
        """Where it takes mail over LMTP too."""
        return self.folder / "base" / "lmtp"

    def start(self) -> None:
        """Write the configuration and start; return once it listens."""
        self.folder.chmod(0o755)
        (self.folder / "base").mkdir()
        (self.folder / "mail").mkdir()
        shutil.chown(self.folder / "mail", NOBODY, NOBODY)
        self.allow(self.users)
        (self.folder / "dovecot.conf").write_text(
            CONFIG.format(folder=self.folder, port=self.port, nobody=NOBODY)
        )
        self.process = subprocess.Popen(
            [BINARY, "-F", "-c", self.folder / "dovecot.conf"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self.socket.exists, 20)

    def allow(self, users: Mapping[str, int]) -> None:
        """Have these users from now on."""
        lines = (
            f"{user}:::::::" + (f"userdb_quota_rule=*:bytes={most}\n" if most else "\n")
            for user, most in users.items()
        )
        (self.folder / "users").write_text("".join(lines))

    def break_mailbox(self, name: str) -> None:
        """From now on mail for this mailbox is deferred: there is a file where it should be."""
        (self.folder / "mail" / name).write_text("no mailbox")

    def mend_mailbox(self, name: str) -> None:
        """Undo that."""
        (self.folder / "mail" / name).unlink()

    def stop(self) -> None:
        """Stop it at once and delete its folder."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def log(self) -> str:
        """Its log so far."""
        file = self.folder / "log"
        return file.read_text("utf-8", "replace") if file.exists() else ""

    def arrived(self) -> list[Arrived]:
        """What was delivered, by recipient."""
        found: list[Arrived] = []
        for mailbox in sorted((self.folder / "mail").glob("*/")):
            found += read_arrived(mailbox / "new", to=mailbox.name)
        return found
