"""The MIME tree of a message: where its entities begin and end, within caps, in linear time.

It is the tree that the standard library's `email` finds (compat32; the tests compare them). That
parser compiles a pattern for each boundary (0.25 ms), goes by lines, recurses without limit and
takes quadratic time for some fields, so a mail of 14 KB costs it twice and one with a picture
twenty times as much.

What other readers may see in the same bytes is read in :mod:`mailguard.mail.lenient`.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mailguard.mail.field import Field, parse_field
from mailguard.mail.words import unfold

ENCLOSING = frozenset({"message/rfc822", "message/global", "message/news"})
"""Types of entities that are whole messages."""

_IDENTITY_ENCODINGS = {"", "7bit", "8bit", "binary"}

_FIELD = re.compile(rb"([!-9;-~]++)([ \t]*+):[ \t]*+([^\n]*+(?:\n[ \t][^\n]*+)*+)(?:\n|\Z)")
_NO_FIELD = re.compile(rb"(?:([ \t])|(From )|:)[^\n]*+(?:\n|\Z)")
_BLANK_LINE = re.compile(rb"\r?(?:\n|\Z)")
_BLANK_FOLD = re.compile(rb"\n[ \t]++(?=\r?(?:\n|\Z))")
_HEADER_END = re.compile(rb"\n(?=\r?\n)")
_DELIMITER_END = re.compile(rb"(--)?[ \t]*+(?:\r?\n|\Z)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Caps that apply before any parser runs; what lies beyond one is reported, never dropped."""

    depth: int = 30
    """Nesting of multiparts and message/rfc822. Real mail stays below 10; 100 still parses."""

    parts: int = 1000
    """Parts, containers included. RFC 2046 has no limit; Rspamd and Amavis stop in the hundreds."""

    header_bytes: int = 1 << 18
    """One header block. Postfix's `header_size_limit` is 100 KB, for one header."""


@dataclass(slots=True)
class Allowance:
    """What reading one message may still use up."""

    depth: int
    """Levels that are opened."""

    parts: int
    """Entities that may still be made."""

    header_bytes: int
    """Bytes read of one header block."""

    is_exceeded: bool = False
    """True once there were more entities than allowed."""


class Span(NamedTuple):
    """Where an entity lies in the bytes that were read."""

    start: int
    body: int
    """Where its body begins."""

    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """A message, or a part of one, with its header."""

    header: tuple[tuple[str, str], ...]
    """Name as written and value: one line, encoded words not decoded."""

    content: Field
    """Content-Type, its value repaired as RFC 2045 §5.2 says."""

    body: bytes
    """A leaf's bytes, its transfer encoding not undone; empty if there are children."""

    depth: int
    children: "tuple[Entity, ...]"
    """Of a multipart its parts, of an enclosing entity one message; empty for a leaf, and for a
    container that could not or must not be opened."""

    defects: tuple[str, ...]
    """As in :class:`mailguard.mail.message.Defect`."""

    is_header_cut: bool
    """Whether header lines beyond the allowance were skipped."""

    named: Mapping[str, Sequence[str]]
    """The values of each field, by lower-case name."""

    is_contradictory: bool
    """Whether there are two ``Content-`` fields of one name that say different things."""

    span: Span
    outside: tuple[tuple[int, int], ...]
    """Of a multipart, where the text before its first and after its last delimiter is."""

    has_stray_delimiter: bool
    """Whether its boundary also stands where it delimits nothing: others may see a part there."""

    def field(self, name: str) -> str:
        """The first value of field `name` (lower-case), ``""`` when absent."""
        return self.fields(name)[0] if name in self.named else ""

    def fields(self, name: str) -> Sequence[str]:
        """All values of field `name` (lower-case), in order."""
        return self.named.get(name, ())

    @property
    def is_container(self) -> bool:
        """Whether its type says that it consists of further entities."""
        return self.content.value.startswith("multipart/") or self.content.value in ENCLOSING


def read_entity(raw: bytes, allowance: Allowance, depth: int = 0) -> Entity:
    """Read the whole of `raw`, whose lines end in LF or CRLF, as a message that lies `depth` deep.

    Uses up `allowance`. A container too deep, or without an allowance left, stays a leaf with all
    its bytes; after one part too many the rest is one part. Never raises.
    """
    return _read(raw, 0, len(raw), allowance, depth, "text/plain")


def read_within(raw: bytes, span: tuple[int, int], allowance: Allowance, depth: int) -> Entity:
    """Read the bytes of `raw` from the one to the other end of `span` as a part; see
    :func:`read_entity`."""
    return _read(raw, span[0], span[1], allowance, depth, "text/plain")


