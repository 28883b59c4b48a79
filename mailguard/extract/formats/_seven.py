"""The header of a 7z archive (7zFormat.txt of 7-Zip) as far as its streams go: read and written."""

import struct
import zlib
from dataclasses import dataclass, field, replace

FRONT = 32
START = b"7z\xbc\xaf\x27\x1c"

FOLDERS = 20_000
"""Streams of one archive: one for each file in an archive that is not solid."""

HEADER, STREAMS = 1, 4
_PACK, _UNPACK, _SIZE, _CRC, _FOLDER, _UNPACK_SIZE = 6, 7, 9, 10, 11, 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Coder:
    kind: bytes
    inputs: int
    outputs: int
    properties: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """Coders and how they are joined, by the numbers of their inputs and outputs."""

    coders: tuple[Coder, ...]
    bonds: tuple[tuple[int, int], ...]
    packed: tuple[int, ...]
    sizes: tuple[int, ...] = ()

    @property
    def outputs(self) -> int:
        return sum(coder.outputs for coder in self.coders)


@dataclass(slots=True, kw_only=True)
class Streams:
    """Where the packed streams are, and what unpacks them."""

    at: int = 0
    sizes: list[int] = field(default_factory=list)
    folders: list[Folder] = field(default_factory=list)
    checks: bytes = b""
    """As it stands: which folders have a checksum, and those."""


class Reader:
    """Numbers and properties, one after the other. Raises ValueError or IndexError at the end."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def take(self, size: int) -> bytes:
        if size > len(self.data) - self.at:
            raise ValueError("cut")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self) -> int:
        """Of one to nine bytes; the first tells how many follow, and has the highest bits."""
        first, value, mask = self.byte(), 0, 0x80
        for shift in range(0, 64, 8):
            if not first & mask:
                return value | (first & mask - 1) << shift
            value |= self.byte() << shift
            mask >>= 1
        return value

    def count(self) -> int:
        value = self.number()
        if value > FOLDERS:
            raise ValueError("too many")
        return value

    def expect(self, kind: int) -> None:
        if self.byte() != kind:
            raise ValueError("not what must come here")

    def streams(self) -> Streams:
        """PackInfo and UnpackInfo, as far as the substreams."""
        streams = Streams()
        kind = self.byte()
        if kind == _PACK:
            streams.at, count = self.number(), self.count()
            while (kind := self.byte()) == _SIZE:
                streams.sizes = [self.number() for _ in range(count)]
            if kind == _CRC:
                self.checks(count)
                kind = self.byte()
            if kind:
                raise ValueError("no end")
            kind = self.byte()
        if kind == _UNPACK:
            self.expect(_FOLDER)
            count = self.count()
            self.expect(0)
            folders = [self.folder() for _ in range(count)]
            self.expect(_UNPACK_SIZE)
            streams.folders = [
                replace(folder, sizes=tuple(self.number() for _ in range(folder.outputs)))
                for folder in folders
            ]
            kind = self.byte()
            if kind == _CRC:
                begin = self.at
                self.checks(count)
                streams.checks = self.data[begin : self.at]
                kind = self.byte()
            if kind:
                raise ValueError("no end")
        return streams

    def checks(self, count: int) -> None:
        defined = count
        if not self.byte():
            flags = self.take((count + 7) // 8)
            defined = sum(byte.bit_count() for byte in flags)
        self.take(4 * defined)

    def folder(self) -> Folder:
        coders = []
        for _ in range(self.byte()):
            flags = self.byte()
            kind = self.take(flags & 0x0F)
            inputs, outputs = (self.byte(), self.byte()) if flags & 0x10 else (1, 1)
            properties = self.take(self.number()) if flags & 0x20 else b""
            coders.append(Coder(kind=kind, inputs=inputs, outputs=outputs, properties=properties))
        inputs = sum(coder.inputs for coder in coders)
        outputs = sum(coder.outputs for coder in coders)
        bonds = tuple((self.byte(), self.byte()) for _ in range(outputs - 1))
        bound = {first for first, _ in bonds}
        count = inputs - len(bonds)
        free = [number for number in range(inputs) if number not in bound]
        packed = tuple(free if count == 1 else (self.byte() for _ in range(count)))
        return Folder(coders=tuple(coders), bonds=bonds, packed=packed)


def write_archive(
    contents: list[bytes], folders: list[Folder], checks: bytes, rest: bytes
) -> bytes:
    """Put the archive together; `rest` is the header from the substreams on."""
    head = [bytes((HEADER, STREAMS, _PACK, 0)), _number(len(contents)), bytes((_SIZE,))]
    head += [_number(len(content)) for content in contents]
    head += [bytes((0, _UNPACK, _FOLDER)), _number(len(folders)), b"\0"]
    for folder in folders:
        head.append(bytes((len(folder.coders),)))
        for coder in folder.coders:
            is_plain = coder.inputs == coder.outputs == 1
            flags = len(coder.kind) | (0 if is_plain else 0x10) | (0x20 * bool(coder.properties))
            head += [bytes((flags,)), coder.kind]
            head += [] if is_plain else [bytes((coder.inputs, coder.outputs))]
            if coder.properties:
                head += [_number(len(coder.properties)), coder.properties]
        head += [bytes(bond) for bond in folder.bonds]
        head += [bytes(folder.packed) if len(folder.packed) > 1 else b""]
    head.append(bytes((_UNPACK_SIZE,)))
    head += [_number(size) for folder in folders for size in folder.sizes]
    head += [bytes((_CRC,)) + checks if checks else b"", b"\0", rest]
    header = b"".join(head)
    body = b"".join(contents)
    told = struct.pack("<QQI", len(body), len(header), zlib.crc32(header))
    return START + b"\0\4" + struct.pack("<I", zlib.crc32(told)) + told + body + header


def _number(value: int) -> bytes:
    return bytes((value,)) if value < 0x80 else b"\xff" + value.to_bytes(8, "little")
