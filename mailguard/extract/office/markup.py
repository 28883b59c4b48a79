"""XML as a stream of events: no tree is built and nothing is fetched. Entities of the document's
own are put in place; libxml2 stops where they make it five times as long."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from lxml import etree

from mailguard.extract.item import Item, Miss, Text
from mailguard.extract.office.package import FAULTS, CannotRead
from mailguard.mail.charset import read_text

DEPTH = 500
"""Elements in each other; a table in a text box in a table has some forty."""

ENOUGH = 1 << 15
"""Characters after which a run of text is handed on, at the next end of a paragraph."""


class Start(NamedTuple):
    """An element begins."""

    name: str
    """Without its namespace: the strict and the transitional kind of OOXML differ in that only."""

    attributes: Mapping[str, str]
    """By name without namespace."""

    def get(self, name: str) -> str:
        """The value of attribute `name`, ``""`` when absent."""
        return self.attributes.get(name, "")

    def is_on(self, name: str) -> bool:
        """Whether the yes-or-no attribute `name` says yes."""
        return self.get(name).lower() in ("1", "true", "on")

    def told(self) -> str:
        """What a reader may get to see of the attributes, a line each."""
        if self.attributes.keys().isdisjoint(_TOLD):
            return ""
        return "".join(f"{self.attributes[name]}\n" for name in self.attributes if name in _TOLD)


class End(NamedTuple):
    """An element ends."""

    name: str


Event = Start | End | str

_TOLD_WORDS = (
    "descr title alt string text tooltip displayText prompt promptTitle error "
    "errorTitle v caption string-value description formula1 list-label"
)
_TOLD = frozenset(_TOLD_WORDS.split())
"""Attributes that a reader may get to see: descriptions of pictures, WordArt, tips, the rows that
a pivot table keeps."""

_INLINE_WORDS = (
    "t r span tspan b i u a em strong font s rPr instrText delText text proofErr sub sup"
)
_INLINE = frozenset(_INLINE_WORDS.split())
"""Elements within a word, in whatever dialect."""

_BLANK = re.compile(r"\n{3,}+")
_LETTER = re.compile(r"[^\W\d_]")
_ROOT = re.compile(r"<(?![?!])(?:[^\s<>/:]+:)?([^\s<>/:]+)")
_ROOT_SPACE = re.compile(r"""xmlns(?::\w+)?\s*=\s*["']([^"']*)""")
_ENTITY = re.compile(r"""<!ENTITY\s+(?:%\s+)?\S+\s+(?:"([^"]*)"|'([^']*)')""")


class _Target:
    """What the parser tells, until it is fetched."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._text: list[str] = []
        self._depth = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._flush()
        self._depth += 1
        if self._depth > DEPTH:
            raise ValueError("too deep")
        self.events.append(Start(_local(tag), _plain(attributes) if attributes else _NONE))

    def end(self, tag: str) -> None:
        self._flush()
        self._depth -= 1
        self.events.append(End(_local(tag)))

    def data(self, text: str) -> None:
        # Comes in pieces, which end at every "&amp;".
        self._text.append(text)

    def close(self) -> None:
        pass

    def drain(self) -> list[Event]:
        """The events since the last time."""
        events, self.events = self.events, []
        return events

    def finish(self) -> list[Event]:
        """The last events."""
        self._flush()
        return self.drain()

    def _flush(self) -> None:
        if self._text:
            self.events.append("".join(self._text))
            self._text.clear()


_NONE: Mapping[str, str] = {}


def _plain(attributes: Mapping[str, str]) -> dict[str, str]:
    # libxml2 leaves this one reference as it is, where entities are not resolved.
    return {_local(key): value.replace("&#38;", "&") for key, value in attributes.items()}


@lru_cache(maxsize=4096)
def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


_BOUNDS = frozenset((etree.ErrorTypes.ERR_ENTITY_LOOP, etree.ErrorTypes.ERR_RESOURCE_LIMIT))
"""Errors with which libxml2 says that it goes no further, lenient or not."""


class Events:
    """The events of a document, up to where it can no longer be read."""

    def __init__(self, pieces: Iterable[bytes], *, lenient: bool = False) -> None:
        """With `lenient` it goes on after a fault as far as it can, as browsers do."""
        self._pieces = pieces
        self._lenient = lenient
        self.reason = ""
        """Why it ended early, ``""`` if it did not; known when it has ended."""

    def __iter__(self) -> Iterator[Event]:
        target = _Target()
        parser = etree.XMLParser(
            target=target,
            resolve_entities=False,
            no_network=True,
            huge_tree=False,
            recover=self._lenient,
        )
        try:
            for piece in self._pieces:
                parser.feed(piece)
                yield from target.drain()
            parser.close()
            if any(error.type in _BOUNDS for error in parser.feed_error_log):
                self.reason = "bomb"
        except CannotRead as error:
            self.reason = error.reason
        except FAULTS:
            self.reason = "broken"
        # What came before the fault is still text.
        yield from target.finish()

    def misses(self) -> Iterator[Item]:
        """The miss, if it ended early."""
        if self.reason:
            yield Miss(self.reason)


def root_of(head: bytes) -> str:
    """The name of the first element that begins in `head`, ``""`` if this is not XML."""
    text = read_text(head[:4096], "").lstrip("\ufeff \t\n")
    if not text.startswith("<"):
        return ""
    found = _ROOT.search(re.sub(r"<!--.*?(?:-->|\Z)", "", text, flags=re.DOTALL))
    return found[1] if found else ""


def spaces_of(head: bytes) -> str:
    """The namespaces that the beginning of a document names, in one line."""
    return " ".join(_ROOT_SPACE.findall(read_text(head[:4096], "")))


def entities_of(head: bytes) -> Iterator[Item]:
    """The values of the entities that a document declares, used or not: in attributes they are not
    put in place."""
    if b"<!ENTITY" in head or b"\0" in head[:64]:
        for double, single in _ENTITY.findall(read_text(head, "")):
            yield Text("entity", double or single)


class Scribe:
    """Collects text until there is enough of it to be handed on."""

    def __init__(self, where: str) -> None:
        self.where = where
        self._pieces: list[str] = []
        self._size = 0

    def add(self, text: str) -> None:
        """Go on with `text`."""
        self._pieces.append(text)
        self._size += len(text)

    @property
    def is_full(self) -> bool:
        """Whether it is time to hand on."""
        return self._size > ENOUGH

    @property
    def is_overfull(self) -> bool:
        """Whether it is time even within a paragraph."""
        return self._size > 16 * ENOUGH

    def hand_on(self) -> Iterator[Item]:
        """What was collected, if it is more than white space."""
        text = _BLANK.sub("\n\n", "".join(self._pieces)).strip("\n")
        self._pieces.clear()
        self._size = 0
        if text and not text.isspace():
            yield Text(self.where, text)


def read_any(events: Iterable[Event], where: str, *, words_only: bool = False) -> Iterator[Item]:
    """All text of a document of whatever kind, its telling attributes included; with `words_only`
    what has no letter is left out."""
    scribe = Scribe(where)
    for event in events:
        if isinstance(event, str):
            if _LETTER.search(event) if words_only else not event.isspace():
                scribe.add(event)
        elif isinstance(event, Start):
            if event.attributes and (told := event.told()):
                scribe.add("\n" + told)
        elif event.name not in _INLINE:
            scribe.add("\n")
            if scribe.is_full:
                yield from scribe.hand_on()
        elif scribe.is_overfull:
            yield from scribe.hand_on()
    yield from scribe.hand_on()
