"""Other readings of folded text in which words are disguised: what its reader makes of them.

Beside the plain fold, and only where a text shows signs of it: leetspeak (``k1ll``), letters apart
(``k.i.l.l``, ``k i l l``, one a line), repeated letters (``killlll``), letters starred out, emoji
that stand for words, and text that runs backwards. A word is put in only where the
:class:`~mailguard.mail.vocabulary.Vocabulary` knows it; all else stays.
"""

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from itertools import islice, pairwise

from mailguard.mail.fold import Folded, indices
from mailguard.mail.vocabulary import Vocabulary


class Sign(StrEnum):
    """What may be a disguise, as patterns that a matcher can look for in passing."""

    MIXED = "mixed"
    """Digits and signs where letters belong."""

    APART = "apart"
    """Three single letters in a row."""

    REPEATED = "repeated"
    """A letter three times; not W, for most mail has an address of the web."""

    BACKWARDS = "backwards"
    """Frequent words backwards, of which none is a word."""


_JOINT = r"[ .\-_*/,|~+]{1,3}"
"""What stands between letters apart; folded text has line ends too, which engines see as spaces."""

_TRIPLES = tuple(letter * 3 for letter in "abcdefghijklmnopqrstuvxyz")

SIGNS = {
    r"[a-z][0-9@$!|*_~^+]{1,3}[a-z]+[\s,!?;:'\")]": Sign.MIXED,
    # Not 3pm or 5th.
    r"[\s\"'(,](?:[0-9][a-z]{3}|[@$!][a-z]{2})": Sign.MIXED,
    r"^(?:[0-9][a-z]{3}|[@$!][a-z]{2})": Sign.MIXED,
    r"[a-z][0-9@$!|*_~^+]{1,3}[a-z]+$": Sign.MIXED,
    # Not KS3, the key stage.
    r"(?:[a-jl-z][a-z]|k[a-rt-z])[0135]\b": Sign.MIXED,
    r"[a-z](?:11|55)\b|[a-z]\$": Sign.MIXED,
    r"\b(?:i|im|you|u|ur|your|to|me|my|go|are|is)\.[a-z]+\.[a-z]": Sign.MIXED,
    rf"\b[a-z]{_JOINT}[a-z0-9]{_JOINT}[a-z](?:[^a-z0-9]|$)": Sign.APART,
    "|".join(_TRIPLES): Sign.REPEATED,
    r"\b(?:uoy|ruoy|flesruoy|eht|taht|siht|lliw|llik|annog|etah|kcuf|tihs|hctib|tuls)\b": (
        Sign.BACKWARDS
    ),
}
"""Patterns for the engine that looks for those of rules; each is a sign of what it leads to."""

EMOJI = {
    **dict.fromkeys("🔪🗡", "knife"),
    "🔫": "gun",
    "💣": "bomb",
    "💊": "pills",
    "🪓": "axe",
    "🖕": "fuck you",
    "🐍": "snake",
    "🐷": "pig",
    "🐖": "pig",
    "🐀": "rat",
    "🐄": "cow",
    "🐮": "cow",
    "🤡": "clown",
}
"""Pictures that stand for one word wherever they stand for a word. A skull mostly laughs, a leaf
and an aubergine are mostly plants: they are not here."""

READ = 1 << 15
"""Tokens and single letters of one text that are read: a book's worth of disguise."""

_LONGEST = 100
"""Letters apart that are taken together: a long sentence."""

_SHORT = 60
_CACHE = 1 << 12
"""Characters between spaces that are remembered, and how many such: dates, prices and the like come
again and again."""

_BEFORE = 20
"""Characters in which the first three letters apart stand, and what is between them."""

_FEWEST_INITIALS = 5
"""Letters with a full stop and a space behind each that may be more than "A. B. Cole"."""

_EMOJI = re.compile(f"[{''.join(EMOJI)}]")
_OVERRIDE = "\u202e"
"""RIGHT-TO-LEFT OVERRIDE: a reader sees what follows backwards."""

