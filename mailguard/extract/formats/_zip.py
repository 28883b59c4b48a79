"""The headers of a ZIP archive (APPNOTE 6.3.10): those in front of files, and the directory."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

ENTRIES = 5000
"""Entries of the directory that are looked at, folders included; five times what is opened."""

LOCAL = b"PK\3\4"
STORED, DEFLATED, DEFLATED_64 = 0, 8, 9
SIZE_BEHIND = 0x8
"""Flag: sizes stand behind the file, not in front of it."""

_CENTRAL, _END, _END_64 = b"PK\1\2", b"PK\5\6", b"PK\6\6"
_LOCAL_FIELDS = struct.Struct("<4sHHH4sIIIHH")
_CENTRAL_FIELDS = struct.Struct("<4sHHHH4sIIIHHHHHII")
_END_FIELDS = struct.Struct("<4sHHHHIIH")
_END_64_FIELDS = struct.Struct("<4xQ4xIIQQQQ")
_BEHIND = struct.Struct("<4sIII")
_BEHIND_MARK = b"PK\7\x08"
_SEARCHES = 20
_COMMENT = 0xFFFF
_IN_EXTRA = 0xFFFFFFFF
_IN_64 = 0xFFFF
_ENCRYPTED, _UTF8 = 0x1 | 0x40, 0x800
_NEWEST = 63
"""Version that the newest feature needs (§4.4.3.2); more is no header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file of the archive, as one of its headers says."""

    at: int
    """Where its local header is."""

    flags: int
    method: int
    moment: bytes
    crc: int
    packed: int
    size: int
    name: bytes
    extra: bytes
    comment: str = ""

    @property
    def title(self) -> str:
        """Its name, which may climb out of folders and is data only."""
        return decode(self.name, self.flags)

    @property
    def is_encrypted(self) -> bool:
        """Whether it takes a password."""
        return bool(self.flags & _ENCRYPTED)

    def extra_field(self, kind: int) -> bytes:
        """The content of an extra field (§4.5), ``b""`` where there is none."""
        return next((field for each, field in _fields(self.extra) if each == kind), b"")

    @property
    def begin(self) -> int:
        """Where its stream begins, if this is the local header."""
        return self.at + _LOCAL_FIELDS.size + len(self.name) + len(self.extra)


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """Where the central directory is (§4.3.12), and what is said of the archive as a whole."""

    start: int
    shift: int
    """What all offsets are off by: something may stand in front, a program for one."""

    is_split: bool
    """Whether other parts of the archive are in other files."""

    comment: str


def find_directory(data: bytes) -> Directory | None:
    """Find the directory by its end, ``None`` where there is no end."""
    at = data.rfind(_END, max(0, len(data) - _COMMENT - _END_FIELDS.size))
    if at < 0 or at + _END_FIELDS.size > len(data):
        return None
    _, disk, _, _, _, size, offset, length = _END_FIELDS.unpack_from(data, at)
    stop = at
    at_64 = data.rfind(_END_64, max(0, at - _COMMENT), at)
    if _IN_EXTRA in (size, offset) and 0 <= at_64 <= at - _END_64_FIELDS.size:
        *_, size, offset = _END_64_FIELDS.unpack_from(data, at_64)
        stop = at_64
    start = offset if data.startswith(_CENTRAL, offset) else max(0, stop - size)
    comment = data[at + _END_FIELDS.size :][:length]
    return Directory(
        start=start,
        shift=start - offset,
        is_split=disk not in (0, _IN_64),
        comment=decode(comment, 0),
    )


def read_directory(data: bytes, directory: Directory) -> Iterator[Entry]:
    """Yield what is listed."""
    at = directory.start
    while data.startswith(_CENTRAL, at) and at + _CENTRAL_FIELDS.size <= len(data):
        fields = _CENTRAL_FIELDS.unpack_from(data, at)
        _, _, _, flags, method, moment, crc, packed, size, *lengths, _, _, _, offset = fields
        name_at = at + _CENTRAL_FIELDS.size
        extra_at = name_at + lengths[0]
        comment_at = extra_at + lengths[1]
        at = comment_at + lengths[2]
        extra = data[extra_at:comment_at]
        size, packed, offset = _large(extra, size, packed, offset)
        yield Entry(
            at=max(0, min(offset + directory.shift, len(data))),
            flags=flags,
            method=method,
            moment=moment,
            crc=crc,
            packed=packed,
            size=size,
            name=data[name_at:extra_at],
            extra=extra,
            comment=decode(data[comment_at:at], flags),
        )


def read_local(data: bytes, at: int) -> Entry | None:
    """The entry by its local header (§4.3.7) alone, ``None`` where there is none."""
    name_at = at + _LOCAL_FIELDS.size
    if not data.startswith(LOCAL, at) or name_at > len(data):
        return None
    fields = _LOCAL_FIELDS.unpack_from(data, at)
    _, version, flags, method, moment, crc, packed, size, *lengths = fields
    extra_at = name_at + lengths[0]
    if version & 0xFF > _NEWEST or extra_at + lengths[1] > len(data):
        return None
    extra = data[extra_at : extra_at + lengths[1]]
    size, packed = _large(extra, size, packed)
    return Entry(
        at=at,
        flags=flags,
        method=method,
        moment=moment,
        crc=crc,
        packed=packed,
        size=size,
        name=data[name_at:extra_at],
        extra=extra,
    )


def with_sizes(entry: Entry, data: bytes) -> Entry:
    """The entry with what stands behind its file (§4.3.9), where nothing in front says it."""
    if entry.packed or not entry.flags & SIZE_BEHIND:
        return entry
    at = entry.begin
    for _ in range(_SEARCHES):
        at = data.find(_BEHIND_MARK, at)
        if at < 0 or at + _BEHIND.size > len(data):
            break
        _, crc, packed, size = _BEHIND.unpack_from(data, at)
        if packed == at - entry.begin:
            return replace(entry, crc=crc, packed=packed, size=size)
        at += 1
    return entry


def alone(entry: Entry, stream: bytes) -> bytes:
    """An archive that has nothing but this one file."""
    version = 20
    head = (version, entry.flags, entry.method, entry.moment, entry.crc)
    sizes = (len(stream), entry.size & _IN_EXTRA, len(entry.name), len(entry.extra))
    local = _LOCAL_FIELDS.pack(LOCAL, *head, *sizes) + entry.name + entry.extra
    central = _CENTRAL_FIELDS.pack(_CENTRAL, version, *head, *sizes, 0, 0, 0, 0, 0)
    central += entry.name + entry.extra
    # With sizes behind, another byte tells whether a password is right: the flag must stay.
    behind = _BEHIND.pack(_BEHIND_MARK, entry.crc, *sizes[:2]) if entry.flags & SIZE_BEHIND else b""
    start = len(local) + len(stream) + len(behind)
    end = _END_FIELDS.pack(_END, 0, 0, 1, 1, len(central), start, 0)
    return b"".join((local, stream, behind, central, end))


def decode(name: bytes, flags: int) -> str:
    """A name or comment: UTF-8, whether they say so or not, else the letters of DOS (App. D)."""
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("utf-8" if flags & _UTF8 else "cp437", "replace")


def _large(extra: bytes, *values: int) -> list[int]:
    """`values`, but those that do not fit in 32 bits from the extra field (§4.5.3)."""
    wide: Iterator[tuple[int]] = iter(())
    for kind, field in _fields(extra):
        if kind == 1:
            wide = struct.iter_unpack("<Q", field[: len(field) & ~7])
    return [next(wide, (value,))[0] if value == _IN_EXTRA else value for value in values]


def _fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and content of each extra field."""
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, at)
        yield kind, extra[at + 4 : at + 4 + size]
        at += 4 + size
