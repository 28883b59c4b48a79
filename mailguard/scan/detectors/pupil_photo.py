"""Photographs that tell where they were taken, or which pupil they show.

Catches: an attached picture with a position in it; one whose file name has a pupil's name of the
directory; one with a text in which a pupil's name stands close to "photo", "picture" or "image".
Misses: a pupil in a picture that nothing names; pictures at the other end of a link.
False positives: a picture of a trip's destination; a pupil's painting under their name.
"""

import re
from collections.abc import Iterator

from mailguard.mail.envelope import Transaction
from mailguard.mail.text import MessageView, Segment, Where
from mailguard.scan.detector import match, no_match
from mailguard.scan.example import compose
from mailguard.scan.finding import (
    SUBJECT_LIMIT,
    Category,
    Finding,
    Leak,
    Level,
    Span,
    Symbol,
)
from mailguard.scan.roll import Naming, Roll, find_pupils
from mailguard.scan.school import School

PHOTO_OF_PUPIL = Symbol(
    name="PHOTO_OF_PUPIL",
    category=Category.PERSONAL_DATA,
    level=Level.FLAG,
    says="A picture tells where it was taken, or comes with a pupil's name.",
    clauses=("symphony:3.1.5e",),
    leak=Leak.STRONG,
)
SYMBOLS = (PHOTO_OF_PUPIL,)

_JPEG = {"2": "image/jpeg"}

EXAMPLES = (
    match(compose(text="Here.", filename="cara_finch.jpg", attachment="x"), sniffed=_JPEG),
    match(
        compose(text="A photo of Ben Holt at the gala.", filename="1.jpg", attachment="x"),
        sniffed=_JPEG,
    ),
    no_match(compose(text="Here.", filename="cara_finch.txt", attachment="x"), why="no picture"),
    no_match(
        compose(text="A photo of the new hall.", filename="1.jpg", attachment="x"), sniffed=_JPEG
    ),
    no_match("I have a photo of Ben Holt at the gala.", why="not attached"),
)

_PICTURE = re.compile(r"\b(?:photos?|photographs?|pictures?|pics?|images?|snaps?|selfies?)\b")

CLOSE = 200
"""Characters between the word and the name: a sentence or two."""


def detect(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    """Yield one finding for all pictures; its count is that of pictures with a place or a name."""
    pictures = [
        attachment for attachment in view.attachments if attachment.sniffed.startswith("image/")
    ]
    if not pictures:
        return
    placed = {picture.part for picture in pictures if "location" in picture.features}
    named, spans, subjects = set[str](), list[Span](), set[str]()
    if school.roll is not None:
        parts = {picture.part for picture in pictures}
        for segment in view.segments:
            for naming in _namings(segment, parts, school.roll):
                subjects.add(naming.subject)
                named.add(segment.part)
                spans = spans or [_span(segment, naming)]
    if placed or subjects:
        first = spans[0] if spans else None
        yield Finding(
            symbol=PHOTO_OF_PUPIL,
            level=PHOTO_OF_PUPIL.level,
            part=first.part if first else min(placed),
            where=first.where if first else None,
            count=len(placed | named),
            spans=tuple(spans),
            subjects=tuple(sorted(subjects)[:SUBJECT_LIMIT]),
        )


def _namings(segment: Segment, parts: set[str], roll: Roll) -> Iterator[Naming]:
    """Pupils named by a picture's file name, or by the writer's own words about one."""
    if segment.where is Where.FILENAME:
        if segment.part in parts:
            yield from find_pupils(segment, roll)
        return
    if segment.where not in (Where.BODY, Where.SUBJECT):
        return
    told = [segment.folded.span(*found.span()) for found in _PICTURE.finditer(segment.folded.text)]
    if not told:
        return
    for naming in find_pupils(segment, roll):
        if any(start - CLOSE < naming.end and naming.start < end + CLOSE for start, end in told):
            yield naming


def _span(segment: Segment, naming: Naming) -> Span:
    return Span(part=segment.part, where=segment.where, start=naming.start, end=naming.end)
