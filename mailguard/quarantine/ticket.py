"""The address at which its author can have one returned message sent after all, once.

``release+<token>@<domain>``: the token has 160 random bits as 32 lower-case letters and digits
(base32, RFC 4648 §6). Who has it was sent our notice; only its hash is stored.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import timedelta

from mailguard.quarantine.held import HeldId
from mailguard.quarantine.retention import ANSWER_DAYS

TOKEN_BYTES = 20
VALID = timedelta(days=ANSWER_DAYS)

_LOCAL = "release+"
_ADDRESS = re.compile(rf"{re.escape(_LOCAL)}([a-z2-7]{{32}})@(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What one token is good for."""

    held_id: HeldId
    author: str
    """The folded address of the only one who may use it."""

    age: timedelta
    """Time that has really passed since it was issued; counted, never read off the clock."""

    @property
    def is_over(self) -> bool:
        """Its author has had all the time there is."""
        return self.age >= VALID


def write_token(random_bytes: bytes) -> str:
    """A token of :data:`TOKEN_BYTES` random bytes."""
    if len(random_bytes) != TOKEN_BYTES:
        raise ValueError(f"{TOKEN_BYTES} random bytes, not {len(random_bytes)}")
    return base64.b32encode(random_bytes).decode("ascii").lower()


def hash_token(token: str) -> str:
    """What is stored of it: SHA-256 in hex. So much chance needs neither salt nor slowness."""
    return hashlib.sha256(token.encode("ascii")).hexdigest()


def address_for(token: str, domain: str) -> str:
    """The address that the token makes."""
    return f"{_LOCAL}{token}@{domain}"


def read_token(address: str, domain: str) -> str:
    """The token in an address of ours, in any case; ``""`` where it is none, or `domain` is."""
    match = _ADDRESS.fullmatch(address.lower().rstrip("."))
    return match[1] if match and domain and match[2] == domain else ""