_SEPARATOR = _JOINT.replace("]", "\\n]") + "+"
_APART = re.compile(
    rf"(?<![a-z0-9@$!'])[a-z0-9@$!](?:{_SEPARATOR}[a-z0-9@$!](?![a-z0-9@$!'])){{2,}}+"
)
_LETTER = re.compile(r"[a-z0-9@$!]")
# To the end of the word: one that has many signs is looked at once. One set of characters comes
# first, and a full stop between letters is told behind it: what has none is skipped fast.
_ODD = re.compile(r"[0-9@$!|*_~^+.](?:(?<!\.)|(?<=[a-z]\.)(?=[a-z]))\S*+")
_CHUNK = re.compile(r"\S+")
_ADDRESS = re.compile(r"://|\bwww\.|@[a-z0-9-]+\.[a-z]")
_CODE = re.compile(r"-\d+\b|\b\d+-")
_TOKEN = re.compile(r"[^\s\"(),;:?<>\[\]{}/\\=&#%-]+")
_PLAIN_LETTER = re.compile(r"[a-z]")
_ONES = ("1", "|", "!")
"""What may be an I that stands alone."""
_ONE = re.compile(r"(?<![^\s\"'(])[1|!](?= (?:will|want|wanna|am|hate|wish|need|hope)\b)")
_WORD = re.compile(r"[a-z']+")
_LINE = re.compile(r"[^\n]+")

_Change = tuple[int, int, str]
"""A half-open range of folded text, and what it reads."""


def undisguise(
    text: str, folded: Folded, signs: Mapping[Sign, int], vocabulary: Vocabulary
) -> Iterator[Folded]:
    """Yield other readings of `folded`, the fold of `text`; never raises.

    `signs` are those that it shows, and where the first of each ends. There are at most three
    readings, made in time linear to the text; each leads back to the original as `folded` does.
    """
    changes: list[_Change] = []
    if Sign.APART in signs:
        start = max(0, signs[Sign.APART] - _BEFORE)
        changes += _apart(text, folded, start, vocabulary)
    if Sign.MIXED in signs or Sign.REPEATED in signs:
        read = list(_tokens(folded.text, signs.get(Sign.REPEATED), vocabulary))
        changes += read
        if read:
            changes += [(one.start(), one.end(), "i") for one in _ONE.finditer(folded.text)]
    if not folded.text.isascii() and any(picture in folded.text for picture in EMOJI):
        changes += _pictures(folded.text)
    if changes:
        yield _change(folded, changes)
    if Sign.BACKWARDS in signs or (not text.isascii() and _OVERRIDE in text):
        if reversals := _backward_words(folded.text, vocabulary):
            yield _change(folded, reversals)
        yield _backwards(folded)


def _apart(text: str, folded: Folded, start: int, vocabulary: Vocabulary) -> Iterator[_Change]:
    """Words whose letters stand apart: ``k i l l  y o u`` are two, and ``kill`` after ``i`` one."""
    read = 0
    for run in _APART.finditer(folded.text, start):
        spots = [m.start() for m in _LETTER.finditer(folded.text, *run.span())]
        read += len(spots)
        if read > READ:
            return
        between = [_gap(text, folded, one, other) for one, other in pairwise(spots)]
        joint = Counter(between).most_common(1)[0][0]
        chunk = spots[:1]
        for separator, spot in zip(between, spots[1:], strict=True):
            if separator != joint or len(chunk) == _LONGEST:
                words = list(_join(folded.text, chunk, joint, vocabulary))
                yield from words
                if words and separator == joint + " ":  # "k.i.l.l. y.o.u" is one sentence
                    yield chunk[-1] + 1, spot, " "
                chunk = []
            chunk.append(spot)
        yield from _join(folded.text, chunk, joint, vocabulary)


def _gap(text: str, folded: Folded, one: int, other: int) -> str:
    """What is between two letters: as written, for the fold makes one space of many; but not what
    a reader does not see."""
    written = text[folded.span(one, one + 1)[1] : folded.span(other, other + 1)[0]]
    return folded.text[one + 1 : other] if any(map(str.isalnum, written)) else written


def _join(text: str, spots: list[int], joint: str, vocabulary: Vocabulary) -> Iterator[_Change]:
    """The words that the letters at `spots`, with `joint` between them, make, if they make any."""
    letters = "".join(text[spot] for spot in spots)
    if len(letters) < (_FEWEST_INITIALS if joint == ". " else 3):
        return
    words = vocabulary.split(letters)
    if not words and (word := vocabulary.read(letters)):
        yield spots[0], spots[-1] + 1, word
    at, end = 0, None
    for word in words or ():
        if end is not None:
            yield end, spots[at], " "
        at += len(word)
        end = spots[at - 1] + 1
        yield spots[at - len(word)], end, word


