"""The source of VBA macros (MS-OVBA §2.4.1): a packing of its own in the streams of a project."""

import re

LIMIT = 1 << 20
"""Bytes of one module's source. The longest in the wild have some hundred thousand."""

CHUNK = 4096
"""Bytes that a chunk holds when unpacked."""

_SOURCE = re.compile(rb"\x01..\x00Attribut[^e]", re.DOTALL)
"""Every module begins with "Attribute VB_Name"; here as its first packed bytes. Looked for, because
what tells where it begins is a stream that malware leaves out."""


def read_macro(stream: bytes) -> str:
    """The source of the module in `stream`, ``""`` if there is none."""
    found = _SOURCE.search(stream)
    if not found:
        return ""
    return unpack(stream[found.start() :]).decode("cp1252", "replace").replace("\r\n", "\n")


def unpack(data: bytes) -> bytes:
    """Undo the packing, as far as it goes; at most :data:`LIMIT` bytes."""
    out = bytearray()
    at = 1
    while at + 2 <= len(data) and len(out) < LIMIT:
        header = int.from_bytes(data[at : at + 2], "little")
        if header >> 12 & 0x07 != 0x03:
            break
        end = min(len(data), at + (header & 0x0FFF) + 3)
        at += 2
        if header & 0x8000:
            _unpack_chunk(data[at:end], out)
        else:
            out += data[at : at + CHUNK]
        at = end
    return bytes(out)


def _unpack_chunk(chunk: bytes, out: bytearray) -> None:
    """Literals and copies, eight to a byte of flags (MS-OVBA §2.4.1.3.5)."""
    start, at = len(out), 0
    while at < len(chunk):
        flags = chunk[at]
        at += 1
        for bit in range(8):
            if at >= len(chunk) or len(out) - start >= CHUNK:
                return
            if not flags >> bit & 1:
                out.append(chunk[at])
                at += 1
                continue
            token = int.from_bytes(chunk[at : at + 2], "little")
            at += 2
            bits = max(4, (len(out) - start - 1).bit_length())
            length = (token & (0xFFFF >> bits)) + 3
            offset = (token >> (16 - bits)) + 1
            if offset > len(out) - start:
                return
            for _ in range(length):
                out.append(out[-offset])
