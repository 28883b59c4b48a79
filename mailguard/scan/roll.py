"""The pupils of the school, as keyed hashes: which of them a text names, and nothing about others.

A roll holds no name, date or number, only what a key makes of them. Whoever judges mail can ask
whether a text names a pupil, and cannot list the pupils.

A pupil is named by forename and surname in either order ("Ana Reed", "Reed, Ana"), by the UPN, or
by forename or surname close to the date of birth. A name that a member of staff has too names
nobody.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

from mailguard.mail.fold import fold
from mailguard.mail.text import Segment, Where
from mailguard.scan.dates import find_dates, has_date
from mailguard.scan.engine import Engine, encode
from mailguard.scan.names import is_also_a_word

LONGEST_NAME = 8
"""Words of a name; Spanish and Portuguese ones may have six."""

LONGEST_WORD = 30
"""Letters. Longer ones are no part of a name."""

CLOSE = 60
"""Characters between a date of birth and a name that belongs to it: a few cells of a table."""

DATES = 2000
"""Dates of one text that are looked at; a school's register of all its pupils has as many."""

WORDS = 1 << 16
"""Words of ordinary mail that are remembered as no part of a name; English has some 20,000 in use,
and a message of random words must not fill memory."""

TEXTS = 8
"""Texts whose pupils are remembered: as many as most messages have."""

FULL_LINE = 50
"""Characters of a line from which a name that goes on in the next one was wrapped there."""

_SPLIT = bytes(
    code if chr(code).isascii() and (chr(code).isalpha() or chr(code) == "'") else ord(" ")
    for code in range(256)
)
"""Leaves words of letters and apostrophes. What is in no Latin alphabet names nobody here:
schools keep names in Latin letters."""

