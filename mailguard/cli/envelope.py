"""The transaction that a message in a file would have been."""

import mmap
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from mailguard.mail.envelope import Envelope, Origin, Path, QueueId, Session, Transaction
from mailguard.mail.mailbox import parse_mailboxes
from mailguard.mail.message import Message, parse
from mailguard.mail.raw import Raw
from mailguard.scan.school import School

_HEAD_END = re.compile(rb"\r?\n\r?\n")

_HEAD_LIMIT = 1 << 20
"""Bytes looked through for addresses; no honest header block is longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the command line says about the envelope; the message says the rest."""

    sender: str | None = None
    recipients: tuple[str, ...] = ()
    origin: Origin | None = None


def compose_transaction(content: bytes | mmap.mmap, given: Given, school: School) -> Transaction:
    """Write the envelope around a message.

    The sender is Return-Path, else From; the recipients are To, Cc and Bcc. One that names nobody
    is judged as if sent to a stranger. The origin is inside if the sender is of the school.
    """
    head = parse_head(content)
    sender = _sender(head) if given.sender is None else given.sender
    recipients = given.recipients or tuple(dict.fromkeys(_recipients(head))) or ("",)
    path = _path(sender)
    origin = given.origin or (Origin.INSIDE if school.owns(path.domain) else Origin.OUTSIDE)
    return Transaction(
        queue_id=QueueId("SCAN"),
        session=Session(
            listener="scan", origin=origin, peer="127.0.0.1", peer_port=0, helo="scan", esmtp=True
        ),
        envelope=Envelope(sender=path, recipients=tuple(_path(each) for each in recipients)),
        raw=Raw.of(content),
        received=datetime.now(UTC),
    )


def parse_head(content: bytes | mmap.mmap) -> Message:
    """Parse the header block only: that takes no time to speak of, whatever follows it."""
    head = content[:_HEAD_LIMIT]
    end = _HEAD_END.search(head)
    return parse(head[: end.start()] + b"\r\n\r\n" if end else head)


def _sender(head: Message) -> str:
    return_path = re.fullmatch(r"\s*<?([^<>]*)>?\s*", head.header("Return-Path"))
    if return_path and (return_path[1] or "<>" in return_path[0]):
        return return_path[1].strip()
    return head.from_[0].address if head.from_ else ""


def _recipients(head: Message) -> list[str]:
    mailboxes = (*head.to, *parse_mailboxes(head.header("Bcc")))
    return [mailbox.address for mailbox in mailboxes if mailbox.address]


def _path(address: str) -> Path:
    return Path(argument=f"<{address}>".encode("utf-8", "backslashreplace"), address=address)
