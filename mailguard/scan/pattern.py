"""The pattern language of rules: word lists filled in, and what the engine cannot do refused early.

A pattern that passes :func:`expand` may still be refused by Vectorscan (too large); `scan.matcher`
reports that with the same error.
"""

import re
from collections.abc import Mapping

from mailguard.scan.nearest import suggest

_LIST = re.compile(r"\{\{(.*?)\}\}")

_SYNTAX = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?<?.|[\^$\[]")
"""An escape, a character class, the head of a special group, an anchor, or a lone bracket."""

_LOOKAROUND = "looks ahead or behind; use `unless`, or a second line of `all`"
_GROUP = "has a group that begins with (? and is not (?:"
_REFERENCE = "refers back to a group; write the words out"
_ANCHOR = "is tied to the beginning or end of the text; a sentence has no fixed ends"
_LINE_END = "names a line end; line ends are seen as spaces, use \\s"
_ESCAPE = "has an escape that is not one of \\b \\B \\d \\D \\s \\S \\w \\W"
_OPEN_CLASS = "has [ without ]"
_NESTED = "has [ -- && || or ~~ inside a character class, of which engines differ; escape it"

_LONGEST = 16_000
"""Vectorscan's own limit on the length of a pattern."""

_PROBES = ("", "a", " a ")
"""Enough to show a pattern that is content with nothing, inside or outside a word."""


def parse_phrases(text: str) -> tuple[str, ...]:
    """Return the phrases of a word list in order; a ValueError says what is wrong and where."""
    phrases: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        phrase = " ".join(line.partition("#")[0].split())
        if not phrase:
            continue
        if not (phrase.isascii() and phrase.isprintable() and phrase == phrase.lower()):
            raise ValueError(f"line {number}: a phrase is in lower-case ASCII letters")
        if not any(letter.isalnum() for letter in phrase):
            raise ValueError(f"line {number}: a phrase has at least one letter or digit")
        if phrase in phrases:
            raise ValueError(f"line {number}: {phrase!r} is in line {phrases[phrase]} already")
        phrases[phrase] = number
    if not phrases:
        raise ValueError("the list has no phrase")
    return tuple(phrases)


def expand(pattern: str, lists: Mapping[str, tuple[str, ...]]) -> str:
    """Fill in the word lists of `pattern`; a ValueError says what it may not be or contain."""
    if not (pattern.isascii() and pattern.isprintable()):
        raise ValueError("has a letter that folding removes, or \\b outside '''; use plain letters")
    if any(letter.isupper() for letter in re.sub(r"\\.", "", pattern)):
        raise ValueError("has a capital letter; text is in lower case when patterns see it")
    for token in _SYNTAX.findall(pattern):
        if reason := _refusal(token):
            raise ValueError(reason)
    _refuse_emptiness(_LIST.sub("x", pattern))
    expanded = _LIST.sub(lambda found: _alternatives(found[1], lists), pattern)
    if "{{" in expanded:
        raise ValueError("has {{ without }}; a word list is named {{like_this}}")
    if len(expanded) > _LONGEST:
        raise ValueError(f"has {len(expanded)} characters with its lists; {_LONGEST} are allowed")
    return expanded


def _refusal(token: str) -> str | None:
    """Say why a pattern with this token cannot be used, None when it can."""
    match token[0], token[1:]:
        case "(", "?=" | "?!" | "?<=" | "?<!":
            return _LOOKAROUND
        case "(", rest if rest and rest != "?:":
            return _GROUP
        case "\\", escaped if escaped in "AZzG":
            return _ANCHOR
        case "\\", escaped if escaped in "nr":
            return _LINE_END
        case "\\", escaped if escaped in "123456789gk":
            return _REFERENCE
        case "\\", escaped if escaped.isalnum() and escaped not in "bBdDsSwW":
            return _ESCAPE
        case "^" | "$", _:
            return _ANCHOR
        case "[", "":
            return _OPEN_CLASS
        case "[", rest if re.search(r"\[|--|&&|\|\||~~", re.sub(r"\\.", "", rest)):
            return _NESTED
    return None


def _alternatives(name: str, lists: Mapping[str, tuple[str, ...]]) -> str:
    if name not in lists:
        raise ValueError(f"names the word list {name!r}, which is not there{suggest(name, lists)}")
    return f"(?:{'|'.join(map(_phrase_pattern, lists[name]))})"


def _phrase_pattern(phrase: str) -> str:
    return re.escape(phrase).replace("'", "'?").replace("\\ ", "[ -]")


def _refuse_emptiness(pattern: str) -> None:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"is not a pattern: {error}") from error
    if any(not found[0] for probe in _PROBES for found in compiled.finditer(probe)):
        raise ValueError("matches nothing at all, so it would match everywhere")
