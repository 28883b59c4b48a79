"""Compound files (MS-CFB), the folders and streams that Office files before 2007 are made of."""

import itertools
import struct

_FREE, _END, _TABLE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
_SECTOR = 512
_SHORTEST = 4096
"""Streams below this are kept in another way, which is not needed here: they are padded."""

Tree = dict[str, "bytes | Tree"]


def compound(tree: Tree) -> bytes:
    """A file with the folders and streams of `tree`; short streams end in NULs."""
    entries: list[tuple[str, bytes | None, list[int]]] = []

    def add(name: str, node: "bytes | Tree") -> int:
        number = len(entries)
        children: list[int] = []
        entries.append((name, node if isinstance(node, bytes) else None, children))
        if not isinstance(node, bytes):
            children += [add(key, value) for key, value in node.items()]
        return number

    add("Root Entry", tree)
    next_one = {a: b for _, _, children in entries for a, b in itertools.pairwise(children)}
    streams = [
        (content or b"") and (content or b"").ljust(_SHORTEST, b"\0") for _, content, _ in entries
    ]
    lengths = [-(-len(stream) // _SECTOR) for stream in streams]
    of_directory = -(-len(entries) // 4)
    of_table = 1
    while of_table * 128 < of_table + of_directory + sum(lengths):
        of_table += 1
    table = [_TABLE] * of_table
    table += [*range(of_table + 1, of_table + of_directory), _END]
    directory = bytearray()
    for number, (name, content, children) in enumerate(entries):
        first = len(table)
        if lengths[number]:
            table += [*range(first + 1, first + lengths[number]), _END]
        kind = 2 if content is not None else 1 if number else 5
        wide = name.encode("utf-16-le") + b"\0\0"
        directory += wide.ljust(64, b"\0") + struct.pack(
            "<HBBIII36xIQ",
            len(wide),
            kind,
            1,
            _FREE,
            next_one.get(number, _FREE),
            children[0] if children else _FREE,
            first if lengths[number] else _END,
            len(streams[number]),
        )
    table += [_FREE] * (of_table * 128 - len(table))
    head = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16)
    head += struct.pack(
        "<5H6x9I", 0x3E, 3, 0xFFFE, 9, 6, 0, of_table, of_table, 0, _SHORTEST, _END, 0, _END, 0
    )
    head += struct.pack("<109I", *range(of_table), *[_FREE] * (109 - of_table))
    body = b"".join(
        stream.ljust(count * _SECTOR, b"\0") for stream, count in zip(streams, lengths, strict=True)
    )
    return (
        head
        + struct.pack(f"<{len(table)}I", *table)
        + bytes(directory.ljust(of_directory * _SECTOR, b"\0"))
        + body
    )
