"""The exact bytes of one message, wherever they are kept."""

import hashlib
import mmap
from collections.abc import Iterator
from dataclasses import dataclass

CHUNK = 65536
"""Bytes handed on at a time: what one write to a socket or file usually takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """One message as received: dots removed, line ends CRLF, nothing added.

    ``buffer`` is bytes for small messages and a read-only mmap of an unlinked file for large
    ones; both are read the same way. ``sha256`` is the lower-case hex digest of all of it.
    """

    buffer: bytes | mmap.mmap
    sha256: str

    @classmethod
    def of(cls, buffer: bytes | mmap.mmap) -> "Raw":
        """Wrap `buffer` and compute its digest."""
        return cls(buffer=buffer, sha256=hashlib.sha256(buffer).hexdigest())

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self.buffer)

    def chunks(self) -> Iterator[bytes]:
        """Yield all bytes in order, at most :data:`CHUNK` at a time."""
        for start in range(0, len(self.buffer), CHUNK):
            yield self.buffer[start : start + CHUNK]

    def head(self, limit: int) -> bytes:
        """Return the first `limit` bytes."""
        return self.buffer[:limit]
