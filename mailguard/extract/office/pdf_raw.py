"""What PDFium does not tell about a file, found in its bytes."""

import re
import zlib
from collections.abc import Iterator
from itertools import islice

from mailguard.extract.item import Item, Member, Miss

FILES = 200
STREAMS = 200
"""Object streams that are looked into; each has a hundred objects or so."""

_FILE_REFERENCE = re.compile(rb"/EF\s*<<\s*/\w{1,4}\s+(\d{1,9})\s+\d{1,5}\s+R")
_FILE_OBJECT = re.compile(
    rb"\b(\d{1,9})\s+\d{1,5}\s+obj\s*(<<(?:(?!obj)[^\0]){0,500}?>>)\s*stream\r?\n"
)
VIEWS = 16 << 20
"""Bytes of object streams that are looked into; 10,000 objects have one megabyte."""

_OBJECT_STREAM = re.compile(rb"/ObjStm\b(?:(?!endobj|/ObjStm)[^\0]){0,500}?stream\r?\n")
_ESCAPE = re.compile(rb"#([0-9a-fA-F]{2})")


def views(data: bytes) -> Iterator[bytes]:
    """The file, and what is in its object streams (ISO 32000-1 §7.5.7), to look for names in.
    Actions hang on things for which PDFium has no question."""
    yield _ESCAPE.sub(_letter, data) if b"#" in data else data
    room = VIEWS
    for begin in islice(_OBJECT_STREAM.finditer(data), STREAMS):
        try:
            view = zlib.decompressobj().decompress(data[begin.end() :], room)
        except zlib.error:
            continue
        yield _ESCAPE.sub(_letter, view)
        room -= len(view)
        if room <= 0:
            return


def _letter(escape: re.Match[bytes]) -> bytes:
    return bytes([int(escape[1], 16)])


def lost_files(data: bytes, room: int) -> Iterator[Item]:
    """Files that PDFium does not give out: it wants a name and a content of the same kind, and
    other readers do not (ISO 32000-1 tables 44 and 46)."""
    found = 0
    numbers = list(dict.fromkeys(_FILE_REFERENCE.findall(data)))[:FILES]
    objects = {each[1]: each for each in _FILE_OBJECT.finditer(data)} if numbers else {}
    for number in numbers:
        begin = objects.get(number)
        if begin is None or b"/Encrypt" in data:
            continue
        content = data[begin.end() : data.find(b"endstream", begin.end())]
        if b"/FlateDecode" in begin[2]:
            unpacker = zlib.decompressobj()
            content = unpacker.decompress(content, max(1, room))
            if unpacker.unconsumed_tail:
                yield Miss("bomb")
        found += 1
        room -= len(content)
        yield Member(f"file {found}", content)
    if not found:
        yield Miss("broken")
