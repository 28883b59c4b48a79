"""The attributes by which one mail server tells another of its client: XFORWARD and XCLIENT.

Syntax and limits are those of Postfix's XFORWARD_README and XCLIENT_README.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping

from mailguard.mail.address import printable
from mailguard.mail.envelope import Session
from mailguard.mail.reply import Reply

XFORWARD = ("NAME", "ADDR", "PROTO", "HELO", "SOURCE", "PORT", "IDENT")
"""What we take and give, in the order in which Postfix announces it."""

XCLIENT = ("NAME", "ADDR", "PROTO", "HELO", "PORT", "LOGIN", "DESTADDR", "DESTPORT")

VALUE_LENGTH = 255
"""Characters of one value."""

COMMAND_LENGTH = 512
"""Characters of one command, CRLF included."""

NO_ATTRIBUTES = Reply.of(501, "5.5.4 Syntax: attribute=value...")
UNKNOWN_ATTRIBUTE = Reply.of(501, "5.5.4 Bad attribute name")
BAD_VALUE = Reply.of(501, "5.5.4 Bad attribute value")

UNKNOWN = frozenset({b"[UNAVAILABLE]", b"[TEMPUNAVAIL]"})
"""The value of what the sender of the command does not know."""

_XTEXT = re.compile(rb"(?:[!-*,-<>-~]|\+[0-9A-Fa-f]{2})*+")
"""RFC 3461 §4; more than one ``=`` is no attribute of anybody's."""

_PLAIN = re.compile(r"[!-*,-<>-~]{1,255}")
"""What needs no encoding, nor cutting: nearly all there is."""

_HEX = re.compile(rb"\+([0-9A-Fa-f]{2})")
_HOST_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*)(?:\.[A-Za-z0-9_-]+)*\.?")


def read_attributes(argument: bytes, known: Iterable[str]) -> Mapping[str, str] | Reply:
    """Read ``NAME=value ...``; ``""`` is a value that is not known. The reply refuses the command
    as a whole.

    ADDR comes back without its prefix ``IPV6:`` and in one spelling, names of attributes in upper
    case, and values in printable ASCII (other bytes are ``\\xNN``).
    """
    names = frozenset(known)
    found: dict[str, str] = {}
    for word in argument.split():
        key, equals, value = word.partition(b"=")
        name = key.upper().decode("ascii", "replace")
        if not equals:
            return NO_ATTRIBUTES
        if name not in names:
            return UNKNOWN_ATTRIBUTE
        known_value = _read_value(name, value)
        if known_value is None:
            return BAD_VALUE
        found[name] = known_value
    return found or NO_ATTRIBUTES


def write_commands(verb: bytes, attributes: Mapping[str, str]) -> Iterator[bytes]:
    """The command lines that say `attributes`, CRLF included: as few as their length allows.
    A value of ``""`` is given as not available; one that is too long is cut."""
    line = verb
    for name, value in attributes.items():
        word = b" %s=%s" % (name.encode("ascii"), _xtext(value))
        if len(line) + len(word) + 2 > COMMAND_LENGTH:
            yield line + b"\r\n"
            line = verb
        line += word
    yield line + b"\r\n"


def attributes_of(session: Session, ident: str, offered: str) -> Mapping[str, str]:
    """What a next hop that takes the attributes `offered`, separated by spaces, is told of the
    client. What is not known is ``""``.

    Without a word from the client's own server, SOURCE is LOCAL for this machine only: a next hop
    completes addresses in the headers of what is local to it, and sees all our mail come from here.
    """
    is_local = session.peer.startswith("127.") or session.peer == "::1"
    known = {
        "NAME": session.name,
        "ADDR": f"IPV6:{session.peer}" if ":" in session.peer else session.peer,
        "PORT": str(session.peer_port or ""),
        "PROTO": "ESMTP" if session.esmtp else "SMTP",
        "HELO": session.helo,
        "IDENT": session.ident or ident,
        "SOURCE": session.source or ("LOCAL" if is_local else "REMOTE"),
        "LOGIN": session.auth,
    }
    return {name: known[name] for name in offered.upper().split() if name in known}


def _read_value(name: str, xtext: bytes) -> str | None:
    """None when it cannot be the value of this attribute."""
    if not xtext or not _XTEXT.fullmatch(xtext):
        return None
    value = _HEX.sub(lambda match: bytes([int(match[1], 16)]), xtext)
    if len(value) > VALUE_LENGTH:
        return None
    if value.upper() in UNKNOWN:
        return ""
    text = printable(value)
    match name:
        case "ADDR" | "DESTADDR":
            return _read_address(text)
        case "PORT" | "DESTPORT":
            return text if re.fullmatch(r"[0-9]{1,5}", text) and int(text) < 65536 else None
        case "NAME":
            return text if _HOST_NAME.fullmatch(text) else None
        case "SOURCE":
            return text.upper() if text.upper() in ("LOCAL", "REMOTE") else None
        case _:
            return text


def _read_address(text: str) -> str | None:
    is_tagged = text[:5].upper() == "IPV6:"
    try:
        if is_tagged:
            return str(ipaddress.IPv6Address(text[5:].partition("%")[0]))
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        return None


def _xtext(value: str) -> bytes:
    """At most :data:`VALUE_LENGTH` characters: a next hop may count them encoded or not."""
    if _PLAIN.fullmatch(value):
        return value.encode("ascii")
    text = b""
    for octet in value.encode("utf-8"):
        character = b"%c" % octet if 33 <= octet <= 126 and octet not in b"+=" else b"+%02X" % octet
        if len(text) + len(character) > VALUE_LENGTH:
            break
        text += character
    return text or b"[UNAVAILABLE]"
