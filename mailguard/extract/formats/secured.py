"""Signed and encrypted mail as files: S/MIME (CMS, RFC 5652) and OpenPGP (RFC 9580)."""

import re
import zlib
from collections.abc import Iterator

from mailguard.extract.formats._room import Room
from mailguard.extract.item import About, Feature, Item, Miss, Text
from mailguard.extract.office.raw_text import read_raw
from mailguard.mail.charset import read_text
from mailguard.mail.transfer import decode_base64

TYPES = frozenset(
    {
        "application/pgp-encrypted",
        "application/pgp-keys",
        "application/pgp-signature",
        "application/pkcs7-mime",
        "application/x-pkcs7-mime",
        "application/pkcs7-signature",
        "application/x-pkcs7-signature",
    }
)
NAMES = (".p7m", ".p7z", ".p7s", ".pgp", ".gpg", ".asc", ".sig", ".age", ".kdbx", ".axx", ".aes")

_ARMOUR = re.compile(rb"-----BEGIN PGP MESSAGE")
_ARMOURED = b"-----BEGIN PGP "
_PEM = re.compile(rb"-----BEGIN (?:PKCS7|CMS)-----([A-Za-z0-9+/=\s]++)")
_SILENT_PACKETS = {2, 6}
_OPEN_PACKETS = {4, 8, 11}
"""OpenPGP packets (RFC 9580 §5) that have no content for people, and that are not encrypted."""

_SIGNED = bytes.fromhex("2a864886f70d010702")
_COMPRESSED = bytes.fromhex("2a864886f70d0109100109")
_INTEGER, _OCTETS, _OID, _SEQUENCE, _SET, _CONTENT = 0x02, 0x04, 0x06, 0x30, 0x31, 0xA0
_CONSTRUCTED = 0x20
_NO_END = b"\0\0"

PIECES = 200_000
"""Pieces that content may come in. Programs make one each 1 KB or more."""


def read(data: bytes, about: About) -> Iterator[Item]:
    """Yield what is only signed, or only packed; what is encrypted is a miss."""
    if _ARMOURED in data:
        if _ARMOUR.search(data):
            yield Miss("encrypted")
        yield Text("", read_text(data, ""))
        return
    if pem := _PEM.search(data):
        data = decode_base64(pem[1])[0]
    elif about.sniffed == "text/plain":
        # Only called encrypted: whoever gets it reads it.
        yield Miss("format")
        return
    if data.startswith(bytes((_SEQUENCE,))):
        yield from _read_cms(data, about)
    elif (packet := _packet(data)) in _OPEN_PACKETS:
        yield Miss("format")
    elif packet not in _SILENT_PACKETS:
        # Also the files of programs that do nothing but encrypt.
        yield Miss("encrypted")
    else:
        # Whatever else is written there: the names of who a key belongs to.
        yield from read_raw(data, "properties")
        yield Feature("empty")


def _packet(data: bytes) -> int:
    """The type of the first OpenPGP packet, 0 where there is none (§4.2)."""
    first = data[0] if data else 0
    if not first & 0x80:
        return 0
    return first & 0x3F if first & 0x40 else first >> 2 & 0xF


def _read_cms(data: bytes, about: About) -> Iterator[Item]:
    """Yield the content of SignedData (§5.1) and CompressedData (RFC 3274 §1.1)."""
    at = _enter(data, 0, _SEQUENCE)
    # Without the name of its kind it is a key store (RFC 7292), or no mail at all.
    kind, at = _after(data, at, _OID) if data[at] == _OID else (b"", at)
    if kind not in (_SIGNED, _COMPRESSED):
        yield Miss("encrypted")
        return
    at = _enter(data, _enter(data, at, _CONTENT), _SEQUENCE)
    _, at = _after(data, at, _INTEGER)
    _, at = _after(data, at, _SET if kind == _SIGNED else _SEQUENCE)
    _, begin, length = _head(data, at)
    _, at = _after(data, _enter(data, at, _SEQUENCE), _OID)
    if at == begin + length or data[at] != _CONTENT:
        # A signature of something else.
        yield Feature("empty")
        return
    content, reason = _octets(data, _enter(data, at, _CONTENT)), ""
    room = Room(about)
    if kind == _COMPRESSED:
        content = zlib.decompressobj().decompress(content, room.left + 1)
    if len(content) > room.left:
        content, reason = content[: room.left], "too_long"
    yield from room.take("signed.eml", content, reason, "message/rfc822")


def _head(data: bytes, at: int) -> tuple[int, int, int]:
    """The tag at `at`, where its content begins, and its length, -1 if only its end tells it."""
    tag, length = data[at], data[at + 1]
    if length < 0x80:
        return tag, at + 2, length
    count = length & 0x7F
    begin = at + 2 + count
    return tag, begin, int.from_bytes(data[at + 2 : begin], "big") if count else -1


def _enter(data: bytes, at: int, wanted: int) -> int:
    """Where the content of the `wanted` element at `at` begins."""
    tag, begin, _ = _head(data, at)
    if tag != wanted:
        raise ValueError("not the structure that it says it is")
    return begin


def _after(data: bytes, at: int, wanted: int) -> tuple[bytes, int]:
    """The content of the `wanted` element at `at`, and where it ends."""
    begin = _enter(data, at, wanted)
    _, _, length = _head(data, at)
    if length < 0:
        raise ValueError("without an end")
    return data[begin : begin + length], begin + length


def _octets(data: bytes, at: int) -> bytes:
    """A string of bytes, whole or in pieces (X.690 §8.7)."""
    tag, begin, length = _head(data, at)
    end = begin + length if length >= 0 else len(data)
    if not tag & _CONSTRUCTED:
        return data[begin:end]
    pieces: list[bytes] = []
    while begin < end and data[begin : begin + 2] != _NO_END and len(pieces) < PIECES:
        piece, begin = _after(data, begin, _OCTETS)
        pieces.append(piece)
    return b"".join(pieces)
