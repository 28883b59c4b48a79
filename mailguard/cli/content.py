"""The text of a held message, for a reviewer who has asked to see it. Nothing else is opened."""

from collections.abc import Iterator

from mailguard.mail.message import parse
from mailguard.mail.raw import Raw
from mailguard.mail.text import Where, look

LONGEST = 20_000
"""Characters shown of one piece: ten pages, more than anybody reads at a terminal."""

_SHOWN = {Where.SUBJECT: "subject", Where.BODY: "text", Where.QUOTED: "quoted"}
"""What a reader of the message would see. An attachment stays shut."""


def describe_content(raw: Raw) -> Iterator[tuple[str, str]]:
    """Yield subject, text and quoted text as written, then a line for each attachment."""
    view = look(parse(bytes(raw.buffer)))
    for segment in view.segments:
        if segment.where in _SHOWN:
            more = "\n…" if len(segment.text) > LONGEST else ""
            yield _SHOWN[segment.where], segment.text[:LONGEST].strip() + more
    for attachment in view.attachments:
        yield (
            "attached",
            f"part {attachment.part}: {attachment.filename!r}, {attachment.declared}, "
            f"{attachment.size:,} bytes, not opened",
        )
