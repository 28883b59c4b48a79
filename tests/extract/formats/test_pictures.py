"""Pictures and shortcuts: what is stored beside what they show."""

import plistlib
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailguard.extract.formats import image, shortcut
from mailguard.extract.item import About, Feature, Item, Miss, Text
from mailguard.extract.reading import read_file

MARKER = "Bring the pineapple."


def words(items: list[Item]) -> str:
    return "\n".join(item.text for item in items if isinstance(item, Text))


def read(data: bytes) -> list[Item]:
    return list(image.read(data, About()))


def exif(order: str, *, degrees: int = 51, text: bytes = MARKER.encode()) -> bytes:
    """Exif with a description in the first directory, and a place in the one for it."""

    def entry(tag: int, kind: int, count: int, value: int) -> bytes:
        return struct.pack(f"{order}HHII", tag, kind, count, value)

    gps = 8 + 2 + 2 * 12 + 4
    values = gps + 2 + 2 * 12 + 4
    place = struct.pack(f"{order}6I", degrees, 1, 0, 1, 0, 1)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    first = struct.pack(f"{order}H", 2) + entry(0x10E, 2, len(text), values + 48)
    first += entry(0x8825, 4, 1, gps) + bytes(4)
    second = struct.pack(f"{order}H", 2) + entry(2, 5, 3, values) + entry(4, 5, 3, values + 24)
    return head + first + second + bytes(4) + place + place + text


def segment(kind: int, content: bytes) -> bytes:
    return bytes((0xFF, kind)) + struct.pack(">H", len(content) + 2) + content


def jpeg(*segments: bytes) -> bytes:
    size = segment(0xC0, struct.pack(">BHHB", 8, 480, 640, 3))
    return b"\xff\xd8" + b"".join(segments) + size + segment(0xDA, b"") + bytes(99) + b"\xff\xd9"


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + bytes(4)


def png(*chunks: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 640, 480, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IEND", b"")


PLACED = [
    pytest.param(jpeg(segment(0xE1, b"Exif\0\0" + exif("<"))), id="JPEG"),
    pytest.param(jpeg(segment(0xE1, b"Exif\0\0" + exif(">"))), id="JPEG, big-endian"),
    pytest.param(png(chunk(b"eXIf", exif(">"))), id="PNG"),
    pytest.param(exif("<"), id="TIFF"),
    pytest.param(b"\0\0\0\x18ftypheic" + bytes(16) + b"Exif\0\0" + exif(">"), id="HEIC"),
    pytest.param(
        jpeg(
            segment(
                0xE1,
                b'<x:xmpmeta><a exif:GPSLatitude="51,2N"/><b>Bring the pineapple.</b></x:xmpmeta>',
            )
        ),
        id="XMP",
    ),
]


@pytest.mark.parametrize("data", PLACED)
def test_a_picture_says_where_it_was_taken_and_what_is_written_on_it(data: bytes) -> None:
    items = read(data)

    assert Feature("location") in items
    assert words(items) == MARKER
    assert items[-1] == Miss("image")


@pytest.mark.parametrize(
    "data",
    [jpeg(), png(), jpeg(segment(0xE1, b"Exif\0\0" + exif("<", degrees=0)))],
)
def test_a_picture_without_a_place_says_none(data: bytes) -> None:
    assert Feature("location") not in read(data)


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (jpeg(), "640x480"),
        (png(), "640x480"),
        (b"GIF89a" + struct.pack("<HH", 640, 480) + bytes(20), "640x480"),
        (b"BM" + bytes(16) + struct.pack("<ii", 640, -480) + bytes(20), "640x480"),
        (b"RIFF\0\0\0\0WEBPVP8X" + bytes(8) + b"\x7f\2\0\xdf\1\0", "640x480"),
        (b"RIFF\0\0\0\0WEBPVP8 " + bytes(10) + struct.pack("<HH", 640, 480), "640x480"),
        (
            b"RIFF\0\0\0\0WEBPVP8L" + bytes(5) + struct.pack("<I", 639 | 479 << 14) + bytes(9),
            "640x480",
        ),
        (
            b"\0\0\0\x18ftypheic"
            + bytes(30)
            + b"".join(b"ispe\0\0\0\0" + struct.pack(">II", *s) for s in ((51, 51), (640, 480))),
            "640x480",
        ),
        (png()[:16] + struct.pack(">II", 50_000, 50_000) + bytes(30), "50000x50000"),
    ],
)
def test_the_size_is_read_from_the_header(data: bytes, size: str) -> None:
    assert Feature(f"size:{size}") in read(data)


@pytest.mark.parametrize(
    "data",
    [
        jpeg(segment(0xFE, MARKER.encode())),
        png(chunk(b"tEXt", b"Comment\0" + MARKER.encode())),
        png(chunk(b"zTXt", b"Comment\0\0" + zlib.compress(MARKER.encode()))),
        png(chunk(b"iTXt", b"Comment\0\0\0en\0\0" + MARKER.encode())),
        png(chunk(b"iTXt", b"Comment\0\1\0en\0\0" + zlib.compress(MARKER.encode()))),
    ],
)
def test_comments_are_text(data: bytes) -> None:
    assert words(read(data)) == MARKER


def test_a_comment_that_unpacks_without_end_is_cut() -> None:
    data = png(*[chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(20 << 20)))])

    assert len(words(read(data))) <= image.WORDS


def test_directories_that_point_at_each_other_end() -> None:
    data = bytearray(exif("<"))
    data[30:34] = struct.pack("<I", 8)

    assert Miss("image") in read(jpeg(segment(0xE1, b"Exif\0\0" + bytes(data))))


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([each.values[0] for each in PLACED]),
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), max_size=5),
    st.integers(1, 400),
)
def test_no_broken_picture_raises(data: bytes, changes: list[tuple[int, int]], length: int) -> None:
    broken = bytearray(data)
    for at, value in changes:
        broken[at % len(broken)] = value

    read_file(bytes(broken[:length]), About(name="x.jpg"))


# ---- shortcuts -----------------------------------------------------------------------------------

TARGET = "https://orchard.example/pineapple"


def lnk() -> bytes:
    text = TARGET.encode("utf-16-le")
    head = b"L\0\0\0\x01\x14\x02\0" + bytes(12) + struct.pack("<I", 1 | 0x20 | 0x80) + bytes(52)
    item = b"C:\\Users\\ben\\medlar.exe\0"
    return head + struct.pack("<H", len(item)) + item + struct.pack("<H", len(TARGET)) + text


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.url", f"[InternetShortcut]\r\nURL={TARGET}\r\n".encode()),
        ("a.desktop", f"[Desktop Entry]\nType=Link\nURL={TARGET}\n".encode()),
        ("a.webloc", plistlib.dumps({"URL": TARGET})),
        ("a.webloc", plistlib.dumps({"URL": TARGET}, fmt=plistlib.FMT_BINARY)),
        ("a.lnk", lnk()),
    ],
)
def test_where_a_shortcut_leads_is_text(name: str, data: bytes) -> None:
    reading = read_file(data, About(name=name))

    assert TARGET in reading.text
    assert "active" in reading.features
    assert "shortcut" in reading.found[0].reader


def test_the_program_behind_a_link_is_text() -> None:
    items = list(shortcut.read(lnk(), About()))

    assert Text("arguments", TARGET) in items
    assert "medlar.exe" in words(items)
