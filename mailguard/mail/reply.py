"""SMTP replies: what one is, and every one that MailGuard itself gives.

Texts are constant: no configuration, path, rule or reason reaches a peer (RFC 5321 §4.2).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A reply of one or more lines (RFC 5321 §4.2); `lines` hold the text after the code."""

    code: int
    lines: tuple[str, ...]

    @classmethod
    def of(cls, code: int, text: str) -> "Reply":
        """A one-line reply."""
        return cls(code=code, lines=(text,))

    @property
    def is_positive(self) -> bool:
        """2xx: the peer took it."""
        return 200 <= self.code < 300

    @property
    def is_intermediate(self) -> bool:
        """3xx: go on."""
        return 300 <= self.code < 400

    @property
    def is_temporary(self) -> bool:
        """4xx: the sender keeps the message and tries again."""
        return 400 <= self.code < 500

    @property
    def is_permanent(self) -> bool:
        """5xx: the sender is told that it failed."""
        return self.code >= 500

    def naming(self, queue_id: str) -> "Reply":
        """The same with a transaction's id at the end: a sender's log then leads to ours."""
        *lines, last = self.lines
        return Reply(code=self.code, lines=(*lines, f"{last} ({queue_id})"))

    def __str__(self) -> str:
        """All lines joined by ``/``, for logs and records: ``250 2.0.0 Ok``."""
        return f"{self.code} {' / '.join(self.lines)}"

    def encode(self) -> bytes:
        """The bytes on the wire, CRLF included. Control and non-ASCII characters become ``?``."""
        last = len(self.lines) - 1
        return b"".join(
            b"%d%c%s\r\n" % (self.code, b"-" if i < last else b" ", _printable(line))
            for i, line in enumerate(self.lines)
        )


def _printable(line: str) -> bytes:
    """Keep what may stand in a reply text: next hops and peers are not trusted (RFC 5321 §4.2)."""
    if line.isascii() and line.isprintable():
        return line.encode("ascii")
    return bytes(c if 32 <= c < 127 else 63 for c in line.encode("ascii", "replace"))


Replies = tuple[Reply, ...]
"""The last words on one message: one for all, or one for each recipient (RFC 2033 §4.2)."""


def taken_over(queue_id: str) -> Reply:
    """250 for a message in quarantine; it does not tell the sender that it was held."""
    return Reply.of(250, f"2.0.0 Ok: queued as {queue_id}")


LOCAL_ERROR = Reply.of(451, "4.3.0 Temporary failure, please try again later")
"""Any fault of ours (RFC 3463 X.3.0)."""

NEXT_HOP_DOWN = Reply.of(451, "4.4.1 Next hop does not answer, please try again later")
"""RFC 3463 X.4.1."""

NO_LAST_WORD = Reply.of(451, "4.4.2 Next hop gave no last word, please try again later")
"""Stands for the reply to a final dot that never came (RFC 3463 X.4.2): it may have been 250."""

SYSTEM_FULL = Reply.of(452, "4.3.1 Insufficient system storage, please try again later")
"""RFC 5321 §4.2.3, RFC 3463 X.3.1."""

TOO_BIG = Reply.of(552, "5.3.4 Message is larger than this server accepts")
"""RFC 1870 §6.1 (3), RFC 3463 X.3.4."""

REFUSED = Reply.of(554, "5.7.1 Message refused by school policy")
"""The only 5xx for content, and only where the school's policy says `reject`."""
