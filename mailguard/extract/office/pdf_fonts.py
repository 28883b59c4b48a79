"""What the strings of a PDF's fonts mean (ISO 32000-1 §7.3.4, §9.10.3)."""

import re
from dataclasses import dataclass, field

LETTERS = 70_000
"""Entries of one table: more than a font can have glyphs."""

_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|(\r\n|[^0-7]))", re.DOTALL)
_ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
_ENDS = (b"\n", b"\r", b"\r\n")

_SPACE = re.compile(rb"begincodespacerange\s*<([0-9A-Fa-f]+)>")
_SECTION = re.compile(rb"beginbf(char|range)(.*?)endbf", re.DOTALL)
_PAIR = re.compile(rb"<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f\s]*)>")
_RANGE = re.compile(rb"<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]+)>\s*(?:<([0-9A-Fa-f\s]*)>|\[([^\]]*)\])")
_CODE = re.compile(rb"<([0-9A-Fa-f\s]*)>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Letters:
    """How to read a string."""

    width: int = 1
    """Bytes of one letter."""

    table: dict[int, str] = field(default_factory=dict)
    """Letters by their codes; empty where codes are letters."""

    def read(self, token: bytes) -> str:
        """The text of a string in brackets or angle brackets; never raises."""
        codes = _hex(token) if token.startswith(b"<") else _literal(token[1:-1])
        if codes.startswith(b"\xfe\xff"):
            return codes[2:].decode("utf-16-be", "replace")
        if not self.table:
            return codes.decode("cp1252", "replace")
        return "".join(
            self.table.get(int.from_bytes(codes[at : at + self.width], "big"), "")
            for at in range(0, len(codes), self.width)
        )


PLAIN = Letters()
"""How to read strings of which no font is known."""


def read_letters(table: bytes) -> Letters:
    """Read a ToUnicode table; never raises."""
    space = _SPACE.search(table)
    found: dict[int, str] = {}
    for section in _SECTION.finditer(table):
        if len(found) > LETTERS:
            break
        if section[1] == b"char":
            for code, text in _PAIR.findall(section[2]):
                found[int(code, 16)] = _utf16(text)
            continue
        for first, last, text, texts in _RANGE.findall(section[2]):
            begin, end = int(first, 16), min(int(last, 16), int(first, 16) + 0xFFFF)
            if texts:
                for number, each in enumerate(_CODE.findall(texts)[: end - begin + 1]):
                    found[begin + number] = _utf16(each)
                continue
            letters = _utf16(text)
            for code in range(begin, end + 1):
                if letters:
                    shifted = min(ord(letters[-1]) + code - begin, 0x10FFFF)
                    found[code] = letters[:-1] + chr(shifted)
                if len(found) > LETTERS:
                    break
    return Letters(width=max(1, min(4, len(space[1]) // 2)) if space else 1, table=found)


def _utf16(digits: bytes) -> str:
    return _hex(b"<" + digits + b">").decode("utf-16-be", "replace")


def _hex(token: bytes) -> bytes:
    digits = re.sub(rb"[^0-9A-Fa-f]", b"", token).decode()
    return bytes.fromhex(digits + "0" * (len(digits) % 2))


def _literal(text: bytes) -> bytes:
    return _ESCAPE.sub(_unescape, text) if b"\\" in text else text


def _unescape(escape: re.Match[bytes]) -> bytes:
    if escape[1]:
        return bytes([int(escape[1], 8) & 0xFF])
    if escape[2] in _ENDS:
        return b""
    return _ESCAPED.get(escape[2], escape[2])
