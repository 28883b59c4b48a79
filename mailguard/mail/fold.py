"""Fold text so that rules can be written in plain letters, keeping the way back to the original."""

import re
import unicodedata
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TypeAlias

from mailguard.mail.lookalike import LOOKALIKES

EXPANSION = 4
"""Characters that one may become: ``⑽`` is ``(10)``. U+FDFA would be 18, so it stays what it is,
and no text grows much."""

_CACHE = 1 << 14
"""Characters remembered; the letters of a few scripts. A text of all there are must not fill
memory."""

_FEW = 40
"""Different characters that are replaced one by one: quotes, spaces and accents of one language."""

# Stands where a character becomes none or several; folding removes NUL, so it cannot occur.
_MARK = "\0"
_MARKS = re.compile("\0+")
_ODD = re.compile(r"[^\n -~]+")
_SPACES = re.compile(r"[ \n][ \n]+")
_TWO_SPACES = re.compile("  +")
_THREE_LINES = re.compile("\n\n\n+")
_EVEN = bytes((ord("\n"), *range(ord(" "), ord("~") + 1)))
_IDENTITY = array("I", range(1 << 16))

# A letter of our alphabet in all but shape, e.g. LATIN SMALL LETTER O WITH STROKE, LATIN LETTER
# SMALL CAPITAL K, NEGATIVE SQUARED LATIN CAPITAL LETTER A. Names are stable (Unicode policy).
_LATIN = re.compile(
    r"(?:(?:NEGATIVE )?(?:PARENTHESIZED|CIRCLED|SQUARED) )?LATIN (?:SMALL |CAPITAL )?LETTER "
    r"(?:SMALL CAPITAL |DOTLESS |SCRIPT |INSULAR )?([A-Z])(?: WITH .*)?"
    r"|REGIONAL INDICATOR SYMBOL LETTER ([A-Z])"
)

_REMOVED = {"Cc", "Cf", "Mn", "Me"}
"""General categories without a shape of their own: controls, format characters, accents."""

_CASELESS = {"Lo", "Cn", "Co"}
"""Categories of most characters there are; one of them is folded once it is in form NFKC."""

_PARTICULAR = {
    **dict.fromkeys("\t\v\f\r\x1c\x1d\x1e\x1f\u2800", " "),
    **dict.fromkeys("\n\x85\u2028\u2029", "\n"),
    # Letters by category, and invisible: the Hangul fillers.
    **dict.fromkeys("\u115f\u1160\u3164\uffa0", ""),
}


_Origins: TypeAlias = "array[int] | None"  # array takes a parameter at run time only from 3.12


