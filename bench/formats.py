"""How fast the readers of the formats are: a few megabytes of our own text in each.

    python bench/formats.py [MEGABYTES]

By format: megabytes of file, and millions of characters of text found, a second of processor time,
in this process and without the cage. The last column compares the text with what only decoding it
would take, or with inflating and decoding for what is packed, measured in the same run.
"""

import base64
import binascii
import bz2
import gzip
import json
import lzma
import random
import struct
import sys
import time
import zlib
from collections.abc import Callable
from functools import partial

from mailguard.extract.found import Limits
from mailguard.extract.item import About
from mailguard.extract.reading import read_file
from mailguard.testing.compound import compound
from mailguard.testing.files import winmail, zipped

LIMITS = Limits(seconds=120, text=1 << 30, bytes_out=1 << 30, ratio=1000)
ROUNDS = 3
LINES_A_PAGE = 50

_LETTERS = "etaoinshrdlu"
_WORD_NAMES = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_SHEET_NAMES = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_OPEN_NAMES = (
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
)


def write_lines(size: int) -> list[str]:
    """Sentences of made-up words, `size` characters in all; the same ones in each run."""
    choose = random.Random(1)
    words = ["".join(choose.choices(_LETTERS, k=choose.randint(2, 9))) for _ in range(5000)]
    lines, written = [], 0
    while written < size:
        lines.append(" ".join(choose.choices(words, k=9)) + ".")
        written += len(lines[-1]) + 1
    return lines


def pdf(lines: list[str]) -> bytes:
    pages = [lines[at : at + LINES_A_PAGE] for at in range(0, len(lines), LINES_A_PAGE)]
    font = "/Font<</F 3 0 R>>"
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{' '.join(f'{4 + 2 * n} 0 R' for n in range(len(pages)))}]"
        f"/Count {len(pages)}>>",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for number, page in enumerate(pages):
        content = (
            "BT /F 9 Tf 12 TL 9 700 Td " + " ".join(f"({line}) Tj T*" for line in page) + " ET"
        )
        objects += [
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Resources<<{font}>>"
            f"/Contents {5 + 2 * number} 0 R>>",
            f"<</Length {len(content)}>>stream\n{content}\nendstream ",
        ]
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, each in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj{each}endobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    return (
        bytes(out)
        + (
            f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer<</Root 1 0 R/Size {size}>>\n"
            f"startxref\n{len(out)}\n%%EOF\n"
        ).encode()
    )


def word(lines: list[str]) -> bytes:
    body = "".join(f"<w:p><w:r><w:t>{line}</w:t></w:r></w:p>" for line in lines)
    letter = f"<w:document {_WORD_NAMES}><w:body>{body}</w:body></w:document>"
    return zipped(("[Content_Types].xml", b"<Types/>"), ("word/document.xml", letter.encode()))


def sheet(lines: list[str]) -> bytes:
    rows = "".join(
        f'<row><c t="inlineStr"><is><t>{line}</t></is></c><c><v>{number}</v></c></row>'
        for number, line in enumerate(lines)
    )
    content = f"<worksheet {_SHEET_NAMES}><sheetData>{rows}</sheetData></worksheet>"
    return zipped(
        ("[Content_Types].xml", b"<Types/>"),
        ("xl/workbook.xml", f"<workbook {_SHEET_NAMES}/>".encode()),
        ("xl/worksheets/sheet1.xml", content.encode()),
    )


def opendocument(lines: list[str]) -> bytes:
    body = "".join(f"<text:p>{line}</text:p>" for line in lines)
    content = (
        f"<office:document-content {_OPEN_NAMES}><office:body><office:text>{body}"
        "</office:text></office:body></office:document-content>"
    )
    kind = b"application/vnd.oasis.opendocument.text"
    return zipped(("mimetype", kind), ("content.xml", content.encode()))


def slides(lines: list[str]) -> bytes:
    atoms = b"".join(
        struct.pack("<HHI", 0, 4000, 2 * len(line)) + line.encode("utf-16-le") for line in lines
    )
    return compound({"PowerPoint Document": struct.pack("<HHI", 0x0F, 1006, len(atoms)) + atoms})


