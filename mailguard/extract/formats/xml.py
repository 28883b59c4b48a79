"""XML of whatever kind, SVG drawings included: all text, and attributes that people get to see."""

import re
from collections.abc import Iterable, Iterator

from mailguard.extract.item import About, Feature, Item, Text
from mailguard.extract.office.data_uri import data_files
from mailguard.extract.office.grid import words_of
from mailguard.extract.office.markup import (
    Event,
    Events,
    Start,
    entities_of,
    read_any,
    root_of,
    spaces_of,
)
from mailguard.extract.office.opendoc import read_opendoc
from mailguard.extract.office.package import cut
from mailguard.extract.office.records import Records
from mailguard.extract.office.word import read_word
from mailguard.mail.charset import read_text
from mailguard.mail.html import read_html

TYPES = frozenset(("text/xml", "application/xml", "image/svg+xml", "application/rss+xml"))
_NAMES_WORDS = (
    ".xml .svg .rss .atom .xsl .xslt .xsd .kml .gpx .opml .plist .xspf .mml .fb2 .musicxml"
)
NAMES = tuple(_NAMES_WORDS.split())
SAMPLE = b'<svg xmlns="http://www.w3.org/2000/svg"><text>A drawing</text></svg>'

_SCRIPT = re.compile(rb"<script\b|\bon(?:load|click|error|mouseover|begin)\s*=", re.IGNORECASE)
_LINK = re.compile(
    r"""\b(?:href|src)\s*=\s*["']\s*([a-z][\w+.-]{1,20}:(?<!data:)[^"'\s]{1,2000})""", re.I
)
LINKS = 1000

_NO_RECORDS = {"svg", "html"}
"""Drawings and pages: their attributes are lines and colours."""

_LONGEST_VALUE = 100
"""Characters. A longer text says itself what it is about."""

_SHORTEST_NAME = 3
"""Letters. The shorter ones are markup, as in HTML; so is this one."""

_MARKUP = {"text", "title", "desc", "span", "para", "tspan", "link"}


def read(data: bytes, about: About) -> Iterator[Item]:
    """Yield all text; where it is no XML, what is left without its tags."""
    head = data[:4096]
    root, spaces = root_of(head), spaces_of(head)
    events = Events(cut(data), lenient=True)
    records = Records()
    yield from entities_of(data[: 1 << 16])
    is_empty = True
    if "opendocument" in spaces:
        items = read_opendoc(events, "", set())
    elif root in ("wordDocument", "package") and "word" in spaces:
        # Word 2003, and Word's files unpacked into one (flat OPC).
        items = read_word(events, "")
    else:
        watched = events if root in _NO_RECORDS else records.watch(events)
        items = read_any(_name_values(watched), "")
    for item in items:
        is_empty = is_empty and not isinstance(item, Text)
        yield item
    yield from records.tables()
    yield from events.misses()
    text = read_text(data, "")
    if is_empty and text:
        yield Text("", "\n".join(read_html(text)))
    links = [found[1] for _, found in zip(range(LINKS), _LINK.finditer(text), strict=False)]
    if links:
        yield Text("link", "\n".join(dict.fromkeys(links)))
    if _SCRIPT.search(data):
        yield Feature("active")
    yield from data_files(text)


def _name_values(events: Iterable[Event]) -> Iterator[Event]:
    """Put the name of its element before each value of a record, since nothing else there says what
    it is ("UPN: A123…"); not amid sentences, where names are markup."""
    name, is_sentence = "", False
    for event in events:
        if isinstance(event, Start):
            name = "" if is_sentence else event.name
            yield event
        elif not isinstance(event, str):
            name, is_sentence = "", False
            yield event
        elif event.isspace():
            yield event
        else:
            yield f"{_said(name)}{event}" if len(event) <= _LONGEST_VALUE else event
            name, is_sentence = "", True


def _said(name: str) -> str:
    if len(name) < _SHORTEST_NAME or name.lower() in _MARKUP:
        return ""
    return f"{words_of(name)}: "
