"""Text as a reader sees it: the bounded, folded view of a message that rules and detectors get."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from mailguard.mail.attachment import Attachment, Extract, describe, read_attachment
from mailguard.mail.charset import read_text
from mailguard.mail.fold import Folded, fold
from mailguard.mail.html import read_html
from mailguard.mail.message import Message, Part, Unread
from mailguard.mail.quote import split_quotation

__all__ = ["VIEW_LIMIT", "Attachment", "Extract", "MessageView", "Segment", "Where", "look"]

VIEW_LIMIT = 2 << 20
"""Characters of text in a view: two long novels. More than anyone writes or a reviewer reads, and
the slowest texts to fold take some two seconds at this length."""

_MARKUP_LIMIT = 2 * VIEW_LIMIT
"""Bytes of one text part that are decoded: letters of two bytes, or markup around them."""


class Where(StrEnum):
    """The kinds of text a rule can name in `match.in`."""

    SUBJECT = "subject"
    BODY = "body"
    """The author's own words: body text without quoted replies."""

    QUOTED = "quoted"
    """Quoted replies and forwarded blocks."""

    ATTACHMENT = "attachment"
    """Text of attached files, and of enclosed messages."""

    FILENAME = "filename"


_BODY = {Where.BODY, Where.QUOTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One run of text from one place. There is one at most for each part and kind of text."""

    part: str
    """Part number, ``""`` for the subject."""

    where: Where
    text: str
    """Decoded, as written but for line ends, which are ``\\n``; spans refer to it."""

    folded: Folded


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageView:
    """All that detectors and rules see. Bounded: see :data:`VIEW_LIMIT`."""

    message: Message
    segments: tuple[Segment, ...]
    attachments: tuple[Attachment, ...]
    unread: tuple[Unread, ...]
    """The message's own, and what decoding added."""


@dataclass(slots=True, kw_only=True)
class _Draft:
    """The view being made."""

    unread: list[Unread]
    missed: set[str]
    """Parts in `unread`: the first reason that is known is enough."""

    segments: list[Segment] = field(default_factory=list)
    room: int = VIEW_LIMIT

    def add(self, part: str, where: Where, text: str) -> None:
        """Add `text` as far as there is room for it."""
        if len(text) > self.room:
            self.miss(part, "too_long")
            text = text[: self.room]
        if text and not text.isspace():
            self.room -= len(text)
            self.segments.append(Segment(part=part, where=where, text=text, folded=fold(text)))

    def miss(self, part: str, reason: str) -> None:
        """Note that `part` was not, or not wholly, read."""
        if part not in self.missed:
            self.missed.add(part)
            self.unread.append(Unread(part=part, reason=reason))


def look(message: Message, extracts: tuple[Extract, ...] = ()) -> MessageView:
    """Show `message` as its reader sees it; never raises.

    Segments come in this order: subject (all of them, if there are several), then part by part
    body, quoted, attachment and file name. Of the alternatives of a multipart those that say the
    same are shown once. What is not shown is in `unread`.
    """
    draft = _Draft(unread=list(message.unread), missed={item.part for item in message.unread})
    known = {extract.part: extract for extract in extracts}
    subjects = [value for name, value in message.headers if name.lower() == "subject"]
    draft.add("", Where.SUBJECT, "\n".join(subjects))
    for part in message.parts:
        if part.is_attachment:
            _add_attachment(draft, part, known.get(part.number))
        else:
            _add_body(draft, part)
        draft.add(part.number, Where.FILENAME, part.filename)
    return MessageView(
        message=message,
        segments=_owned(message, _without_repetition(draft.segments)),
        attachments=tuple(
            describe(part, known.get(part.number)) for part in message.parts if part.is_attachment
        ),
        unread=tuple(draft.unread),
    )


def _add_body(draft: _Draft, part: Part) -> None:
    text = read_text(part.data[:_MARKUP_LIMIT], part.charset)
    if len(part.data) > _MARKUP_LIMIT:
        draft.miss(part.number, "too_long")
    by_markup = ""
    if part.content_type == "text/html":
        text, by_markup = read_html(text)
    own, quoted = split_quotation(text)
    draft.add(part.number, Where.BODY, own)
    draft.add(part.number, Where.QUOTED, "\n\n".join(filter(None, (by_markup, quoted))))


def _add_attachment(draft: _Draft, part: Part, extract: Extract | None) -> None:
    text, reason = read_attachment(part, extract, _MARKUP_LIMIT)
    if reason:
        draft.miss(part.number, reason)
    draft.add(part.number, Where.ATTACHMENT, text)


def _owned(message: Message, segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """Where all is quoted and nothing answered, take the quotation for the author's own words.

    Whoever looks as if quoting would else be read by no rule. A child who passes on what it was
    sent adds a word of its own, or replies.
    """
    is_reply = message.header("in-reply-to") or message.header("references")
    if is_reply or any(segment.where is Where.BODY for segment in segments):
        return segments
    return tuple(
        replace(segment, where=Where.BODY) if segment.where is Where.QUOTED else segment
        for segment in segments
    )


def _without_repetition(segments: list[Segment]) -> tuple[Segment, ...]:
    """Leave out body text that an earlier part of the message has, white space apart."""
    bodies = {segment.part for segment in segments if segment.where in _BODY}
    if len(bodies) < 2:
        return tuple(segments)
    shown: set[tuple[Where, str]] = set()
    kept = []
    for segment in segments:
        if segment.where in _BODY:
            key = segment.where, "".join(segment.folded.text.split())
            if key in shown:
                continue
            shown.add(key)
        kept.append(segment)
    return tuple(kept)
