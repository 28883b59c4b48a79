"""The same few lines in everything that carries them by mail: bodies, documents, tables, archives.

Each is the least of its format that a real program opens. They are written here, and not with the
libraries that read them, so that nothing agrees with itself.
"""

from base64 import encodebytes
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mailguard.testing.packages import (
    OPEN_DOCUMENT,
    OPEN_XML,
    Rows,
    open_document,
    slides,
    spreadsheet,
    word_document,
)
from mailguard.testing.pdf import printed_page
from mailguard.testing.plain_files import (
    contact,
    event,
    html_page,
    json_file,
    letter,
    rich_text,
    separated,
    tarred,
    text_file,
    xml_file,
    zipped,
)

Shape = Literal["prose", "table"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """One way to carry lines."""

    name: str
    shapes: tuple[Shape, ...]
    """What people put into it."""

    media_type: str
    filename: str
    """Empty where the lines are the message's own body."""

    pack: Callable[[Rows], bytes]


def compose_message(
    carrier: Carrier,
    rows: Rows,
    *,
    sender: str = "ana@elmpark.example",
    to: Sequence[str] = ("office@finch.example",),
    subject: str = "As we said",
) -> bytes:
    """Write a message with CRLF line ends in which `carrier` carries `rows`."""
    head = f"From: {sender}\nTo: {', '.join(to)}\nSubject: {subject}\nMIME-Version: 1.0\n"
    content = carrier.pack(rows)
    if not carrier.filename:
        return _wire(head + _coded(carrier.media_type, content))
    body = _coded("text/plain", b"Hello,\n\nplease see the file.\n\nThank you\nAna\n")
    file = _coded(carrier.media_type, content, carrier.filename)
    mixed = 'Content-Type: multipart/mixed; boundary="=_part"\n\n'
    return _wire(f"{head}{mixed}--=_part\n{body}\n--=_part\n{file}\n--=_part--\n")


def _coded(media_type: str, content: bytes, filename: str = "") -> str:
    charset = "; charset=utf-8" if media_type.startswith("text/") else ""
    named = f'Content-Disposition: attachment; filename="{filename}"\n' if filename else ""
    if media_type == "message/rfc822":
        return f"Content-Type: message/rfc822\n{named}\n{content.decode()}"
    return (
        f"Content-Type: {media_type}{charset}\n{named}Content-Transfer-Encoding: base64\n\n"
        + encodebytes(content).decode()
    )


def _wire(text: str) -> bytes:
    return text.replace("\r\n", "\n").replace("\n", "\r\n").encode()


def _carrier(name: str, media_type: str, pack: Callable[[Rows], bytes], *shapes: Shape) -> Carrier:
    return Carrier(
        name=name,
        shapes=shapes,
        media_type=media_type,
        filename=f"notes.{name}",
        pack=pack,
    )


CARRIERS: Mapping[str, Carrier] = {
    one.name: one
    for one in (
        Carrier(
            name="body", shapes=("prose",), media_type="text/plain", filename="", pack=text_file
        ),
        Carrier(
            name="html body",
            shapes=("prose", "table"),
            media_type="text/html",
            filename="",
            pack=html_page,
        ),
        _carrier("txt", "text/plain", text_file, "prose"),
        _carrier("csv", "text/csv", separated(","), "table"),
        _carrier("tsv", "text/tab-separated-values", separated("\t"), "table"),
        _carrier("json", "application/json", json_file, "prose", "table"),
        _carrier("xml", "text/xml", xml_file, "table"),
        _carrier("html", "text/html", html_page, "prose", "table"),
        _carrier("rtf", "application/rtf", rich_text, "prose", "table"),
        _carrier("docx", f"{OPEN_XML}wordprocessingml.document", word_document, "prose", "table"),
        _carrier("xlsx", f"{OPEN_XML}spreadsheetml.sheet", spreadsheet, "table"),
        _carrier("pptx", f"{OPEN_XML}presentationml.presentation", slides, "prose"),
        _carrier("odt", f"{OPEN_DOCUMENT}text", open_document("text"), "prose"),
        _carrier("ods", f"{OPEN_DOCUMENT}spreadsheet", open_document("spreadsheet"), "table"),
        _carrier("odp", f"{OPEN_DOCUMENT}presentation", open_document("presentation"), "prose"),
        _carrier("pdf", "application/pdf", printed_page, "prose", "table"),
        _carrier("eml", "message/rfc822", letter, "prose"),
        _carrier("ics", "text/calendar", event, "prose"),
        _carrier("vcf", "text/vcard", contact, "prose"),
        _carrier("zip", "application/zip", zipped, "prose", "table"),
        _carrier("tar.gz", "application/gzip", tarred, "table"),
    )
}
"""By name."""
