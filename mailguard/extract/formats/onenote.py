"""OneNote sections (MS-ONE): what looks like words, and the files that are put into the notes."""

import struct
from collections.abc import Iterator

from mailguard.extract.item import About, Feature, Item, Member, Miss
from mailguard.extract.office.raw_text import read_raw

TYPES = frozenset(("application/onenote", "application/msonenote"))
NAMES = (".one", ".onepkg.one", ".onetoc2")

FILES = 200

_FILE = bytes.fromhex("e716e3bd65261145a4c48d4d0b7a9eac")
"""Begins a FileDataStoreObject (MS-ONESTORE §2.6.13): then its length, twelve bytes, and the file.
Malware is spread in these."""

_HEADER = struct.Struct("<16sQ12x")


def read(data: bytes, about: About) -> Iterator[Item]:
    """Yield words and files. How the words hang together is not read: that is a miss."""
    at = count = 0
    notes: list[bytes] = []
    while (found := data.find(_FILE, at)) >= 0 and found + _HEADER.size <= len(data):
        notes.append(data[at:found])
        _, size = _HEADER.unpack_from(data, found)
        start = found + _HEADER.size
        at = min(len(data), start + size)
        count += 1
        if count > FILES:
            yield Miss("too_many_parts")
            break
        yield Feature("embedded")
        yield Member(f"file {count}", data[start:at])
    notes.append(data[at:])
    yield from read_raw(b"".join(notes), "")
    yield Miss("format")
