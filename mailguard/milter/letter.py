"""Put a message together again from the pieces in which a mail server hands it over."""

from pathlib import Path as Folder

from mailguard.intake.body import Body
from mailguard.mail.address import parse_path, printable
from mailguard.mail.envelope import Path
from mailguard.mail.raw import Raw
from mailguard.mail.reply import SYSTEM_FULL, TOO_BIG, Reply
from mailguard.milter.frame import BadPacket

LONGEST_PATH = 4096
"""Bytes of a path with its parameters: what the relay takes as a command line, twice Postfix's
`line_length_limit`."""

TOO_MANY_RECIPIENTS = Reply.of(452, "4.5.3 Too many recipients")


class Letter:
    """One message, from MAIL on: the header and body that the mail server has, byte for byte.

    What arrives beyond a limit is dropped with all that came before, and :meth:`finish` says why:
    the mail server asked not to be answered sooner.
    """

    def __init__(
        self, sender: Path, *, message_bytes: int, recipients: int, folder: Folder | None
    ) -> None:
        self.sender = sender
        self.recipients: list[Path] = []
        self.named: dict[bytes, bytes] = {}
        """Each RCPT argument without its parameters."""

        self._message_bytes = message_bytes
        self._most_recipients = recipients
        self._body = Body(folder)
        self._in_head = True
        self._refusal: Reply | None = None

    def address(self, path: Path, name: bytes) -> None:
        """Add a recipient, and what the mail server calls it."""
        if len(self.recipients) >= self._most_recipients:
            self._refusal = self._refusal or TOO_MANY_RECIPIENTS
            return
        self.recipients.append(path)
        self.named[path.argument] = name

    def add_header(self, name: bytes, value: bytes, *, has_space: bool) -> None:
        """Add a header line with its `value` as the message has it, the space in front of it too
        if `has_space`; else one is put there. Raises BadPacket behind the header."""
        if not self._in_head:
            raise BadPacket("header after body")
        # A folded value comes with LF, as mail servers keep it; on the wire it had CRLF.
        value = value.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        self._write(name + (b":" if has_space else b": ") + value + b"\r\n")

    def end_head(self) -> None:
        """The header is complete; doing it twice does no harm."""
        if self._in_head:
            self._in_head = False
            self._write(b"\r\n")

    def add_body(self, piece: bytes) -> None:
        """Add the next piece of the body."""
        self.end_head()
        self._write(piece)

    def finish(self) -> Raw | Reply:
        """All of it, or the reply that refuses it."""
        self.end_head()
        if self._refusal is not None:
            return self._refusal
        try:
            return self._body.finish()
        except OSError:
            return SYSTEM_FULL

    def discard(self) -> None:
        """Let go of it."""
        self._body.discard()

    def _write(self, piece: bytes) -> None:
        if self._refusal is not None:
            return
        if self._body.size + len(piece) > self._message_bytes:
            self._refuse(TOO_BIG)
            return
        try:
            self._body.write(piece)
        except OSError:
            self._refuse(SYSTEM_FULL)

    def _refuse(self, reply: Reply) -> None:
        self._refusal = reply
        self._body.discard()


def path_of(strings: tuple[bytes, ...]) -> Path:
    """A path from the strings of MAIL or RCPT: the path itself, then its parameters.

    What the mail server has accepted and we cannot read is kept all the same, and judged as an
    address that nobody knows. Raises BadPacket for a control character and beyond LONGEST_PATH.
    """
    argument = b" ".join(strings)
    if len(argument) > LONGEST_PATH:
        raise BadPacket("long address")
    if any(byte < 0x20 or byte == 0x7F for byte in argument):
        raise BadPacket("control character in an address")
    parsed = parse_path(argument)
    if parsed is not None:
        return parsed.path
    inner = strings[0].removeprefix(b"<").removesuffix(b">")
    return Path(argument=argument, address=printable(inner))
