"""Read the people out of From, To and Cc (RFC 5322 §3.4), however they are written."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from mailguard.mail.words import decode_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """A display name and an address from a header field."""

    name: str
    address: str


# One token after the other, each alternative with a beginning of its own: linear. Encoded words
# come first, since some programs leave commas in them.
_TOKEN = re.compile(
    r"""(?P<word>=\?[^?\s]*+\?[bBqQ]\?[^?]*+\?=)
      | "(?P<quoted>(?:[^"\\]|\\.)*+)"?
      | <(?P<address>[^<>]*+)>?
      | \((?P<comment>(?:[^()\\]|\\.)*+)\)?
      | (?P<separator>[,;])
      | (?P<colon>:)
      | (?P<text>(?:(?!=\?)[^"<(,;:])++|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


@dataclass(slots=True, kw_only=True)
class _Draft:
    """The mailbox being read."""

    phrase: list[str] = field(default_factory=list)
    source: list[str] = field(default_factory=list)
    comment: str = ""
    address: str | None = None

    def finish(self) -> Iterator[Mailbox]:
        """Yield the mailbox, unless nothing was written; ``a@b.example (Ana)`` is the old form."""
        name = " ".join(decode_words("".join(self.phrase)).split())
        if self.address is not None:
            yield Mailbox(name=name or self.comment, address="".join(self.address.split()))
        elif "@" in name:
            yield self._bare()
        elif name:
            yield Mailbox(name=name, address="")

    def _bare(self) -> Mailbox:
        """An address without brackets; the words beside it, if any, are the name."""
        source = "".join(self.source)
        if '"' in source:
            return Mailbox(name=self.comment, address=source.strip())
        words = source.split()
        address = next(word for word in words if "@" in word)
        words.remove(address)
        return Mailbox(name=" ".join(words) or self.comment, address=address)


def parse_mailboxes(value: str) -> Iterator[Mailbox]:
    """Yield each mailbox of a header value that is unfolded text; encoded words are decoded here.

    Takes linear time and never raises. A name without address has ``address=""``; a group's name
    (``class 4b: ...;``) is no mailbox.
    """
    draft = _Draft()
    for token in _TOKEN.finditer(value):
        kind, text = token.lastgroup, token[token.lastgroup or 0]
        if kind == "separator" or (kind == "address" and draft.address is not None):
            yield from draft.finish()
            draft = _Draft()
        if kind == "address":
            draft.address = text
        elif kind == "comment":
            draft.comment = decode_words(_ESCAPED.sub(r"\1", text)).strip()
        elif kind == "quoted":
            draft.phrase.append(_ESCAPED.sub(r"\1", text))
            draft.source.append(token[0])
        elif kind in ("word", "text"):
            draft.phrase.append(text)
            draft.source.append(text)
        elif kind == "colon" and draft.address is None:
            draft = _Draft()
    yield from draft.finish()
