"""What a Word file before 2007 does not show: hidden or deleted runs of text (MS-DOC §2.6.1)."""

import struct
from collections.abc import Iterator

_RUNS = 0xFA
"""Where the FIB says which pages of the stream have the properties of its runs (§2.5.6)."""

_PAGE = 512
_DELETED, _VANISHED = 0x0800, 0x083C
_OPERANDS = (1, 1, 2, 4, 2, 2, -1, 3)
"""Bytes behind a property, by the upper bits of its name; -1 where the first one says it."""

Range = tuple[int, int]


def hidden_ranges(stream: bytes, table: bytes) -> list[Range]:
    """From where to where in `stream`, in order, text is not shown; what is damaged hides
    nothing."""
    try:
        return _joined(sorted(_hidden(stream, table)))
    except (struct.error, IndexError):
        return []


def hidden_characters(ranges: list[Range], start: int, count: int, width: int) -> Iterator[Range]:
    """Those of `count` characters of `width` bytes from `start` on that lie in `ranges`."""
    end = start + count * width
    for first, last in ranges:
        if first < end and last > start:
            begin = max(first, start) - start
            yield begin // width, (min(last, end) - start) // width


def _hidden(stream: bytes, table: bytes) -> Iterator[Range]:
    offset, length = struct.unpack_from("<II", stream, _RUNS)
    plc = table[offset : offset + length]
    count = (len(plc) - 4) // 8
    # A page comes once in a sound file, and there are no more than fit into it.
    pages = dict.fromkeys(struct.unpack_from(f"<{max(0, count)}I", plc, 4 * (count + 1)))
    for number in pages:
        page = stream[(number & 0x3FFFFF) * _PAGE :][:_PAGE]
        if len(page) == _PAGE:
            yield from _of_page(page)


def _of_page(page: bytes) -> Iterator[Range]:
    """§2.9.32: places of the runs, where their properties are, and the properties."""
    count = page[-1]
    places = struct.unpack_from(f"<{count + 1}I", page)
    for run in range(count):
        at = page[4 * (count + 1) + run] * 2
        if at and _is_hidden(page[at + 1 : at + 1 + page[at]]):
            yield places[run], places[run + 1]


def _is_hidden(properties: bytes) -> bool:
    at = 0
    while at + 2 < len(properties):
        (name,) = struct.unpack_from("<H", properties, at)
        if name in (_DELETED, _VANISHED) and properties[at + 2] & 1:
            return True
        size = _OPERANDS[name >> 13]
        at += 2 + (size if size >= 0 else 1 + properties[at + 2])
    return False


def _joined(ranges: list[Range]) -> list[Range]:
    joined: list[Range] = []
    for first, last in ranges:
        if joined and first <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], last)
        elif first < last:
            joined.append((first, last))
    return joined
