"""The second view: what another reader may see in the same bytes where the strict one is unsure.

Mail programs disagree about two Content-Type fields, a header line without a colon, a part behind
the last delimiter. Whoever knows how can hide a part from one of them (RFC 7103 §7 lists the
honest cases). So where an entity gives reason, its bytes are read in all the ways known, and
:mod:`mailguard.mail.union` keeps what the strict view did not show. Mail that gives no reason,
which is nearly all, pays for the question alone.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

from mailguard.mail.doubt import (
    PART_START,
    PLAIN_TYPE,
    encoding_of,
    is_usual_encoding,
    late_header,
)
from mailguard.mail.field import Field, parse_field
from mailguard.mail.mime import Allowance, Entity, read_within
from mailguard.mail.transfer import decode_transfer
from mailguard.mail.words import decode_words, unfold

EDGES = 2000
"""Delimiters that are followed in one entity: more than parts are read again in a message."""


_BLANK_LINE = re.compile(rb"\n[ \t]++\r?\n")
_LINE = re.compile(rb"[^\n]*+(?:\n|\Z)")
_LOOSE_FIELD = re.compile(rb"([^:\n]{1,76}+):(.*+)", re.DOTALL)
_TELLING = {"content-type", "content-transfer-encoding"}
_NOT_WORD = re.compile(r"[^a-z0-9]")
_NOT_NAME = re.compile(rb"[^a-z0-9-]")
_COMMENT = re.compile(r"\([^()]*+\)")
_CONTROLS = dict.fromkeys((*range(32), 127))
_TYPE = re.compile(r"(?:multipart|message|text|application|image)/[\w.+-]+", re.ASCII)
_BOUNDARY = re.compile(
    r"""boundary [\s\0]*+ (?:\*\d?\*?)? [\s\0]*+ = [\s\0]*+
        (?: "((?:[^"\\]|\\.)*+) | ([^;\s]++) )""",
    re.IGNORECASE | re.VERBOSE,
)

_BARE_CR = re.compile(rb"\r(?!\n)")
# Begins with the line feed, for which a search is fast.
_BARE_LF = re.compile(rb"\n(?<!\r\n)")


class LineEnds(NamedTuple):
    """How the lines of a message end otherwise than in CRLF."""

    has_bare_cr: bool
    has_bare_lf: bool

    @classmethod
    def of(cls, raw: bytes) -> "LineEnds":
        """Look for those of `raw`."""
        return cls(_BARE_CR.search(raw) is not None, _BARE_LF.search(raw) is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One other way to read an entity."""

    defect: str
    """What makes it possible, as in :class:`mailguard.mail.message.Defect`."""

    entity: Entity


def read_again(raw: bytes, entity: Entity, allowance: Allowance) -> Iterator[Reading]:
    """Read `entity`, which is in `raw`, in every other way that its oddities allow."""
    head = _read_loosely(raw, entity, allowance.header_bytes)
    defect = _what_is_odd(entity, head)
    span = (head.end, entity.span.end)
    boundaries = _boundaries(entity, head)
    for begin, stop, is_delimited in _loose_ranges(raw, entity, span, boundaries):
        part = read_within(raw, (begin, stop), allowance, entity.depth + 1)
        why = defect or ("stray_delimiter" if is_delimited else "quoted_part")
        yield Reading(defect=why, entity=part)
    if "blank_folded_line" in entity.defects:
        yield from _end_early(raw, entity)
    strict = entity.content
    known = (strict.value, encoding_of(entity), strict.get("charset"), entity.span.body)
    for content, encoding in _claims(entity, head):
        is_read = (content.value, encoding, content.get("charset"), head.end) == known
        if not is_read or content.value.startswith("multipart/"):
            leaf = _leaf(entity, raw[slice(*span)], content, encoding)
            for other in _open(leaf, boundaries, allowance):
                yield Reading(defect=defect or "odd_header", entity=other)


def _end_early(raw: bytes, entity: Entity) -> Iterator[Reading]:
    """The body as those read it for whom a line of spaces ends the header (RFC 5322 §4.2)."""
    if blank := _BLANK_LINE.search(raw, entity.span.start, entity.span.body):
        body = raw[blank.end() : entity.span.end]
        leaf = _leaf(entity, body, parse_field("text/plain"), "")
        yield Reading(defect="text_in_header", entity=leaf)


