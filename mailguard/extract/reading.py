"""Read one file with whatever is inside it: pick the reader, go into members, keep the limits."""

import time
from collections.abc import Iterator
from dataclasses import replace

from mailguard.extract.format import FORMATS, Format
from mailguard.extract.found import Found, Limits, Missed, Named, Opened, Piece, Reading, Trait
from mailguard.extract.item import About, Feature, Item, Member, Miss, Name, Text
from mailguard.extract.sniff import sniff

__all__ = ["Limits", "Missed", "Named", "Opened", "Piece", "Reading", "Trait", "read_file", "walk"]

NAME = 1000
"""Characters of a name that are kept; file systems stop at 255 bytes, archives do not."""

ITEMS = 200_000
"""Items taken of one attachment. A workbook of forty sheets yields some hundreds."""

UNKNOWN = {"", "application/octet-stream", "text/plain"}
"""Types by content that say next to nothing; here the name counts first."""

EMPTY = "empty"
"""The feature of a file in which there is nothing to read, as its reader knows for sure."""

_BLANK = b"\0 \t\r\n"

_MADE_OF_ZIP = ("application/vnd.openxmlformats", "application/vnd.oasis", "application/epub")

_REASONS = {"image": "image", "audio": "audio", "video": "video"}
_UNOPENED = {"broken", "format"}

_DEFAULT_LIMITS = Limits()


def read_file(data: bytes, about: About, limits: Limits = _DEFAULT_LIMITS) -> Reading:
    """Read `data` to its end or to the limits; never raises for what is in it."""
    return Reading(found=tuple(walk(data, about, limits)))


def walk(data: bytes, about: About, limits: Limits = _DEFAULT_LIMITS) -> Iterator[Found]:
    """Yield what is found in `data` as it is found."""
    walker = _Walker(len(data), limits)
    try:
        yield from walker.open(data, about, about.name[:NAME], 0)
    except _Spent as spent:
        yield Missed(path=spent.path, reason=spent.reason)


