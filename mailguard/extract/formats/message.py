"""Messages as files (RFC 5322): .eml, web archives, and what forwarding as a file makes."""

from collections.abc import Iterator
from dataclasses import replace

from mailguard.extract.declared import in_utf8
from mailguard.extract.formats._wide import narrow
from mailguard.extract.item import About, Item, Member, Miss, Name, Text
from mailguard.extract.sniff import sniff
from mailguard.mail.charset import read_text
from mailguard.mail.message import Message, Part, parse
from mailguard.mail.text import Where, look

TYPES = frozenset({"message/rfc822", "message/global", "message/news", "multipart/related"})
NAMES = (".eml", ".mht", ".mhtml", ".emlx", ".nws")

SAMPLE = b"Subject: sample\n\nsample\n"

_BODIES = {"text/plain", "text/html"}


def read(data: bytes, about: About) -> Iterator[Item]:
    """Yield people, subject, bodies (those of enclosed messages as well) and files."""
    letter, rest = _apart(narrow(data))
    message = parse(letter)
    yield from _header(message)
    bodies = tuple(_as_body(part) for part in message.parts if _is_body(part))
    view = look(replace(message, parts=bodies))
    for segment in view.segments:
        yield Text("subject" if segment.where is Where.SUBJECT else "", segment.text)
    for part in message.parts:
        if _is_body(part):
            if part.filename:
                yield Name(part.filename)
        else:
            yield Member(part.filename or _name(part), _content(part), part.content_type)
    for unread in view.unread:
        yield Miss(unread.reason)
    if rest:
        yield Text("properties", read_text(rest, ""))


def _apart(data: bytes) -> tuple[bytes, bytes]:
    """The message, and what is behind it: Apple's .emlx has the number of bytes of the message in
    front of it, and a list behind."""
    line, _, rest = data.partition(b"\n")
    count = line.strip()
    if len(count) < 12 and count.isdigit():
        return rest[: int(count)], rest[int(count) :]
    return data, b""


def _header(message: Message) -> Iterator[Item]:
    """Yield the names and addresses of people, one a line."""
    people = dict.fromkeys(f"{each.name} {each.address}" for each in (*message.from_, *message.to))
    if people:
        yield Text("header", "\n".join(people))


def _is_body(part: Part) -> bool:
    """Whether it is text without a file of its own. An enclosed message's subject has its name."""
    return part.content_type in _BODIES and (not part.filename or part.number.endswith(".0"))


def _as_body(part: Part) -> Part:
    return replace(part, is_attachment=False, filename="")


def _name(part: Part) -> str:
    """A name for a file without one, so that it can be told where something was found."""
    return f"part {part.number}"


def _content(part: Part) -> bytes:
    """Its bytes; of text in UTF-8, since a file cannot say what charset it is in."""
    return in_utf8(part.data, part.charset, sniff(part.data)) if part.charset else part.data
