"""Tell the author's own words from quoted replies and forwarded blocks in plain text.

Mail programs mark a quotation by ``>`` before each line, or by a line or a block of fields above it
and nothing below: then all that follows is quoted. Whoever types such a line by hand puts their own
words among the quoted, so rules that must not be dodged name both places.
"""

import re
from collections.abc import Sequence

_HINTS = (
    *(">", "wrote", "writes", "schrieb", "écrit", "escribió"),
    *("original", "forwarded", "from:", "von:", "de:", "de :", "de\xa0:"),
)
"""Without one of these in the text (lower-case) there is no quotation."""

_PREFIX = re.compile(r"[ \t]*+>[> \t]*+")
_SEPARATOR = re.compile(
    r"[ \t]*+(?:[-_=]{2,}+[ \t]*+(?:original|forwarded)[ \t]+(?:message|e-?mail|appointment)"
    r"[ \t]*+[-_=]{2,}+|-{2,}+[ \t]*+forwarded by .*\d.*-{2,}|begin forwarded message:)[ \t\r]*+",
    re.IGNORECASE,
)
_OPENING = re.compile(r"[ \t]*+(?:on|at|am|le|el)\b.*\d", re.IGNORECASE)
_WROTE = re.compile(
    r"\b(?:wrote|writes|a écrit|escribió|schrieb\b.{0,60})[ \xa0]?:\s*\Z", re.IGNORECASE
)
_RULE = re.compile(r"[ \t]*+_{10,}+[ \t\r]*+")
"""What Outlook on the web draws above its block."""

_FROM = re.compile(r"[ \t*]*+(?:from|von|de)[ \xa0]?:", re.IGNORECASE)
_FIELD = re.compile(
    r"[ \t*]*+(?:sent|date|to|cc|subject|gesendet|datum|an|betreff|envoyé|à|objet|enviado"
    r"|para|asunto)[ \xa0]?:",
    re.IGNORECASE,
)

_NOTABLE = re.compile(r"[ \t*]*+(?:>|[-_=]{2}|begin|from|von|de)", re.IGNORECASE)
"""How a line begins that may be one of these; no other needs a closer look."""

_ATTRIBUTION_END = 100
"""Characters at the end of a line in which "Cara Finch wrote:" is looked for."""

_ATTRIBUTION_LINES = 3
"""Gmail and Thunderbird wrap "On ..., ... wrote:" to at most three lines."""

_NEAR = 2 * _ATTRIBUTION_LINES
"""Lines above a quotation in which its attribution stands, blank ones included."""

_BLOCK_LINES = 12
"""Lines after "From:" in which Outlook's other fields stand, blank ones between included."""


def split_quotation(text: str) -> tuple[str, str]:
    """Return the author's own words and the quoted text, without ``>``, each as lines in order.

    A blank line stands where something was taken out, for no sentence goes on there. Line ends
    must be ``\\n``. Text without a quotation comes back as it is, and ``""``.
    """
    lower = text.lower()
    if not any(hint in lower for hint in _HINTS):
        return text, ""
    lines = text.split("\n")
    own: list[str] = []
    quoted: list[str] = []
    was_prefixed = False
    marked = 0  # the next line with a ">", looked for once only
    for at, line in enumerate(lines):
        may_introduce = line.rstrip().endswith(":")
        if not may_introduce and not _NOTABLE.match(line):
            was_prefixed = False
            own.append(line)
            continue
        if _PREFIX.match(line):
            if not was_prefixed:
                quoted += [*([""] if quoted else []), *_take(own, _attribution(own))]
                own += [""] if own and own[-1] else []
            quoted.append(_strip_prefix(line))
            was_prefixed = True
            continue
        was_prefixed = False
        if _SEPARATOR.fullmatch(line) or _is_block(lines, at):
            if own and _RULE.fullmatch(own[-1]):
                quoted.append(own.pop())
            quoted += map(_strip_prefix, lines[at:])
            break
        own.append(line)
        length = _dated_attribution(own) if may_introduce else 0
        if not length or _is_prefixed_below(lines, at):
            continue
        if marked <= at:
            marked = next((n for n in range(at, len(lines)) if _PREFIX.match(lines[n])), len(lines))
        if not _is_answered(lines, at, marked):
            quoted += [*_take(own, length), *map(_strip_prefix, lines[at + 1 :])]
            break
    return "\n".join(own), "\n".join(quoted)


def _strip_prefix(line: str) -> str:
    prefix = _PREFIX.match(line)
    return line[prefix.end() :] if prefix else line


def _take(lines: list[str], count: int) -> list[str]:
    """Remove and return the last `count` lines."""
    at = len(lines) - count
    taken = lines[at:]
    del lines[at:]
    return taken


def _is_block(lines: Sequence[str], at: int) -> bool:
    """Whether Outlook's fields of the quoted message begin here: From, another, and a third."""
    if not _FROM.match(lines[at]):
        return False
    below = (line for line in lines[at + 1 : at + 1 + _BLOCK_LINES] if line.strip())
    are_fields = (bool(_FIELD.match(line)) for line in below)
    return next(are_fields, False) and any(are_fields)


def _is_prefixed_below(lines: Sequence[str], at: int) -> bool:
    """Whether the next line that is not blank, among the next few, is marked by ``>``."""
    below = (line for line in lines[at + 1 : at + 4] if line.strip())
    return bool(_PREFIX.match(next(below, "")))


def _is_answered(lines: Sequence[str], at: int, marked: int) -> bool:
    """Whether who is named on line `at` is quoted only by what is `marked` further below: then
    what is written between and behind is the author's answer."""
    near = lines[max(at + 1, marked - _NEAR) : marked]
    return marked < len(lines) and not _attribution(near)


def _attribution(lines: Sequence[str]) -> int:
    """How many of the last lines say who wrote what follows; blank lines after them count."""
    if length := _dated_attribution(lines):
        return length
    blank = _blank_lines(lines)
    return blank + 1 if _ends_attribution(lines, blank) else 0


def _dated_attribution(lines: Sequence[str]) -> int:
    """The same, if they say when, or give an address: "In her essay Shelley wrote:" does not."""
    blank = _blank_lines(lines)
    if not _ends_attribution(lines, blank):
        return 0
    for length in range(blank + 1, min(blank + _ATTRIBUTION_LINES, len(lines)) + 1):
        if _OPENING.match(lines[-length]):
            return length
    return blank + 1 if "@" in lines[-blank - 1] else 0


def _ends_attribution(lines: Sequence[str], blank: int) -> bool:
    if len(lines) <= blank:
        return False
    end = lines[-blank - 1][-_ATTRIBUTION_END:]
    return end.rstrip().endswith(":") and bool(_WROTE.search(end))


def _blank_lines(lines: Sequence[str]) -> int:
    """How many blank lines there are at the end, at most two."""
    return next((n for n, line in enumerate(lines[:-4:-1]) if line.strip()), 0)