def other_bytes(raw: bytes, ends: LineEnds) -> Iterator[tuple[str, bytes]]:
    """The whole message as those read it who take NUL, a bare CR or a bare LF in another way."""
    if b"\0" in raw:
        yield "nul_bytes", raw.replace(b"\0", b"")
    if ends.has_bare_cr:
        yield "bare_cr", _BARE_CR.sub(b"", raw)
    if ends.has_bare_lf and b"\r\n" in raw:
        # RFC 5321 §2.3.8: a line feed alone ends no line.
        yield "bare_lf", _BARE_LF.sub(b" ", raw)


@dataclass(slots=True)
class _Loose:
    """A header as a forgiving reader takes it."""

    types: list[str]
    encodings: list[str]
    end: int
    is_odd: bool
    """Whether a field that says what the body is may be overlooked."""


def _read_loosely(raw: bytes, entity: Entity, limit: int) -> _Loose:
    """Read the header over lines that are no fields, and over blank ones before the first field."""
    fields: list[tuple[str, bytes, bool]] = []
    at, stop = entity.span.start, min(entity.span.end, entity.span.start + limit)
    late = late_header(raw, entity, stop)
    skipped = late.end() if late else 0
    while at < stop and (line := _LINE.match(raw, at, stop)):
        text = line[0]
        at = line.end()
        if not text.strip(b"\r\n\0"):
            if at > skipped:
                break
        elif text[:1] in b" \t" and fields and at <= entity.span.body:
            name, value, is_odd = fields[-1]
            fields[-1] = (name, value + text, is_odd)
        elif field := _LOOSE_FIELD.match(text):
            name = _NOT_NAME.sub(b"", field[1].lower()).decode()
            is_odd = name.encode() != field[1].lower() or at > entity.span.body
            fields.append((name, field[2], is_odd))
        else:
            fields.append(("", b"", False))
    told = [(name, unfold(value), is_odd) for name, value, is_odd in fields if name in _TELLING]
    is_odd = any(is_odd for _, _, is_odd in told)
    return _Loose(
        types=[value for name, value, _ in told if name == "content-type"],
        encodings=[value for name, value, _ in told if name == "content-transfer-encoding"],
        end=at if is_odd else entity.span.body,
        is_odd=is_odd,
    )


def _what_is_odd(entity: Entity, head: _Loose) -> str:
    """The defect in the header, ``""`` if there is none."""
    types = {value.lower() for value in head.types}
    if len(types) > 1:
        return "two_content_types"
    if len({value.lower() for value in head.encodings}) > 1:
        return "two_transfer_encodings"
    if head.is_odd:
        return "broken_header"
    if any(value.count("boundary") > 1 for value in types):
        return "two_boundaries"
    if entity.is_container and encoding_of(entity):
        return "encoded_container"
    if not {"no_boundary", "no_start_boundary"}.isdisjoint(entity.defects):
        return "lost_boundary"
    if not all(map(PLAIN_TYPE.fullmatch, head.types)):
        return "odd_content_type"
    if not all(map(is_usual_encoding, head.encodings)):
        return "odd_transfer_encoding"
    return ""


def _claims(entity: Entity, head: _Loose) -> Iterator[tuple[Field, str]]:
    """Each type with each encoding that the fields can be taken for."""
    fields = [field for value in head.types for field in _types(value)]
    encodings = dict.fromkeys(name for value in head.encodings for name in _encodings(value))
    if head.is_odd or not fields:
        fields.append(parse_field("text/plain"))
    if head.is_odd or not encodings or entity.is_container:
        encodings.setdefault("")
    types = {(field.value, field.get("charset"), field.get("name")): field for field in fields}
    for content in types.values():
        for encoding in encodings:
            yield content, encoding


def _types(value: str) -> Iterator[Field]:
    for form in dict.fromkeys((value, _plain(value), _plain(decode_words(value)))):
        field = parse_field(form)
        if field.value.count("/") == 1:
            yield field
        if not PLAIN_TYPE.fullmatch(form):
            named = _TYPE.search(form.lower())
            yield Field(value=named[0] if named else "text/plain", parameters=field.parameters)


