"""The sender of a self-test's message: an address that only this installation can have made.

It carries its own proof, an HMAC over what it is for, and is good for a few minutes at one
listener. Nothing else about a message makes it a self-test: no header, recipient or client address.
"""

import hashlib
import hmac
from datetime import datetime, timedelta
from enum import StrEnum

DOMAIN = "canary.mailguard.invalid"
"""No mail server can ever have this name (RFC 2606 §2)."""

SINK = f"sink@{DOMAIN}"
"""The only recipient of a self-test."""

GOOD_FOR = timedelta(minutes=2)
"""A self-test is sent the moment it is made; this is for a machine that is very busy."""

NONCE_BYTES = 6

_MAC_DIGITS = 32
"""128 bits; all of it fits into the 64 characters of a local part (RFC 5321 §4.5.3.1.1)."""


class Sort(StrEnum):
    """What should become of a self-test's message."""

    BAD = "bad"
    """It must be held."""

    GOOD = "good"
    """It must come out."""


def make_sender(key: bytes, listener: str, sort: Sort, now: datetime, nonce: bytes) -> str:
    """Name the sender of one message; `nonce` is :data:`NONCE_BYTES` random bytes."""
    facts = f"{sort}.{int(now.timestamp())}.{nonce.hex()}"
    return f"{facts}.{_mac(key, listener, facts)}@{DOMAIN}"


def read_nonce(address: str, key: bytes, listener: str, now: datetime) -> str | None:
    """The nonce, in hex, of a sender that :func:`make_sender` made for `listener` at most
    :data:`GOOD_FOR` ago; None for every other address."""
    local, _, domain = address.rpartition("@")
    facts, _, mac = local.rpartition(".")
    expected = _mac(key, listener, facts)
    if domain != DOMAIN or not hmac.compare_digest(mac.encode(), expected.encode()):
        return None
    # Nobody else can have written them: they may be read without care.
    _, seconds, nonce = facts.split(".")
    age = now.timestamp() - int(seconds)
    return nonce if abs(age) <= GOOD_FOR.total_seconds() else None


def _mac(key: bytes, listener: str, facts: str) -> str:
    text = f"mailguard canary\0{listener}\0{facts}"
    return hmac.new(key, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:_MAC_DIGITS]