def _tokens(text: str, triple: int | None, vocabulary: Vocabulary) -> Iterator[_Change]:
    """Words with digits and signs in them, or with letters repeated; `triple` is where the first
    letter ends that stands three times."""
    end_of_one = -1
    for start, token in islice(_odd(text, triple), READ):
        if token in _ONES:
            end_of_one = start + 1
            continue
        bare = token.rstrip(".!'*_~|")
        begin = start + len(bare)
        bare = bare.lstrip(".'*_~|")
        begin -= len(bare)
        if word := vocabulary.read(bare):
            # "1 w1ll": the 1 is an I to whoever writes the next word so.
            if end_of_one == begin - 1 and text[end_of_one] == " ":
                yield end_of_one - 1, end_of_one, "i"
            yield begin, begin + len(bare), word


def _odd(text: str, triple: int | None) -> Iterator[tuple[int, str]]:
    """Tokens in which there may be a disguised word, and where they begin: not those of addresses
    and codes."""
    done = 0
    spots: Iterable[int] = (match.start() for match in _ODD.finditer(text))
    if triple is not None:
        spots = sorted((*spots, *_triples(text, max(0, triple - 3))))
    for spot in spots:
        if spot < done:
            continue
        begin = max(text.rfind(" ", done, spot), text.rfind("\n", done, spot), done - 1) + 1
        if not (chunk := _CHUNK.match(text, begin)):
            continue
        done = chunk.end()
        written = chunk[0]
        tokens = _known_odd_tokens(written) if len(written) <= _SHORT else _odd_tokens(written)
        for at, token in tokens:
            yield begin + at, token


def _odd_tokens(chunk: str) -> tuple[tuple[int, str], ...]:
    if _ADDRESS.search(chunk) or _CODE.search(chunk):
        return ()
    return tuple(
        (match.start(), match[0])
        for match in _TOKEN.finditer(chunk)
        if match[0] in _ONES
        or (not match[0].isalpha() and _PLAIN_LETTER.search(match[0]))
        or _is_repetitive(match[0])
    )


_known_odd_tokens = lru_cache(maxsize=_CACHE)(_odd_tokens)


def _triples(text: str, start: int) -> Iterator[int]:
    """Where a letter three times is from `start` on, in any order."""
    for triple in _TRIPLES:
        at = text.find(triple, start)
        while at >= 0:
            yield at
            at = text.find(triple, at + 3)


def _pictures(text: str) -> Iterator[_Change]:
    """Words for pictures, with a space to each side as rules expect it."""
    for match in islice(_EMOJI.finditer(text), READ):
        start, end = match.span()
        before = "" if text[start - 1 : start].isspace() else " "
        after = "" if text[end : end + 1].isspace() else " "
        yield start, end, f"{before}{EMOJI[match[0]]}{after}"


def _is_repetitive(token: str) -> bool:
    return any(a == b == c for a, b, c in zip(token, token[1:], token[2:], strict=False))


def _backward_words(text: str, vocabulary: Vocabulary) -> list[_Change]:
    """Words that are known only backwards: in ``i lliw llik uoy`` the words stay in their order."""
    return [
        (m.start(), m.end(), m[0][::-1])
        for m in islice(_WORD.finditer(text), READ)
        if m[0] not in vocabulary.words and m[0][::-1] in vocabulary.words
    ]


def _backwards(folded: Folded) -> Folded:
    """Each line from its end to its beginning."""
    text = _LINE.sub(lambda line: line[0][::-1], folded.text)
    origins = indices(0, len(text)) if folded.origins is None else folded.origins[:]
    for line in _LINE.finditer(text):
        start, end = line.span()
        origins[start:end] = origins[start:end][::-1]
    return Folded(text, origins)


def _change(folded: Folded, changes: list[_Change]) -> Folded:
    """Put in what was read; where two changes overlap, the one that begins first."""
    pieces: list[str] = []
    kept = array("I")
    known = indices(0, len(folded.text)) if folded.origins is None else folded.origins
    done = 0
    for start, end, word in sorted(changes):
        if start < done:
            continue
        pieces += folded.text[done:start], word
        kept += known[done:start]
        # The last letter leads to the last character, for spans show all of the disguise.
        last = len(word) - 1
        kept.extend(
            known[end - 1 if at == last else min(start + at, end - 1)] for at in range(last + 1)
        )
        done = end
    pieces.append(folded.text[done:])
    kept += known[done:]
    return Folded("".join(pieces), kept)
