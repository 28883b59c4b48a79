"""From the MIME tree to a flat list: numbered parts, decoded, each with what is wrong with it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from mailguard.mail.field import Field, parse_field
from mailguard.mail.mime import ENCLOSING, Allowance, Entity, read_entity
from mailguard.mail.part import Defect, Found, Part, Unread
from mailguard.mail.transfer import decode_transfer
from mailguard.mail.words import decode_header

_SHOWN = {"text/plain", "text/html", "text/enriched", "text/x-amp-html"}
_CERTIFICATE_MAIL = {"application/pkcs7-mime", "application/x-pkcs7-mime"}
_WITHHELD = {"message/partial": "partial", "message/external-body": "external"}
_NO_FIELD = parse_field("")
_ARMOUR = b"-----BEGIN PGP MESSAGE-----"


class Visit(NamedTuple):
    """One entity that was read."""

    raw: bytes
    """What its span refers to."""

    entity: Entity
    number: str
    is_enclosed: bool
    part: Part | None = None
    """What it gave, if it is a leaf."""

    wrong: str = ""
    """The defect of its transfer encoding."""

    is_base64: bool = False


@dataclass(slots=True)
class Flattener:
    """Reads entities as parts within an allowance, and remembers which."""

    allowance: Allowance
    visits: list[Visit] = field(default_factory=list)

    def read_message(
        self, raw: bytes, root: Entity, number: str, *, is_enclosed: bool
    ) -> Iterator[Found]:
        """Read a message that is part `number` of another, or of none; a body alone is its part 1.

        `root` was read from `raw`.
        """
        is_split = root.children and root.content.value not in ENCLOSING
        number = number if is_split else below(number, 1)
        yield from self.read(raw, root, number, is_enclosed=is_enclosed)

    def read(
        self, raw: bytes, entity: Entity, number: str, *, is_enclosed: bool
    ) -> Iterator[Found]:
        """Read `entity`, which was read from `raw`, as part `number`."""
        for name in entity.defects:
            yield Defect(part=number, name=name)
        if entity.is_header_cut:
            yield Unread(part=number, reason="header_too_big")
        children = entity.children
        if not children:
            yield from self._read_leaf(raw, entity, number, is_enclosed=is_enclosed)
            return
        self.visits.append(Visit(raw, entity, number, is_enclosed))
        if entity.content.value in ENCLOSING:
            yield from self._read_enclosed(raw, entity, children[0], number)
            return
        if entity.content.value == "multipart/encrypted":
            # RFC 1847 §2.2: control information first, then the encrypted data.
            yield Unread(part=below(number, len(children)), reason="encrypted")
        for n, child in enumerate(children, start=1):
            yield from self.read(raw, child, below(number, n), is_enclosed=is_enclosed)

    def _read_enclosed(
        self, raw: bytes, entity: Entity, root: Entity, number: str
    ) -> Iterator[Found]:
        yield Part(
            number=below(number, 0),
            content_type="text/plain",
            charset="utf-8",
            is_attachment=True,
            filename=_filename(_disposition(entity), entity.content),
            data=decode_header(root.field("subject")).encode(),
        )
        yield from self.read_message(raw, root, number, is_enclosed=True)

    def _read_leaf(
        self, raw: bytes, entity: Entity, number: str, *, is_enclosed: bool
    ) -> Iterator[Found]:
        content, kind = entity.content, entity.content.value
        encoding = entity.field("content-transfer-encoding")
        data, wrong = decode_transfer(entity.body, encoding)
        if wrong:
            yield Defect(part=number, name=wrong)
        if wrong == "unknown_transfer_encoding":
            # Some mail programs know it, and show their reader what no rule has seen.
            yield Unread(part=number, reason="transfer_encoding")
        if entity.is_container and entity.depth >= self.allowance.depth:
            yield Unread(part=number, reason="too_deep")
        elif kind in ENCLOSING:
            # Against RFC 2046 §5.2.1 some enclosed messages are encoded.
            self.visits.append(Visit(raw, entity, number, is_enclosed))
            root = read_entity(data, self.allowance, entity.depth + 1)
            yield from self._read_enclosed(data, entity, root, number)
            return
        disposition = _disposition(entity)
        if len({disposition.parameters.get(n) for n in ("filename", "filename*")} - {None}) > 1:
            yield Defect(part=number, name="two_filenames")
        filename = _filename(disposition, content)
        if reason := _unreadable(content, filename, data):
            yield Unread(part=number, reason=reason)
        is_shown = kind in _SHOWN or kind.startswith("multipart/")
        part = Part(
            number=number,
            content_type=kind,
            charset=content.get("charset").lower(),
            is_attachment=is_enclosed or disposition.value == "attachment" or not is_shown,
            filename=filename,
            data=data,
        )
        is_base64 = encoding[:6].lower() == "base64"
        self.visits.append(Visit(raw, entity, number, is_enclosed, part, wrong, is_base64))
        yield part


def below(number: str, n: int) -> str:
    """The number of the `n`-th part within part `number`."""
    return f"{number}.{n}" if number else str(n)


def _disposition(entity: Entity) -> Field:
    value = entity.field("content-disposition")
    return parse_field(value) if value else _NO_FIELD


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
