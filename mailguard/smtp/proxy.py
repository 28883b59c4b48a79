"""The PROXY header, versions 1 and 2, with which a load balancer names its client.

As in HAProxy's `proxy-protocol.txt` of 2020; what follows the addresses (TLVs) is skipped.
"""

import ipaddress
import re
import struct
from dataclasses import dataclass

HEADER_S = 5.0
"""For the header; a load balancer sends it at once."""

_V1_LENGTH = 107
"""Longest line of version 1, CRLF included."""

_V2_LENGTH = 4096
"""Longest body of version 2. The TLVs of today are far shorter."""

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_V1 = re.compile(
    rb"PROXY (?:UNKNOWN(?: [!-~ ]*)?|TCP(?P<family>[46]) (?P<source>[0-9A-Fa-f.:]+) [0-9A-Fa-f.:]+"
    rb" (?P<port>[0-9]{1,5}) [0-9]{1,5})"
)


class BadHeader(Exception):
    """No PROXY header: what speaks there is no load balancer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxied:
    """Whom a load balancer speaks for."""

    address: str
    """``""`` when it speaks for itself (a health check), or does not know."""

    port: int
    length: int
    """Bytes of the header."""


def read_header(data: bytes) -> Proxied | None:
    """Read the header at the start of a connection; None when it is not complete yet.

    Raises BadHeader as soon as it cannot become one.
    """
    if data[:1] == b"\r":
        return _read_v2(data)
    if not data.startswith(b"PROXY "[: len(data)]):
        raise BadHeader
    line, end, _ = data[:_V1_LENGTH].partition(b"\r\n")
    if not end:
        if len(data) >= _V1_LENGTH:
            raise BadHeader
        return None
    match = _V1.fullmatch(line)
    if match is None:
        raise BadHeader
    length = len(line) + 2
    if match["family"] is None:
        return Proxied(address="", port=0, length=length)
    return _named(match["family"] == b"6", match["source"].decode(), int(match["port"]), length)


def _read_v2(data: bytes) -> Proxied | None:
    if not data.startswith(_SIGNATURE[: len(data)]):
        raise BadHeader
    if len(data) < 16:
        return None
    command, family, size = struct.unpack_from("!BBH", data, 12)
    if command not in (0x20, 0x21) or size > _V2_LENGTH:
        raise BadHeader
    if len(data) < 16 + size:
        return None
    width = {0x11: 4, 0x21: 16}.get(family)  # TCP over IPv4, over IPv6
    if command == 0x20 or width is None:
        return Proxied(address="", port=0, length=16 + size)
    if size < 2 * width + 4:
        raise BadHeader
    source = str(ipaddress.ip_address(data[16 : 16 + width]))
    (port,) = struct.unpack_from("!H", data, 16 + 2 * width)
    return Proxied(address=source, port=port, length=16 + size)


def _named(is_v6: bool, source: str, port: int, length: int) -> Proxied:
    try:
        address = ipaddress.IPv6Address(source) if is_v6 else ipaddress.IPv4Address(source)
    except ValueError:
        raise BadHeader from None
    if port > 65535:
        raise BadHeader
    return Proxied(address=str(address), port=port, length=length)
