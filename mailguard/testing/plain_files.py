"""Plain files that carry a few lines: text, tables, pages, appointments, archives."""

import csv
import gzip
import io
import json
import re
import tarfile
from collections.abc import Callable, Mapping
from html import escape

from mailguard.testing.packages import Rows, zip_file


def text_file(rows: Rows) -> bytes:
    """Lines, cells with tabs between."""
    return "".join("\t".join(row) + "\n" for row in rows).encode()


def separated(separator: str) -> Callable[[Rows], bytes]:
    """Return what writes cells with `separator` between (RFC 4180)."""

    def pack(rows: Rows) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=separator).writerows(rows)
        return text.getvalue().encode()

    return pack


def json_file(rows: Rows) -> bytes:
    """A list of records."""
    return json.dumps(_records(rows), indent=1).encode()


def _records(rows: Rows) -> list[Mapping[str, str]]:
    heading, *values = rows if len(rows[0]) > 1 else (("text",), *rows)
    return [dict(zip(heading, row, strict=True)) for row in values]


def xml_file(rows: Rows) -> bytes:
    """A list of records, each heading an element."""
    records = "".join(
        "<record>"
        + "".join(f"<{_tag(key)}>{escape(value)}</{_tag(key)}>" for key, value in record.items())
        + "</record>\n"
        for record in _records(rows)
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<records>\n{records}</records>\n'.encode()


def _tag(heading: str) -> str:
    """As programs make a name of it, which must be letters: "Date of Birth" to ``DateOfBirth``."""
    words = re.findall(r"[^\W_]+", heading.replace("&", " And "))
    return "".join(word[0].upper() + word[1:] for word in words)


def html_page(rows: Rows) -> bytes:
    """Paragraphs, or a table."""
    if len(rows[0]) == 1:
        body = "".join(f"<p>{escape(row[0])}</p>\n" for row in rows)
    else:
        lines = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows)
        body = f"<table>\n{''.join(f'<tr>{line}</tr>{chr(10)}' for line in lines)}</table>\n"
    return f"<!DOCTYPE html><html><head></head><body>\n{body}</body></html>\n".encode()


def letter(rows: Rows) -> bytes:
    """A message that was kept as a file."""
    head = "From: Ben <ben@finch.example>\nTo: Ana <ana@elmpark.example>\nSubject: As we said\n"
    return f"{head}Content-Type: text/plain; charset=utf-8\n\n{text_file(rows).decode()}".encode()


def event(rows: Rows) -> bytes:
    """An appointment, the lines its description (RFC 5545)."""
    return _object("VCALENDAR", "DESCRIPTION", rows, "BEGIN:VEVENT", "END:VEVENT")


def contact(rows: Rows) -> bytes:
    """A business card, the lines its note (RFC 6350)."""
    return _object("VCARD", "NOTE", rows, "FN:Ben Holt")


def _object(kind: str, field: str, rows: Rows, begin: str, *end: str) -> bytes:
    text = "\n".join(" ".join(row) for row in rows)
    for character in "\\;,":
        text = text.replace(character, "\\" + character)
    line = f"{field}:" + text.replace("\n", "\\n")
    # RFC 5545 §3.1 and RFC 6350 §3.2: at most 75 octets in a line.
    folded = "\r\n ".join(line[at : at + 70] for at in range(0, len(line), 70))
    version = "VERSION:2.0" if kind == "VCALENDAR" else "VERSION:3.0"
    return "\r\n".join((f"BEGIN:{kind}", version, begin, folded, *end, f"END:{kind}", "")).encode()


def rich_text(rows: Rows) -> bytes:
    """Paragraphs, or a table, for any word processor (RTF 1.9)."""
    if len(rows[0]) == 1:
        body = "".join(f"{_rich(row[0])}\\par\n" for row in rows)
    else:
        edges = "".join(f"\\cellx{2000 * (n + 1)}" for n in range(len(rows[0])))
        body = "".join(
            f"\\trowd{edges}\\intbl " + "".join(f"{_rich(cell)}\\cell " for cell in row) + "\\row\n"
            for row in rows
        )
    return f"{{\\rtf1\\ansi\\deff0{{\\fonttbl{{\\f0 Arial;}}}}\n{body}}}\n".encode("ascii")


def _rich(text: str) -> str:
    for character in "\\{}":
        text = text.replace(character, "\\" + character)
    return "".join(c if c.isascii() else f"\\u{ord(c)}?" for c in text)


def zipped(rows: Rows) -> bytes:
    """An archive with a text, or a table in a file of its own."""
    if len(rows[0]) == 1:
        return zip_file((("notes/read me.txt", text_file(rows)),))
    return zip_file((("list.csv", separated(",")(rows)),))


def tarred(rows: Rows) -> bytes:
    """The same for other systems."""
    file = io.BytesIO()
    content = separated(",")(rows)
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo("list.csv")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return gzip.compress(file.getvalue(), mtime=0)
