"""The attachment manifest, and the text of attachments."""

import codecs
import hashlib
from dataclasses import dataclass

from mailguard.mail.charset import read_text
from mailguard.mail.hidden import without_marks
from mailguard.mail.html import read_page
from mailguard.mail.message import Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Extract:
    """What the world outside the core found out about one part (libmagic and the cage)."""

    part: str
    sniffed: str
    """Media type by content, e.g. ``application/x-dosexec``; ``""`` when unknown."""

    is_read: bool = False
    """Whether a format reader looked at it; else the rest is empty."""

    text: str = ""
    """All text that was found in it, files inside included."""

    names: tuple[str, ...] = ()
    """The names of the files inside."""

    misses: tuple[str, ...] = ()
    """Why it was not, or not wholly, read; each reason once."""

    features: tuple[str, ...] = ()
    """What it is or does besides showing text, each word once: ``macros``, ``hidden``; and
    ``rows:240`` for each table (`extract.item.Feature` says what counts)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One line of the attachment manifest."""

    part: str
    filename: str
    declared: str
    sniffed: str
    size: int
    sha256: str
    inside: tuple[str, ...] = ()
    """The names of the files inside, as far as it was opened."""

    features: tuple[str, ...] = ()


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
_PLAIN_TYPES = {"text/plain", "text/html"}
_PLAIN_NAMES = (".txt", ".htm", ".html")

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
        inside=extract.names if extract else (),
        features=extract.features if extract else (),
    )


def is_file(part: Part) -> bool:
    """Whether readers offer `part` as a file, even where they also show it as text."""
    return part.is_attachment or bool(part.filename)


def needs_reader(part: Part, sniffed: str) -> bool:
    """Whether an attachment has to be opened by a format reader to see all that is in it.

    Plain text and HTML do not, by whatever sign one goes; nor does what has its own reasons to stay
    unread: signatures, and messages and multiparts that parsing could not or must not open.
    """
    name = part.filename.lower().rstrip(". ")
    if not part.data or part.content_type.startswith(("message/", "multipart/")):
        return False
    if part.content_type in _SIGNATURE_TYPES and part.data.startswith(_SIGNATURE_STARTS):
        return False
    return not (
        part.content_type in _PLAIN_TYPES
        and (not sniffed or (sniffed.startswith("text/") and sniffed not in _MARKUP_TYPES))
        and ("." not in name or name.endswith(_PLAIN_NAMES))
        and not _is_binary(part.data)
    )


def read_attachment(part: Part, extract: Extract | None, limit: int) -> tuple[str, tuple[str, ...]]:
    """Return the text of an attachment, and why it was not, or not wholly, read. Marks
    (`mail.hidden`) are around what a page hides.

    Of a text file at most the first `limit` bytes are decoded; ``too_long`` says there were more.
    """
    if extract and extract.is_read:
        return without_marks(extract.text), extract.misses
    if not part.data:
        # Wholly read, whatever it says it is.
        return "", ()
    sniffed = extract.sniffed if extract else ""
    name = part.filename.lower().rstrip(". ")
    if _is_text(part.content_type) or _is_text(sniffed) or name.endswith(_TEXT_NAMES + _HTML_NAMES):
        text = read_text(part.data[:limit], part.charset)
        if {part.content_type, sniffed} & _HTML_TYPES or name.endswith(_HTML_NAMES):
            page = read_page(text)
            text = "\n".join((page.marked, page.marked_quoted))
        else:
            text = without_marks(text)
        if _is_binary(part.data):
            return text, (_reason(part.content_type, sniffed),)
        return text, ("too_long",) if len(part.data) > limit else ()
    if part.content_type in _SIGNATURE_TYPES and part.data.startswith(_SIGNATURE_STARTS):
        return "", ()
    return "", (_reason(part.content_type, sniffed),)


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
