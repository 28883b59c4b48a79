"""Cut the stream of a mail server into packets: four bytes of length, one of command, its data."""

import struct

LARGEST = 1 << 20
"""Bytes of one packet, its command included. Postfix and Sendmail send bodies in pieces of 65,535,
and Postfix cuts headers at 102,400 (`header_size_limit`)."""

_LENGTH = struct.Struct("!I")


class BadPacket(Exception):
    """The mail server sent what the protocol does not have, or not at this point."""


class Frames:
    """Collects bytes, cut anywhere, and gives back whole packets."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, block: bytes) -> None:
        """Take bytes as they arrived."""
        self._buffer += block

    @property
    def waiting(self) -> int:
        """Bytes that were taken and not given back."""
        return len(self._buffer)

    def next(self) -> tuple[bytes, bytes] | None:
        """The next packet's command and data; None until all of it has arrived.

        Raises BadPacket for a length that no packet has, as soon as the length is known.
        """
        if len(self._buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        if not 1 <= length <= LARGEST:
            raise BadPacket("length")
        end = _LENGTH.size + length
        if len(self._buffer) < end:
            return None
        packet = bytes(self._buffer[_LENGTH.size : end])
        del self._buffer[:end]
        return packet[:1], packet[1:]


def packet(command: bytes, data: bytes = b"") -> bytes:
    """One packet as it goes over the wire."""
    return _LENGTH.pack(len(data) + 1) + command + data
