"""Takes the encryption off a RAR archive of versions 2.9 to 4 (technote.txt of RAR 4), which
libarchive cannot: what is left is an archive as RAR would have made it without a password."""

import hashlib
import struct
import zlib
from collections.abc import Iterable, Iterator

from mailguard.extract.formats._rar5 import BLOCKS
from mailguard.extract.office.cipher import Work, decrypt_aes_cbc

START = b"Rar!\x1a\7\0"

_MAIN, _FILE, _END = 0x73, 0x74, 0x7B
_HEADS_ENCRYPTED = 0x0080
_SPLIT, _ENCRYPTED, _HAS_SALT, _HAS_DATA, _LARGE = 0x0003, 0x0004, 0x0400, 0x8000, 0x0100
_FIRST_AES = 29
"""The first version that has AES; what was before nobody makes any more."""

_STORED = 0x30
_SALT, _BLOCK = 8, 16
_ROUNDS = 0x40000
_WORK = _ROUNDS // 8
"""What the rounds cost, which are bytes in one long hash, in rounds of Office."""


def unlock_rar4(data: bytes, passwords: Iterable[str]) -> Iterator[bytes]:
    """Yield the archive without encryption for each word: only unpacking it tells which is its
    password. Of the parts of an archive in several, nothing."""
    work = Work()
    for word in work.words(passwords):
        keys = _Keys(word, work)
        try:
            opened = b"".join((START, *_blocks(data, keys)))
        except (ValueError, IndexError, struct.error):
            continue
        if keys.are_used:
            yield opened


class _Keys:
    """The keys that one word gives."""

    def __init__(self, word: str, work: Work) -> None:
        self._word = word.encode("utf-16-le")
        self._work = work
        self._known: dict[bytes, tuple[bytes, bytes]] = {}

    @property
    def are_used(self) -> bool:
        return bool(self._known)

    def decrypt(self, salt: bytes, content: bytes) -> bytes:
        """Raises ValueError where the key costs too much."""
        if salt not in self._known:
            if not self._work.take(_WORK):
                raise ValueError("too much work")
            self._known[salt] = _derive(self._word + salt)
        key, start = self._known[salt]
        return decrypt_aes_cbc(key, start, content)


def _derive(seed: bytes) -> tuple[bytes, bytes]:
    """SHA-1 of `seed` and the number of the round, for all rounds; each byte of the start vector is
    taken at a sixteenth of the way."""
    digest = hashlib.sha1()  # noqa: S324
    start = bytearray()
    size, part = len(seed) + 3, _ROUNDS // 16
    for first in range(0, _ROUNDS, part):
        buffer = bytearray(seed + b"\0\0\0") * part
        numbers = range(first, first + part)
        for at, shift in enumerate((0, 8, 16), len(seed)):
            buffer[at::size] = bytes(number >> shift & 0xFF for number in numbers)
        digest.update(buffer[:size])
        start.append(digest.copy().digest()[19])
        digest.update(buffer[size:])
    return struct.pack(">4I", *struct.unpack("<4I", digest.digest()[:16])), bytes(start)


def _blocks(data: bytes, keys: _Keys) -> Iterator[bytes]:
    """Each block without encryption."""
    at, are_encrypted = len(START), False
    for _ in range(BLOCKS):
        if at + 7 > len(data):
            return
        head, end = _head(data, at, keys) if are_encrypted else _plain_head(data, at)
        _, kind, flags = struct.unpack_from("<HBH", head)
        size = 0
        if flags & _HAS_DATA or kind == _FILE:
            (size,) = struct.unpack_from("<I", head, 7)
        if kind == _FILE and flags & _LARGE:
            size |= struct.unpack_from("<I", head, 32)[0] << 32
        content = data[end : end + size]
        at = end + size
        if kind == _MAIN:
            are_encrypted = bool(flags & _HEADS_ENCRYPTED)
            yield _sealed(head[:3] + struct.pack("<H", flags & ~_HEADS_ENCRYPTED) + head[5:])
        elif kind == _FILE:
            yield _file(head, flags, content, keys)
        elif kind == _END:
            yield head
            return


def _plain_head(data: bytes, at: int) -> tuple[bytes, int]:
    (size,) = struct.unpack_from("<H", data, at + 5)
    return data[at : at + max(7, size)], at + max(7, size)


def _head(data: bytes, at: int, keys: _Keys) -> tuple[bytes, int]:
    """A header that is encrypted, behind its salt."""
    salt, begin = data[at : at + _SALT], at + _SALT
    (size,) = struct.unpack_from("<H", keys.decrypt(salt, data[begin : begin + _BLOCK]), 5)
    end = begin + -(-size // _BLOCK) * _BLOCK
    head = keys.decrypt(salt, data[begin:end])[:size]
    if _checksum(head) != head[:2]:
        raise ValueError("not the password")
    return head, end


def _file(head: bytes, flags: int, content: bytes, keys: _Keys) -> bytes:
    """A file's block without encryption."""
    if flags & _SPLIT:
        raise ValueError("one part of several")
    if not flags & _ENCRYPTED:
        return head + content
    size, name = struct.unpack_from("<I", head, 11)[0], struct.unpack_from("<H", head, 26)[0]
    version, method = head[24], head[25]
    if version < _FIRST_AES:
        raise ValueError("an older cipher")
    at = 32 + (8 if flags & _LARGE else 0) + name
    salt = head[at : at + _SALT] if flags & _HAS_SALT else b""
    content = keys.decrypt(salt, content)
    content = content[:size] if method == _STORED else content
    head = head[:at] + head[at + len(salt) :]
    fields = struct.pack("<HHI", flags & ~(_ENCRYPTED | _HAS_SALT), len(head), len(content))
    return _sealed(head[:3] + fields + head[11:]) + content


def _sealed(head: bytes) -> bytes:
    return _checksum(head) + head[2:]


def _checksum(head: bytes) -> bytes:
    return struct.pack("<H", zlib.crc32(head[2:]) & 0xFFFF)
