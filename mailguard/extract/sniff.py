"""What attached files are by their content: libmagic on their beginning, and what it does not know.

libmagic is C and reads hostile bytes, so it stays out of the judging core and sees only
:data:`HEAD` bytes; its answers become part of the attachment manifest.
"""

import asyncio
import re

import magic

from mailguard.mail.attachment import Extract
from mailguard.mail.message import Message

HEAD = 8192
"""Bytes that libmagic sees of a file; its own patterns for mail's formats need less."""

# libmagic 5.44 calls these text/plain or application/octet-stream.
_STARTS = (
    (bytes.fromhex("e4525c7b8cd8a74daeb15378d02996d3"), "application/onenote"),  # MS-ONESTORE
    (b"ITSF", "application/vnd.ms-htmlhelp"),
    (b"L\0\0\0\x01\x14\x02\0", "application/x-ms-shortcut"),  # MS-SHLLINK §2.1
)
# It calls these text/html and text/plain.
_HTML_APPLICATION = re.compile(rb"<hta:application\b", re.IGNORECASE)
_WINDOWS_SCRIPT = re.compile(
    rb"\b(?:wscript\.shell|shell\.application|scripting\.filesystemobject|adodb\.stream)\b",
    re.IGNORECASE,
)

_VOLUME = slice(0x8001, 0x8006)
_VOLUME_STARTS = (b"CD001", b"BEA01")
"""First volume descriptor of ISO 9660 and UDF, in the 17th sector: beyond what libmagic sees."""


class Sniffer:
    """Implements :class:`mailguard.ports.Extractor`, in this process."""

    def __init__(self) -> None:
        self._magic = magic.Magic(mime=True)

    async def extract(self, message: Message) -> tuple[Extract, ...]:
        """Name the media type of each attachment, ``""`` where there is none to name."""
        extracts = []
        for part in message.parts:
            if part.is_attachment:
                extracts.append(Extract(part=part.number, sniffed=self._sniff(part.data)))
                # A thousand files take half a second; other sessions get their turn between.
                await asyncio.sleep(0)
        return tuple(extracts)

    def _sniff(self, data: bytes) -> str:
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
            return str(self._magic.from_buffer(head))
        except magic.MagicException:
            return ""