class _Spent(Exception):
    """A limit of the whole attachment is reached: nothing more is read of it."""

    def __init__(self, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(reason)


class _Walker:
    """What reading one attachment has left."""

    def __init__(self, size: int, limits: Limits) -> None:
        self._size = size
        self._limits = limits
        self._end = time.process_time() + limits.seconds
        self._pictures_end = time.process_time() + limits.pictures
        self._members = limits.members
        self._items = ITEMS
        self._bytes = limits.bytes_out
        self._text = limits.text

    def open(self, data: bytes, about: About, path: str, depth: int) -> Iterator[Found]:
        """Read one file. Raises _Spent when there is nothing left to read it with."""
        room, beyond = self._room()
        about = replace(
            about,
            sniffed=about.sniffed or sniff(data),
            room=room,
            beyond=beyond,
            pictures=max(0.0, self._pictures_end - time.process_time()),
        )
        formats = _choose(about) if data else ()
        yield Opened(
            path=path,
            declared=about.declared,
            sniffed=about.sniffed,
            size=len(data),
            reader=(" or " if about.sniffed in UNKNOWN else ", ").join(f.name for f in formats),
        )
        if data and not formats:
            reason = _REASONS.get(about.sniffed.partition("/")[0], "format")
            yield Missed(path=path, reason=reason)
        is_answered = not formats
        for number, form in enumerate(formats):
            is_second = number > 0
            is_opened = True
            for item in _items(form, data, about):
                if isinstance(item, Miss) and item.reason in _UNOPENED:
                    is_opened = False
                    if is_second:
                        # Only its name spoke for this reader, or only another one's failure.
                        continue
                is_answered = is_answered or _is_answer(item)
                yield from self._take(item, about, path, depth)
            if is_opened and about.sniffed in UNKNOWN:
                break
        if not is_answered and data.strip(_BLANK):
            # Promise 3: what no reader finds anything in is read as text, or missed.
            for item in _as_text(data, about):
                yield from self._take(item, about, path, depth)

    def _take(self, item: Item, about: About, path: str, depth: int) -> Iterator[Found]:
        self._items -= 1
        if self._items < 0:
            raise _Spent(path, "too_many_parts")
        if time.process_time() > self._end:
            raise _Spent(path, "timeout")
        match item:
            case Text():
                where, text = item.where[:NAME], item.text[: self._text]
                yield Piece(path=path, where=where, text=text)
                self._write(item.text, path)
                self._write(where, path)
            case Name():
                yield Named(path=path, name=item.name[:NAME])
                self._write(item.name[:NAME], path)
            case Member():
                yield from self._enter(item, about, path, depth)
            case Miss():
                yield Missed(path=path, reason=item.reason)
                self._write(item.reason, path)
            case Feature():
                yield Trait(path=path, word=item.word[:NAME])
                self._write(item.word[:NAME], path)

    def _write(self, text: str, path: str) -> None:
        self._text -= len(text)
        if self._text < 0:
            raise _Spent(path, "too_long")

    def _enter(self, member: Member, about: About, path: str, depth: int) -> Iterator[Found]:
        name = member.name[:NAME]
        inside = f"{path}/{name}"[-2 * NAME :]
        yield Named(path=path, name=name)
        self._write(name, path)
        self._members -= 1
        if self._members < 0:
            raise _Spent(path, "too_many_parts")
        self._bytes -= len(member.data)
        if self._bytes < 0:
            raise _Spent(inside, "too_long")
        out = self._limits.bytes_out - self._bytes
        if out > max(self._limits.ratio_from, self._limits.ratio * self._size):
            raise _Spent(inside, "bomb")
        if depth >= self._limits.depth:
            yield Missed(path=inside, reason="too_deep")
            return
        told = About(
            name=name,
            declared=member.declared,
            passwords=about.passwords,
            is_again=about.is_again,
        )
        yield from self.open(member.data, told, inside, depth + 1)

    def _room(self) -> tuple[int, str]:
        """Bytes that may still come out, and what it is if there are more."""
        dense = max(self._limits.ratio_from, self._limits.ratio * self._size)
        left = dense - (self._limits.bytes_out - self._bytes)
        return max(0, min(self._bytes, left)), "bomb" if left < self._bytes else "too_long"


def _choose(about: About) -> tuple[Format, ...]:
    """The readers to ask, first the one that knows best.

    A file that is one thing by its content and another by its name is read as both: who receives
    it opens it by its name, or renames it.
    """
    name = about.name.lower().rstrip(". ")
    by_content = FORMATS.by_type(about.sniffed)
    by_name = FORMATS.by_name(name)
    first, second = (by_name, by_content) if about.sniffed in UNKNOWN else (by_content, by_name)
    # Whoever is not called what it looks like may have been made to look so, and be plain zip.
    is_posing = about.sniffed.startswith(_MADE_OF_ZIP) and by_name is not by_content
    third = FORMATS.by_type("application/zip") if is_posing else None
    chosen = tuple(dict.fromkeys(each for each in (first, second, third) if each))
    if not chosen and (declared := FORMATS.by_type(about.declared)):
        return (declared,)
    return chosen


def _is_answer(item: Item) -> bool:
    """Whether a reader that yields `item` has found something, or says that there is nothing."""
    match item:
        case Text():
            return bool(item.text) and not item.text.isspace()
        case Feature():
            return item.word == EMPTY
        case _:
            return True


def _as_text(data: bytes, about: About) -> Iterator[Item]:
    """`data` as plain text; what is none is a miss beside the words that stand in it."""
    plain = FORMATS.by_type("text/plain")
    is_missed = False
    for item in _items(plain, data, about) if plain else ():
        is_missed = is_missed or isinstance(item, Miss)
        yield item
    if not is_missed and (not plain or (b"\0" in data and about.sniffed not in UNKNOWN)):
        yield Miss("broken")


def _items(form: Format, data: bytes, about: About) -> Iterator[Item]:
    """What the reader yields; when it breaks, that is its last item."""
    try:
        yield from form.read(data, about)
    except MemoryError:
        yield Miss("too_long")
    except Exception:
        # A hostile file may make a reader raise anything at all.
        yield Miss("broken")
