"""Strings of BIFF records, which go on over the ends of records (MS-XLS §2.4.265, §2.5.293)."""

import struct

_CONTINUE = 0x003C

STRINGS = 24 << 20
"""Characters that are held, as of newer sheets."""


def read_short(body: bytes, *, is_old: bool) -> str:
    """A string behind its length in one byte (MS-XLS §2.5.240)."""
    size = body[0] if body else 0
    if is_old:
        return body[1 : 1 + size].decode("cp1252", "replace")
    if len(body) > 1 and body[1] & 1:
        return body[2 : 2 + 2 * size].decode("utf-16-le", "replace")
    return body[2 : 2 + size].decode("latin-1")


class Strings:
    """The table of shared strings that begins with the record at `at`."""

    def __init__(self, stream: bytes, at: int) -> None:
        self._blocks: list[bytes] = []
        while at + 4 <= len(stream):
            kind, size = struct.unpack_from("<HH", stream, at)
            if self._blocks and kind != _CONTINUE:
                break
            self._blocks.append(stream[at + 4 : at + 4 + size])
            at += 4 + size
        self._block = 0
        self._at = 8
        self.is_cut = False

    def read(self) -> list[str]:
        """All strings, as far as they go."""
        (count,) = struct.unpack_from("<I", self._blocks[0], 4)
        found = []
        room = STRINGS
        try:
            for _ in range(count):
                found.append(self._string())
                room -= 50 + len(found[-1])
                if room < 0:
                    self.is_cut = True
                    break
        except (struct.error, IndexError):
            self.is_cut = True
        return found

    def _take(self, size: int) -> bytes:
        """Bytes that go on in the next block as they are."""
        pieces = []
        while size > 0:
            block = self._blocks[self._block]
            piece = block[self._at : self._at + size]
            pieces.append(piece)
            self._at += len(piece)
            size -= len(piece)
            if size:
                self._block, self._at = self._block + 1, 0
        return b"".join(pieces)

    def _string(self) -> str:
        size, flags = struct.unpack("<HB", self._take(3))
        runs = struct.unpack("<H", self._take(2))[0] if flags & 8 else 0
        extra = struct.unpack("<I", self._take(4))[0] if flags & 4 else 0
        text = self._letters(size, is_wide=bool(flags & 1))
        self._take(4 * runs + extra)
        return text

    def _letters(self, size: int, *, is_wide: bool) -> str:
        """Letters; a new block begins with a byte that says anew how wide they are."""
        pieces = []
        while size > 0:
            block = self._blocks[self._block]
            width = 2 if is_wide else 1
            piece = block[self._at : self._at + size * width]
            pieces.append(piece.decode("utf-16-le" if is_wide else "latin-1", "replace"))
            size -= len(piece) // width
            self._at += len(piece)
            if size > 0:
                self._block, self._at = self._block + 1, 1
                is_wide = bool(self._blocks[self._block][0] & 1)
        return "".join(pieces)
