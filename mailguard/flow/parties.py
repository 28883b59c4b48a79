"""Everybody who has a part in a held message: whom it may not be shown to."""

import re
from contextlib import suppress

from mailguard.errors import EvidenceDamaged, SpoolUnavailable
from mailguard.mail.message import Message, parse
from mailguard.mail.raw import Raw
from mailguard.policy.visibility import Parties
from mailguard.ports import Spool
from mailguard.quarantine.held import HeldMessage

_HEAD_END = re.compile(rb"\r?\n\r?\n")

_HEAD_LIMIT = 1 << 20
"""Bytes looked through for addresses; no honest header block is longer."""


async def read_head(held: HeldMessage, spool: Spool) -> Message | None:
    """The header block of a held message; None when its evidence is gone or damaged."""
    with suppress(EvidenceDamaged, SpoolUnavailable):
        return parse_head(await spool.read(held))
    return None


def parse_head(raw: Raw) -> Message:
    """Parse the header block only: that takes no time to speak of, whatever follows it."""
    head = raw.head(_HEAD_LIMIT)
    end = _HEAD_END.search(head)
    return parse(head[: end.start()] + b"\r\n\r\n" if end else head)


def parties_of(held: HeldMessage, head: Message | None) -> Parties:
    """Everybody in the envelope and in From; without a header block, the envelope."""
    return Parties(
        addresses=(
            held.sender,
            *(recipient.address for recipient in held.recipients),
            *(mailbox.address for mailbox in (head.from_ if head else ())),
        ),
        relationships=tuple(recipient.relationship for recipient in held.recipients),
    )
