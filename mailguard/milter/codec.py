"""What the packets of version 6 say: events from the mail server, answers to it.

The protocol has no standard; this is what Sendmail's libmilter and Postfix's milter8.c speak. All
text stays bytes here: a mail server passes on whatever its client has said.
"""

import struct
from dataclasses import dataclass
from enum import IntFlag

from mailguard.mail.reply import Reply
from mailguard.milter.frame import BadPacket, packet

VERSION = 6
OLDEST = 2
"""Versions before it are from last century; 3 to 5 lack only what we can do without."""


class Action(IntFlag):
    """What a filter may ask the mail server to do (SMFIF)."""

    DELETE_RECIPIENT = 0x08
    CHANGE_HEADERS = 0x10
    CHOOSE_MACROS = 0x100


class Option(IntFlag):
    """What need not be sent (NO), or not be answered (NR), and how (SMFIP)."""

    NO_UNKNOWN = 0x100
    NO_DATA = 0x200
    NR_HEADER = 0x80
    NR_CONNECT = 0x1000
    NR_HELO = 0x2000
    NR_MAIL = 0x4000
    NR_RCPT = 0x8000
    NR_DATA = 0x10000
    NR_UNKNOWN = 0x20000
    NR_END_OF_HEADERS = 0x40000
    NR_BODY = 0x80000
    LEADING_SPACE = 0x100000


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What one side of a negotiation can do (SMFIC_OPTNEG)."""

    version: int
    actions: int
    options: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect:
    """A client of the mail server's (SMFIC_CONNECT)."""

    name: bytes
    """What the mail server calls it; ``[192.0.2.7]`` or ``unknown`` without a verified name."""

    family: bytes
    """``4``, ``6``, ``L`` (a Unix socket) or ``U`` (unknown)."""

    port: int
    address: bytes
    """Empty for an unknown family."""


_OFFER = struct.Struct("!III")
_PORT = struct.Struct("!H")
_NUMBER = struct.Struct("!I")


def read_offer(data: bytes) -> Offer:
    """Read SMFIC_OPTNEG. Lists of macros that may follow are the filter's to send, and skipped."""
    if len(data) < _OFFER.size:
        raise BadPacket("offer")
    version, actions, options = _OFFER.unpack_from(data)
    return Offer(version=version, actions=actions, options=options)


def read_connect(data: bytes) -> Connect:
    """Read SMFIC_CONNECT."""
    name, separator, rest = data.partition(b"\0")
    family, rest = rest[:1], rest[1:]
    if not separator or family not in (b"4", b"6", b"L", b"U"):
        raise BadPacket("connect")
    if family == b"U":
        return Connect(name=name, family=family, port=0, address=b"")
    if len(rest) < _PORT.size + 1 or not rest.endswith(b"\0"):
        raise BadPacket("connect")
    (port,) = _PORT.unpack_from(rest)
    return Connect(name=name, family=family, port=port, address=rest[_PORT.size : -1])


def read_strings(data: bytes) -> tuple[bytes, ...]:
    """Read strings that end in NUL each: HELO's name, the path and parameters of MAIL and RCPT."""
    if not data.endswith(b"\0"):
        raise BadPacket("strings")
    return tuple(data[:-1].split(b"\0"))


def read_header(data: bytes) -> tuple[bytes, bytes]:
    """Read SMFIC_HEADER: name and value, both as the message has them."""
    name, separator, value = data.partition(b"\0")
    if not name or not separator or not value.endswith(b"\0"):
        raise BadPacket("header")
    return name, value[:-1]


def read_macros(data: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """Read SMFIC_MACRO: the command it is for, and values by name, braces removed."""
    stage, rest = data[:1], data[1:]
    if not stage:
        raise BadPacket("macros")
    strings = read_strings(rest) if rest else ()
    if len(strings) % 2:
        raise BadPacket("macros")
    return stage, {
        name.removeprefix(b"{").removesuffix(b"}"): value
        for name, value in zip(strings[::2], strings[1::2], strict=True)
    }


def offer(version: int, actions: int, options: int, macros: dict[int, bytes]) -> bytes:
    """SMFIC_OPTNEG from our side; `macros` names those that are wanted, for each stage."""
    lists = b"".join(_NUMBER.pack(stage) + names + b"\0" for stage, names in macros.items())
    return packet(b"O", _OFFER.pack(version, actions, options) + lists)


CONTINUE = packet(b"c")
ACCEPT = packet(b"a")
DISCARD = packet(b"d")
TEMPFAIL = packet(b"t")
PROGRESS = packet(b"p")


def delete_recipient(path: bytes) -> bytes:
    """SMFIR_DELRCPT, with the path as RCPT had it."""
    return packet(b"-", path + b"\0")


def remove_header(name: bytes) -> bytes:
    """SMFIR_CHGHEADER that takes the first header of this name out."""
    return packet(b"m", _NUMBER.pack(1) + name + b"\0" + b"\0")


def reply_code(reply: Reply) -> bytes:
    """SMFIR_REPLYCODE, or SMFIR_TEMPFAIL for what has no place in it.

    The mail server speaks our reply to its client; only 4xx and 5xx with an enhanced code may be.
    """
    text = reply.encode().removesuffix(b"\r\n")
    if len(reply.lines) != 1 or not (reply.is_temporary or reply.is_permanent):
        return TEMPFAIL
    # Sendmail takes % for the start of a macro's name.
    return packet(b"y", text.replace(b"%", b"%%") + b"\0")
