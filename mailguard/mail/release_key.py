"""The key on a released message that goes back through the mail server which had asked about it.

One header line in front, which the milter knows again and has removed. It is an HMAC over what a
thief of the key would change: held message, sender, recipients, every byte, and time. That a key is
good only once is the store's business, not this file's.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime

from mailguard.mail.envelope import Envelope
from mailguard.mail.raw import Raw
from mailguard.mail.signature import SEARCHED, addresses_of, is_current, mac_of

NAME = b"X-MailGuard-Release"

_LINE = re.compile(
    rb"X-MailGuard-Release:[ \t]v=1; t=([0-9]{1,12}); i=([0-9A-Z]{26}); k=([0-9a-f]{32});"
    rb" h=([0-9]{1,9}); m=([0-9a-f]{64})\r\n"
)
_FIELD_END = rb":[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*"
_TRACE = re.compile(
    rb"(?:(?:Received|Received-SPF|Return-Path|Authentication-Results|DKIM-Signature|ARC-[A-Z-]+)"
    + _FIELD_END
    + rb")*",
    re.I,
)
"""What a mail server or another milter puts in front (RFC 5321 §4.4, RFC 8601, RFC 6376,
RFC 8617)."""

_MISSING = re.compile(rb"(?:(?:Date|From|Message-ID|To)" + _FIELD_END + rb")*", re.I)
"""What Postfix writes behind a header that lacks it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseKey:
    """What a message claims with its key; worth nothing before :func:`verify_release`."""

    held_id: str
    token: str
    """Names this one attempt to send it."""

    at: int
    """Unix seconds when it was signed."""

    head_size: int
    """Bytes of the header that was signed."""

    mac: str
    start: int
    """Where its line begins in the message."""

    end: int
    """Where the line behind it begins."""


def sign_release(
    raw: Raw, envelope: Envelope, *, held_id: str, token: str, secret: bytes, now: datetime
) -> bytes:
    """Return the key's line, CRLF included, to be put in front of `raw`; `envelope` has those whom
    it is sent to now."""
    at, head_size = int(now.timestamp()), _size_of_head(raw)
    # Behind the header nothing is added, so the rest begins where the header ends.
    mac = _mac(raw, envelope, secret, held_id, token, at, 0, head_size, head_size)
    return b"%s: v=1; t=%d; i=%s; k=%s; h=%d; m=%s\r\n" % (
        NAME,
        at,
        held_id.encode("ascii"),
        token.encode("ascii"),
        head_size,
        mac.encode("ascii"),
    )


def read_release(raw: Raw) -> ReleaseKey | None:
    """Read the key of a message, the first if there are several; None when there is none that is
    well-formed and in front of the message. Never raises.

    For a message without one this is one search in its first 16 KB.
    """
    buffer = raw.buffer
    start = buffer.find(NAME + b":", 0, SEARCHED)
    if start < 0:
        return None
    # Whatever else a message says of itself, in front of our line only servers have written.
    match, before = _LINE.match(buffer, start), _TRACE.fullmatch(buffer[:start])
    if match is None or before is None:
        return None
    at, held_id, token, head_size, mac = match.groups()
    return ReleaseKey(
        held_id=held_id.decode("ascii"),
        token=token.decode("ascii"),
        at=int(at),
        head_size=int(head_size),
        mac=mac.decode("ascii"),
        start=start,
        end=match.end(),
    )


def verify_release(
    key: ReleaseKey, raw: Raw, envelope: Envelope, secret: bytes, now: datetime
) -> bool:
    """Whether we signed this for exactly these addresses and bytes, at most 24 hours before `now`.

    What a mail server adds in front, and what it adds to a header that lacks it, does no harm.
    """
    head_end = key.end + key.head_size
    added = _MISSING.match(raw.buffer, head_end) if head_end <= raw.size else None
    if added is None or not is_current(key.at, now):
        return False
    wanted = _mac(
        raw, envelope, secret, key.held_id, key.token, key.at, key.end, head_end, added.end()
    )
    return hmac.compare_digest(wanted, key.mac)


def without_release(raw: Raw, key: ReleaseKey) -> Raw:
    """The message without the line of its key."""
    return Raw.of(raw.buffer[: key.start] + raw.buffer[key.end :])


def _size_of_head(raw: Raw) -> int:
    """Bytes up to the empty line; all of them where there is none."""
    if raw.head(2) == b"\r\n":
        return 0
    end = raw.buffer.find(b"\r\n\r\n")
    return raw.size if end < 0 else end + 2


def _mac(
    raw: Raw,
    envelope: Envelope,
    secret: bytes,
    held_id: str,
    token: str,
    at: int,
    head_start: int,
    head_end: int,
    rest: int,
) -> str:
    """Of the header between `head_start` and `head_end`, and of all from `rest` on."""
    with memoryview(raw.buffer) as view:
        digests = [
            hashlib.sha256(view[start:end]).digest()
            for start, end in ((head_start, head_end), (rest, raw.size))
        ]
    return mac_of(
        secret,
        b"release v=1",
        held_id.encode("ascii"),
        token.encode("ascii"),
        b"%d" % at,
        *digests,
        b"%d" % len(envelope.recipients),
        *addresses_of(envelope),
    )