@dataclass(frozen=True, slots=True)
class Folded:
    """Folded text and, for each of its characters, where it came from.

    Folding, character by character: NFKC, look-alike letters (UTS 39), accents, case, digits of
    all scripts, zero-width and other format characters removed; then runs of white space become
    one space, one line end (``\\n``) where they hold one, or two where they hold a blank line.
    Curly quotes and long dashes become plain. What has no plain look stays as it is, lower-case.
    """

    text: str
    way_back: "_Origins | Callable[[], array[int]]" = field(repr=False, compare=False)
    """`origins`, or how to find them: of most texts nobody asks for them, and they cost more than
    the folded text itself."""

    @property
    def origins(self) -> "_Origins":
        """Index into the original for each character; None when every index is its own."""
        if callable(self.way_back):
            object.__setattr__(self, "way_back", self.way_back())
        return self.way_back  # type: ignore[return-value]  # no longer a way to find them

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Translate a half-open range of `text` into one of the original text."""
        origins = self.origins
        if origins is None:
            return start, end
        if start < end:
            # Not its first and last: text that is read backwards leads back in that order.
            here = origins[start:end]
            return min(here), max(here) + 1
        at = origins[start - 1] + 1 if start else 0
        return at, at


def fold(text: str) -> Folded:
    """Fold any text, lone surrogates included, in linear time. Folding twice changes nothing."""
    marked, folded = _replace(text)
    if _has_runs(folded):
        folded = _TWO_SPACES.sub(" ", folded).replace(" \n", "\n").replace("\n ", "\n")
        folded = _THREE_LINES.sub("\n\n", folded)
    return Folded(folded, None if folded is marked else partial(_trace, text, marked))


def _replace(text: str) -> tuple[str, str]:
    """Fold each character: with marks for those that become none or several, and without; one and
    the same if there are none of these."""
    if text.isascii():
        marked = text.translate(_SINGLE)
    else:
        odd = text.encode("utf-8", "surrogatepass").translate(None, _EVEN)
        characters = {*odd.decode("utf-8", "surrogatepass")}
        if len(characters) <= _FEW:
            return _replace_few(text, characters)
        marked = _ODD.sub(lambda run: run[0].translate(_SINGLE), text).lower()
    if _MARK not in marked:
        return marked, marked
    return marked, _MARKS.sub(lambda marks: _fold_all(text[slice(*marks.span())]), marked)


def _replace_few(text: str, characters: Iterable[str]) -> tuple[str, str]:
    # Folded characters stay what they are, so one replacement cannot undo another.
    several: list[str] = []
    for character in characters:
        if (folded := _SINGLE[ord(character)]) == _MARK:
            several.append(character)
        else:
            text = text.replace(character, folded)
    if not several:
        text = text.lower()
        return text, text
    marked = whole = text
    for character in several:
        marked = marked.replace(character, _MARK)
        whole = whole.replace(character, _fold_character(character))
    return marked.lower(), whole.lower()


def _fold_all(characters: str) -> str:
    return "".join(map(_fold_character, characters))


def _has_runs(text: str) -> bool:
    """Whether there is white space that would be shortened."""
    return "  " in text or "\n " in text or " \n" in text or "\n\n\n" in text


def _trace(text: str, marked: str) -> "array[int]":
    """The origins of what :func:`fold` makes of `text`, where they are not each their own."""
    folded, origins = marked, indices(0, len(text))
    if _MARK in marked:
        folded, origins = _expand(marked, text)
    return _collapse(folded, origins) if _has_runs(folded) else origins


def _expand(marked: str, text: str) -> "tuple[str, array[int]]":
    """Replace each mark by what the character there in `text` becomes."""
    pieces: list[str] = []
    origins, done = array("I"), 0
    for marks in _MARKS.finditer(marked):
        start, end = marks.span()
        pieces.append(marked[done:start])
        origins += indices(done, start)
        for at in range(start, end):
            if replacement := _fold_character(text[at]):
                pieces.append(replacement)
                origins.extend([at] * len(replacement))
        done = end
    pieces.append(marked[done:])
    origins += indices(done, len(marked))
    return "".join(pieces), origins


def _collapse(text: str, origins: "array[int]") -> "array[int]":
    """Shorten each run of white space to what it means, from its end."""
    kept, done = array("I"), 0
    for spaces in _SPACES.finditer(text):
        start, end = spaces.span()
        kept += origins[done : start + (min(text.count("\n", start, end), 2) or 1)]
        done = end
    kept += origins[done:]
    return kept


def indices(start: int, end: int) -> "array[int]":
    """The numbers of a half-open range."""
    if end <= len(_IDENTITY):
        return _IDENTITY[start:end]
    return array("I", range(start, end))


class _Single(dict[int, str]):
    """What each character becomes, where that is one character: for `str.translate`."""

    def __missing__(self, code: int) -> str:
        folded = _fold_character(chr(code))
        single = folded if len(folded) == 1 else _MARK
        if len(self) < _CACHE:
            self[code] = single
        return single


@lru_cache(maxsize=_CACHE)
def _fold_character(character: str) -> str:
    step = _step(character)
    if step == character:
        return character
    folded = "".join(map(_fold_character, step))
    return folded if len(folded) <= EXPANSION else character


def _step(character: str) -> str:
    """One step towards the folded form; a character that is its own next step is folded."""
    if character in _PARTICULAR:
        return _PARTICULAR[character]
    if character in LOOKALIKES:
        return LOOKALIKES[character]
    category = unicodedata.category(character)
    if category in _REMOVED:
        return ""
    if category in _CASELESS and unicodedata.is_normalized("NFKC", character):
        return character
    if category == "Zs":
        return " "
    if category == "Cs":
        return "\ufffd"
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if character.isascii():
        return character.lower()
    if latin := _LATIN.fullmatch(unicodedata.name(character, "")):
        return latin[1] or latin[2]
    compatible = unicodedata.normalize("NFKC", character)
    if compatible != character:
        return compatible
    decomposed = unicodedata.normalize("NFD", character)
    if all(unicodedata.category(accent) in _REMOVED for accent in decomposed[1:]):
        return decomposed[0].lower()
    return character.lower()


_SINGLE = _Single()
