"""What one listener is told, and how much of anything a client may use."""

import ipaddress
import resource
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from mailguard.mail.envelope import Origin
from mailguard.mail.headers import HOPS
from mailguard.scan.school import School
from mailguard.smtp.tls import Certificate, ListenerTls

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LOOPBACK: tuple[Network, ...] = (
    ipaddress.ip_network("127.0.0.0/8"),
    ipaddress.ip_network("::1/128"),
)

LOCAL = "127.0.0.1"
"""Whoever may open a Unix socket of ours counts as this address."""


class BareNewline(StrEnum):
    """What becomes of a message with a CR or LF that is not part of a CRLF."""

    REFUSE = "refuse"
    """550: two servers may see its end in two places (SMTP smuggling)."""

    NORMALISE = "normalise"
    """Each becomes CRLF, for scanner and next hop alike; for old copiers that know no better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Caps on one client, one transaction and the listener as a whole; times in seconds."""

    message_bytes: int = 50 << 20
    """Largest message, dots removed. Microsoft 365 and Gmail take at most 35 and 25 MB a mail by
    default, and base64 adds a third."""

    recipients: int = 1000
    """Of one message, those that the next hop refuses among them: nobody tries out a whole list of
    names. Postfix's `smtpd_recipient_limit`; RFC 5321 §4.5.3.1.8 wants 100."""

    connections: int = 200
    """At a time, in this process. Twice Postfix's `default_process_limit`."""

    connections_per_address: int = 50
    """At a time. Postfix's `smtpd_client_connection_count_limit`."""

    errors: int = 10
    """Commands refused by us before we hang up. Postfix slows down at 10 and stops at 20."""

    idle_commands: int = 100
    """Commands since the last message. Postfix's `smtpd_junk_command_limit`."""

    hops: int = HOPS

    idle_s: float = 300
    """For the next command, or between two blocks of data (RFC 5321 §4.5.3.2.7)."""

    data_s: float = 1200
    """From 354 to the final dot: 50 MiB at the 350 kbit/s of a poor line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSettings:
    """How one listener treats its clients."""

    name: str
    origin: Origin
    hostname: str
    """In greeting and EHLO; ASCII."""

    school: School
    clients: tuple[Network, ...]
    """May send to any domain."""

    is_lmtp: bool = False
    """Its clients speak LMTP (RFC 2033)."""

    public: bool = False
    """Anyone may connect, but only for the school's domains."""

    xforward_from: tuple[Network, ...] = LOOPBACK
    """May say by XFORWARD whose message it is that they pass on."""

    xclient_from: tuple[Network, ...] = ()
    """May speak for another client altogether, by XCLIENT."""

    proxy_from: tuple[Network, ...] = ()
    """Load balancers: each of their connections begins with a PROXY header."""

    tls: ListenerTls = ListenerTls.NONE
    certificate: Certificate | None = None
    """Must be there unless `tls` is none."""

    passes_auth: bool = False
    """Clients log in at the next hop, through us; then they may send to any domain."""

    bare_newline: BareNewline = BareNewline.REFUSE
    temporary: Path | None = None
    """Folder for messages too large for memory while they are received; None is the system's.
    It should not be a file system in memory."""

    limits: Limits = field(default_factory=Limits)


_DESCRIPTORS_EACH = 4
"""Client, next hop, and a large message's file and its mapping."""

_DESCRIPTORS_RESERVED = 192
"""Database, logs, judging processes, pooled next-hop connections, and the connections that the
loop accepts in one go before we can refuse them."""


def connections_within_descriptors(wanted: int) -> int:
    """At most `wanted`, and no more than this process may open descriptors for (at least one)."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, (soft - _DESCRIPTORS_RESERVED) // _DESCRIPTORS_EACH))