def _encodings(value: str) -> Iterator[str]:
    if not is_usual_encoding(value):
        yield ""
    squeezed = _NOT_WORD.sub("", _plain(decode_words(value)).lower())
    name = next((each for each in ("base64", "quotedprintable") if each in squeezed), "")
    if not name and "base64" in value.lower():
        name = "base64"
    yield "quoted-printable" if name == "quotedprintable" else name


def _plain(value: str) -> str:
    return _COMMENT.sub("", value).translate(_CONTROLS).strip()


def _boundaries(entity: Entity, head: _Loose) -> tuple[bytes, ...]:
    """All that may be the boundary, but for what would be found in any line."""
    found = {entity.content.parameters.get("boundary", ""), entity.content.get("boundary")}
    for value in head.types:
        for match in _BOUNDARY.finditer(value):
            text = match[2] if match[1] is None else match[1]
            found |= {text, _plain(text), text.replace("\\", ""), text.partition("(")[0]}
            found |= {decode_words(text), text.rpartition("'")[2]}
    return tuple(sorted(text.strip().encode() for text in found if text.strip(" -")))


def _loose_ranges(
    raw: bytes, entity: Entity, span: tuple[int, int], boundaries: tuple[bytes, ...]
) -> Iterator[tuple[int, int, bool]]:
    """Yield each part that begins where the strict view has none, and whether its delimiter has
    one of `boundaries` in it."""
    edges = {begin: (line, False) for line, begin in islice(_part_starts(raw, span), EDGES)}
    for boundary in boundaries:
        for line, begin in islice(_delimiter_lines(raw, span, b"--" + boundary), EDGES):
            edges[begin] = (line, True)
    taken = set(_taken(entity))
    begins = sorted(edges)
    for begin, after in zip(begins, [*begins[1:], -1], strict=False):
        stop = edges[after][0] if after >= 0 else span[1]
        if begin not in taken and begin < stop:
            yield begin, stop, edges[begin][1]


def _part_starts(raw: bytes, span: tuple[int, int]) -> Iterator[tuple[int, int]]:
    at = max(span[0] - 1, 0)
    while match := PART_START.search(raw, at, span[1]):
        yield match.start() + 1, match.end()
        at = match.end() - 1


def _delimiter_lines(raw: bytes, span: tuple[int, int], mark: bytes) -> Iterator[tuple[int, int]]:
    """Where the lines are that begin with `mark`, up to white space and NUL before it."""
    at = span[0]
    while (at := raw.find(mark, at, span[1])) >= 0:
        line = raw.rfind(b"\n", span[0], at) + 1 or span[0]
        end = raw.find(b"\n", at, span[1])
        if not raw[line:at].strip(b" \t\0>"):
            yield line, span[1] if end < 0 else end + 1
        at = span[1] if end < 0 else end


def _taken(entity: Entity) -> Iterator[int]:
    """Where the strict view has parts, and text behind the last delimiter of a multipart."""
    for _, end in entity.outside[:1]:
        yield end
    for begin, _ in entity.outside[1:]:
        yield begin
    for child in entity.children:
        yield child.span.start
        yield from _taken(child)


def _leaf(entity: Entity, body: bytes, content: Field, encoding: str) -> Entity:
    return replace(
        entity,
        content=content,
        body=body,
        depth=entity.depth + 1,
        children=(),
        defects=(),
        named={**entity.named, "content-transfer-encoding": [encoding]},
    )


def _open(leaf: Entity, boundaries: tuple[bytes, ...], allowance: Allowance) -> Iterator[Entity]:
    """Yield the leaf, or what is in it if its type says that there are parts."""
    encoding = encoding_of(leaf)
    if not leaf.content.value.startswith("multipart/"):
        yield leaf
    elif encoding:
        body, _ = decode_transfer(leaf.body, encoding)
        marks = [b"--" + boundary for boundary in boundaries]
        if not any(body.count(mark) > leaf.body.count(mark) for mark in marks):
            # Much honest mail claims an encoding that only its parts have.
            return
        whole = replace(leaf, outside=(), children=())
        for begin, stop, _ in _loose_ranges(body, whole, (0, len(body)), boundaries):
            yield read_within(body, (begin, stop), allowance, leaf.depth)
