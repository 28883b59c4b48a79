"""What a milter listener is told, and how much of anything a mail server may use."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from mailguard.mail.envelope import Origin

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class MilterSettings:
    """How one listener treats the mail servers that ask it."""

    name: str
    origin: Origin
    """`any` is decided for each message: inside for who has authenticated or is in `inside`."""

    inside: tuple[Network, ...]
    """Networks of the school's own machines: clients of the mail server's, not of ours."""

    servers: tuple[Network, ...]
    """Mail servers that may connect over TCP. Over a Unix socket, its mode decides."""

    removes_keys: bool = False
    """What is released comes back here, with a key for the mail server to take out again."""

    message_bytes: int = 50 << 20
    recipients: int = 1000
    connections: int = 200
    """At a time, in this process: a mail server keeps one for each of its own clients."""

    idle_s: float = 7210
    """Without a byte. libmilter's own default: nothing arrives while a client of the mail server's
    types its message slowly."""

    progress_s: float = 10
    """Between signs of life while a message is judged. Postfix waits 300 s for the next one
    (`milter_content_timeout`), Sendmail as long."""

    temporary: Path | None = None
    """Folder for messages too large for memory while they arrive; None is the system's."""
