"""What a client is asked to send, and what came of it at the far end, for tests."""

import re
from dataclasses import dataclass
from pathlib import Path

_TRACE = re.compile(
    rb"(?:(?:Received|Return-Path|Envelope-To|Delivered-To):[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)*",
    re.IGNORECASE,
)

_ENVELOPE_TO = re.compile(rb"^Envelope-To: ([^\r\n]*)\r\n", re.IGNORECASE | re.MULTILINE)
_RETURN_PATH = re.compile(rb"^Return-Path: <([^\r\n]*)>\r\n", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message with its envelope, as any client is to send it."""

    name: str
    raw: bytes
    to: str
    sender: str = "sam@pupils.elmpark.example"
    mail_parameters: tuple[str, ...] = ()
    rcpt_parameters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A message at its end."""

    sender: str
    to: str
    """The recipient; where mailboxes are persons', the name of the mailbox."""

    raw: bytes
    """Everything, with the lines that servers on the way put in front."""

    @property
    def sent(self) -> bytes:
        """Without those lines: what the first client sent."""
        return without_trace(self.raw)


def without_trace(raw: bytes) -> bytes:
    """`raw` without the trace fields at its beginning (RFC 5321 §4.4)."""
    trace = _TRACE.match(raw)
    return raw[trace.end() :] if trace else raw


def read_arrived(folder: Path, to: str = "") -> list[Arrived]:
    """The messages in a Maildir's ``new``, oldest first, with the envelope that the server put in
    front; `to` where the folder is one person's."""
    found = []
    for file in sorted(folder.glob("*")):
        raw = file.read_bytes()
        found.append(
            Arrived(sender=_first(_RETURN_PATH, raw), to=to or _first(_ENVELOPE_TO, raw), raw=raw)
        )
    return found


def _first(pattern: re.Pattern[bytes], raw: bytes) -> str:
    found = pattern.search(raw)
    return found[1].decode() if found else ""
