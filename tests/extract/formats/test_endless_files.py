"""Small files that say that they are large, or lead back to themselves, beside those of
test_archives.py and test_document_bombs.py: each ends, within the room, without taking its time."""

import io
import json
import struct
import zipfile
from collections.abc import Callable

import pytest

from mailguard.extract.found import Limits
from mailguard.extract.item import About
from mailguard.extract.reading import read_file
from mailguard.testing.compound import compound
from mailguard.testing.files import FILES, WORDS, winmail, zipped

from .test_document_bombs import sheet

SECTOR = 512


def zstandard(blocks: int) -> bytes:
    """A frame of blocks that are each one byte 128 KB long (RFC 8878 §3.1.1.2)."""
    block, last = ((1 << 17) << 3 | 1 << 1 | is_last for is_last in (0, 1))
    return (
        b"\x28\xb5\x2f\xfd\x00\x38"
        + (block.to_bytes(3, "little") + b"x") * (blocks - 1)
        + last.to_bytes(3, "little")
        + b"x"
    )


def one_string_in_all_cells() -> bytes:
    cells = '<c t="s"><v>0</v></c>' * 100
    book = sheet(f"<sheetData>{f'<row>{cells}</row>' * 10_000}</sheetData></worksheet>")
    strings = f"<sst><si><t>{WORDS * 100}</t></si></sst>"
    return with_part(book, "xl/sharedStrings.xml", strings.encode())


def with_part(book: bytes, name: str, content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(book)) as archive:
        parts = [(each, archive.read(each)) for each in archive.namelist()]
    return zipped(*parts, (name, content))


def chained_to_itself() -> bytes:
    """A compound file whose longest stream never ends: its last sector is followed by its first."""
    data = bytearray(compound({"WordDocument": b"x" * 9000, "1Table": b"y" * 9000}))
    ends = [at for at in range(SECTOR, 2 * SECTOR, 4) if data[at : at + 4] == b"\xfe\xff\xff\xff"]
    for end in ends:
        data[end : end + 4] = struct.pack("<I", 2)
    return bytes(data)


def folder_in_itself() -> bytes:
    """A compound file whose folder is its own child and neighbour."""
    data = bytearray(compound({"Storage": {"Notes": b"x"}}))
    at = data.index("Storage".encode("utf-16-le"))
    data[at + 68 : at + 80] = struct.pack("<III", 1, 1, 1)
    return bytes(data)


def attributes(count: int) -> bytes:
    return b"\x78\x9f\x3e\x22\1\0" + struct.pack("<BHHIH", 1, 0x9002, 6, 0, 0) * count


ENDLESS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "zstandard": ("a.zst", lambda: zstandard(2000)),
    "a string in a million cells": ("a.xlsx", one_string_in_all_cells),
    "a stream that leads to its beginning": ("a.doc", chained_to_itself),
    "a folder in itself": ("a.doc", folder_in_itself),
    "a winmail.dat that is cut off at four gigabytes": (
        "winmail.dat",
        lambda: winmail(WORDS)[:-40] + struct.pack("<BHHI", 1, 0x9003, 6, 0xFFFFFFFF),
    ),
    "a winmail.dat of four billion properties": (
        "winmail.dat",
        lambda: winmail(WORDS).replace(
            struct.pack("<IHH", 1, 0x1E, 0x37), struct.pack("<IHH", 0xFFFFFFFF, 0x1E, 0x37)
        ),
    ),
    "a property of four billion values": (
        "winmail.dat",
        lambda: winmail(WORDS).replace(
            struct.pack("<HHI", 0x1E, 0x37, 1), struct.pack("<HHI", 0x101E, 0x37, 0xFFFFFFFF)
        ),
    ),
}

MANY: dict[str, tuple[str, Callable[[], bytes]]] = {
    "files in a winmail.dat": ("winmail.dat", lambda: attributes(100_000)),
    "cards": ("a.vcf", lambda: b"BEGIN:VCARD\nFN:a\nEND:VCARD\n" * 20_000),
    "fields of a calendar": ("a.ics", lambda: b"X-A;B=c;D=e:f\n" * 50_000),
    "beginnings of a calendar's fields": ("a.ics", lambda: b'X;A="' * 100_000),
    "columns": ("a.csv", lambda: b"a," * 300_000),
    "quotation marks": ("a.csv", lambda: b'"' * 300_001),
    "lists in lists": ("a.json", lambda: b"[" * 300_000),
    "records": ("a.json", lambda: json.dumps([{"a": "b"}] * 50_000).encode()),
    "links of a shortcut": ("a.url", lambda: b"URL=x\n" * 100_000),
    "messages of a mailbox": ("a.mbox", lambda: b"\nFrom a\n\nx\n" * 20_000),
    "empty elements": ("a.svg", lambda: b"<svg>" + b"<g/>" * 200_000),
    "attributes of an element": ("a.xml", lambda: b"<a " + b"b='c' " * 100_000 + b">"),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_file_that_never_ends_is_a_miss(kind: str) -> None:
    name, make = ENDLESS[kind]

    reading = read_file(make(), About(name=name), Limits(seconds=10, bytes_out=20 << 20))

    assert reading.misses
    assert "timeout" not in reading.misses
    assert len(reading.text) <= Limits().text


@pytest.mark.parametrize("kind", MANY)
def test_a_file_of_very_many_things_is_read_in_its_time(kind: str) -> None:
    name, make = MANY[kind]

    reading = read_file(make(), About(name=name), Limits(seconds=10))

    assert "timeout" not in reading.misses
    assert len(reading.found) > 1
    assert len(reading.text) <= Limits().text


def test_what_is_nested_beside_a_file_does_not_hide_it() -> None:
    deep = FILES["zip"][0]
    for _ in range(20):
        deep = zipped(("again.zip", deep))
    data = zipped(("deep.zip", deep), ("note.txt", WORDS.encode()))

    reading = read_file(data, About(name="a.zip"))

    assert WORDS in reading.text
    assert reading.misses == ("too_deep",)
