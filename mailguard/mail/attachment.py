"""The attachment manifest, and the text of attachments that are text."""

import codecs
import hashlib
from dataclasses import dataclass

from mailguard.mail.charset import read_text
from mailguard.mail.html import read_html
from mailguard.mail.message import Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Extract:
    """What the world outside the core found out about one part (libmagic, later the cage)."""

    part: str
    sniffed: str
    """Media type by content, e.g. ``application/x-dosexec``; ``""`` when unknown."""

    text: str = ""
    unread: str = ""
    """Why its text could not be had, ``""`` when it could."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One line of the attachment manifest."""

    part: str
    filename: str
    declared: str
    sniffed: str
    size: int
    sha256: str


# Text, whatever their main type is.
_TEXT_TYPES = {
    "application/json",
    "application/xml",
    "application/javascript",
    "application/x-ndjson",
    "application/csv",
    "application/ics",
    "application/pgp-encrypted",
    "application/pgp-keys",
}
_TEXT_SUFFIXES = ("+xml", "+json")  # RFC 6839
_HTML_TYPES = {"text/html", "application/xhtml+xml"}
# Declared as text, but its letters are not what a reader sees.
_MARKUP_TYPES = {"text/rtf"}
# Windows declares .csv as application/vnd.ms-excel, and much as application/octet-stream.
_TEXT_NAMES = (".txt", ".csv", ".tsv", ".md", ".log", ".json", ".xml", ".ics", ".vcf", ".eml")
_HTML_NAMES = (".htm", ".html", ".xhtml")

# Nobody writes into these, provided that they are what they say.
_SIGNATURE_TYPES = {
    "application/pgp-signature",
    "application/pkcs7-signature",
    "application/x-pkcs7-signature",
}
_SIGNATURE_STARTS = (b"-----BEGIN PGP SIGNATURE-----", b"\x30\x80", b"\x30\x82")  # DER: SEQUENCE

_REASONS = {"image": "image", "audio": "audio", "video": "video"}


def describe(part: Part, extract: Extract | None) -> Attachment:
    """The manifest's line about `part`."""
    return Attachment(
        part=part.number,
        filename=part.filename,
        declared=part.content_type,
        sniffed=extract.sniffed if extract else "",
        size=len(part.data),
        sha256=hashlib.sha256(part.data).hexdigest(),
    )


def read_attachment(part: Part, extract: Extract | None, limit: int) -> tuple[str, str]:
    """Return the text of an attachment, and why it was not read (``""`` when it was).

    Of a text file at most the first `limit` bytes are decoded; ``too_long`` says there were more.
    """
    if extract and (extract.text or extract.unread):
        return extract.text, extract.unread
    sniffed = extract.sniffed if extract else ""
    name = part.filename.lower().rstrip(". ")
    if _is_text(part.content_type) or _is_text(sniffed) or name.endswith(_TEXT_NAMES + _HTML_NAMES):
        text = read_text(part.data[:limit], part.charset)
        if {part.content_type, sniffed} & _HTML_TYPES or name.endswith(_HTML_NAMES):
            text = "\n".join(read_html(text))
        if _is_binary(part.data):
            return text, _reason(part.content_type, sniffed)
        return text, "too_long" if len(part.data) > limit else ""
    if part.content_type in _SIGNATURE_TYPES and part.data.startswith(_SIGNATURE_STARTS):
        return "", ""
    return "", _reason(part.content_type, sniffed)


def _is_text(kind: str) -> bool:
    if kind in _MARKUP_TYPES:
        return False
    return (
        kind.startswith(("text/", "message/", "multipart/"))
        or kind in _TEXT_TYPES
        or kind.endswith(_TEXT_SUFFIXES)
    )


def _is_binary(data: bytes) -> bool:
    """Whether it is no text after all, but for UTF-16, where every letter of ours has a NUL."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return False
    return b"\0" in data and data.count(0) * 4 < len(data)


def _reason(declared: str, sniffed: str) -> str:
    """Which `Unread` reason fits: what it is counts before what it says it is."""
    for kind in (sniffed, declared):
        if reason := _REASONS.get(kind.partition("/")[0]):
            return reason
    return "format"
