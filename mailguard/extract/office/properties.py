"""Title, author and the like of Office files before 2007 (MS-OLEPS §2.21).

Our own reader: that of olefile believes a count of four thousand million.
"""

import re
import struct
from collections.abc import Iterator

from mailguard.mail.charset import decode

SETS = 4
PROPERTIES = 1000
"""Of one set; Office itself has some thirty, people add a few."""

VALUES = 1000
"""Of one list: the names of all sheets, say."""

_CODE_PAGE = 1
_NARROW, _WIDE, _LIST = 0x1E, 0x1F, 0x1000
_LETTER = re.compile(r"[^\W\d_]")


def read_properties(stream: bytes) -> Iterator[str]:
    """Yield the values that are words; ends where the stream is not what it should be."""
    try:
        yield from _read_sets(stream)
    except struct.error:
        return


def _read_sets(stream: bytes) -> Iterator[str]:
    (sets,) = struct.unpack_from("<I", stream, 24)
    for number in range(min(sets, SETS)):
        (start,) = struct.unpack_from("<16xI", stream, 28 + 20 * number)
        _, count = struct.unpack_from("<II", stream, start)
        places = [
            struct.unpack_from("<II", stream, start + 8 + 8 * n)
            for n in range(min(count, PROPERTIES))
        ]
        charset = ""
        for key, offset in places:
            if key == _CODE_PAGE:
                charset = f"cp{struct.unpack_from('<H', stream, start + offset + 4)[0]}"
        for _, offset in places:
            for value in _values(stream, start + offset, charset):
                if _LETTER.search(value):
                    yield value


def _values(stream: bytes, at: int, charset: str) -> Iterator[str]:
    (kind,) = struct.unpack_from("<I", stream, at)
    at += 4
    count = 1
    if kind & _LIST:
        (count,) = struct.unpack_from("<I", stream, at)
        at += 4
    if kind & ~_LIST not in (_NARROW, _WIDE):
        return
    for _ in range(min(count, VALUES)):
        (size,) = struct.unpack_from("<I", stream, at)
        at += 4
        if kind & ~_LIST == _WIDE:
            size *= 2
            yield stream[at : at + size].decode("utf-16-le", "replace").rstrip("\0")
        else:
            yield decode(stream[at : at + size].rstrip(b"\0"), charset)
        at += size
