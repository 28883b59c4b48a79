"""Which files of a RAR 5 archive are encrypted: libarchive does not say, and shows noise."""

from collections.abc import Iterator

START = b"Rar!\x1a\x07\x01\x00"
_FILE, _ENCRYPTION = 2, 1
_HAS_EXTRA, _HAS_DATA = 1, 2
_CHECKSUM = 4

BLOCKS = 10_000
"""Blocks of one archive that are looked at: two for each entry that is."""


def encrypted_files(data: bytes) -> Iterator[bool]:
    """Yield for each file, in order, whether it takes a password; nothing for other archives."""
    at = len(START)
    if not data.startswith(START):
        return
    for _ in range(BLOCKS):
        if at + _CHECKSUM >= len(data):
            return
        size, begin = read_number(data, at + _CHECKSUM)
        end = begin + size
        kind, at = read_number(data, begin)
        flags, at = read_number(data, at)
        extra = content = 0
        if flags & _HAS_EXTRA:
            extra, at = read_number(data, at)
        if flags & _HAS_DATA:
            content, at = read_number(data, at)
        if kind == _FILE:
            yield _ENCRYPTION in _records(data[max(begin, end - extra) : end])
        at = end + content


def _records(extra: bytes) -> Iterator[int]:
    """Yield the kinds of the records in a header's extra area."""
    at = 0
    while at < len(extra):
        size, begin = read_number(extra, at)
        yield read_number(extra, begin)[0]
        at = begin + max(size, 1)


def read_number(data: bytes, at: int) -> tuple[int, int]:
    """The number of variable length at `at`, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at] if at < len(data) else 0
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            break
    return value, at
