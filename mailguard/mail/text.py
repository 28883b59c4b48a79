"""Text as a reader sees it: the bounded, folded view of a message that rules and detectors get."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from mailguard.mail.attachment import Attachment, Extract, describe, is_file, read_attachment
from mailguard.mail.charset import read_text
from mailguard.mail.closing import find_closing
from mailguard.mail.fold import Folded, fold
from mailguard.mail.hidden import fold_shown, show_hidden
from mailguard.mail.html import Page, read_page
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
    hidden: tuple[tuple[int, int], ...] = ()
    """Half-open ranges of `text` that its reader does not see, in order."""

    shown: Folded | None = None
    """Without what is hidden; None where that changes nothing that is read."""

    @property
    def closing(self) -> int:
        """Where in `text` a signature or disclaimer begins; its length if there is none."""
        return find_closing(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageView:
    """All that detectors and rules see. Bounded: see :data:`VIEW_LIMIT`."""

    message: Message
    segments: tuple[Segment, ...]
    attachments: tuple[Attachment, ...]
    unread: tuple[Unread, ...]
    """The message's own, and what decoding added."""

    pages: tuple[Page, ...] = ()
    """What the HTML of the body leads to and shows, one for each part that has some."""


_Ranges = tuple[tuple[int, int], ...]


def _segment(part: str, where: Where, text: str, hidden: _Ranges) -> Segment:
    folded = fold(text)
    shown = fold_shown(text, hidden) if hidden else None
    if shown and shown.text == folded.text:  # only white space is hidden
        shown = None
    return Segment(part=part, where=where, text=text, folded=folded, hidden=hidden, shown=shown)


@dataclass(slots=True, kw_only=True)
class _Draft:
    """The view being made."""

    unread: list[Unread]
    missed: set[str]
    """Parts in `unread`: the first reason that is known is enough."""

    segments: list[Segment] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)
    room: int = VIEW_LIMIT

    def add(self, part: str, where: Where, text: str, hidden: _Ranges = ()) -> None:
        """Add `text` as far as there is room for it."""
        if len(text) > self.room:
            self.miss(part, "too_long")
            text = text[: self.room]
            hidden = tuple((a, min(b, self.room)) for a, b in hidden if a < self.room)
        if text and not text.isspace():
            self.room -= len(text)
            self.segments.append(_segment(part, where, text, hidden))

    def miss(self, part: str, *reasons: str) -> None:
        """Note that `part` was not, or not wholly, read."""
        if reasons and part not in self.missed:
            self.missed.add(part)
            self.unread.extend(Unread(part=part, reason=reason) for reason in reasons)


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
        extract = known.get(part.number) if is_file(part) else None
        if extract and extract.is_read and not part.is_attachment:
            _add_attachment(draft, part, extract)
        names = (part.filename, *(extract.names if extract else ()))
        draft.add(part.number, Where.FILENAME, "\n\n".join(filter(None, names)))
    return MessageView(
        message=message,
        segments=_owned(message, _without_repetition(draft.segments)),
        attachments=tuple(
            describe(part, known.get(part.number)) for part in message.parts if is_file(part)
        ),
        unread=tuple(dict.fromkeys(draft.unread)),
        pages=tuple(draft.pages),
    )


def _add_body(draft: _Draft, part: Part) -> None:
    text = read_text(part.data[:_MARKUP_LIMIT], part.charset)
    if len(part.data) > _MARKUP_LIMIT:
        draft.miss(part.number, "too_long")
    if part.content_type != "text/html":
        own, quoted = split_quotation(text)
        draft.add(part.number, Where.BODY, own)
        draft.add(part.number, Where.QUOTED, quoted)
        return
    page = read_page(text)
    draft.pages.append(page)
    own, quoted = split_quotation(page.marked)
    draft.add(part.number, Where.BODY, *show_hidden(own))
    quoted = "\n\n".join(filter(None, (page.marked_quoted, quoted)))
    draft.add(part.number, Where.QUOTED, *show_hidden(quoted))


def _add_attachment(draft: _Draft, part: Part, extract: Extract | None) -> None:
    text, reasons = read_attachment(part, extract, _MARKUP_LIMIT)
    if extract and extract.is_read:
        # What is inside has reasons of its own, whatever was known of the whole before.
        draft.unread.extend(Unread(part=part.number, reason=reason) for reason in reasons)
        draft.missed.add(part.number)
    else:
        draft.miss(part.number, *reasons)
    draft.add(part.number, Where.ATTACHMENT, *show_hidden(text))


def _owned(message: Message, segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """Where all is quoted and nothing answered, take the quotation for the author's own words.

    Whoever looks as if quoting would else be read by no rule. A child who passes on what it was
    sent adds a word of its own, or replies; a signature is none.
    """
    is_reply = message.header("in-reply-to") or message.header("references")
    if is_reply or not any(segment.where is Where.QUOTED for segment in segments):
        return segments
    own = {segment.part: segment for segment in segments if segment.where is Where.BODY}
    if any(segment.text[: segment.closing].strip() for segment in own.values()):
        return segments
    quoted = {segment.part: segment for segment in segments if segment.where is Where.QUOTED}
    return tuple(
        _below(own.get(segment.part), segment) if segment.where is Where.QUOTED else segment
        for segment in segments
        if not (segment.where is Where.BODY and segment.part in quoted)
    )


def _below(above: Segment | None, quoted: Segment) -> Segment:
    """What is quoted as the author's own words, under what they wrote."""
    if above is None:
        return replace(quoted, where=Where.BODY)
    start = len(above.text) + 2
    hidden = (*above.hidden, *((start + first, start + last) for first, last in quoted.hidden))
    return _segment(quoted.part, Where.BODY, f"{above.text}\n\n{quoted.text}", hidden)


def _without_repetition(segments: list[Segment]) -> tuple[Segment, ...]:
    """Leave out body text that an earlier part of the message has, white space apart."""
    bodies = {segment.part for segment in segments if segment.where in _BODY}
    if len(bodies) < 2:
        return tuple(segments)
    shown: set[tuple[Where, str]] = set()
    kept = []
    for segment in segments:
        if segment.where in _BODY:
            # Folding leaves no other white space.
            key = segment.where, segment.folded.text.replace(" ", "").replace("\n", "")
            if key in shown:
                continue
            shown.add(key)
        kept.append(segment)
    return tuple(kept)
