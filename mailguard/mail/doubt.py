"""Whether a part gives reason to read it in other ways: a few cheap questions for all mail."""

import re
from functools import lru_cache

from mailguard.mail.field import SHORT
from mailguard.mail.mime import Entity
from mailguard.mail.transfer import name_encoding

_PLAIN_ENCODINGS = {"", "7bit", "8bit", "binary", "base64", "quoted-printable"}
PLAIN_TYPE = re.compile(
    r"""[\w.+!#$&^-]++/[\w.+!#$&^-]++ \s*+
        (?: ; \s*+ (?: [\w.+!#$&^*-]++ = (?: "[^"\\\0=(]*+" | [^\s"=;()\0]++ | "[^"\\\0(?]*+" )
            \s*+ )?+ )*+""",
    re.VERBOSE | re.ASCII,
)
_TELLING_DEFECTS = {
    "blank_folded_line",
    "folded_line_without_field",
    "no_blank_line_after_header",
    "no_boundary",
    "no_start_boundary",
    "encoded_multipart",
}

_CONTENT_FIELD = rb"(?:content-(?:type|transfer-encoding|disposition)|mime-version)[ \t\0]*+:"
# Begins with a line feed, for which a search is fast.
PART_START = re.compile(
    rb"\n([ \t\0]*+--[^\n]*+\n)(?=(?:[^\n]{0,200}\n){0,3}?[ \t\0]*+" + _CONTENT_FIELD + rb")",
    re.IGNORECASE,
)
_BLANK_LINES = rb"(?:[ \t\0]*+\r?\n)*+"
_LATE_HEADER = re.compile(_BLANK_LINES + rb"[ \t\0]*+" + _CONTENT_FIELD, re.IGNORECASE)
_LATE_STARTS = b"CcMm \t\r\n\0"
_LATE_FIELD = re.compile(_BLANK_LINES + rb"[!-9;-~]++:")


def is_doubtful(raw: bytes, entity: Entity) -> bool:
    """Whether `entity`, which is in `raw`, gives reason to be read in other ways as well."""
    if entity.is_contradictory or entity.has_stray_delimiter:
        return True
    if entity.defects and not _TELLING_DEFECTS.isdisjoint(entity.defects):
        return True
    if _is_header_odd(entity):
        return True
    for begin, end in entity.outside:
        if raw.find(b"--", begin, end) >= 0:
            return True
    return not entity.children and _hides_parts(raw, entity)


def _is_header_odd(entity: Entity) -> bool:
    if not is_usual_encoding(entity.field("content-transfer-encoding")):
        return True
    declared = entity.field("content-type")
    if len(declared) > SHORT:
        if not PLAIN_TYPE.fullmatch(declared):
            return True
    elif not _is_usual_type(declared):
        return True
    if entity.is_container and (encoding_of(entity) or declared.count("oundary") > 1):
        return True
    return "space_before_colon" in entity.defects


def is_usual_encoding(value: str) -> bool:
    """Whether a Content-Transfer-Encoding is one that all programs know, plainly written."""
    return value in _PLAIN_ENCODINGS or value.strip().lower() in _PLAIN_ENCODINGS


@lru_cache(maxsize=1024)
def _is_usual_type(value: str) -> bool:
    return not value or PLAIN_TYPE.fullmatch(value) is not None


def _hides_parts(raw: bytes, entity: Entity) -> bool:
    body, end = entity.span.body, entity.span.end
    if raw.find(b"-", body, end) >= 0 and PART_START.search(raw, max(body - 1, 0), end):
        return True
    if entity.header and raw[body : body + 1] not in _LATE_STARTS:
        return False
    return late_header(raw, entity, end) is not None


def late_header(raw: bytes, entity: Entity, stop: int) -> re.Match[bytes] | None:
    """A header that begins where the body should, behind blank lines."""
    pattern = _LATE_HEADER if entity.header or entity.depth else _LATE_FIELD
    return pattern.match(raw, entity.span.body, stop)


def encoding_of(entity: Entity) -> str:
    """How the strict view decodes it, if at all."""
    name = name_encoding(entity.field("content-transfer-encoding"))
    return name if name in ("base64", "quoted-printable") else ""
