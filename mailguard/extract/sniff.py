"""What attached files are by their content: libmagic on their beginning, and what it does not know.

libmagic is C and reads hostile bytes, so it stays out of the judging core and sees only
:data:`HEAD` bytes; its answers become part of the attachment manifest.
"""

import asyncio
import re
from functools import cache

import magic

from mailguard.mail.attachment import Extract, is_file
from mailguard.mail.message import Message

HEAD = 8192
"""Bytes that libmagic sees of a file; its own patterns for mail's formats need less."""

# libmagic 5.44 calls these text/plain or application/octet-stream.
_STARTS = (
    (bytes.fromhex("e4525c7b8cd8a74daeb15378d02996d3"), "application/onenote"),  # MS-ONESTORE
    (b"ITSF", "application/vnd.ms-htmlhelp"),
    (b"L\0\0\0\x01\x14\x02\0", "application/x-ms-shortcut"),  # MS-SHLLINK §2.1
    (b"\0\x05\x16\x07", "application/applefile"),  # RFC 1740, appendix A
    (b"\0\x05\x16\0", "application/applefile"),
)
# It calls these text/html and text/plain.
_HTML_APPLICATION = re.compile(rb"<hta:application\b", re.IGNORECASE)
_WINDOWS_SCRIPT = re.compile(
    rb"\b(?:wscript\.shell|shell\.application|scripting\.filesystemobject|adodb\.stream)\b",
    re.IGNORECASE,
)

_ZIP_TYPES = {"application/zip", "application/octet-stream"}
_OFFICE = "application/vnd.openxmlformats-officedocument."
_OFFICE_LIST = b"[Content_Types].xml"
_ZIP_MARKS = (
    (b"word/document", _OFFICE + "wordprocessingml.document"),
    (b"xl/workbook", _OFFICE + "spreadsheetml.sheet"),
    (b"ppt/presentation", _OFFICE + "presentationml.presentation"),
)
"""ECMA-376 part 2: the names of members, in the clear; libmagic knows only what comes first."""

_ZIP_END = (1 << 16) + 22
"""Bytes in which the last record of a zip file begins: it and its comment."""

_OLE_TYPES = {"application/x-ole-storage", "application/CDFV2", "application/vnd.ms-office"}
_OLE_MARKS = tuple(
    (mark.encode("utf-16-le"), kind)
    for mark, kind in (
        ("EncryptedPackage", "application/x-encrypted-office"),
        ("__substg1.0_", "application/vnd.ms-outlook"),
        ("WordDocument", "application/msword"),
        ("PowerPoint Document", "application/vnd.ms-powerpoint"),
        ("Workbook", "application/vnd.ms-excel"),
    )
)
"""MS-CFB §2.6.1: names of streams."""

_VAGUE_TYPES = {"application/octet-stream", "text/plain", "text/html"}
_LINES = (
    (re.compile(rb"^begin(?:-base64)? [0-7]{3,4} \S", re.MULTILINE), "text/x-uuencode"),
    (re.compile(rb"^=ybegin [^\n]*name=", re.MULTILINE), "text/x-yenc"),
    (
        re.compile(rb"\A0[\x80-\x84][^*]{0,8}\*\x86H\x86\xf7\r\x01\x07", re.DOTALL),
        "application/pkcs7-mime",
    ),
)
"""Files inside text, and CMS (RFC 5652 §3), which libmagic takes for any text or data."""

_PDF_WITHIN = 1024
"""Readers of PDF take anything before its first line (ISO 32000-1, note 13 of annex H)."""

_VOLUME = slice(0x8001, 0x8006)
_VOLUME_STARTS = (b"CD001", b"BEA01")
"""First volume descriptor of ISO 9660 and UDF, in the 17th sector: beyond what libmagic sees."""


class Sniffer:
    """Implements :class:`mailguard.ports.Extractor`, in this process."""

    async def extract(self, message: Message) -> tuple[Extract, ...]:
        """Name the media type of each file, ``""`` where there is none to name."""
        extracts = []
        for part in message.parts:
            if is_file(part):
                extracts.append(Extract(part=part.number, sniffed=sniff(part.data)))
                # A thousand files take half a second; other sessions get their turn between.
                await asyncio.sleep(0)
        return tuple(extracts)


@cache
def _libmagic() -> magic.Magic:
    """libmagic with its table, which it reads from a file: before the cage is locked."""
    return magic.Magic(mime=True)


def sniff(data: bytes) -> str:
    """Name the media type of a file by its content, ``""`` where there is none to name."""
    if not data:
        return ""
    head = data[:HEAD]
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    if data[_VOLUME] in _VOLUME_STARTS:
        return "application/x-iso9660-image"
    if _HTML_APPLICATION.search(head):
        return "application/hta"
    if _WINDOWS_SCRIPT.search(head):
        return "text/vbscript"
    try:
        return _refine(str(_libmagic().from_buffer(head)), data)
    except magic.MagicException:
        return ""


def _zip_directory(data: bytes) -> bytes:
    """The names of a zip file's own members; those in it have theirs in the clear, too."""
    at = data.rfind(b"PK\5\6", -_ZIP_END)
    if at < 0:
        return b""
    # APPNOTE 4.3.16; by the size alone, since something may stand before the archive.
    size = int.from_bytes(data[at + 12 : at + 16], "little")
    return data[max(0, at - size) : at]


def _refine(kind: str, data: bytes) -> str:
    """What a container is, where libmagic did not look far enough to know."""
    if kind in _ZIP_TYPES or kind.startswith(_OFFICE):
        names = _zip_directory(data)
        if kind.startswith(_OFFICE) and names and _OFFICE_LIST not in names:
            # libmagic saw the beginning of the first member.
            kind = "application/zip"
        kind = next((office for mark, office in _ZIP_MARKS if mark in names), kind)
    if kind in _OLE_TYPES:
        return next((office for mark, office in _OLE_MARKS if mark in data), kind)
    if kind in _VAGUE_TYPES and b"%PDF-" in data[:_PDF_WITHIN]:
        return "application/pdf"
    if kind in _VAGUE_TYPES:
        return next((found for line, found in _LINES if line.search(data, 0, HEAD)), kind)
    return kind
