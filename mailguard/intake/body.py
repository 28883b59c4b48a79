"""Where a message lies while it is received: in memory, or in a file that nobody else can see."""

import contextlib
import hashlib
import mmap
import tempfile
from pathlib import Path
from typing import IO

from mailguard.mail.raw import Raw

IN_MEMORY = 1 << 20
"""Bytes kept in memory. Nearly all mail without attachments is smaller; 200 clients are 200 MB."""


class Body:
    """Collects one message and its SHA-256. No record: until the reply all of it may be lost."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._memory = bytearray()
        self._file: IO[bytes] | None = None
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, piece: bytes) -> None:
        """Append `piece`. Raises OSError when the file cannot take it."""
        self.size += len(piece)
        self._digest.update(piece)
        if self._file is not None:
            self._file.write(piece)
            return
        self._memory += piece
        if self.size > IN_MEMORY:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed at the end
            self._file.write(self._memory)
            self._memory = bytearray()

    def finish(self) -> Raw:
        """All of it. Raises OSError when the file could not take the rest.

        The file has no name: its space is free again when the last reference to the Raw goes.
        """
        digest = self._digest.hexdigest()
        if self._file is None:
            return Raw(buffer=bytes(self._memory), sha256=digest)
        with self._file as file:
            file.flush()
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return Raw(buffer=mapped, sha256=digest)

    def discard(self) -> None:
        """Drop what was collected; nothing may be written afterwards."""
        self._memory = bytearray()
        if self._file is not None:
            # Closing would first write out what is buffered, and that may be what just failed.
            with contextlib.suppress(OSError):
                self._file.close()
