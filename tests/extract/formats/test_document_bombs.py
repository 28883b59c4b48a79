"""Documents made to explode: they end within the limits, and say that something was not read."""

import resource
import struct
import time
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailguard.extract.format import FORMATS
from mailguard.extract.found import Limits
from mailguard.extract.item import About, Feature, Item, Member, Miss, Name, Text
from mailguard.extract.office.doc import read_doc
from mailguard.extract.office.grid import PAD
from mailguard.extract.office.pdf_raw import views
from mailguard.extract.office.properties import read_properties
from mailguard.extract.office.xls import read_xls
from mailguard.extract.office.zipped import zipped
from mailguard.extract.reading import read_file
from mailguard.testing.compound import compound

SAMPLES = Path(__file__).parent / "samples"
ROOM = 64 << 20
"""Bytes that a reader may take in addition, at its peak."""

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
PARAGRAPH = "<w:p><w:r><w:t>nothing to read</w:t></w:r></w:p>"
LAUGH = "".join(
    f'<!ENTITY {b} "{f"&{a};" * 20}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
LAUGH = f'<!DOCTYPE x [<!ENTITY a "laugh">{LAUGH}]>'
TYPES = {"[Content_Types].xml": "<Types/>"}


def letter(body: str, *, before: str = "") -> bytes:
    return zipped(TYPES | {"word/document.xml": f"{before}<w:document {W}>{body}"})


def sheet(content: str) -> bytes:
    parts = {"xl/workbook.xml": "<workbook/>", "xl/worksheets/s.xml": f"<worksheet>{content}"}
    return zipped(TYPES | parts)


def opendocument(content: str) -> bytes:
    kind = {"mimetype": "application/vnd.oasis.opendocument.spreadsheet"}
    return zipped(kind | {"content.xml": f"<document-content>{content}</document-content>"})


REPEATED = (
    '<table><table-column visibility="collapse" number-columns-repeated="1000000000"/>'
    '<table-row number-rows-repeated="1000000"><table-cell number-columns-repeated="1000000000">'
    '<p>x<s c="1000000000"/></p></table-cell></table-row></table>'
)


def inflated() -> bytes:
    inside = zlib.compress(bytes(80 << 20), 9)
    stream = struct.pack("<HHI", 0x10, 4113, len(inside) + 4) + bytes(4) + inside
    return compound({"PowerPoint Document": stream})


BOMBS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "a very long letter": ("a.docx", lambda: letter(PARAGRAPH * 800_000)),
    "one very long word": ("b.docx", lambda: letter("<w:t>" + "x" * 60_000_000)),
    "elements in each other": ("c.docx", lambda: letter("<w:tbl>" * 1_000_000)),
    "entities in a letter": ("d.docx", lambda: letter("<w:t>&i;</w:t></w:document>", before=LAUGH)),
    "entities in a drawing": ("e.svg", lambda: f"{LAUGH}<svg><text>&i;</text></svg>".encode()),
    "braces without end": ("f.rtf", lambda: b"{\\rtf1 " + b"{" * 300_000),
    "an object that swells": ("g.ppt", inflated),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_is_a_miss_within_its_memory(kind: str) -> None:
    name, make = BOMBS[kind]
    data = make()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reading = read_file(data, About(name=name), Limits(seconds=5))
    taken = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10

    assert set(reading.misses) & {"too_long", "bomb", "broken", "too_deep", "timeout"}
    assert taken < ROOM + 2 * len(data)


def test_a_sheet_of_a_few_far_cells_costs_what_it_holds() -> None:
    rows = "".join(
        f'<row r="{n * 1000}"><c r="XFD{n * 1000}" t="str"><v>x</v></c></row>'
        for n in range(1, 1049)
    )
    hidden = '<cols><col min="1" max="16384" hidden="1"/></cols>'
    reading = read_file(
        sheet(f"{hidden * 500}<sheetData>{rows}</sheetData></worksheet>"), About(name="a.xlsx")
    )

    # Of the 16,000 empty cells before each only so many are shown as keep a table in its columns.
    assert len(reading.text) < 1048 * (PAD + 10)
    assert reading.misses == ()


def test_repeated_cells_are_not_repeated() -> None:
    reading = read_file(opendocument(REPEATED * 50), About(name="a.ods"))

    assert len(reading.text) < 50 * 300
    assert reading.misses == ()


def test_pieces_of_an_old_letter_that_overlap_end() -> None:
    stream = bytearray(struct.pack("<HH6xH", 0xA5EC, 0xC1, 0).ljust(4096, b"x"))
    count = 2000
    positions = struct.pack(f"<{count + 1}I", *range(0, 4000 * (count + 1), 4000))
    plc = positions + struct.pack("<HIH", 0, 0x40000000, 0) * count
    table = b"\x02" + struct.pack("<I", len(plc)) + plc
    struct.pack_into("<II", stream, 0x1A2, 0, len(table))
    items = list(read_doc(bytes(stream), (table, b"")))

    assert sum(len(item.text) for item in items if isinstance(item, Text)) <= len(stream)
    assert Miss("too_long") in items


def test_a_table_of_strings_that_lies_about_its_length_ends() -> None:
    stream = struct.pack("<HHHH", 0x809, 4, 0x600, 5)
    stream += struct.pack("<HHIIHB", 0xFC, 11, 1 << 31, 1 << 31, 60000, 1)

    assert list(read_xls(stream)) == [Miss("too_long")]


def test_properties_that_lie_about_their_number_end() -> None:
    stream = bytes(24) + struct.pack("<I16xI", 1, 48) + struct.pack("<IIII", 99, 1, 2, 16)
    stream += struct.pack("<II", 0x101E, (1 << 32) - 1) + b"\x02\0\0\0ab" * 3

    assert len(list(read_properties(stream))) <= 1000


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("a.csv", b"\n"),
        ("a.csv", b",="),
        ("a.json", b"\n"),
        ("a.html", b"<script "),
        ("a.ics", b'a;b="\n'),
        ("a.pdf", b"/ObjStm "),
        ("a.rtf", b"{\\rtf1\\bin1 "),
    ],
)
def test_beginnings_without_an_end_take_linear_time(name: str, begins: bytes) -> None:
    """Quadratic, half a megabyte would take a minute."""
    data = begins * (500_000 // len(begins))
    started = time.process_time()
    if name == "a.pdf":
        list(views(data))
    else:
        read_file(data, About(name=name))

    assert time.process_time() - started < 5


# ---- broken --------------------------------------------------------------------------------------

KINDS = (Text, Member, Name, Miss, Feature)
# PDFium may take the process down; in the cage it does so in other tests.
NAMES = ["letter.docx", "letter.doc", "letter.odt", "letter.rtf", "pupils.xlsx", "pupils.xls"]
TEXTS = {
    "a.csv": b'Name,Form\n"Ann",4B\n',
    "a.html": b"<p title=a>x<script>y</script><!-- z --><a href='data:a/b;base64,eA=='>",
    "a.svg": b'<!DOCTYPE a [<!ENTITY b "c">]><svg><text a="&b;">&b;</text></svg>',
    "a.json": b'[{"a": "\\u00e9"}, {"a": 1}]',
    "a.ics": b"BEGIN:VEVENT\nNOTE;ENCODING=QUOTED-PRINTABLE:a=3D\nATTACH;ENCODING=B:eA==\n",
    "a.one": bytes.fromhex("e716e3bd65261145a4c48d4d0b7a9eac") + bytes(40),
}


@cache
def sample(name: str) -> bytes:
    return TEXTS.get(name) or (SAMPLES / name).read_bytes()


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([*NAMES, *TEXTS]),
    st.lists(st.tuples(st.integers(0, 20000), st.integers(0, 255)), max_size=8),
    st.integers(0, 20000),
)
def test_no_broken_file_does_more_than_miss(
    name: str, changes: list[tuple[int, int]], length: int
) -> None:
    broken = bytearray(sample(name)[:length] if length % 3 else sample(name))
    for at, byte in changes:
        if broken:
            broken[at % len(broken)] = byte
    form = FORMATS.by_name(name)
    assert form is not None
    items: list[Item] = list(form.read(bytes(broken), About(name=name)))

    assert all(isinstance(item, KINDS) for item in items)
