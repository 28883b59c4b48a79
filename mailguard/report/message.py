"""Put a mail of ours into an envelope-ready message (RFC 5322, multipart/alternative)."""

import hashlib
from datetime import datetime
from email import policy
from email.charset import QP, Charset
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import format_datetime, formataddr
from typing import Any

UTF8 = Charset("utf-8")
UTF8.body_encoding = QP
"""Quoted-printable, never base64: a person who looks at the source can still read it, no line is
longer than 76, and every octet passes a server without 8BITMIME."""

WIRE = policy.compat32.clone(linesep="\r\n", max_line_length=76)


def compose_message(
    *,
    sender: str,
    school_name: str,
    recipient: str,
    subject: str,
    text: str,
    html: str,
    message_id: str,
    at: datetime,
    answers: str | None = None,
    reply_to: str = "",
) -> bytes:
    """Return the whole message with CRLF: 7-bit, lines of at most 78 characters where they can be
    folded, always below 998.

    `message_id` comes with its angle brackets; `at` is aware and becomes ``Date``. The same
    arguments give the same bytes. ``Auto-Submitted: auto-generated`` (RFC 3834) says that a machine
    wrote it, and so that no machine may answer. With `answers` it is ``auto-replied``, and to the
    message with that Message-ID, where it has one (``""`` where not); answers to it go to
    `reply_to`.
    """
    # "=_" can stand in no quoted-printable text (RFC 2045 §6.7 rule 5): no part has such a line.
    boundary = f"=_{hashlib.sha256(message_id.encode()).hexdigest()[:32]}"
    message = MIMEMultipart("alternative", boundary=boundary, policy=WIRE)
    message["From"] = _mailbox(f"MailGuard at {_one_line(school_name)}", sender)
    message["To"] = _mailbox("", recipient)
    # The object, not its text: folding that a second time would put a space in front.
    message["Subject"] = Header(_one_line(subject), "utf-8")  # type: ignore[assignment]
    message["Date"] = format_datetime(at)
    message["Message-ID"] = message_id
    if reply_to:
        message["Reply-To"] = reply_to
    if answers:
        message["In-Reply-To"] = answers
        message["References"] = answers
    message["Auto-Submitted"] = "auto-generated" if answers is None else "auto-replied"
    # Exchange heeds this instead: no "out of office" either.
    message["X-Auto-Response-Suppress"] = "All"
    message["Content-Language"] = "en-GB"
    message.attach(_part(text, "plain"))
    message.attach(_part(html, "html"))
    return message.as_bytes(policy=WIRE)


def _part(text: str, subtype: str) -> MIMEText:
    part = MIMEText(text, subtype, UTF8)  # type: ignore[arg-type]  # typeshed: str alone
    del part["MIME-Version"]
    return part


def _mailbox(name: str, address: str) -> Any:
    local, _, domain = address.rpartition("@")
    try:
        in_ascii = f"{local}@{domain.encode('idna').decode()}".encode("ascii").decode()
        if name.isascii():
            return formataddr((name, in_ascii))
        # Not formataddr: it makes one encoded word of any length (RFC 2047 §2 allows 75).
        header = Header(name, "utf-8", header_name="From")
        header.append(f"<{in_ascii}>", "us-ascii")
        return header
    except UnicodeError:
        # An address that a header without SMTPUTF8 cannot hold; the envelope has it.
        return "undisclosed-recipients:;"


def _one_line(text: str) -> str:
    """`text` without anything that could begin another header."""
    return " ".join(text.split())
