"""A client's login at the next hop, relayed line by line (RFC 4954): we check no password, and
keep none. What is kept is under which name the next hop has let the client in.
"""

import base64
import binascii
import re
from typing import Protocol

from mailguard.mail.address import printable
from mailguard.mail.reply import Reply
from mailguard.ports import NextHop

MECHANISMS = frozenset(
    {
        "PLAIN",
        "LOGIN",
        "CRAM-MD5",
        "SCRAM-SHA-1",
        "SCRAM-SHA-256",
        "SCRAM-SHA-512",
        "XOAUTH2",
        "OAUTHBEARER",
    }
)
"""Those that work through a relay, and whose first response has the name in it. The others are
bound to a TLS channel (``-PLUS``, EXTERNAL), or may go over to an encryption of their own (GSSAPI).
"""

LINE_LENGTH = 12288
"""Bytes of a line of the dialogue (RFC 4954 §4)."""

STEPS = 20
"""Challenges of one dialogue; the longest mechanism has three."""

_COMMAND = re.compile(
    rb"(?P<mechanism>[A-Za-z0-9_-]{1,20})(?: (?P<initial>=|[A-Za-z0-9+/]+={0,2}))? *"
)
_RESPONSE = re.compile(rb"\*|[A-Za-z0-9+/]*={0,2}")
_NAME_LENGTH = 255
_NAMELESS = "?"
"""For one that we cannot read; that there was a login is what counts."""


class Dialogue(Protocol):
    """One connection to the next hop, on which one client logs in and then sends."""

    async def ask(self, line: bytes) -> Reply:
        """Send a line, without its CRLF, and return the reply. Raises NextHopUnavailable."""
        ...

    @property
    def is_alive(self) -> bool:
        """The next hop has not closed it, as far as we know."""
        ...

    @property
    def hop(self) -> NextHop:
        """The next hop on this connection, and on no other."""
        ...

    def close(self) -> None:
        """Close it; nobody else may have it."""
        ...


class Logins(Protocol):
    """A next hop at which clients can log in."""

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """Those of :data:`MECHANISMS` that its last EHLO offered where nobody can listen in."""
        ...

    async def dial(self) -> Dialogue:
        """A connection of its own. Raises NextHopUnavailable."""
        ...


class Login:
    """One dialogue, as the client leads it."""

    def __init__(self, mechanism: str, initial: bytes | None) -> None:
        self._mechanism = mechanism
        self.name = _NAMELESS
        self._has_name = False
        if initial is not None:
            self.hear(initial)

    @classmethod
    def read(cls, argument: bytes) -> "Login | None":
        """From the argument of AUTH; None when it is none."""
        match = _COMMAND.fullmatch(argument)
        if match is None:
            return None
        return cls(match["mechanism"].decode("ascii").upper(), match["initial"])

    @property
    def mechanism(self) -> str:
        """In upper case."""
        return self._mechanism

    def hear(self, response: bytes) -> bool:
        """Take the name out of the first response, and forget the rest; False when the line can be
        no response."""
        if not _RESPONSE.fullmatch(response):
            return False
        if not self._has_name:
            self._has_name = True
            self.name = _name(self._mechanism, response)
        return True


def _name(mechanism: str, response: bytes) -> str:
    try:
        text = base64.b64decode(response, validate=True)
    except binascii.Error:
        return _NAMELESS
    match mechanism:
        case "PLAIN":  # RFC 4616: whom to act as, who, password
            fields = text.split(b"\0")
            name = fields[1] if len(fields) == 3 else b""
        case "LOGIN":
            name = text
        case "CRAM-MD5":  # RFC 2195
            name = text.rpartition(b" ")[0]
        case "XOAUTH2":
            name = _field(rb"(?:^|\x01)user=([^\x01]*)", text)
        case "OAUTHBEARER":  # RFC 7628
            name = _field(rb"^[np],a=([^,]*)", text).replace(b"=2C", b",").replace(b"=3D", b"=")
        case _:  # SCRAM, RFC 5802
            name = _field(rb"(?:^|,)n=([^,]*)", text).replace(b"=2C", b",").replace(b"=3D", b"=")
    return printable(name)[:_NAME_LENGTH] or _NAMELESS


def _field(pattern: bytes, text: bytes) -> bytes:
    match = re.search(pattern, text)
    return match[1] if match else b""
