"""The raw sweep: what is hidden in text that is not declared as such, found by its own look.

Base64, quoted-printable, uuencode, yEnc and BinHex are recognised wherever they stand in a text,
whatever a header says; some mail programs do so too. Each look begins with a search that costs
ordinary text next to nothing, and takes linear time.
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

from mailguard.mail.transfer import PIECES, decode_base64

SMALLEST = 16
"""Letters of base64 that are looked at: a word or two."""

_BASE64_LINE = re.compile(
    rb"(?m:^)[ \t>]*+[A-Za-z0-9+/]{40,}+={0,2}[ \t\r]*+\n"
    rb"(?:[ \t>]*+[A-Za-z0-9+/=]++[ \t\r]*+(?:\n|\Z))*+"
)
_CODED = rb"(?:[ \t>]*+[A-Za-z0-9+/]{40}|begin[ -]|=ybegin |\(?This file must be c)"
_CODED_LINE = re.compile(rb"\n" + _CODED)  # begins with a line feed, for which a search is fast
_CODED_START = re.compile(_CODED)
_DATA_ADDRESS = re.compile(rb";base64,([A-Za-z0-9+/=%\s]{16,})", re.IGNORECASE)
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_NOT_BASE64 = bytes(set(range(256)) - set(_BASE64))

# No honest program quotes letters, but for F at the beginning of a line. What follows tells them
# from the values in an address of a web page.
_QUOTED_LETTER = re.compile(rb"=(?:4[1-57-9A-Fa-f]|5[0-9Aa]|6[1-9A-Fa-f]|7[0-9Aa])(?=[a-z=])")
QUOTED_LETTERS = 8
"""Of these in a text that it is decoded for. Addresses of web pages have one or two."""

_UU_BEGIN = re.compile(rb"^begin(?:-base64)? [0-7]{3,4} +([^\r\n]{1,255})\r?\n", re.MULTILINE)
_UU_LINE = re.compile(rb"([ -`][ -`]*+)[ \t\r]*+(?:\n|\Z)")
_YENC = re.compile(
    rb"^=ybegin [^\r\n]{0,400}?name=([^\r\n]{0,255})\r?\n(?:=ypart[^\r\n]*+\r?\n)?+"
    rb"((?:(?!=yend)[^\n]*+(?:\n|\Z))*+)",
    re.MULTILINE,
)
_YENC_ESCAPE = re.compile(rb"=(.)", re.DOTALL)
_YENC_SHIFT = bytes((code - 42) % 256 for code in range(256))

_BINHEX = re.compile(rb"must be converted with BinHex[^\n]*+\s*+:([^:]*+)(?::|\Z)")
_BINHEX_LETTERS = b"!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr"
_FROM_BINHEX = bytes.maketrans(_BINHEX_LETTERS, _BASE64[:64])
_NOT_BINHEX = bytes(set(range(256)) - set(_BINHEX_LETTERS))
_RUN_LENGTH = re.compile(rb"([^\x90])?\x90(.)", re.DOTALL)
RUN_LENGTHS = 10_000
"""Repetitions in BinHex that are undone: each makes 255 bytes of three at most."""

_STARTS = (
    *(b"PK\3\4", b"MZ", b"%PDF", b"\x7fELF", b"Rar!", b"7z\xbc\xaf", b"\xd0\xcf\x11\xe0"),
    *(b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"{\\rtf", b"\x1f\x8b", b"BZh", b"\xfd7zXZ"),
    *(b"RIFF", b"ID3", b"\x78\x9f\x3e\x22", b"L\0\0\0\x01", b"ITSF", b"\xe4\x52\x5c\x7b"),
)
_SAMPLE = 2048
_NOT_TEXT = bytes({*range(9), 11, 12, *range(14, 32), 127})
_PROSE = re.compile(rb"\n([^\n ]++ [^\n \r][^\n]*+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """Something that stood in a text."""

    defect: str
    """How it was written, as in :class:`mailguard.mail.message.Defect`."""

    filename: str
    data: bytes


def is_text(data: bytes) -> bool:
    """Whether `data` looks like text in ASCII, UTF-8 or a Western charset, for sure."""
    sample = data[:_SAMPLE].replace(b"\0", b"")
    if not sample or data.startswith(_STARTS):
        return False
    if _has_controls(sample):
        return False
    try:
        text = sample.decode()
    except UnicodeDecodeError as error:
        # A letter may be cut at the end of the sample; Western text has few odd bytes.
        text = sample.decode("ascii", "ignore")
        if error.start < len(sample) - 3 and len(text) * 10 < len(sample) * 9:
            return False
    return sum(letter.isalnum() or letter.isspace() for letter in text) * 10 > len(text) * 6


def is_noise(data: bytes) -> bool:
    """Whether `data` is neither text in any charset nor a known file: base64 of words, or base64
    itself."""
    if data.startswith(_STARTS):
        return False
    sample = data[:_SAMPLE].replace(b"\0", b"")
    if b" " not in sample and len(sample) > 16 and not sample.translate(None, _BASE64 + b"\r\n"):
        return True
    return (len(sample) - len(sample.translate(None, _NOT_TEXT))) * 20 > len(sample)


def _is_readable(data: bytes) -> bool:
    return data.startswith(_STARTS) or is_text(data)


def sweep(data: bytes) -> Iterator[Hidden]:
    """Yield what is hidden in a text, decoded; nothing of ordinary text."""
    if _CODED_LINE.search(data) or _CODED_START.match(data):
        for run in _BASE64_LINE.finditer(data):
            yield from _decoded(run[0])
        yield from _uudecoded(data)
        yield from _from_yenc(data)
        yield from _from_binhex(data)
    if b"=" not in data:
        return
    if len(_QUOTED_LETTER.findall(data)) >= QUOTED_LETTERS:
        yield Hidden(defect="hidden_quoted_printable", filename="", data=binascii.a2b_qp(data))
    if b";base64," in data:
        for address in _DATA_ADDRESS.finditer(data):
            content, _ = decode_base64(address[1])
            if is_text(content):
                yield Hidden(defect="hidden_base64", filename="", data=content)


def find_prose(body: bytes) -> bytes:
    """The lines of a base64 body that are words instead: some readers show them."""
    return b"\n".join(_PROSE.findall(b"\n" + body)) if b" " in body else b""


def is_misaligned(body: bytes) -> bool:
    """Whether the first line of a base64 body is no whole number of groups, and more follow."""
    line = body[: body.find(b"\n") + 1].strip()
    return len(line) % 4 > 0


def realigned(body: bytes, data: bytes) -> Iterator[bytes]:
    """A base64 body as those decode it who overlook padding inside it, or decode line by line.

    `data` is what it decodes to else; only what makes more sense than that is returned.
    """
    letters = body.translate(None, _NOT_BASE64)
    for number, piece in enumerate(letters.split(b"=")):
        yield from _shifted(piece, (1, 2, 3) if number < PIECES else (0, 1, 2, 3))
    if data.startswith(_STARTS) or not _has_controls(data):
        return
    # A letter alone is no byte, and a line of two may end in CR.
    lines = (line for line in body.split(b"\n") if len(line) > 2)
    content = b"".join(decode_base64(line)[0] for line in lines)
    if is_text(content) and not _has_controls(content):
        yield content


def _has_controls(data: bytes) -> bool:
    return len(data.translate(None, _NOT_TEXT)) < len(data)


def _decoded(run: bytes) -> Iterator[Hidden]:
    letters = run.translate(None, _NOT_BASE64)
    for piece in letters.split(b"="):
        for content in _shifted(piece, (0, 1, 2, 3)):
            yield Hidden(defect="hidden_base64", filename="", data=content)


def _shifted(letters: bytes, offsets: tuple[int, ...]) -> Iterator[bytes]:
    """What is readable of base64 that begins within a group of four letters (RFC 4648 §4)."""
    if len(letters) < SMALLEST:
        return
    for offset in offsets:
        content, _ = decode_base64(letters[offset:])
        if _is_readable(content):
            yield content
            return


def _uudecoded(data: bytes) -> Iterator[Hidden]:
    for begin in _UU_BEGIN.finditer(data):
        if begin[0].startswith(b"begin-base64"):
            end = data.find(b"\n====", begin.end())
            content, _ = decode_base64(data[begin.end() : end if end >= 0 else len(data)])
        else:
            content = b"".join(_uu_lines(data, begin.end()))
        if content:
            name = begin[1].decode("utf-8", "replace").strip()
            yield Hidden(defect="uuencoded", filename=name, data=content)


def _uu_lines(data: bytes, at: int) -> Iterator[bytes]:
    while line := _UU_LINE.match(data, at):
        at = line.end()
        text = line[1]
        size = (text[0] - 32) & 63
        if not size or text == b"end":
            return
        # Spaces at the end may have got lost, and letters more than needed may have come.
        needed = (size + 2) // 3 * 4 + 1
        try:
            yield binascii.a2b_uu(text[:needed].ljust(needed, b" "))
        except binascii.Error:
            return


def _from_yenc(data: bytes) -> Iterator[Hidden]:
    for found in _YENC.finditer(data):
        lines = found[2].replace(b"\r", b"").replace(b"\n", b"")
        plain = _YENC_ESCAPE.sub(lambda escape: bytes([(escape[1][0] - 64) % 256]), lines)
        name = found[1].decode("utf-8", "replace").strip()
        yield Hidden(defect="yencoded", filename=name, data=plain.translate(_YENC_SHIFT))


def _from_binhex(data: bytes) -> Iterator[Hidden]:
    """Of each file its data fork (RFC 1741)."""
    for found in _BINHEX.finditer(data):
        letters = found[1].translate(None, _NOT_BINHEX).translate(_FROM_BINHEX)
        packed, _ = decode_base64(letters)
        content = _RUN_LENGTH.sub(_repeat, packed, count=RUN_LENGTHS)
        length = content[0] if content else 0
        start = length + 22
        size = int.from_bytes(content[length + 12 : length + 16])
        if len(content) > start:
            name = content[1 : length + 1].decode("mac-roman", "replace")
            yield Hidden(defect="binhex", filename=name, data=content[start : start + size])


def _repeat(run: re.Match[bytes]) -> bytes:
    letter, count = run[1] or b"", run[2][0]
    return letter + b"\x90" if not count else letter * count
