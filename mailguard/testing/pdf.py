"""A PDF that carries a few lines, each text of it at its own place on a page."""

from collections.abc import Sequence

from mailguard.testing.packages import Rows

_LINES = 48
"""On a page of A4, 16 points each."""


def printed_page(rows: Rows) -> bytes:
    """As many pages of A4 as the lines need (ISO 32000-1)."""
    pages = [rows[at : at + _LINES] for at in range(0, len(rows), _LINES)]
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(pages)))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Count {len(pages)}/Kids[{kids}]>>".encode(),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
    ]
    for n, page in enumerate(pages):
        width = 500 // max(len(row) for row in page)
        shown = "".join(
            f"1 0 0 1 {50 + x * width} {790 - 16 * y} Tm ({_printed(cell)}) Tj\n"
            for y, row in enumerate(page)
            for x, cell in enumerate(row)
        )
        stream = f"BT /F1 8 Tf\n{shown}ET".encode("cp1252")
        objects.append(
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 3 0 R>>>>"
            f"/Contents {5 + 2 * n} 0 R>>".encode()
        )
        objects.append(b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream))
    return _pdf_file(objects)


def _printed(text: str) -> str:
    for character in "\\()":
        text = text.replace(character, "\\" + character)
    return text


def _pdf_file(objects: Sequence[bytes]) -> bytes:
    file = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, content in enumerate(objects, 1):
        offsets.append(len(file))
        file += b"%d 0 obj %s endobj\n" % (number, content)
    table = len(file)
    file += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    file += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    file += b"trailer <</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bytes(file)
