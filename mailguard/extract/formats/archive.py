"""Archives that libarchive knows: 7z, rar, cab, iso, lha, cpio, ar, tar, xar; one after another."""

from collections.abc import Iterator

from mailguard.extract.formats import _rar4_open, _rar5, _seven
from mailguard.extract.formats._rar4_open import unlock_rar4
from mailguard.extract.formats._rar5 import encrypted_files
from mailguard.extract.formats._rar5_open import unlock_rar5
from mailguard.extract.formats._room import Room
from mailguard.extract.formats._seven_open import unlock_seven
from mailguard.extract.item import About, Feature, Item, Miss, Name
from mailguard.extract.libarchive import FORMATS, Entry, Unreadable, unpack

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

TRIED = 64 << 20
"""Bytes that are unpacked to see whether a password was right."""

_UNLOCKERS = (
    (_seven.START, unlock_seven),
    (_rar5.START, unlock_rar5),
    (_rar4_open.START, unlock_rar4),
)

_EMPTY = 100
"""Bytes of an archive without files: 32 of a 7z, 20 of a RAR."""

_VOLUME, _UDF = slice(0x8001, 0x8006), b"BEA01"
"""Where a volume says what it is (ECMA-167 2/9.1.2)."""

_HERE = {"", ".", "./"}
"""Names of the folder that everything is in."""


def read(data: bytes, about: About) -> Iterator[Item]:
    """Yield each file, and the names of all else; what cannot be unpacked is named and missed."""
    room = Room(about)
    plain = _unlocked(data, about)
    try:
        yield from _read(plain or data, room, is_unlocked=bool(plain))
    except Unreadable as unreadable:
        yield Miss(unreadable.reason)


def _read(data: bytes, room: Room, *, is_unlocked: bool) -> Iterator[Item]:
    number = -1
    for number, (entry, is_encrypted) in enumerate(_entries(data)):
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
        if is_unlocked and reason == "broken":
            # Of several passwords one was found.
            content, reason = b"", "encrypted"
        yield from room.take(entry.name, content, reason)
    if number < 0 and data[_VOLUME] == _UDF:
        # A volume of UDF alone, which libarchive does not know.
        yield Miss("format")
    elif number < 0:
        yield Feature("empty") if len(data) <= _EMPTY else Miss("broken")


def _entries(data: bytes) -> Iterator[tuple[Entry, bool]]:
    """Each entry, and whether it takes a password. Raises Unreadable."""
    encrypted = encrypted_files(data)
    for entry in unpack(data, FORMATS):
        yield entry, entry.is_encrypted or next(encrypted, False)


def _unlocked(data: bytes, about: About) -> bytes:
    """The archive without encryption, ``b""`` if it has none or no word of the message opens it."""
    unlock = next((unlock for start, unlock in _UNLOCKERS if data.startswith(start)), None)
    if not unlock or not about.passwords:
        return b""
    best, (most, _) = b"", _readable(data)
    for plain in unlock(data, about.passwords):
        count, is_whole = _readable(plain)
        if count > most:
            best, most = plain, count
        if is_whole:
            break
    return best


def _readable(data: bytes) -> tuple[int, bool]:
    """How many files unpack to their checksum, and whether all do, as far as is tried."""
    count, is_whole, left = 0, True, TRIED
    try:
        for number, (entry, is_encrypted) in enumerate(_entries(data)):
            if number >= ENTRIES or left <= 0:
                break
            if not entry.is_file:
                continue
            content, reason = (b"", "encrypted") if is_encrypted else entry.read(left)
            left -= len(content)
            is_right = reason in ("", "too_long")
            count += is_right
            is_whole = is_whole and is_right
    except Unreadable:
        return count, False
    return count, is_whole
