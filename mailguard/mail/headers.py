"""The one header line we add, and the count of those that others added."""

import re
from collections.abc import Sequence
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache

from mailguard.mail.envelope import Path, QueueId, Session

HOPS = 50
"""`Received:` lines beyond which a message is in a loop. Postfix's `hopcount_limit`."""

OWN_HOPS = 10
"""Of those, lines that this MailGuard wrote itself. Out, back by a mailing list and on to somebody
else takes three; a rule of a mail provider that sends everything round takes all there are."""

_HELO_LENGTH = 255
"""A domain's largest length (RFC 1035 §2.3.4)."""

_PATH_LENGTH = 256
"""A path's largest length (RFC 5321 §4.5.3.1.3); a longer one would need folding of its own."""

_OURS = "(MailGuard)"
"""A comment behind our host name: other programs on this machine write the same name."""

# What a domain or an address literal consists of. A space, bracket or semicolon from HELO could
# otherwise write the rest of the line.
_NOT_DOMAIN = re.compile(r"[^A-Za-z0-9.:_\[\]-]")


def received_line(
    session: Session,
    queue_id: QueueId,
    recipients: Sequence[Path],
    *,
    hostname: str,
    now: datetime,
) -> bytes:
    """The folded ``Received:`` line of RFC 5321 §4.4, CRLF included, in printable ASCII.

    It names the recipient only where there is exactly one: nobody learns of another's copy.
    """
    helo = _NOT_DOMAIN.sub("?", session.helo[:_HELO_LENGTH]) or "unknown"
    # RFC 3848: what came by TLS or with a login says so.
    protocol = "ESMTP" if session.esmtp else "SMTP"
    if session.protocol == "lmtp":
        protocol = "LMTP"
    if protocol != "SMTP":
        protocol += ("S" if session.tls else "") + ("A" if session.auth else "")
    return (
        f"Received: from {helo} ({_literal(session.peer)})\r\n"
        f"\tby {hostname} {_OURS} with {protocol} id {queue_id}{_for(recipients)};\r\n"
        f"\t{_date(now.replace(microsecond=0))}\r\n"
    ).encode("ascii")


def count_received(head: bytes) -> int:
    """How many ``Received:`` lines the header block at the start of `head` has: hops so far."""
    block, _, _ = (b"\r\n" + head).partition(b"\r\n\r\n")
    return block.lower().count(b"\nreceived:")


def is_looping(head: bytes, hostname: str, hops: int = HOPS) -> bool:
    """Whether the message with this header block goes round: it has passed too many machines (RFC
    5321 §6.3), or this one too often. Lines may have been folded anew on the way."""
    if count_received(head) > hops:
        return True
    block = head.partition(b"\r\n\r\n")[0].lower()
    own = f"by {hostname.lower()} {_OURS.lower()} with".encode()
    return _OURS.lower().encode() in block and b" ".join(block.split()).count(own) >= OWN_HOPS


@lru_cache(maxsize=2)
def _date(second: datetime) -> str:
    """RFC 5322 §3.3; kept for the second that it names, in which there may be a thousand lines."""
    return format_datetime(second)


def _literal(peer: str) -> str:
    if not peer:
        return "unknown"
    return f"[IPv6:{peer}]" if ":" in peer else f"[{peer}]"


def _for(recipients: Sequence[Path]) -> str:
    if len(recipients) != 1:
        return ""
    address = recipients[0].address
    if len(address) > _PATH_LENGTH or not (address.isascii() and address.isprintable()):
        return ""
    return f"\r\n\tfor <{address}>"
