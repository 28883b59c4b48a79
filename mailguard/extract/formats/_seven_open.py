"""Takes the encryption off a 7z archive, which libarchive cannot: what is left is an archive as
7-Zip would have made it without a password."""

import hashlib
import lzma
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace

from mailguard.extract.formats._seven import (
    FRONT,
    HEADER,
    STREAMS,
    Coder,
    Folder,
    Reader,
    write_archive,
)
from mailguard.extract.office.cipher import Work, decrypt_aes_cbc

LONGEST = 16 << 20
"""Bytes of an unpacked header. One that names 5,000 files has some 500 KB."""

_ENCODED = 23
_COPY, _LZMA, _AES = b"\0", b"\3\1\1", b"\6\xf1\7\1"
_NO_ROUNDS = 0x3F
_ROUNDS_PER_UNIT = 8
"""So many rounds of 7-Zip, which are bytes in one long hash, cost as much as one of Office."""


def unlock_seven(data: bytes, passwords: Iterable[str]) -> Iterator[bytes]:
    """Yield the archive without encryption for each word that may be its password: only unpacking
    it tells. Where its names are encrypted, too, there is one at most, and it is the right one."""
    work = Work()
    for word in work.words(passwords):
        keys = _Keys(word, work)
        try:
            opened = _open(data, keys)
        except (ValueError, IndexError, struct.error, lzma.LZMAError, EOFError):
            continue
        if opened is not None:
            yield opened


class _Keys:
    """The keys that one word gives; all streams of an archive mostly have the same."""

    def __init__(self, word: str, work: Work) -> None:
        self._word = word.encode("utf-16-le")
        self._work = work
        self._known: dict[bytes, bytes] = {}

    @property
    def are_used(self) -> bool:
        return bool(self._known)

    def decrypt(self, coder: Coder, content: bytes, size: int) -> bytes:
        """Undo the AES of `coder`. Raises ValueError where it costs too much."""
        first, second = coder.properties[0], coder.properties[1] if coder.properties[1:] else 0
        salt_size = (first >> 7 & 1) + (second >> 4)
        start_size = (first >> 6 & 1) + (second & 0x0F)
        salt = coder.properties[2 : 2 + salt_size]
        start = coder.properties[2 + salt_size : 2 + salt_size + start_size]
        key = self._key(first & 0x3F, salt)
        return decrypt_aes_cbc(key, start.ljust(16, b"\0")[:16], content)[:size]

    def _key(self, power: int, salt: bytes) -> bytes:
        known = bytes((power,)) + salt
        if known not in self._known:
            if power == _NO_ROUNDS:
                self._known[known] = (salt + self._word)[:32].ljust(32, b"\0")
            elif power < 32 and self._work.take((1 << power) // _ROUNDS_PER_UNIT):
                self._known[known] = _hash(salt + self._word, 1 << power)
            else:
                raise ValueError("too much work")
        return self._known[known]


def _hash(start: bytes, rounds: int) -> bytes:
    """SHA-256 of `start` and the number of the round, for all rounds."""
    digest = hashlib.sha256()
    block = min(rounds, 256)
    size = len(start) + 8
    buffer = bytearray(start + bytes(8)) * block
    buffer[len(start) :: size] = bytes(range(block))
    for number in range(rounds // block):
        for at, byte in enumerate(number.to_bytes(7, "little")[:4], len(start) + 1):
            buffer[at::size] = bytes((byte,)) * block
        digest.update(buffer)
    return digest.digest()


def _open(data: bytes, keys: _Keys) -> bytes | None:
    """The archive without encryption, ``None`` if it has none."""
    offset, size, _ = struct.unpack_from("<QQI", data, 12)
    header = _header(data, data[FRONT + offset :][:size], keys)
    reader = Reader(header)
    reader.expect(HEADER)
    reader.expect(STREAMS)
    streams = reader.streams()
    rest = header[reader.at :]
    contents: list[bytes] = []
    folders: list[Folder] = []
    at, sizes = FRONT + streams.at, iter(streams.sizes)
    for folder in streams.folders:
        packed = []
        for _ in folder.packed:
            length = next(sizes)
            packed.append(data[at : at + length])
            at += length
        plain, packed = _without_aes(folder, packed, keys)
        folders.append(plain)
        contents += packed
    if not keys.are_used:
        return None
    return write_archive(contents, folders, streams.checks, rest)


def _header(data: bytes, header: bytes, keys: _Keys) -> bytes:
    """The header as it is when it is neither packed nor encrypted."""
    for _ in range(4):
        if header[:1] != bytes((_ENCODED,)):
            break
        reader = Reader(header)
        reader.expect(_ENCODED)
        streams = reader.streams()
        (folder,) = streams.folders
        begin = FRONT + streams.at
        (packed,) = (data[begin : begin + size] for size in streams.sizes)
        folder, (packed,) = _without_aes(folder, [packed], keys)
        header = _unpack(folder, packed)
        # Its checksum tells whether the password is right; 1: it has one.
        if streams.checks[:1] == b"\1" and streams.checks[1:5] != struct.pack(
            "<I", zlib.crc32(header)
        ):
            raise ValueError("not the password")
    return header


def _unpack(folder: Folder, packed: bytes) -> bytes:
    """Unpack a header, which nothing but LZMA packs."""
    (coder,) = folder.coders
    (size,) = folder.sizes
    if size > LONGEST:
        raise ValueError("too big")
    if coder.kind == _COPY:
        return packed[:size]
    if coder.kind != _LZMA:
        raise ValueError("not LZMA")
    byte, room = struct.unpack("<BI", coder.properties)
    told = {"id": lzma.FILTER_LZMA1, "lc": byte % 9, "lp": byte // 9 % 5, "pb": byte // 45}
    # No more can be repeated than there is.
    told["dict_size"] = max(4096, min(room, size))
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[told]).decompress(packed, size)


def _without_aes(folder: Folder, packed: list[bytes], keys: _Keys) -> tuple[Folder, list[bytes]]:
    """The folder without the coders that decrypt, and its streams without encryption."""
    for coder in folder.coders:
        if coder.kind == _AES:
            folder, packed = _remove(folder, coder, packed, keys)
    return folder, packed


def _remove(
    folder: Folder, coder: Coder, packed: list[bytes], keys: _Keys
) -> tuple[Folder, list[bytes]]:
    place = folder.coders.index(coder)
    before = folder.coders[:place]
    entry, leave = sum(c.inputs for c in before), sum(c.outputs for c in before)
    number = folder.packed.index(entry)
    contents = list(packed)
    contents[number] = keys.decrypt(coder, packed[number], folder.sizes[leave])
    if len(folder.coders) == 1:
        copy = replace(coder, kind=_COPY, properties=b"")
        return replace(folder, coders=(copy,)), contents
    # What took the decrypted stream takes the packed one.
    ((taker, _),) = (bond for bond in folder.bonds if bond[1] == leave)
    entries = [taker if each == entry else each for each in folder.packed]
    rest = replace(
        folder,
        coders=before + folder.coders[place + 1 :],
        bonds=tuple(
            (first - (first > entry), second - (second > leave))
            for first, second in folder.bonds
            if second != leave
        ),
        packed=tuple(each - (each > entry) for each in entries),
        sizes=folder.sizes[:leave] + folder.sizes[leave + 1 :],
    )
    return rest, contents
