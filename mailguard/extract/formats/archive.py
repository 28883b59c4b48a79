"""Archives that libarchive knows: 7z, rar, cab, iso, lha, cpio, ar, tar, xar; one after another."""

from collections.abc import Iterator

from mailguard.extract.formats._rar5 import encrypted_files
from mailguard.extract.formats._room import Room
from mailguard.extract.item import About, Item, Miss, Name
from mailguard.extract.libarchive import FORMATS, Unreadable, unpack

TYPES = frozenset(
    {
        "application/x-7z-compressed",
        "application/x-rar",
        "application/x-rar-compressed",
        "application/vnd.rar",
        "application/vnd.ms-cab-compressed",
        "application/x-iso9660-image",
        "application/x-lzh-compressed",
        "application/x-lharc",
        "application/x-lha",
        "application/x-cpio",
        "application/x-archive",
        "application/x-unix-archive",
        "application/vnd.debian.binary-package",
        "application/x-tar",
        "application/x-gtar",
        "application/x-ustar",
        "application/x-xar",
    }
)
NAMES = (".7z", ".rar", ".cab", ".iso", ".lzh", ".lha", ".cpio", ".ar", ".deb", ".tar", ".xar")

ENTRIES = 5000
"""Entries that are looked at, folders and links included; five times what the driver opens."""

_HERE = {"", ".", "./"}
"""Names of the folder that everything is in."""


def read(data: bytes, about: About) -> Iterator[Item]:
    """Yield each file, and the names of all else; what cannot be unpacked is named and missed."""
    room = Room(data, about)
    try:
        encrypted = encrypted_files(data)
        for number, entry in enumerate(unpack(data, FORMATS)):
            is_encrypted = entry.is_encrypted or next(encrypted, False)
            if number >= ENTRIES:
                yield Miss("too_many_parts")
                return
            if not entry.is_file:
                if entry.name not in _HERE:
                    yield Name(entry.name)
                continue
            if is_encrypted:
                # libarchive knows no password for these formats, and shows what it cannot read.
                yield Name(entry.name)
                yield Miss("encrypted")
                continue
            content, reason = entry.read(room.left)
            yield from room.take(entry.name, content, reason)
    except Unreadable as unreadable:
        yield Miss(unreadable.reason)
