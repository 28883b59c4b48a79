"""Facts from the wire: who connected, the envelope, and the transaction they make."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

from mailguard.mail.raw import Raw

QueueId = NewType("QueueId", str)
"""Names one transaction in its replies, its log lines and its ``Received:`` line."""


class Origin(StrEnum):
    """Where a listener's mail comes from."""

    INSIDE = "inside"
    """Authenticated users or school machines, e.g. submission on port 587."""

    OUTSIDE = "outside"
    """The world, e.g. port 25 of the MX."""

    ANY = "any"
    """Unknown: the two kinds share a listener. `check` warns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One client connection, as far as judging and evidence need it."""

    listener: str
    origin: Origin
    peer: str
    """The client's address, e.g. ``192.0.2.7`` or ``2001:db8::1``; ``""`` when a machine we trust
    does not know it."""

    peer_port: int
    """0 when unknown."""

    helo: str
    """The argument of HELO, EHLO or LHLO; bytes outside printable ASCII are written ``\\xNN``."""

    esmtp: bool
    """True after EHLO or LHLO."""

    name: str = ""
    """The client's verified host name, as a machine we trust says; we look up none."""

    via: str = ""
    """Address of the machine that connected to us, where it told us of the client behind it."""

    ident: str = ""
    """That machine's own id for the message."""

    source: str = ""
    """``LOCAL`` or ``REMOTE``, as XFORWARD says."""

    tls: str = ""
    """Version and cipher of the client's connection, e.g. ``TLSv1.3 TLS_AES_256_GCM_SHA384``."""

    auth: str = ""
    """The name under which the client has authenticated."""

    protocol: str = "smtp"
    """How the message came to us: ``smtp``; ``lmtp``, where each recipient gets a reply of its own
    (RFC 2033); or ``milter`` when a mail server asked about it. Then its bytes are as that mail
    server has them, which may have changed line ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """One MAIL or RCPT path (RFC 5321 §4.1.2)."""

    argument: bytes
    """Exactly what followed ``FROM:`` or ``TO:``, parameters included; it is what we pass on."""

    address: str
    """The mailbox without angle brackets and source route; ``""`` is the null sender.
    Bytes that are not UTF-8 are written ``\\xNN``."""

    @property
    def domain(self) -> str:
        """The domain in lower case, without a trailing dot; ``""`` when there is none."""
        return self.address.rpartition("@")[2].lower().rstrip(".") if "@" in self.address else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """MAIL FROM and the RCPT TOs that the next hop accepted; never the headers."""

    sender: Path
    recipients: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """Session, envelope and bytes of one message: all that is known when its last dot arrives."""

    queue_id: QueueId
    session: Session
    envelope: Envelope
    raw: Raw
    received: datetime
    """Aware, in UTC."""
