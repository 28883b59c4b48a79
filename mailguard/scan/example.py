"""The small messages that prove a check: each rule and detector carries its own."""

from dataclasses import dataclass

from mailguard.mail.text import Extract

EXAMPLES_NEEDED = 2
"""Examples of either kind that a check must have, or it does not load."""

SENDER = "ana@school.example"
RECIPIENT = "ben@school.example"
"""Envelope of every example; `school.example` is the school's own domain."""

_BOUNDARY = "example-part"


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One message, and whether the check that carries it must find something in it."""

    matches: bool
    raw: bytes
    """Whole message, CRLF line ends."""

    extracts: tuple[Extract, ...] = ()
    why: str = ""
    """What the example shows, in a few words."""


def compose(
    *,
    text: str = "",
    subject: str = "",
    quoted: str = "",
    attachment: str = "",
    filename: str = "",
    to: str = RECIPIENT,
    cc: str = "",
) -> bytes:
    """Write the message that these texts make.

    It is plain text, or multipart/mixed with part 2 a text file when `attachment` or `filename` is
    given; `quoted` follows the body as a reply's quotation.
    """
    body = f"{text}\n\n{_quote(quoted)}" if quoted else text
    lines = [
        f"From: {SENDER}",
        f"To: {to}",
        *([f"Cc: {cc}"] if cc else []),
        f"Subject: {subject}",
        # Else a quotation that nobody answers would count as the author's own words.
        *(["In-Reply-To: <1@finch.example>"] if quoted else []),
        "MIME-Version: 1.0",
        *(_mixed(body, attachment, filename) if attachment or filename else _plain(body)),
    ]
    return "\n".join(lines).replace("\n", "\r\n").encode("utf-8", "replace")


def _quote(quoted: str) -> str:
    lines = "\n".join(f"> {line}" for line in quoted.splitlines())
    return f"On Monday, 2 March 2026, Cara Finch wrote:\n{lines}\n"


def _plain(text: str, *headers: str) -> list[str]:
    return [
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
        *headers,
        "",
        text,
        "",
    ]


def _mixed(body: str, attachment: str, filename: str) -> list[str]:
    disposition = f'Content-Disposition: attachment; filename="{filename or "notes.txt"}"'
    return [
        f'Content-Type: multipart/mixed; boundary="{_BOUNDARY}"',
        "",
        f"--{_BOUNDARY}",
        *_plain(body),
        f"--{_BOUNDARY}",
        *_plain(attachment, disposition),
        f"--{_BOUNDARY}--",
        "",
    ]
