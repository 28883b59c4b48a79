"""The union of views: what other mail programs may show of a message besides the strict view.

The strict view is one of several that real programs have. A part that is in another one only is
read too, under the number of the part that it was found at and ``~``; if mail programs differ
about it, the message is `mime_ambiguous`, which policy weighs like anything that was not read.
Ordinary mail is asked a few cheap questions (:func:`is_doubtful`, :func:`sweep`) and no more.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from mailguard.mail.charset import ORDINARY, other_charsets
from mailguard.mail.data_address import FILES, data_files
from mailguard.mail.doubt import is_doubtful
from mailguard.mail.field import parse_field
from mailguard.mail.flatten import Flattener, Visit
from mailguard.mail.lenient import LineEnds, other_bytes, read_again
from mailguard.mail.mime import Allowance, Entity, Limits, read_entity
from mailguard.mail.part import AMBIGUITIES, Defect, Found, Part, Unread
from mailguard.mail.shown import Shown
from mailguard.mail.sweep import find_prose, is_misaligned, is_noise, is_text, realigned, sweep

EXTRAS = 100
"""Parts of other views that are kept. Who needs more hides something."""

READINGS = 1000
"""Entities that are read again, whether or not there is anything new in them."""

TIMES = 16
"""How often all bytes of a message may be read again in all, so that time stays linear."""

_ROOM = 1 << 16
"""Bytes that may be read again in the smallest message."""

_PREAMBLES = frozenset(
    {
        b"thisisamultipartmessageinmimeformat",
        b"thisisamultipartmimemessage",
        b"thisisamimeformattedmessage",
        b"thisisamimeencodedmessage",
        b"thisisamimeencapsulatedmessage",
        b"thismessageisinmimeformat",
        b"thismessageisinmimeformatsinceyourmailreaderdoesnotunderstandthisformat"
        b"someorallofthismessagemaynotbelegible",
        b"thisisacryptographicallysignedmessageinmimeformat",
        b"thisisansmimesignedmessage",
        b"thisisanopenpgpmimesignedmessagerfcand",
        b"thisisanopenpgpmimeencryptedmessagerfcand",
    }
)
_USUAL = b"This is a multi-part message in MIME format."
_NOT_LETTERS = bytes(set(range(256)) - set(b"abcdefghijklmnopqrstuvwxyz"))

_PAGE = re.compile(rb"\s*<(?:!doctype|html|head|body|div|p|table|span|br|a)\b", re.IGNORECASE)
_HEADER = re.compile(rb"(?:[!-9;-~]{1,76}:[^\n]*+\n(?:[ \t][^\n]*+\n)*+){2}|content-\w", re.I)
_FIRST_FIELD = re.compile(rb"content-(?:type|transfer-encoding):", re.IGNORECASE)
_OPAQUE = {
    *("application/pkcs7-mime", "application/x-pkcs7-mime"),
    *("message/partial", "message/external-body"),
}
_ENVELOPE_SIZE = 4096
"""Where content begins at the latest in a signed message: behind a few lengths and names."""

_NAME = re.compile(r'name\s*=\s*(?:"([^"]*+)|([^;\s]++))', re.IGNORECASE)
_EXTENSION = re.compile(r"\.(\w{1,8})[\s.]*\Z")


def read_more(
    received: bytes, ends: LineEnds, visits: list[Visit], found: Iterable[Found], limits: Limits
) -> Iterator[Found]:
    """Yield what other views have besides `found`, which is the strict one of `visits`.

    `received` are the bytes as they came, with lines ending in `ends`.
    """
    union = _Union(received, found, limits)
    for visit in visits:
        if visit.entity.depth < limits.depth and is_doubtful(visit.raw, visit.entity):
            yield from union.read_again(visit)
        if visit.entity.outside:
            yield from union.read_outside(visit)
    for visit in visits:
        if visit.part:
            yield from union.look_into(visit, visit.part)
    for defect, other in other_bytes(received, ends):
        yield from union.read_other(other, defect)
    if union.has_missed:
        yield Defect(part="", name="too_many_readings")
        yield Unread(part="", reason="mime_ambiguous")


class _Union:
    """What was found up to now, and what may still be read."""

    def __init__(self, received: bytes, found: Iterable[Found], limits: Limits) -> None:
        self._is_exhausted = False
        self._found = found
        self._limits = limits
        self._shown: Shown | None = None
        self._extras: dict[str, int] = {}
        self._readings = 0
        self._room = len(received) * TIMES + _ROOM
        self._used: Allowance | None = None

    @property
    def has_missed(self) -> bool:
        """Whether there was more to read than may be read."""
        return self._is_exhausted or (self._used is not None and self._used.is_exceeded)

    @property
    def _allowance(self) -> Allowance:
        """One for all other views together."""
        if self._used is None:
            limits = self._limits
            self._used = Allowance(
                depth=limits.depth, parts=limits.parts, header_bytes=limits.header_bytes
            )
        return self._used

    def read_again(self, visit: Visit) -> Iterator[Found]:
        size = visit.entity.span.end - visit.entity.span.start
        if not self._has_room(size):
            return
        for reading in read_again(visit.raw, visit.entity, self._allowance):
            if not self._has_room(size):
                return
            yield from self._read(reading.entity, visit, reading.defect)

    def read_outside(self, visit: Visit) -> Iterator[Found]:
        """Text before the first and behind the last delimiter, which old readers show."""
        for begin, end in visit.entity.outside:
            text = visit.raw[begin:end].strip()
            if text and text != _USUAL and not _is_preamble(text):
                yield from self._keep_content(text, visit, "text_outside")

    def look_into(self, visit: Visit, part: Part) -> Iterator[Found]:
        """Look for what is hidden in a leaf: in its name, charset, encoding and text."""
        if part.filename:
            yield from self._read_names(visit, part)
        if visit.is_base64:
            yield from self._look_into_base64(visit, part)
        if part.content_type in _OPAQUE and (start := _find_header(part.data)) >= 0:
            yield from self._keep_content(part.data[start:], visit, "opaque_content")
        if visit.wrong != "unknown_transfer_encoding" and not part.is_text:
            return
        if part.charset not in ORDINARY or b"\0" in part.data:
            for charset in other_charsets(part.data, part.charset):
                other = replace(part, number=self._next(visit.number), charset=charset)
                self._take(visit.number)
                yield from (other, Defect(part=part.number, name="other_charset"))
        if part.content_type == "text/html":
            yield from self._read_addresses(visit, part)
        yield from self._sweep(part.data, visit, again=True)

    def _read_addresses(self, visit: Visit, part: Part) -> Iterator[Found]:
        """Files that a page has in itself, which every program shows: nobody differs about them."""
        for number, (kind, data) in enumerate(data_files(part.data)):
            if is_text(data):
                # The sweep has it: words in such letters are meant to be overlooked.
                continue
            if number >= FILES:
                yield Unread(part=part.number, reason="too_many_parts")
                return
            if not self._has_room(len(data)):
                return
            yield Part(
                number=self._next(visit.number),
                content_type=kind or "application/octet-stream",
                charset="",
                is_attachment=True,
                filename="",
                data=data,
            )
            self._take(visit.number)

    def _look_into_base64(self, visit: Visit, part: Part) -> Iterator[Found]:
        body = visit.entity.body
        if visit.wrong or is_misaligned(body) or (part.is_text and is_noise(part.data)):
            for content in realigned(body, part.data):
                yield from self._keep_content(content, visit, "misaligned_base64")
        if prose := find_prose(body):
            yield from self._keep_content(prose, visit, "text_in_base64")

    def read_other(self, other: bytes, defect: str) -> Iterator[Found]:
        """Read the whole message in other bytes."""
        if self._has_room(len(other)):
            root = read_entity(other, self._allowance)
            flattener = Flattener(self._allowance)
            parts = flattener.read_message(other, root, self._next(""), is_enclosed=False)
            yield from self._keep(parts, flattener, "", defect)

    def _sweep(self, data: bytes, visit: Visit, *, again: bool) -> Iterator[Found]:
        for hidden in sweep(data):
            if not self._has_room(len(hidden.data)):
                return
            yield from self._keep_content(hidden.data, visit, hidden.defect, hidden.filename)
            if again:
                yield from self._sweep(hidden.data, visit, again=False)

    def _read_names(self, visit: Visit, part: Part) -> Iterator[Found]:
        """Other names of a file; one that makes another kind of file of it stands for a file."""
        for name in _names(visit.entity):
            if name == part.filename:
                continue
            ends = {_ending(name), _ending(part.filename)} - {""}
            is_other = len(ends) > 1
            other = replace(
                part,
                number=self._next(visit.number),
                filename=name,
                content_type=part.content_type if is_other else "text/plain",
                data=part.data if is_other else b"",
            )
            if self._is_new(other):
                self._take(visit.number)
                yield from (other, Defect(part=part.number, name="other_filename"))
                if is_other:
                    yield from _doubt(part.number, "two_extensions")

    def _read(self, entity: Entity, visit: Visit, defect: str) -> Iterator[Found]:
        flattener = Flattener(self._allowance)
        number = self._next(visit.number)
        parts = flattener.read(visit.raw, entity, number, is_enclosed=visit.is_enclosed)
        yield from self._keep(parts, flattener, visit.number, defect)

    def _keep_content(
        self, data: bytes, visit: Visit, defect: str, filename: str = ""
    ) -> Iterator[Found]:
        """Keep content that no header describes: a message or part, a text, or a file."""
        number = self._next(visit.number)
        if not filename and _HEADER.match(data):
            root = read_entity(data, self._allowance, visit.entity.depth + 1)
            flattener = Flattener(self._allowance)
            parts = flattener.read_message(data, root, number, is_enclosed=visit.is_enclosed)
            yield from self._keep(parts, flattener, visit.number, defect)
            return
        kind = "application/octet-stream"
        if is_text(data):
            kind = "text/html" if _PAGE.match(data) else "text/plain"
        part = Part(
            number=number,
            content_type=kind,
            charset="",
            is_attachment=bool(filename) or visit.is_enclosed or not kind.startswith("text/"),
            filename=filename,
            data=data,
        )
        if self._is_new(part):
            self._take(visit.number)
            yield part
            yield from _doubt(visit.number, defect)

    def _keep(
        self, items: Iterable[Found], flattener: Flattener, number: str, defect: str
    ) -> Iterator[Found]:
        """Keep the parts of another view that are new, and look into them once."""
        kept = list(items)
        new = [
            part
            for part in kept
            if isinstance(part, Part) and not is_noise(part.data) and self._is_new(part)
        ]
        if not new:
            return
        self._take(number)
        yield from new
        yield from (item for item in kept if isinstance(item, Unread))
        yield from _doubt(number, defect)
        for visit in flattener.visits:
            if visit.part in new and visit.part.is_text:
                yield from self._sweep(visit.part.data, visit, again=False)

    def _is_new(self, part: Part) -> bool:
        if self._shown is None:
            self._shown = Shown(item for item in self._found if isinstance(item, Part))
        return self._shown.add(part)

    def _next(self, number: str) -> str:
        return f"{number}~{self._extras.get(number, 0) + 1}"

    def _take(self, number: str) -> None:
        """Use up the number that comes next at part `number`."""
        self._extras[number] = self._extras.get(number, 0) + 1

    def _has_room(self, size: int) -> bool:
        self._room -= size
        self._readings += 1
        kept = sum(self._extras.values())
        if self._room < 0 or self._readings >= READINGS or kept >= EXTRAS:
            self._is_exhausted = True
        return not self._is_exhausted


def _is_preamble(text: bytes) -> bool:
    """Whether this is one of the sentences that programs write for readers without MIME."""
    letters = text[:400].lower().translate(None, _NOT_LETTERS)
    return not letters or letters in _PREAMBLES


def _doubt(number: str, defect: str) -> Iterator[Found]:
    yield Defect(part=number, name=defect)
    if defect in AMBIGUITIES:
        yield Unread(part=number, reason="mime_ambiguous")


def _names(entity: Entity) -> Iterator[str]:
    for field in ("content-disposition", "content-type"):
        for value in entity.fields(field):
            parameters = parse_field(value).parameters
            for name in ("filename*", "filename", "name*", "name"):
                if parameters.get(name):
                    yield parameters[name]
            if value.lower().count("name=") > 1:
                yield from (match[1] or match[2] for match in _NAME.finditer(value))


def _ending(name: str) -> str:
    """What is behind the last dot of a file name, lower-case."""
    found = _EXTENSION.search(name)
    return found[1].lower() if found else ""


def _find_header(data: bytes) -> int:
    found = _FIRST_FIELD.search(data, 0, _ENVELOPE_SIZE)
    return found.start() if found else -1
