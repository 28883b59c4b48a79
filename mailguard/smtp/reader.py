"""Read the data of one message: find its end, take the dots out, never hold more than a block."""

from pathlib import Path

from mailguard.intake.body import Body
from mailguard.mail.raw import Raw
from mailguard.mail.reply import SYSTEM_FULL, TOO_BIG, Reply
from mailguard.smtp.limits import BareNewline
from mailguard.smtp.wire import Wire

BARE_NEWLINE = Reply.of(550, "5.5.2 Message contains bare CR or LF")
"""RFC 5321 §2.3.8: neither occurs but in CRLF."""

_END = b"\r\n.\r\n"


class DotReader:
    """Decodes RFC 5321 §4.5.2 from blocks cut anywhere.

    The same bytes give the same message however they are cut: what may yet become the end of data
    is kept for the next block, at most four bytes. Only CRLF dot CRLF ends the data, and only a
    dot after CRLF is taken out; CR and LF on their own are bytes like any other.
    """

    def __init__(self) -> None:
        # Data begins as if after a line end: a dot alone on the first line ends it too.
        self._kept = b"\r\n"
        self._borrowed = 2
        self.at_end = False
        self.rest = b""
        """What followed the end of data in its block."""

    def feed(self, block: bytes) -> bytes:
        """Return the content that is now certain. It never ends between a CR and its LF."""
        block = self._kept + block
        end = block.find(_END)
        if end >= 0:
            self.at_end = True
            self.rest = block[end + 5 :]
            content = block[: end + 2]
        else:
            self._kept = _beginning_of_end(block)
            content = block[: len(block) - len(self._kept)]
        content = content.replace(b"\r\n.", b"\r\n")
        if content and self._borrowed:
            content = content[self._borrowed :]
            self._borrowed = 0
        return content


def _beginning_of_end(block: bytes) -> bytes:
    """The longest tail of `block` with which :data:`_END` begins."""
    for length in (4, 3, 2, 1):
        if block.endswith(_END[:length]):
            return block[-length:]
    return b""


def has_bare_newline(content: bytes) -> bool:
    """Whether a CR or LF stands alone. `content` must not be cut between a CR and its LF."""
    pairs = content.count(b"\r\n")
    return pairs != content.count(b"\n") or pairs != content.count(b"\r")


def normalise(content: bytes) -> bytes:
    """Make each CR or LF that stands alone a CRLF, as Postfix's `smtpd_forbid_bare_newline`."""
    return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


async def read_data(
    wire: Wire, *, limit: int, bare_newline: BareNewline, folder: Path | None
) -> Raw | Reply:
    """Read one message to its end of data; return it, or the reply that refuses it.

    What follows the end of data is given back to `wire`. A message refused for its size, its line
    ends or for want of room is read to its end all the same, since a client reads no reply before
    that (RFC 5321 §4.2.5). Raises ClientGone; nothing is left behind then.
    """
    dots = DotReader()
    body = Body(folder)
    refusal: Reply | None = None
    try:
        while not dots.at_end:
            content = dots.feed(await wire.block())
            if refusal is None:
                refusal = _collect(content, body, limit, bare_newline)
        wire.give_back(dots.rest)
        return refusal or _finish(body)
    finally:
        body.discard()


def _collect(content: bytes, body: Body, limit: int, bare_newline: BareNewline) -> Reply | None:
    """Add `content` to `body`; or let go of all of it, and say why the message is refused."""
    refusal = None
    if has_bare_newline(content):
        if bare_newline is BareNewline.REFUSE:
            refusal = BARE_NEWLINE
        content = normalise(content)
    if body.size + len(content) > limit:
        refusal = TOO_BIG
    if refusal is not None:
        body.discard()
        return refusal
    try:
        body.write(content)
    except OSError:
        return SYSTEM_FULL
    return None


def _finish(body: Body) -> Raw | Reply:
    try:
        return body.finish()
    except OSError:
        return SYSTEM_FULL
