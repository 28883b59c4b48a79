"""Pictures: how large they are, where they were taken, and the words that are stored with them.

What they show is read only where that was asked for; otherwise every picture is a miss, ``image``.
"""

import re
import struct
import zlib
from collections.abc import Iterator

from mailguard.extract.formats._exif import has_location, read_words
from mailguard.extract.item import About, Feature, Item, Miss, Text
from mailguard.extract.pictures.sight import show_file
from mailguard.mail.charset import read_text

TYPES = frozenset(
    {
        "image/jpeg",
        "image/png",
        "image/gif",
        "image/webp",
        "image/bmp",
        "image/x-ms-bmp",
        "image/tiff",
        "image/heic",
        "image/heif",
        "image/avif",
        "image/jxl",
        "image/jp2",
    }
)
NAMES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".avif")

BLOCKS = 2000
"""Chunks or segments of one picture that are looked at. PNG writers make one each 8 KB."""

WORDS = 1 << 18
"""Bytes of one stored text. Photoshop's history can reach it; captions have some hundred."""

_JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
_SIZES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_ALONE = {1, *range(0xD0, 0xD9)}
_COMMENT, _SCAN, _APP1 = 0xFE, 0xDA, 0xE1
_EXIF = b"Exif\0\0"
_XMP_GPS = re.compile(rb"exif:GPSL(?:at|ong)itude\b")
_XMP, _XMP_END = b"<x:xmpmeta", b"</x:xmpmeta>"
_XMP_WORDS = re.compile(r">([^<>]{2,2000})<")
_BOX_SIZE = re.compile(rb"ispe\0\0\0\0(.{8})", re.DOTALL)
_TIFF = (b"II*\0", b"MM\0*")


def read(data: bytes, about: About) -> Iterator[Item]:
    """Yield size (``size:WIDTHxHEIGHT``), ``location``, comments, and words and codes in it."""
    if about.sniffed.startswith("text/"):
        # Only called a picture: whoever knows what it is reads it.
        yield Miss("format")
        return
    size = None
    exif = b""
    if data.startswith(_JPEG):
        for kind, content in _segments(data):
            if kind in _SIZES and len(content) >= 5:
                height, width = struct.unpack_from(">xHH", content)
                size = width, height
            elif kind == _COMMENT:
                yield Text("comment", read_text(content, ""))
    elif data.startswith(_PNG):
        for name, content in _chunks(data):
            if name == b"IHDR" and len(content) >= 8:
                size = struct.unpack_from(">II", content)
            elif name == b"eXIf":
                exif = content
            elif name in (b"tEXt", b"zTXt", b"iTXt"):
                yield Text("comment", _png_text(name, content))
    else:
        size = _other_size(data)
    if size:
        yield Feature(f"size:{size[0]}x{size[1]}")
    at = data.find(_EXIF)
    if at >= 0:
        exif = data[at + len(_EXIF) :]
    elif data.startswith(_TIFF):
        exif = data
    if has_location(exif) or _XMP_GPS.search(data):
        yield Feature("location")
    if words := read_words(exif):
        yield Text("properties", "\n".join(words))
    at = data.find(_XMP)
    if at >= 0:
        xmp = read_text(data[at : data.find(_XMP_END, at, at + WORDS)], "utf-8")
        yield Text("properties", "\n".join(filter(str.strip, _XMP_WORDS.findall(xmp))))
    yield from show_file(data, about.pictures)


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield marker and content of each segment before the picture itself (ITU-T T.81 B.1)."""
    at = len(_JPEG)
    for _ in range(BLOCKS):
        if at + 4 > len(data) or data[at] != 0xFF:
            return
        kind = data[at + 1]
        if kind == 0xFF or kind in _ALONE:
            at += 1 if kind == 0xFF else 2
            continue
        if kind == _SCAN:
            return
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        yield kind, data[at + 4 : at + 2 + length]
        at += 2 + length


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and content of each chunk but the picture itself (PNG, 3rd edition §5.3)."""
    at = len(_PNG)
    for _ in range(BLOCKS):
        if at + 8 > len(data):
            return
        length, name = struct.unpack_from(">I4s", data, at)
        if name != b"IDAT":
            yield name, data[at + 8 : at + 8 + min(length, WORDS)]
        at += 12 + length


def _png_text(name: bytes, content: bytes) -> str:
    """The text of a chunk (PNG §11.3.3), its keyword left out."""
    _, _, rest = content.partition(b"\0")
    if name == b"tEXt":
        return read_text(rest, "iso-8859-1")
    is_packed = name == b"zTXt"
    if name == b"iTXt":
        is_packed = rest[:1] == b"\1"
        _, _, rest = rest[2:].partition(b"\0")
        _, _, rest = rest.partition(b"\0")
    else:
        rest = rest[1:]
    if is_packed:
        rest = zlib.decompressobj().decompress(rest, WORDS)
    return read_text(rest, "utf-8")


def _other_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of GIF, BMP, WebP and the HEIF family."""
    if data.startswith(b"GIF8") and len(data) >= 10:
        return struct.unpack_from("<HH", data, 6)
    if data.startswith(b"BM") and len(data) >= 26:
        width, height = struct.unpack_from("<ii", data, 18)
        return width, abs(height)
    if data[8:16] == b"WEBPVP8X" and len(data) >= 30:
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if data[8:16] == b"WEBPVP8 " and len(data) >= 30:
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    if data[8:16] == b"WEBPVP8L" and len(data) >= 25:
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if data[4:8] == b"ftyp" and (boxes := _BOX_SIZE.findall(data[:WORDS])):
        # A picture of tiles has a size for each, and its own.
        return max(struct.unpack(">II", box) for box in boxes)
    return None
