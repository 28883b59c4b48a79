"""Invitations and address cards: iCalendar (RFC 5545) and vCard (RFC 6350, and 2.1 before it)."""

import binascii
import re
from collections.abc import Iterator

from mailguard.extract.item import About, Feature, Item, Member, Miss, Text
from mailguard.mail.charset import decode, read_text
from mailguard.mail.html import read_html
from mailguard.mail.transfer import decode_base64

TYPES = frozenset(("text/calendar", "text/vcard", "text/x-vcard", "application/ics"))
NAMES = (".ics", ".ical", ".ifb", ".vcs", ".vcf", ".vcard")
SAMPLE = b"BEGIN:VCARD\r\nFN:Ann\r\nEND:VCARD\r\n"

FILES = 200
"""Pictures and attachments that are taken out."""

_FOLD = re.compile(r"\n[ \t]")
_SOFT_BREAK = re.compile(r"=\n")
_LINE = re.compile(r"""^([\w.-]+)((?:;(?:[^":;\n]++|"[^"\n]*+")*+)*+):(.*)$""", re.MULTILINE)
_ESCAPE = re.compile(r"\\([nN,;:\\])")
_CHARSET = re.compile(r"CHARSET=([\w-]+)", re.IGNORECASE)
_INLINE = re.compile(r"data:[^,]{0,200};base64,")
_MACHINE_WORDS = (
    "BEGIN END VERSION PRODID CALSCALE METHOD UID DTSTAMP SEQUENCE TRANSP STATUS REV TZID "
    "TZOFFSETFROM TZOFFSETTO RRULE CREATED LAST-MODIFIED CLASS PRIORITY"
)
_MACHINE = frozenset(_MACHINE_WORDS.split())
_FILES = frozenset(("ATTACH", "PHOTO", "LOGO", "SOUND", "KEY"))
_ENTRIES = frozenset(("VCARD", "VEVENT", "VTODO", "VJOURNAL"))


def read(data: bytes, about: About) -> Iterator[Item]:
    """Yield what people wrote, a line for each property, and the files inside."""
    text = _FOLD.sub("", read_text(data, ""))
    if "QUOTED-PRINTABLE" in text.upper():
        text = _SOFT_BREAK.sub("", text)
    lines, entries, files = [], 0, 0
    for found in _LINE.finditer(text):
        name, parameters, value = found[1].rpartition(".")[2].upper(), found[2].upper(), found[3]
        if name in _MACHINE:
            entries += name == "BEGIN" and value.strip().upper() in _ENTRIES
        elif name in _FILES and (content := _content(parameters, value)):
            files += 1
            if files <= FILES:
                yield Member(f"{name.lower()} {files}", content)
        else:
            lines.append(_shown(name, parameters, value))
    # What is no property is shown by no calendar, but by whatever shows text.
    lines += _LINE.sub("", text).split("\n")
    yield Text("", "\n".join(filter(str.strip, lines)))
    if files > FILES:
        yield Miss("too_many_parts")
    if entries > 1:
        yield Feature(f"rows:{entries}")


def _content(parameters: str, value: str) -> bytes:
    """The file in a property, ``b""`` if it only says where one is."""
    if inline := _INLINE.match(value):
        return decode_base64(value[inline.end() :].encode())[0]
    if "ENCODING=B" in parameters or ";BASE64" in parameters:
        return decode_base64(value.encode())[0]
    return b""


def _shown(name: str, parameters: str, value: str) -> str:
    if "QUOTED-PRINTABLE" in parameters:
        charset = _CHARSET.search(parameters)
        raw = binascii.a2b_qp(value.encode("utf-8", "replace"))
        value = decode(raw, charset[1] if charset else "")
    value = _ESCAPE.sub(lambda sign: "\n" if sign[1] in "nN" else sign[1], value)
    if "TEXT/HTML" in parameters:
        value = "\n".join(read_html(value))
    # N and ADR are lists; what is empty in them is shown nowhere.
    return " ".join(filter(None, value.split(";"))) if name in ("N", "ADR", "ORG") else value
