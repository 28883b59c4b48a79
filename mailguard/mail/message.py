"""From bytes to parts: what a message consists of, with every defect recorded and none raised."""

import re
from dataclasses import dataclass
from itertools import chain, islice

from mailguard.mail.flatten import Flattener
from mailguard.mail.lenient import LineEnds
from mailguard.mail.mailbox import Mailbox, parse_mailboxes
from mailguard.mail.mime import Allowance, Entity, Limits, read_entity
from mailguard.mail.part import Defect, Part, Unread
from mailguard.mail.union import read_more
from mailguard.mail.words import decode_header

__all__ = ["Defect", "Limits", "Mailbox", "Message", "Part", "Unread", "parse"]

MAILBOXES = 2000
"""Mailboxes read of From, and of To and Cc; twice what Postfix takes as recipients by default."""


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

_LONE_CR = re.compile(rb"\r(?!\n)")


def parse(raw: bytes, limits: Limits = _DEFAULT_LIMITS) -> Message:
    """Parse any bytes, in linear time. What is wrong with them, or lies beyond `limits`, is noted
    in `defects` and `unread`; nothing is raised. A bare CR counts as CRLF.

    `parts` begins with those of the strict view; what other readers see besides follows.
    """
    received, ends = raw, LineEnds.of(raw)
    if ends.has_bare_cr:
        raw = _LONE_CR.sub(b"\r\n", raw)
    allowance = Allowance(depth=limits.depth, parts=limits.parts, header_bytes=limits.header_bytes)
    root = read_entity(raw, allowance)
    strict = Flattener(allowance)
    found = list(strict.read_message(raw, root, "", is_enclosed=False))
    found += tuple(read_more(received, ends, strict.visits, found, limits))
    if allowance.is_exceeded:
        found.append(Unread(part="", reason="too_many_parts"))
    from_ = _mailboxes(root, "from")
    to = _mailboxes(root, "to", "cc")
    if max(len(from_), len(to)) == MAILBOXES:
        found.append(Defect(part="", name="too_many_mailboxes"))
    return Message(
        headers=tuple(
            (name, decode_header(value) if "=?" in value else value) for name, value in root.header
        ),
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
