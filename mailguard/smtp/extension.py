"""What EHLO announces, and the two parameters of MAIL that we look at ourselves."""

import re

from mailguard.mail.address import parameter
from mailguard.mail.reply import Reply
from mailguard.smtp.reader import TOO_BIG
from mailguard.smtp.replies import BAD_ARGUMENT, NO_SMTPUTF8

_SIZE = re.compile(rb"[0-9]{1,20}")
"""RFC 1870 §4."""


def announced(keywords: tuple[str, ...], message_bytes: int) -> tuple[str, ...]:
    """The next hop's EHLO keywords as we repeat them: SIZE is the smaller of its limit and ours."""
    return tuple(
        f"SIZE {_smaller(keyword, message_bytes)}" if keyword.startswith("SIZE") else keyword
        for keyword in keywords
    )


def refuse(parameters: bytes, keywords: tuple[str, ...], message_bytes: int) -> Reply | None:
    """The reply that refuses these parameters of MAIL. All but SIZE and SMTPUTF8 are the next
    hop's to judge."""
    size = parameter(parameters, b"SIZE")
    if size is not None and not _SIZE.fullmatch(size):
        return BAD_ARGUMENT
    if size is not None and int(size) > message_bytes:
        return TOO_BIG
    if "SMTPUTF8" not in keywords and parameter(parameters, b"SMTPUTF8") is not None:
        return NO_SMTPUTF8
    return None


def _smaller(keyword: str, message_bytes: int) -> int:
    """No number, or 0, is no limit known (RFC 1870 §4)."""
    _, _, theirs = keyword.partition(" ")
    return min(message_bytes, int(theirs) or message_bytes) if theirs else message_bytes