def _read(
    raw: bytes, start: int, end: int, allowance: Allowance, depth: int, default: str
) -> Entity:
    head = _read_head(raw, start, end, allowance.header_bytes)
    content = parse_field(head.first("content-type"))
    if content.value.count("/") != 1:
        content = Field(value=default, parameters=content.parameters)
    children: list[Entity] = []
    if depth < allowance.depth:
        default = "message/rfc822" if content.value == "multipart/digest" else "text/plain"
        for begin, stop in _ranges(raw, end, head, content):
            if allowance.parts <= 0:
                allowance.is_exceeded = True
                children.append(_unsplit(raw, begin, end, depth + 1))
                break
            allowance.parts -= 1
            children.append(_read(raw, begin, stop, allowance, depth + 1, default))
    return Entity(
        header=tuple(head.fields),
        content=content,
        body=b"" if children else raw[head.end : end],
        depth=depth,
        children=tuple(children),
        defects=tuple(head.defects),
        is_header_cut=head.is_cut,
        named=head.named,
        is_contradictory=head.is_contradictory,
        span=Span(start, head.end, end),
        outside=tuple(head.outside),
        has_stray_delimiter=head.has_stray_delimiter,
    )


def _unsplit(raw: bytes, begin: int, end: int, depth: int) -> Entity:
    return Entity(
        header=(),
        content=parse_field("text/plain"),
        body=raw[begin:end],
        depth=depth,
        children=(),
        defects=(),
        is_header_cut=False,
        named={},
        is_contradictory=False,
        span=Span(begin, begin, end),
        outside=(),
        has_stray_delimiter=False,
    )


@dataclass(slots=True)
class _Head:
    """A header being read."""

    end: int
    """Where the body begins."""

    fields: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    defects: list[str] = dataclasses.field(default_factory=list)
    is_cut: bool = False
    named: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    is_contradictory: bool = False
    outside: list[tuple[int, int]] = dataclasses.field(default_factory=list)
    has_stray_delimiter: bool = False

    def first(self, name: str) -> str:
        return self.named[name][0] if name in self.named else ""


def _read_head(raw: bytes, start: int, end: int, limit: int) -> _Head:
    head = _Head(start)
    stop = min(end, start + limit)
    fields, named, defects = head.fields, head.named, head.defects
    while head.end < stop:
        if field := _FIELD.match(raw, head.end, stop):
            head.end = field.end()
            label, gap, written = field.groups()
            if gap:
                defects.append("space_before_colon")
            if b"\n" in written and _BLANK_FOLD.search(written):
                defects.append("blank_folded_line")
            name, value = label.decode("ascii"), unfold(written)
            fields.append((name, value))
            lower = name.lower()
            values = named.setdefault(lower, [])
            values.append(value)
            if value != values[0] and lower.startswith("content-"):
                head.is_contradictory = True
            continue
        if blank := _BLANK_LINE.match(raw, head.end, end):
            head.end = blank.end()
            return head
        line = _NO_FIELD.match(raw, head.end, stop)
        if not line:
            head.defects.append("no_blank_line_after_header")
            return head
        if line[1]:
            head.defects.append("folded_line_without_field")
        elif line[2] and head.end > start:
            head.defects.append("from_line_in_header")
        head.end = line.end()
    if stop < end:
        rest = _HEADER_END.search(raw, head.end - 1, end)
        head.end, head.is_cut = rest.end() if rest else end, True
    return head


def _ranges(raw: bytes, end: int, head: _Head, content: Field) -> Iterator[tuple[int, int]]:
    """Yield where each child begins and ends, and note in `head` what is wrong."""
    encoding = head.first("content-transfer-encoding")
    is_encoded = encoding.strip().lower() not in _IDENTITY_ENCODINGS
    if content.value in ENCLOSING and not is_encoded:
        yield head.end, end
    if not content.value.startswith("multipart/"):
        return
    if is_encoded:
        head.defects.append("encoded_multipart")
    boundary = (content.parameters.get("boundary") or content.get("boundary")).rstrip()
    if not boundary:
        head.defects.append("no_boundary")
        return
    begin = -1
    for at, after, is_close in _delimiters(raw, head.end, end, b"--" + boundary.encode()):
        if after < 0:
            head.has_stray_delimiter = True
            continue
        if begin < 0:
            head.outside.append((head.end, at + 1))
            if is_close:
                break
        if at >= begin >= 0:
            if is_close:
                head.outside.append((after, end))
            # The line end before a delimiter belongs to it (RFC 2046 §5.1.1).
            yield begin, at - raw.endswith(b"\r", begin, at)
            if is_close:
                return
        begin = after
    if begin < 0:
        head.defects.append("no_start_boundary")
        return
    head.defects.append("no_close_boundary")
    yield begin, end


def _delimiters(raw: bytes, start: int, end: int, mark: bytes) -> Iterator[tuple[int, int, bool]]:
    """Yield each delimiter line: the line feed before it, where it ends, and if it closes.

    Where `mark` stands and delimits nothing, that end is negative.
    """
    at = start
    while (at := raw.find(mark, at, end)) >= 0:
        rest = _DELIMITER_END.match(raw, at + len(mark), end)
        if rest and raw.startswith(b"\n", at - 1 if at else end):
            yield at - 1, rest.end(), bool(rest[1])
            # The line feed may belong to the next one too.
            at = rest.end()
        else:
            yield at, -1, False
            at += len(mark)
