"""Fold text so that rules can be written in plain letters, keeping the way back to the original."""

import re
import unicodedata
from array import array
from dataclasses import dataclass
from functools import lru_cache

from mailguard.mail.lookalike import LOOKALIKES

EXPANSION = 4
"""Characters that one may become: ``⑽`` is ``(10)``. U+FDFA would be 18, so it stays what it is,
and no text grows much."""

_CACHE = 1 << 14
"""Characters remembered; the letters of a few scripts. A text of all there are must not fill
memory."""

# Stands where a character becomes none or several; folding removes NUL, so it cannot occur.
_MARK = "\0"
_MARKS = re.compile("\0+")
_ODD = re.compile(r"[^\n -~]+")
_SPACES = re.compile(r"[ \n][ \n]+")
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


@dataclass(frozen=True, slots=True)
class Folded:
    """Folded text and, for each of its characters, where it came from.

    Folding, character by character: NFKC, look-alike letters (UTS 39), accents, case, digits of
    all scripts, zero-width and other format characters removed; then runs of white space become
    one space, one line end (``\\n``) where they hold one, or two where they hold a blank line.
    Curly quotes and long dashes become plain. What has no plain look stays as it is, lower-case.
    """

    text: str
    origins: "array[int] | None"  # array takes a parameter at run time only from Python 3.12
    """Index into the original for each character; None when every index is its own."""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Translate a half-open range of `text` into one of the original text."""
        if self.origins is None:
            return start, end
        if start < end:
            # Not its first and last: text that is read backwards leads back in that order.
            here = self.origins[start:end]
            return min(here), max(here) + 1
        at = self.origins[start - 1] + 1 if start else 0
        return at, at


def fold(text: str) -> Folded:
    """Fold any text, lone surrogates included, in linear time. Folding twice changes nothing."""
    if text.isascii():
        folded = text.translate(_SINGLE)
    else:
        folded = _ODD.sub(lambda run: run[0].translate(_SINGLE), text).lower()
    origins = None
    if _MARK in folded:
        folded, origins = _expand(folded, text)
    if "  " in folded or "\n " in folded or " \n" in folded or "\n\n\n" in folded:
        folded, origins = _collapse(folded, origins)
    return Folded(folded, origins)


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


def _collapse(text: str, origins: "array[int] | None") -> "tuple[str, array[int]]":
    """Shorten each run of white space to what it means, from its end."""
    known = indices(0, len(text)) if origins is None else origins
    pieces: list[str] = []
    kept, done = array("I"), 0
    for spaces in _SPACES.finditer(text):
        start, end = spaces.span()
        run = "\n" * min(text.count("\n", start, end), 2) or " "
        pieces += text[done:start], run
        kept += known[done : start + len(run)]
        done = end
    pieces.append(text[done:])
    kept += known[done:]
    return "".join(pieces), kept


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