def mail(lines: list[str]) -> bytes:
    head = b"From: a@b.example\nContent-Transfer-Encoding: base64\n\n"
    return head + base64.encodebytes("\n".join(lines).encode())


def mailbox(lines: list[str]) -> bytes:
    size = len(lines) // 500 + 1
    bodies = ("\n".join(lines[at : at + size]) for at in range(0, len(lines), size))
    return "".join(f"From a\nSubject: a\n\n{body}\n\n" for body in bodies).encode()


def uuencode(lines: list[str]) -> bytes:
    data = "\n".join(lines).encode()
    pieces = (binascii.b2a_uu(data[at : at + 45]) for at in range(0, len(data), 45))
    return b"begin 644 a.txt\n" + b"".join(pieces) + b"`\nend\n"


def joined(pattern: str, around: str = "{}") -> Callable[[list[str]], bytes]:
    return lambda lines: around.replace(
        "{}", "".join(pattern.replace("{}", line) for line in lines)
    ).encode()


def packed(pack: Callable[[bytes], bytes]) -> Callable[[list[str]], bytes]:
    return lambda lines: pack("\n".join(lines).encode())


FORMATS: dict[str, Callable[[list[str]], bytes]] = {
    "txt": joined("{}\n"),
    "csv": joined("Ana,{}\n", "name,note\n{}"),
    "json": lambda lines: json.dumps([{"text": line} for line in lines]).encode(),
    "html": joined("<p>{}</p>\n", "<html><body>{}</body></html>"),
    "xml": joined("<p>{}</p>\n", "<a>{}</a>"),
    "rtf": joined("{}\\par\n", "{\\rtf1\\ansi {}}"),
    "ics": joined("BEGIN:VEVENT\nSUMMARY:{}\nEND:VEVENT\n", "BEGIN:VCALENDAR\n{}END:VCALENDAR\n"),
    "eml": mail,
    "mbox": mailbox,
    "uue": uuencode,
    "zip": packed(lambda data: zipped(("a.txt", data))),
    "gz": packed(gzip.compress),
    "bz2": packed(bz2.compress),
    "xz": packed(lzma.compress),
    "docx": word,
    "xlsx": sheet,
    "odt": opendocument,
    "ppt": slides,
    "pdf": pdf,
    "winmail.dat": lambda lines: winmail("\n".join(lines)),
}
INFLATED = {"zip", "gz", "bz2", "xz", "docx", "xlsx", "odt"}


def measure(work: Callable[[], object]) -> float:
    """The shortest of some rounds, in seconds of processor time."""
    took = []
    for _ in range(ROUNDS):
        started = time.process_time()
        work()
        took.append(time.process_time() - started)
    return max(min(took), 1e-6)


def main() -> int:
    size = int(float(sys.argv[1] if len(sys.argv) > 1 else 2) * 1e6)
    lines = write_lines(size)
    text = "\n".join(lines)
    plain, deflated = text.encode(), zlib.compress(text.encode())
    decoding = measure(lambda: plain.decode())
    inflating = measure(lambda: zlib.decompress(deflated).decode())
    print(f"{'format':12}{'MB':>7}{'MB/s in':>9}{'M chars/s':>11}  times the ceiling's time")
    is_whole = True
    for name, make in FORMATS.items():
        file = make(lines)
        about = About(name=name if "." in name else f"a.{name}")
        reading = read_file(file, about, LIMITS)
        if reading.misses or not all(line in reading.text for line in lines[:: len(lines) // 50]):
            print(f"{name:12} was not read wholly: {', '.join(reading.misses)}")
            is_whole = False
            continue
        took = measure(partial(read_file, file, about, LIMITS))
        ceiling = inflating if name in INFLATED else decoding
        print(
            f"{name:12}{len(file) / 1e6:7.1f}{len(file) / 1e6 / took:9.1f}"
            f"{len(reading.text) / 1e6 / took:11.1f}{took / ceiling:9.0f}"
        )
    return 0 if is_whole else 1


if __name__ == "__main__":
    sys.exit(main())
