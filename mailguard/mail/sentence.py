"""Cut folded text into sentences and paragraphs: the units within which a rule's patterns meet."""

import re
from collections.abc import Iterator

SENTENCE_LIMIT = 2000
"""Characters of one sentence. English sentences stay below a few hundred; text without full stops
must not become one unit in which everything meets everything."""

OVERLAP = 200
"""Characters that a cut sentence shares with its continuation: no phrase hides at the cut."""

# Each alternative can begin only where its run of characters begins, and runs are possessive: no
# text is looked at more than twice. An ellipsis goes on ("i will... hurt you"), as do titles.
# One set of characters comes first, and looks back come after it: what has none is skipped fast.
_PARAGRAPH_END = re.compile(r"\n\s*\n")
_SENTENCE_END = re.compile(
    r"""[\n.!?] (?: (?<=\n) (?:
          \s*\n
        | (?= [ \t]* (?: [-*+>•‣·–] | \d{1,3}[.)] | [a-z][.)] ) [ \t] )
      ) | (?<!\n) (?<![.!?][.!?])
        (?<!\bmr[.!?]) (?<!\bmrs[.!?]) (?<!\bms[.!?]) (?<!\bdr[.!?]) (?<!\bst[.!?])
        (?<!\be\.g[.!?]) (?<!\bi\.e[.!?])
        (?!(?<=\.)\.) [.!?]*+ [)\]"'”’»]*+ (?=\s)
    )""",
    re.VERBOSE,
)


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Yield the half-open range of each sentence of folded `text`, in order, without outer space.

    A sentence ends at a blank line, before a list item, and after ``.``, ``!`` or ``?`` followed by
    white space; a single line end does not end it, since plain text is wrapped. One longer than
    :data:`SENTENCE_LIMIT` comes as several ranges that overlap by :data:`OVERLAP`.
    """
    for start, end in _split(text, _SENTENCE_END):
        while end - start > SENTENCE_LIMIT:
            yield start, start + SENTENCE_LIMIT
            start += SENTENCE_LIMIT - OVERLAP
        yield start, end


def paragraphs(text: str) -> Iterator[tuple[int, int]]:
    """Yield the half-open range of each paragraph of folded `text`: blank lines separate them."""
    return _split(text, _PARAGRAPH_END)


def _split(text: str, boundary: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    start = 0
    for match in boundary.finditer(text):
        yield from _trim(text, start, match.end())
        start = match.end()
    yield from _trim(text, start, len(text))


def _trim(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    piece = text[start:end]
    stripped = piece.strip()
    if stripped:
        start += len(piece) - len(piece.lstrip())
        yield start, start + len(stripped)
