"""What a camera writes into a picture (Exif 2.32, in TIFF 6.0): the place, and any words."""

import struct
from collections.abc import Iterator

from mailguard.mail.charset import read_text

_ORDERS = {b"II": "<", b"MM": ">"}
_EXIF, _GPS = 0x8769, 0x8825
_LATITUDE, _LONGITUDE = 2, 4
_WORDS = {0x10E, 0x13B, 0x8298, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F, 0x9286}
"""Description, artist, copyright, Windows' title, comment, author, keywords and subject, and the
comment of the user."""

_WINDOWS = range(0x9C9B, 0x9CA0)
_USER_COMMENT = 0x9286
_CHARSETS = {b"UNICODE\0": "utf-16", b"ASCII\0\0\0": "ascii"}

_ENTRY = 12
_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 9: 4, 10: 8}
_ENTRIES = 500
"""Entries of one directory. Cameras write some sixty."""

_WORD = 1 << 16
"""Bytes of one text: what a segment of a JPEG holds."""


def has_location(exif: bytes) -> bool:
    """Whether it says where the picture was taken, by more than zeros."""
    found = {tag: value for tag, value in _entries(exif) if tag in (_LATITUDE, _LONGITUDE)}
    # Degrees, minutes and seconds, each a numerator and a denominator.
    return len(found) == 2 and any(
        any(value[at : at + 4]) for value in found.values() for at in range(0, len(value), 8)
    )


def read_words(exif: bytes) -> list[str]:
    """The texts that people or programs wrote about the picture."""
    words = []
    for tag, value in _entries(exif):
        if tag not in _WORDS:
            continue
        if tag in _WINDOWS:
            text = value.decode("utf-16-le", "replace")
        elif tag == _USER_COMMENT:
            charset = _CHARSETS.get(value[:8], "")
            if charset == "utf-16":
                charset = "utf-16-le" if exif.startswith(b"II") else "utf-16-be"
            text = read_text(value[8:], charset)
        else:
            text = read_text(value.rstrip(b"\0"), "")
        if text := text.strip("\0 \n"):
            words.append(text)
    return words


def _entries(exif: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and value of all entries, of the directories for camera and place as well."""
    order = _ORDERS.get(exif[:2])
    if not order or len(exif) < 8:
        return
    (first,) = struct.unpack_from(f"{order}I", exif, 4)
    waiting, seen = [first], set[int]()
    while waiting:
        at = waiting.pop()
        # Directories that point at each other end here.
        if at in seen or at + 2 > len(exif) or len(seen) > 4:
            continue
        seen.add(at)
        (count,) = struct.unpack_from(f"{order}H", exif, at)
        for n in range(min(count, _ENTRIES)):
            entry = at + 2 + n * _ENTRY
            if entry + _ENTRY > len(exif):
                return
            tag, kind, number, value = struct.unpack_from(f"{order}HHII", exif, entry)
            if tag in (_EXIF, _GPS):
                waiting.append(value)
                continue
            size = min(number * _WIDTHS.get(kind, 0), _WORD)
            begin = entry + 8 if size <= 4 else value
            yield tag, exif[begin : begin + size]
