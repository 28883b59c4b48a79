"""Files written as text before there was MIME: uuencode, yEnc, BinHex 4.0."""

import binascii
import contextlib
import re
from collections.abc import Iterator

from mailguard.extract.formats._room import Room
from mailguard.extract.item import About, Item, Miss, Text
from mailguard.mail.charset import decode, read_text
from mailguard.mail.transfer import decode_base64

TYPES = frozenset(
    {"text/x-uuencode", "application/x-uuencode", "application/mac-binhex40", "text/x-yenc"}
)
NAMES = (".uu", ".uue", ".hqx", ".yenc", ".ync", ".ntx")

SAMPLE = b"begin 644 sample.txt\n&<V%M<&QE\n`\nend\n"

FILES = 1000
"""Files in one text that are looked for; as many as the driver opens."""

_BEGIN = re.compile(
    rb"^(?: begin(-base64)?[ ]+[0-7]{3,4}[ ]+([^\r\n]*+)"
    rb"| =ybegin[ ][^\r\n]*?name=([^\r\n]*+)"
    rb"| \(This[ ]file[ ]must[ ]be[ ]converted[ ]with[ ]BinHex[^\r\n]*+\s*+(:) )\r?\n?",
    re.MULTILINE | re.VERBOSE,
)
_UU_LETTERS = bytes(byte if 32 <= byte <= 96 or byte in b"\r\n" else 32 for byte in range(256))
_END = re.compile(rb"^(?:end|====)[ \t]*\r?$\n?", re.MULTILINE)
_YENC_END = re.compile(rb"^=yend[^\n]*\n?", re.MULTILINE)
_YENC_PART = re.compile(rb"\A=ypart[^\n]*\n")
_YENC_ESCAPE = re.compile(rb"=(.)", re.DOTALL)
_YENC = bytes((byte - 42) % 256 for byte in range(256))

_BINHEX_END = re.compile(rb":")
_BINHEX = b"!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr"
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_TO_BASE64 = bytes.maketrans(_BINHEX, _BASE64)
_NOT_BINHEX = bytes(set(range(256)) - set(_BINHEX))
_REPEAT = re.compile(rb"\x90(.)", re.DOTALL)
_FORKS = 18
"""Bytes of a BinHex header behind the name: kind, creator, flags, two lengths and a checksum."""


def read(data: bytes, about: About) -> Iterator[Item]:
    """Yield each file, and the text around them."""
    room = Room(about)
    around: list[bytes] = []
    end = 0
    for number, begin in enumerate(_BEGIN.finditer(data)):
        if number == FILES:
            yield Miss("too_many_parts")
            break
        if begin.start() < end:
            continue
        is_uuencoded = begin[2] is not None and not begin[1]
        if is_uuencoded and not _is_uuencoded(_line(data, begin.end())):
            # Somebody's sentence.
            continue
        around.append(data[end : begin.start()])
        if is_uuencoded:
            content, end = _uudecode(data, begin.end())
            yield from room.take(decode(begin[2], ""), *_fit(content, room))
        elif begin[1]:
            content, end = _until(data, begin.end(), _END)
            yield from room.take(decode(begin[2], ""), *_fit(decode_base64(content)[0], room))
        elif begin[4]:
            content, end = _until(data, begin.end(), _BINHEX_END)
            yield from _binhex(content, room)
        else:
            content, end = _until(data, begin.end(), _YENC_END)
            yield from room.take(decode(begin[3], ""), *_fit(_yenc(content), room))
    if not end:
        yield Miss("format")
    around.append(data[end:])
    text = read_text(b"\n".join(around), "")
    if not text.isspace():
        yield Text("", text)


def _until(data: bytes, at: int, mark: re.Pattern[bytes]) -> tuple[bytes, int]:
    """What stands before `mark`, and where that ends; without it, all."""
    found = mark.search(data, at)
    return (data[at : found.start()], found.end()) if found else (data[at:], len(data))


def _fit(content: bytes, room: Room) -> tuple[bytes, str]:
    return content[: room.left], "too_long" if len(content) > room.left else ""


def _line(data: bytes, at: int) -> bytes:
    """The line that begins at `at`, with its end."""
    end = data.find(b"\n", at)
    return data[at : end + 1] if end >= 0 else data[at:]


def _is_uuencoded(line: bytes) -> bool:
    """Whether the line is as long as its first letter says, give or take what programs do to it."""
    line = line.rstrip(b"\r\n")
    if not line or not b" " <= line[:1] <= b"`":
        return False
    length = (line[0] - 32 & 63) * 4 // 3
    return length - 3 <= len(line) - 1 <= length + 4


def _uudecode(data: bytes, at: int) -> tuple[bytes, int]:
    """Decode line by line; return also where the file ends, with its last line or without."""
    pieces = []
    while _is_uuencoded(line := _line(data, at)):
        at += len(line)
        length = (line[0] - 32 & 63) * 4 // 3 + 2
        # As it is; with the spaces that went astray at its end; without what is no letter.
        for attempt in (line, line.rstrip() + b"    ", line.translate(_UU_LETTERS)):
            with contextlib.suppress(binascii.Error):
                pieces.append(binascii.a2b_uu(attempt[:length]))
                break
    return b"".join(pieces), at + len(line) if line.strip() == b"end" else at


def _yenc(content: bytes) -> bytes:
    body = _YENC_PART.sub(b"", content).replace(b"\r", b"").replace(b"\n", b"")
    plain = _YENC_ESCAPE.sub(lambda escape: bytes(((escape[1][0] - 64) % 256,)), body)
    return plain.translate(_YENC)


def _binhex(content: bytes, room: Room) -> Iterator[Item]:
    """Yield both forks of a BinHex file (RFC 1741)."""
    letters = content.translate(_TO_BASE64, _NOT_BINHEX)
    # The last letter alone is no byte.
    packed = binascii.a2b_base64(letters[: len(letters) - (len(letters) % 4 == 1)] + b"===")
    plain, is_cut = _repeat(packed, room.left)
    size = plain[0] if plain else 0
    name = decode(plain[1 : 1 + size], "mac-roman")
    head = plain[2 + size : 2 + size + _FORKS + 2]
    forks = int.from_bytes(head[10:14], "big"), int.from_bytes(head[14:18], "big")
    at = 2 + size + _FORKS + 2
    for length in forks:
        fork = plain[at : at + length]
        at += length + 2
        if fork:
            reason = "too_long" if is_cut else "broken"
            yield from room.take(name, fork, reason if len(fork) < length else "")


def _repeat(packed: bytes, limit: int) -> tuple[bytes, bool]:
    """Undo the run lengths: 0x90 and a count after a byte, 0x90 0 for 0x90 itself."""
    out = bytearray()
    at = 0
    for run in _REPEAT.finditer(packed):
        out += packed[at : run.start()]
        at = run.end()
        count = run[1][0]
        if not count:
            out.append(0x90)
        elif out:
            out += bytes((out[-1],)) * (count - 1)
        if len(out) > limit:
            return bytes(out[:limit]), True
    out += packed[at:]
    return bytes(out[:limit]), len(out) > limit