_WORD = re.compile(rb"\S+")
_CELL_ENDS = re.compile(r'"?[,;|]"?')
_SURNAME_ENDS = re.compile(r'"?, ?"?')
_UPN = r"\b[a-z]\d{11}[a-z\d]\b"
_UPNS = Engine([_UPN])
_NUMBER = re.compile(_UPN, re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pupil:
    """What a roll is made from."""

    subject: str
    names: tuple[tuple[str, str], ...]
    """Forename and surname as written; several where a pupil goes by another name too."""

    born: date | None = None
    upn: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """A place of a text, half-open, that names a pupil."""

    start: int
    end: int
    subject: str
    needs_capitals: bool = False
    """Each word of the name is a common word too ("Will May"): small letters name nobody."""


@dataclass(frozen=True, slots=True)
class _Entry:
    subjects: tuple[str, ...]
    surname_first: bool
    needs_capitals: bool


def subject_id(key: bytes, identity: str) -> str:
    """The name by which findings speak of the pupil who is `identity` in the school's directory:
    16 hex digits."""
    return hmac.digest(key, b"subject\0" + identity.encode(), "sha256").hex()[:16]


class Roll:
    """Made by :func:`build_roll`; may be pickled. One thread at a time may ask."""

    def __init__(
        self,
        *,
        key: bytes,
        beginnings: frozenset[int],
        names: dict[int, _Entry],
        numbers: dict[int, str],
        births: dict[int, tuple[str, ...]],
        lengths: tuple[int, ...],
    ) -> None:
        self._key = key
        self._beginnings = beginnings
        self._names = names
        self._numbers = numbers
        self._births = births
        self._lengths = lengths
        self._plain: set[bytes] = set()
        self._first: set[bytes] = set()
        self._found: dict[str, tuple[Naming, ...]] = {}

    def __getstate__(self) -> dict[str, Any]:
        # The words are those of messages: they go nowhere.
        return self.__dict__ | {"_plain": set(), "_first": set(), "_found": {}}

    def find(self, text: str) -> tuple[Naming, ...]:
        """Where folded `text` names pupils, in order of place; some places may overlap.

        No hash is computed for a word that was seen before, and no place is looked for unless two
        words stand together that begin some pupil's name. Asked again about the same text, as one
        check after the other does, it remembers.
        """
        known = self._found.get(text)
        if known is None:
            if len(self._found) >= TEXTS:
                self._found.clear()
            known = self._found[text] = self._look(text)
        return known

    def _look(self, text: str) -> tuple[Naming, ...]:
        spaced = _spaced(text)
        words = spaced.split()
        distinct = set(words)
        unknown = distinct - self._plain - self._first
        if unknown:
            self._learn(unknown)
        found: list[Naming] = []
        if not distinct.isdisjoint(self._first) and (beginnings := self._beginnings_in(words)):
            found += self._find_names(text, spaced, words, beginnings)
        if self._numbers and _UPNS.first_ends(encode(text)):
            found += self._find_numbers(text)
        if self._births and has_date(text):
            found += self._find_births(text, spaced)
        return tuple(sorted(found, key=lambda naming: (naming.start, naming.end, naming.subject)))

    def _learn(self, words: Iterable[bytes]) -> None:
        if len(self._plain) + len(self._first) > WORDS:
            self._plain.clear()
            self._first.clear()
        for word in words:
            bare = _bare(word)
            if len(bare) <= LONGEST_WORD:
                known = self._first if self._hash(bare) in self._beginnings else self._plain
                known.add(word)

    def _beginnings_in(self, words: list[bytes]) -> list[int]:
        """At which words two stand together that begin some name."""
        first = self._first
        known: dict[tuple[bytes, bytes], bool] = {}
        beginnings = []
        for at in [at for at, word in enumerate(words) if word in first]:
            pair = words[at], words[at + 1] if at + 1 < len(words) else b""
            if pair not in known:
                known[pair] = self._hash(b" ".join(map(_bare, pair))) in self._beginnings
            if known[pair]:
                beginnings.append(at)
        return beginnings

    def _find_names(
        self, text: str, spaced: bytes, words: list[bytes], beginnings: list[int]
    ) -> Iterator[Naming]:
        places = [match.span() for match in _WORD.finditer(spaced)]
        behind = 0
        for at in beginnings:
            if at < behind:
                continue
            for length in self._lengths:
                if at + length > len(words):
                    continue
                name = b" ".join(map(_bare, words[at : at + length]))
                entry = self._names.get(self._hash(name + b"\0"))
                if entry and _is_one_name(text, places[at : at + length], entry.surname_first):
                    behind = at + length
                    yield from _namings(entry, places[at][0], places[behind - 1][1])
                    break

    def _find_numbers(self, text: str) -> Iterator[Naming]:
        for found in _NUMBER.finditer(text):
            if subject := self._numbers.get(self._hash(found[0].encode("ascii"))):
                yield Naming(start=found.start(), end=found.end(), subject=subject)

    def _find_births(self, text: str, spaced: bytes) -> Iterator[Naming]:
        for count, (start, end, born) in enumerate(find_dates(text)):
            if count == DATES:
                return
            if self._hash(_birth(b"", born)) not in self._births:
                continue
            line = text.rfind("\n", 0, start) + 1
            line_end = text.find("\n", end)
            before = max(line, start - CLOSE)
            after = min(len(text) if line_end < 0 else line_end, end + CLOSE)
            near = {*spaced[before:start].split(), *spaced[end:after].split()}
            subjects = {
                subject
                for word in near
                for subject in self._births.get(self._hash(_birth(_bare(word), born)), ())
            }
            for subject in sorted(subjects):
                yield Naming(start=start, end=end, subject=subject)

    def _hash(self, text: bytes) -> int:
        return _hash(self._key, text)


def find_pupils(segment: Segment, roll: Roll) -> tuple[Naming, ...]:
    """Where `segment` names pupils, by offsets into its original text, as people write names."""
    text = segment.folded.text
    if segment.where is Where.FILENAME:
        # The same length: one character for another.
        text = text.replace(".", " ").replace("_", " ")
    found = []
    for naming in roll.find(text):
        start, end = segment.folded.span(naming.start, naming.end)
        if naming.needs_capitals and not _is_capitalised(segment.text[start:end]):
            continue
        found.append(Naming(start=start, end=end, subject=naming.subject))
    return tuple(found)


def build_roll(pupils: Iterable[Pupil], *, key: bytes, others: Iterable[str] = ()) -> Roll | None:
    """Make the roll of `pupils`; None if there are none. `others` are full names of other people
    at the school: who has the same name is not known by it."""
    taken = {b" ".join(words) for name in others for words in _orders(_words_of(name))}
    names: dict[int, _Entry] = {}
    numbers: dict[int, str] = {}
    births: dict[int, tuple[str, ...]] = {}
    beginnings: set[int] = set()
    lengths: set[int] = set()
    for pupil in pupils:
        if pupil.upn:
            numbers[_hash(key, pupil.upn.lower().encode())] = pupil.subject
        for words, surname_first in _spellings(pupil.names):
            if b" ".join(words) in taken or not 2 <= len(words) <= LONGEST_NAME:
                continue
            lengths.add(len(words))
            beginnings |= {_hash(key, words[0]), _hash(key, b" ".join(words[:2]))}
            name = _hash(key, b" ".join(words) + b"\0")
            known = names.get(name)
            names[name] = _Entry(
                tuple(sorted({*(known.subjects if known else ()), pupil.subject})),
                surname_first and (known is None or known.surname_first),
                all(is_also_a_word(word.decode()) for word in words)
                or any(len(word) < 3 for word in words),
            )
        if pupil.born:
            births[_hash(key, _birth(b"", pupil.born))] = ()
            for word in {word for pair in pupil.names for name in pair for word in _words_of(name)}:
                birth = _hash(key, _birth(word, pupil.born))
                births[birth] = tuple(sorted({*births.get(birth, ()), pupil.subject}))
    if not (names or numbers or births):
        return None
    return Roll(
        key=key,
        beginnings=frozenset(beginnings),
        names=names,
        numbers=numbers,
        births=births,
        lengths=tuple(sorted(lengths, reverse=True)),
    )


def _namings(entry: _Entry, start: int, end: int) -> Iterator[Naming]:
    for subject in entry.subjects:
        yield Naming(start=start, end=end, subject=subject, needs_capitals=entry.needs_capitals)


_Words = tuple[bytes, ...]


def _spellings(names: Iterable[tuple[str, str]]) -> Iterator[tuple[_Words, bool]]:
    """Each way to write a pupil's names, and whether the surname comes first: with all forenames,
    and with the first alone, which is how most people are called."""
    for forename, surname in names:
        given = forename.split()
        last = _words_of(surname)
        for used in dict.fromkeys((forename, given[0] if given else "")):
            first = _words_of(used)
            if first and last:
                yield (*first, *last), False
                yield (*last, *first), True


def _orders(words: _Words) -> Iterator[_Words]:
    """A name from each word on: one of these has the surname first, whichever word that is."""
    return (words[at:] + words[:at] for at in range(max(1, len(words))))


def _spaced(text: str) -> bytes:
    """Folded `text` with a space for whatever is in no word; each offset stays."""
    return text.encode("latin-1", "replace").translate(_SPLIT)


def _words_of(name: str) -> _Words:
    words = (_bare(word) for word in _spaced(fold(name).text).split())
    return tuple(word for word in words if word)


def _bare(word: bytes) -> bytes:
    """Without the apostrophes: O'Neill is written oneill too, and "Ana's" is about Ana."""
    if b"'" not in word:
        return word
    return word.strip(b"'").removesuffix(b"'s").replace(b"'", b"")


def _birth(word: bytes, born: date) -> bytes:
    return word + f"\0{born}".encode()


def _is_one_name(text: str, places: list[tuple[int, int]], surname_first: bool) -> bool:
    """Whether what stands between the words is what people put inside a name."""
    for (_, end), (start, _) in pairwise(places):
        between = text[end:start]
        if between in (" ", "-") or _CELL_ENDS.fullmatch(between):
            continue
        if surname_first and _SURNAME_ENDS.fullmatch(between):
            continue
        if between == "\n" and end - text.rfind("\n", 0, end) > FULL_LINE:
            continue
        return False
    return True


def _is_capitalised(written: str) -> bool:
    return all(word[:1].isupper() for word in re.findall(r"[^\W\d_][\w']*", written))


def _hash(key: bytes, text: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(text, key=key, digest_size=8).digest())
