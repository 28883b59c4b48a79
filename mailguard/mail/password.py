"""Words of a message that may open an encrypted file sent with it."""

import re
from collections.abc import Iterator
from itertools import islice, pairwise

from mailguard.mail.charset import read_text
from mailguard.mail.html import read_html
from mailguard.mail.message import Message

PASSWORDS = 20
"""Words that are tried for one message: opening one file with one takes a library a tenth of a
second at worst."""

SEARCHED = 1 << 16
"""Bytes of each text that are searched. Who writes a password wants it to be found."""

_LONGEST = 64

_CUE = re.compile(
    r"\b(?:pass ?-?(?:word|code|phrase)|pwd|p/w|pw|pin(?: code| number)?|unlock code|key)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"\S{1,80}")
_NEAR = 12
"""Words behind a cue: "the password for the attached file is, as always, …"."""

_FILLERS = {
    *(
        "is",
        "was",
        "will",
        "be",
        "the",
        "a",
        "an",
        "for",
        "to",
        "of",
        "in",
        "on",
        "and",
        "it",
        "as",
    ),
    *("this", "that", "with", "file", "document", "attachment", "attached", "zip", "pdf", "word"),
    *(
        "always",
        "usual",
        "same",
        "open",
        "use",
        "please",
        "your",
        "our",
        "my",
        "below",
        "following",
    ),
}
_QUOTES = "\"'`“”‘’«»()[]<>{}*_"
_STOPS = ".,;:!?="


def find_passwords(message: Message) -> tuple[str, ...]:
    """What follows words such as "password", likeliest first, each once; empty without such."""
    words = dict.fromkeys(
        candidate for text in _texts(message) for candidate in _behind_cues(text) if candidate
    )
    return tuple(islice(words, PASSWORDS))


def _texts(message: Message) -> Iterator[str]:
    yield message.subject
    for part in message.parts:
        if part.is_attachment:
            continue
        text = read_text(part.data[:SEARCHED], part.charset)
        yield "\n".join(read_html(text)) if part.content_type == "text/html" else text


def _behind_cues(text: str) -> Iterator[str]:
    """First what stands behind a colon or in quotes, then every other word that is near."""
    near = [
        [word[0] for word in islice(_WORD.finditer(text, cue.end()), _NEAR)]
        for cue in islice(_CUE.finditer(text), PASSWORDS)
    ]
    for words in near:
        yield from _marked(words)
    for words in near:
        plain = [word for word in words if word.lower().strip(_QUOTES + _STOPS) not in _FILLERS]
        for word in plain:
            yield from _forms(word)


def _marked(words: list[str]) -> Iterator[str]:
    for before, word in pairwise(["", *words]):
        if before.endswith((":", "=")) or before.lower() == "is" or word[0] in _QUOTES:
            yield from _forms(word)


def _forms(word: str) -> Iterator[str]:
    """As written, and without what a sentence adds to it."""
    for form in (word.strip(_QUOTES + _STOPS), word.strip(_QUOTES), word):
        if form and len(form) <= _LONGEST and form not in {":", "=", "-"}:
            yield form
