"""The parts of a zipped office file (ECMA-376-2, ODF 1.3 part 2), a piece at a time, with caps."""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO

from lxml import etree

from mailguard.extract.item import About, Item, Miss

PIECE = 1 << 16

OUT = 64 << 20
"""Bytes of all parts together. A sheet of 400,000 rows has 50 MB; more costs over ten seconds."""

PARTS = 2000
"""Parts of one file. A deck of 300 slides has 900."""

HEAD = 4096

ENTRY = b"PK\x01\x02"

FAULTS = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    etree.XMLSyntaxError,
    struct.error,
    EOFError,
    ValueError,
    IndexError,
    KeyError,
)
"""What the libraries, and we, raise over a part that is not what it should be."""


class CannotRead(Exception):
    """A part lies beyond a cap or is locked; `reason` is that of the Miss."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Package:
    """A zip file. Sizes in its headers are not believed."""

    def __init__(self, data: bytes, about: About) -> None:
        """Raises CannotRead where it has too many entries, and one of FAULTS where it is none. All
        parts together may have the room that there is."""
        # Each entry costs 600 bytes as soon as the directory is read.
        if data.count(ENTRY) > 5 * PARTS:
            raise CannotRead("too_many_parts")
        self._zip = zipfile.ZipFile(BytesIO(data))
        entries = [entry for entry in self._zip.infolist() if not entry.is_dir()]
        self.parts = entries[:PARTS]
        self.is_cut = len(entries) > PARTS
        self._room = min(OUT, about.room)
        self._beyond = about.beyond if about.room < OUT else "too_long"

    def pieces(self, part: zipfile.ZipInfo) -> Iterator[bytes]:
        """The content of `part`; raises CannotRead at a cap, or one of FAULTS."""
        if part.flag_bits & 1:
            raise CannotRead("encrypted")
        try:
            stream = self._zip.open(part)
        except NotImplementedError:
            raise CannotRead("format") from None
        with stream:
            while piece := stream.read(PIECE):
                self._room -= len(piece)
                if self._room < 0:
                    raise CannotRead(self._beyond)
                yield piece

    def read(self, part: zipfile.ZipInfo) -> bytes:
        """All of `part`; raises as :meth:`pieces` does."""
        return b"".join(self.pieces(part))

    def head(self, part: zipfile.ZipInfo) -> bytes:
        """The first bytes of `part`, ``b""`` where they cannot be had."""
        try:
            with self._zip.open(part) as stream:
                return stream.read(HEAD)
        except (RuntimeError, NotImplementedError, *FAULTS):
            return b""


def cut(data: bytes) -> Iterator[bytes]:
    """A file that is one part, as pieces."""
    view = memoryview(data)
    for start in range(0, len(data), PIECE):
        yield bytes(view[start : start + PIECE])


def guarded(items: Iterator[Item]) -> Iterator[Item]:
    """`items` as far as they come; what ends them early is a Miss."""
    try:
        yield from items
    except CannotRead as error:
        yield Miss(error.reason)
    except FAULTS:
        yield Miss("broken")
