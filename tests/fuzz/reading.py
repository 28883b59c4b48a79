"""What is fuzzed of reading a message: folding, the view, and the readers of all formats.

As in targets.py, each takes any bytes and raises when something is not as it must be. Libraries in
C may bring the process down instead: in the cage that costs one attachment, here it is a find.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from types import MappingProxyType

from mailguard.extract.format import FORMATS
from mailguard.extract.found import REASONS, Limits
from mailguard.extract.item import About, Item, Member, Miss, Text
from mailguard.extract.reading import read_file
from mailguard.mail.attachment import Extract, is_file
from mailguard.mail.charset import read_text
from mailguard.mail.disguise import Sign, undisguise
from mailguard.mail.fold import Folded
from mailguard.mail.fold import fold as fold_text
from mailguard.mail.message import parse
from mailguard.mail.text import VIEW_LIMIT, MessageView
from mailguard.mail.text import look as look_at
from mailguard.mail.vocabulary import Vocabulary
from mailguard.testing.files import IN_C, IN_PYTHON

_WORD = re.compile(r"\w+")
BLANK = b"\0 \t\r\n"
READERS = {each.name: each for each in FORMATS.readers}
ROOM = 1 << 20
GROWTH = 64
"""Characters of text for each byte, at most, beside what is unpacked."""

ITEMS = 20_000
"""More than any input of a fuzzer's can hold; a reader that goes on for ever is stopped there."""

VOCABULARY = Vocabulary((r"\b(?:kill|stab|bass|idiots?)\b", "ripe melon"))

# Folding.


def fold(data: bytes) -> None:
    """Folded text leads back: what is written where a word came from, folds to that word. Other
    readings lead back into the text, too."""
    text = data.decode("utf-8", "surrogateescape" if data[:1] == b"s" else "replace")
    folded = fold_text(text)
    assert fold_text(folded.text).text == folded.text
    assert folded.origins is None or len(folded.origins) == len(folded.text)
    _leads_back(text, folded)
    for reading in undisguise(text, folded, dict.fromkeys(Sign, 0), VOCABULARY):
        for at in range(len(reading.text)):
            start, end = reading.span(at, at + 1)
            assert 0 <= start < end <= len(text)


def _leads_back(text: str, folded: Folded) -> None:
    at = 0
    for word in folded.text.split():
        at = folded.text.index(word, at)
        start, end = folded.span(at, at + len(word))
        assert word in fold_text(text[start:end]).text
        at += len(word)


# The view of a message.


def look(data: bytes) -> None:
    """Any message can be looked at with whatever its files hold; the view is bounded, its segments
    are unique, and its text leads back."""
    message = parse(data)
    extracts = []
    for part in message.parts:
        if is_file(part):
            reading = read_file(
                part.data, About(name=part.filename), Limits(seconds=5, bytes_out=ROOM)
            )
            extracts.append(
                Extract(
                    part=part.number,
                    sniffed="",
                    is_read=True,
                    text=reading.text,
                    names=reading.names,
                    misses=reading.misses,
                )
            )
    view = look_at(message, tuple(extracts))
    assert sum(len(segment.text) for segment in view.segments) <= VIEW_LIMIT
    places = [(segment.part, segment.where) for segment in view.segments]
    assert len(set(places)) == len(places)
    for segment in view.segments:
        _leads_back(segment.text, segment.folded)
        ends = [0, *(edge for hidden in segment.hidden for edge in hidden), len(segment.text)]
        assert ends == sorted(ends)
    _nothing_is_lost(view)


def _nothing_is_lost(view: MessageView) -> None:
    """Plain text of its own is shown or told of; what several parts say is shown once."""
    shown = "".join("".join(segment.folded.text.split()) for segment in view.segments)
    told = {item.part for item in view.unread}
    for part in view.message.parts:
        if part.content_type == "text/plain" and not {part.number, ""} & told:
            text = fold_text(read_text(part.data, part.charset)).text
            assert all(word in shown for word in _WORD.findall(text))


# Files.


def readers_in_python(data: bytes) -> None:
    """A reader that is Python alone; the first byte picks which, the rest is what it reads."""
    check_reader(IN_PYTHON[data[0] % len(IN_PYTHON)] if data else "text", data[1:])


def readers_in_c(data: bytes) -> None:
    """A reader behind which there is a library in C, picked likewise."""
    check_reader(IN_C[data[0] % len(IN_C)] if data else "zip", data[1:])


def any_file(data: bytes) -> None:
    """A file of any content and name: read, or missed, and never passed over in silence. The first
    line is its name."""
    name, _, content = data.partition(b"\n")
    limits = Limits(seconds=20, bytes_out=ROOM, members=50)
    reading = read_file(content, About(name=name.decode("utf-8", "replace")), limits)
    assert "timeout" not in reading.misses
    assert set(reading.misses) <= REASONS
    assert len(reading.found) > 1 or not content.strip(BLANK)


def check_reader(name: str, data: bytes) -> None:
    """The reader called `name` answers with bounded items and known reasons, whatever `data` is."""
    size = 0
    for item in islice(_items(name, data), ITEMS):
        match item:
            case Member():
                size += len(item.data)
            case Text():
                size += len(item.text)
            case Miss():
                assert item.reason in REASONS, item.reason
    assert size <= ROOM + GROWTH * len(data), size


def _items(name: str, data: bytes) -> Iterator[Item]:
    """What the reader yields. What it raises ends it, as it does in the driver."""
    try:
        yield from READERS[name].read(data, About(room=ROOM))
    except (AssertionError, RecursionError):
        raise
    except Exception:
        yield Miss("broken")


TARGETS: Mapping[str, Callable[[bytes], None]] = MappingProxyType(
    {target.__name__: target for target in (fold, look, any_file, readers_in_python, readers_in_c)}
)
