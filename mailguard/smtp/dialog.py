"""The client's side of SMTP without a socket: commands out, replies in, data between.

Nothing that a next hop says is trusted: its replies are bounded, and only keywords on a list of
ours are repeated.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from mailguard.errors import NextHopUnavailable
from mailguard.mail.reply import Reply

REPLY_LINES = 100
"""Lines of one reply. EHLO of a large server has thirty."""

REPLY_BYTES = 65536
"""Bytes of one reply; :data:`REPLY_LINES` lines of RFC 5321 §4.5.3.1.5 are 51,200."""

PASSED_THROUGH = frozenset(
    {
        "SIZE",
        "8BITMIME",
        "SMTPUTF8",
        "DSN",
        "PIPELINING",
        "ENHANCEDSTATUSCODES",
        "DELIVERBY",
        "MT-PRIORITY",
        "FUTURERELEASE",
        "CONPERM",
        "CONNEG",
        "MTRK",
        "NO-SOLICITING",
        "RRVS",
        "SUBMITTER",
        "XVERP",
    }
)
"""EHLO keywords that only permit parameters, or that we keep ourselves: those of IANA's list. All
others promise commands or states that end here (STARTTLS, AUTH, CHUNKING, XCLIENT, XEXCH50, …).
Parameters as such are never refused for want of a keyword: the next hop judges them."""

BEFORE_FIRST_EHLO = ("8BITMIME", "SIZE")
"""What we announce while no next hop has answered yet: every mail server of today has both."""

_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)
_NUMBER = re.compile(r"[0-9]{1,20}")


def command(verb: bytes, argument: bytes = b"") -> bytes:
    """One command line. Raises ValueError where `argument` would make it two."""
    if b"\r" in argument or b"\n" in argument:
        raise ValueError("a command's argument holds a line end")
    return verb + argument + b"\r\n"


class NoReply(NextHopUnavailable):
    """What came is no reply; `before` has the replies that were complete before it."""

    before: Sequence[Reply] = ()


class ReplyReader:
    """Makes replies of bytes, however they are cut (RFC 5321 §4.2.1)."""

    def __init__(self) -> None:
        self._rest = b""
        self._lines: list[str] = []
        self._size = 0

    @property
    def is_at_start(self) -> bool:
        """Nothing of a further reply has arrived."""
        return not self._rest and not self._lines

    def feed(self, data: bytes) -> list[Reply]:
        """Return the replies that are complete now. Raises NoReply for what is none, or is beyond
        the bounds; the stream makes no sense after that.

        A reply whose lines differ in code has the last one's, as clients read it.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        replies: list[Reply] = []
        try:
            for line in lines:
                reply = self._read(line.removesuffix(b"\r"))
                if reply is not None:
                    replies.append(reply)
            if self._size + len(self._rest) > REPLY_BYTES:
                raise NoReply("sent a reply that is too long")
        except NoReply as error:
            error.before = replies
            raise
        return replies

    def _read(self, line: bytes) -> Reply | None:
        match = _LINE.fullmatch(line)
        if match is None:
            raise NoReply("sent something that is not an SMTP reply")
        self._lines.append((match[3] or b"").decode("utf-8", "replace"))
        self._size += len(line)
        if len(self._lines) > REPLY_LINES or self._size > REPLY_BYTES:
            raise NoReply("sent a reply that is too long")
        if match[2] == b"-":
            return None
        reply = Reply(code=int(match[1]), lines=tuple(self._lines))
        self._lines = []
        self._size = 0
        return reply


def passed_through(ehlo: Reply) -> tuple[str, ...]:
    """The lines of an EHLO reply that we may announce, each keyword once and in upper case.

    SIZE has at most a number after it.
    """
    found: dict[str, str] = {}
    for line in ehlo.lines[1:]:
        keyword, _, rest = line.strip().partition(" ")
        keyword = keyword.upper()
        if keyword not in PASSED_THROUGH or keyword in found:
            continue
        if keyword == "SIZE" and not _NUMBER.fullmatch(rest):
            rest = ""
        found[keyword] = f"{keyword} {rest}".rstrip()
    return tuple(found.values())


def offers(ehlo: Reply) -> dict[str, str]:
    """What an EHLO reply offers: the words after each keyword, by the keyword in upper case."""
    found: dict[str, str] = {}
    for line in ehlo.lines[1:]:
        # Servers of old wrote "AUTH=LOGIN" for clients of old; whoever has that has AUTH as well.
        keyword, _, rest = line.strip().partition(" ")
        found.setdefault(keyword.upper(), rest.strip())
    return found


def stuff(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Dot-stuff a message and end it (RFC 5321 §4.5.2), a chunk at a time.

    The last block, and no other, holds the end of data. A message that does not end in CRLF gets
    one, since the end of data begins with it.
    """
    before = b"\r\n"  # data begins as if after a line end
    block = b""
    for chunk in chunks:
        if block:
            yield block
        joined = before + chunk
        block = joined.replace(b"\r\n.", b"\r\n..")[len(before) :]
        before = joined[-2:]
    yield block + (b".\r\n" if before == b"\r\n" else b"\r\n.\r\n")
