"""The key on MailGuard's own mail: one header line that nobody else can write.

It is an HMAC over what a thief of the key would change: Message-ID, envelope sender, recipients,
body and time. No other header of ours means anything, and one that we did not write is left alone.
That a key is good only once is the store's business, not this file's.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mailguard.mail.envelope import Envelope
from mailguard.mail.raw import Raw

NAME = b"X-MailGuard-Key:"

VALID = timedelta(hours=24)
"""How long a key is good: longer than a mail server between us and us is down unnoticed."""

TOLERANCE = timedelta(minutes=5)
"""For a clock that is behind the one that signed."""

SEARCHED = 1 << 14
"""Bytes at the start in which the key must begin; our own header is below 2 KB, and each server on
the way adds less than one. Looking for it costs every message a few microseconds."""

HEAD = 1 << 16
"""Bytes within which the header block must end."""

LARGEST = 1 << 20
"""Bytes of the largest message that can be ours: no other is hashed for a forger."""

_KEY = re.compile(
    rb"(?:\A|\r\n)X-MailGuard-Key:[ \t]v=1;\s{1,3}t=([0-9]{1,12});\s{1,3}m=([0-9a-f]{64})(?=\r\n)"
)
_MESSAGE_ID = re.compile(rb"(?:\A|\r\n)Message-ID:\s{0,3}(<[!-;=?-~]{3,250}>)(?=\r\n)", re.I)
_MESSAGE_IDS = re.compile(rb"(?:\A|\r\n)Message-ID[ \t]{0,9}:", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What a message claims with its key header; worth nothing before :func:`verify`."""

    message_id: str
    """With its angle brackets."""

    at: int
    """Unix seconds when it was signed."""

    mac: str
    body: bytes
    """Everything after the first empty line."""


def sign(raw: bytes, envelope: Envelope, secret: bytes, now: datetime) -> bytes:
    """Return the key header, CRLF included, to be put in front of `raw`, a whole message with CRLF.

    Raises ValueError for a message without exactly one Message-ID.
    """
    head, _, body = raw.partition(b"\r\n\r\n")
    message_id = _only_message_id(head + b"\r\n")
    if message_id is None:
        raise ValueError("a mail of ours must have one Message-ID")
    at = int(now.timestamp())
    return b"%s v=1; t=%d; m=%s\r\n" % (NAME, at, _mac(secret, message_id, envelope, body, at))


def read_key(raw: Raw) -> Key | None:
    """Read the key of a message; None when there is none that is well-formed. Never raises.

    For a message without one this is two searches in its header block and no more.
    """
    buffer = raw.buffer
    end = buffer.find(b"\r\n\r\n", 0, HEAD)
    if end < 0 or buffer.find(NAME, 0, min(end, SEARCHED)) < 0 or raw.size > LARGEST:
        return None
    head = buffer[: end + 2]
    found = _KEY.findall(head)
    message_id = _only_message_id(head)
    if len(found) != 1 or head.count(NAME) != 1 or message_id is None:
        return None
    at, mac = found[0]
    return Key(
        message_id=message_id.decode("ascii"),
        at=int(at),
        mac=mac.decode("ascii"),
        body=buffer[end + 4 :],
    )


def verify(key: Key, envelope: Envelope, secret: bytes, now: datetime) -> bool:
    """Whether we signed this for exactly this envelope, at most 24 hours before `now`."""
    if not is_current(key.at, now):
        return False
    wanted = _mac(secret, key.message_id.encode(), envelope, key.body, key.at)
    return hmac.compare_digest(wanted, key.mac.encode())


def is_current(at: int, now: datetime) -> bool:
    """Whether what was signed at `at` (Unix seconds) is still good at `now`."""
    age = timedelta(seconds=int(now.astimezone(UTC).timestamp()) - at)
    return -TOLERANCE <= age <= VALID


def addresses_of(envelope: Envelope) -> tuple[bytes, ...]:
    """Sender and recipients as they are signed: their parameters may change on the way."""
    addresses = (envelope.sender.address, *(path.address for path in envelope.recipients))
    return tuple(address.encode("utf-8", "surrogatepass") for address in addresses)


def mac_of(secret: bytes, *parts: bytes) -> str:
    """The HMAC over a list of parts, in hex."""
    # Lengths first: no two lists of parts may read alike.
    text = b"".join(b"%d:%s" % (len(part), part) for part in parts)
    return hmac.new(secret, text, hashlib.sha256).hexdigest()


def _only_message_id(head: bytes) -> bytes | None:
    """The Message-ID if there is exactly one: two readers could otherwise see two."""
    match = _MESSAGE_ID.search(head)
    return match[1] if match and len(_MESSAGE_IDS.findall(head)) == 1 else None


def _mac(secret: bytes, message_id: bytes, envelope: Envelope, body: bytes, at: int) -> bytes:
    return mac_of(
        secret,
        b"key v=1",
        message_id,
        *addresses_of(envelope),
        hashlib.sha256(body).digest(),
        b"%d" % at,
    ).encode("ascii")
