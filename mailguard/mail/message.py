"""From bytes to parts: what a message consists of, with every defect recorded and none raised."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice

from mailguard.mail.field import Field, parse_field
from mailguard.mail.mailbox import Mailbox, parse_mailboxes
from mailguard.mail.mime import ENCLOSING, Allowance, Entity, read_entity
from mailguard.mail.transfer import decode_transfer
from mailguard.mail.words import decode_header

__all__ = ["Defect", "Limits", "Mailbox", "Message", "Part", "Unread", "parse"]

MAILBOXES = 2000
"""Mailboxes read of From, and of To and Cc; twice what Postfix takes as recipients by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Caps that apply before any parser runs; what lies beyond one is reported, never dropped."""

    depth: int = 30
    """Nesting of multiparts and message/rfc822. Real mail stays below 10; 100 still parses."""

    parts: int = 1000
    """Parts, containers included. RFC 2046 has no limit; Rspamd and Amavis stop in the hundreds."""

    header_bytes: int = 1 << 18
    """One header block. Postfix's `header_size_limit` is 100 KB, for one header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One leaf of the MIME tree, decoded from its transfer encoding."""

    number: str
    """Where it is, as in IMAP: ``1``, ``2.1``; parts of an enclosed message continue its number."""

    content_type: str
    """Declared type in lower case, e.g. ``text/plain``. A ``multipart/`` or ``message/`` type is
    one that could not or must not be opened: `data` is then all of it, headers included."""

    charset: str
    """Declared charset in lower case, ``""`` when none."""

    is_attachment: bool
    """Not the message's own text: Content-Disposition says so, or it is of a type that readers do
    not show as text, or it belongs to an enclosed message."""

    filename: str
    """Decoded name (RFC 2231, RFC 2047 and raw 8-bit alike), ``""`` if none. Data, never a path."""

    data: bytes
    """The content, transfer encoding removed; as much as could be decoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """Something wrong with the message's form. Harmless ones are common; detectors may look."""

    part: str
    name: str
    """A stable snake_case word. In headers: ``folded_line_without_field``, ``from_line_in_header``,
    ``space_before_colon``, ``no_blank_line_after_header``, ``two_filenames``,
    ``too_many_mailboxes``; in multiparts: ``no_boundary``, ``no_start_boundary``,
    ``no_close_boundary``, ``encoded_multipart``; in content: ``broken_base64``,
    ``padding_inside_base64``, ``unknown_transfer_encoding``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A part that was not, or not wholly, read; becomes an `unscanned` finding."""

    part: str
    """Part number; ``""`` for the message as a whole."""

    reason: str
    """A stable snake_case word. From parsing: ``too_deep``, ``too_many_parts``,
    ``header_too_big``, ``encrypted``, ``partial``, ``external``; from looking: ``too_long``,
    ``image``, ``audio``, ``video``, ``format``, or what the Extract says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A parsed message. Enclosed messages (message/rfc822) are flattened into `parts`.

    The first part of an enclosed message is its subject: number ``N.0`` if the enclosed message is
    part N, type text/plain in UTF-8, with the file name that part N had.
    """

    headers: tuple[tuple[str, str], ...]
    """Name as written and unfolded, decoded value, in order; the outermost header block only."""

    subject: str
    from_: tuple[Mailbox, ...]
    to: tuple[Mailbox, ...]
    """To and Cc together."""

    message_id: str
    parts: tuple[Part, ...]
    defects: tuple[Defect, ...]
    unread: tuple[Unread, ...]

    def header(self, name: str) -> str:
        """The first value of header `name` (any case), ``""`` when absent."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), "")


_DEFAULT_LIMITS = Limits()

_SHOWN = {"text/plain", "text/html", "text/enriched", "text/x-amp-html"}
_CERTIFICATE_MAIL = {"application/pkcs7-mime", "application/x-pkcs7-mime"}
_WITHHELD = {"message/partial": "partial", "message/external-body": "external"}
_ARMOUR = b"-----BEGIN PGP MESSAGE-----"

_LONE_CR = re.compile(rb"\r(?!\n)")

_Found = Part | Defect | Unread


def parse(raw: bytes, limits: Limits = _DEFAULT_LIMITS) -> Message:
    """Parse any bytes, in linear time. What is wrong with them, or lies beyond `limits`, is noted
    in `defects` and `unread`; nothing is raised. A bare CR counts as CRLF."""
    if raw.count(b"\r") != raw.count(b"\r\n"):
        raw = _LONE_CR.sub(b"\r\n", raw)
    allowance = Allowance(depth=limits.depth, parts=limits.parts, header_bytes=limits.header_bytes)
    root = read_entity(raw, allowance)
    found = list(_read_message(root, "", allowance, is_enclosed=False))
    if allowance.is_exceeded:
        found.append(Unread(part="", reason="too_many_parts"))
    from_ = _mailboxes(root, "from")
    to = _mailboxes(root, "to", "cc")
    if max(len(from_), len(to)) == MAILBOXES:
        found.append(Defect(part="", name="too_many_mailboxes"))
    return Message(
        headers=tuple((name, decode_header(value)) for name, value in root.header),
        subject=decode_header(root.field("subject")),
        from_=from_,
        to=to,
        message_id=root.field("message-id"),
        parts=tuple(item for item in found if isinstance(item, Part)),
        defects=tuple(item for item in found if isinstance(item, Defect)),
        unread=tuple(dict.fromkeys(item for item in found if isinstance(item, Unread))),
    )


def _mailboxes(root: Entity, *names: str) -> tuple[Mailbox, ...]:
    values = chain.from_iterable(root.fields(name) for name in names)
    return tuple(islice(chain.from_iterable(map(parse_mailboxes, values)), MAILBOXES))


def _read_message(
    root: Entity, number: str, allowance: Allowance, *, is_enclosed: bool
) -> Iterator[_Found]:
    """Read a message that is part `number` of another, or of none; a body alone is its part 1."""
    is_split = root.children and root.content.value not in ENCLOSING
    number = number if is_split else _below(number, 1)
    yield from _read(root, number, allowance, is_enclosed=is_enclosed)


def _read(
    entity: Entity, number: str, allowance: Allowance, *, is_enclosed: bool
) -> Iterator[_Found]:
    for name in entity.defects:
        yield Defect(part=number, name=name)
    if entity.is_header_cut:
        yield Unread(part=number, reason="header_too_big")
    children = entity.children
    if not children:
        yield from _read_leaf(entity, number, allowance, is_enclosed=is_enclosed)
    elif entity.content.value in ENCLOSING:
        yield from _read_enclosed(entity, children[0], number, allowance)
    else:
        if entity.content.value == "multipart/encrypted":
            # RFC 1847 §2.2: control information first, then the encrypted data.
            yield Unread(part=_below(number, len(children)), reason="encrypted")
        for n, child in enumerate(children, start=1):
            yield from _read(child, _below(number, n), allowance, is_enclosed=is_enclosed)


def _read_enclosed(
    entity: Entity, root: Entity, number: str, allowance: Allowance
) -> Iterator[_Found]:
    yield Part(
        number=_below(number, 0),
        content_type="text/plain",
        charset="utf-8",
        is_attachment=True,
        filename=_filename(parse_field(entity.field("content-disposition")), entity.content),
        data=decode_header(root.field("subject")).encode(),
    )
    yield from _read_message(root, number, allowance, is_enclosed=True)


def _read_leaf(
    entity: Entity, number: str, allowance: Allowance, *, is_enclosed: bool
) -> Iterator[_Found]:
    content, kind = entity.content, entity.content.value
    data, wrong = decode_transfer(entity.body, entity.field("content-transfer-encoding"))
    if wrong:
        yield Defect(part=number, name=wrong)
    if wrong == "unknown_transfer_encoding":
        # Some mail programs know it, and show their reader what no rule has seen.
        yield Unread(part=number, reason="transfer_encoding")
    if entity.is_container and entity.depth >= allowance.depth:
        yield Unread(part=number, reason="too_deep")
    elif kind in ENCLOSING:
        # Against RFC 2046 §5.2.1 some enclosed messages are encoded.
        root = read_entity(data, allowance, entity.depth + 1)
        yield from _read_enclosed(entity, root, number, allowance)
        return
    disposition = parse_field(entity.field("content-disposition"))
    if len({disposition.parameters.get(name) for name in ("filename", "filename*")} - {None}) > 1:
        yield Defect(part=number, name="two_filenames")
    filename = _filename(disposition, content)
    if reason := _unreadable(content, filename, data):
        yield Unread(part=number, reason=reason)
    is_shown = kind in _SHOWN or kind.startswith("multipart/")
    yield Part(
        number=number,
        content_type=kind,
        charset=content.get("charset").lower(),
        is_attachment=is_enclosed or disposition.value == "attachment" or not is_shown,
        filename=filename,
        data=data,
    )


def _filename(disposition: Field, content: Field) -> str:
    return disposition.get("filename") or content.get("name")


def _unreadable(content: Field, filename: str, data: bytes) -> str:
    """Why nobody but the recipient can read this, ``""`` if that is not so."""
    kind = content.value
    if kind in _WITHHELD:
        return _WITHHELD[kind]
    is_signed_only = content.get("smime-type").lower() == "signed-data"
    if (kind in _CERTIFICATE_MAIL or filename.lower() == "smime.p7m") and not is_signed_only:
        return "encrypted"
    if data.startswith(_ARMOUR) or (kind.startswith("text/") and _ARMOUR in data):
        return "encrypted"
    return ""


def _below(number: str, n: int) -> str:
    return f"{number}.{n}" if number else str(n)
