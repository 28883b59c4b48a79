"""Pictures in Office files before 2007: the records in which they are stored (MS-ODRAW §2.2.23)."""

import re
import struct
from collections.abc import Iterator

from mailguard.extract.item import Item, Member, Miss

PICTURES = 100
"""Of one file; a talk has some fifty."""

_START = re.compile(rb"[^\0](?:[\x1a-\x1f]|[\x29\x2a])\xf0")
"""The second byte of a record's instance, which is 0 in no kind of picture, and its type."""

_KINDS = {0xF01D: "image/jpeg", 0xF01E: "image/png", 0xF029: "image/tiff", 0xF02A: "image/jpeg"}
_HEADS = (25, 41)
"""What stands before the picture: the record's own eight bytes, one or two digests, and a tag."""

_SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"II*\0", b"MM\0*")
_DRAWING, _CONTINUE = 0x00EB, 0x003C


def read_pictures(stream: bytes) -> Iterator[Item]:
    """Yield each picture that readers know as a file; drawings (WMF, EMF, PICT) are a miss.

    `stream` holds such records, wherever they stand in it: the streams Pictures and Data, or
    :func:`drawings_of` a workbook.
    """
    count = 0
    end = 0
    for found in _START.finditer(stream):
        at = found.start() - 1
        if at < end or at + 8 > len(stream):
            continue
        kind, length = struct.unpack_from("<2xHI", stream, at)
        stop = at + 8 + length
        if not 8 < length <= len(stream) - at - 8:
            continue
        starts = [at + head for head in _HEADS if stream.startswith(_SIGNATURES, at + head)]
        if kind in _KINDS and not starts:
            # Two bytes that look so.
            continue
        count += 1
        end = stop
        if kind not in _KINDS or count > PICTURES:
            yield Miss("image")
            if count > PICTURES:
                return
            continue
        yield Member(f"picture {count}", stream[starts[0] : stop], _KINDS[kind])


def drawings_of(workbook: bytes) -> bytes:
    """What a workbook stores of pictures, put together from the records that it is cut into
    (MS-XLS §2.4.171)."""
    pieces = []
    at = 0
    is_drawing = False
    while at + 4 <= len(workbook):
        kind, length = struct.unpack_from("<HH", workbook, at)
        is_drawing = kind == _DRAWING or (is_drawing and kind == _CONTINUE)
        if is_drawing:
            pieces.append(workbook[at + 4 : at + 4 + length])
        at += 4 + length
    return b"".join(pieces)
