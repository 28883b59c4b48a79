"""What EHLO announces, and the two parameters of MAIL that we look at ourselves."""

import re

from mailguard.mail.address import parameter
from mailguard.mail.reply import TOO_BIG, Reply
from mailguard.smtp.replies import BAD_ARGUMENT

_SIZE = re.compile(rb"[0-9]{1,20}")
"""RFC 1870 §4."""


def announced(
    keywords: tuple[str, ...], message_bytes: int, *, is_lmtp: bool = False
) -> tuple[str, ...]:
    """The next hop's EHLO keywords as we repeat them: SIZE is the smaller of its limit and ours.

    LMTP is never without PIPELINING (RFC 2033 §5), which is ours to give. ENHANCEDSTATUSCODES,
    which it wants as well, is not: most replies are the next hop's.
    """
    if is_lmtp and "PIPELINING" not in keywords:
        keywords = ("PIPELINING", *keywords)
    return tuple(
        f"SIZE {_smaller(keyword, message_bytes)}" if keyword.startswith("SIZE") else keyword
        for keyword in keywords
    )


def refuse(parameters: bytes, message_bytes: int) -> Reply | None:
    """The reply that refuses the SIZE among these parameters of MAIL."""
    size = parameter(parameters, b"SIZE")
    if size is not None and not _SIZE.fullmatch(size):
        return BAD_ARGUMENT
    if size is not None and int(size) > message_bytes:
        return TOO_BIG
    return None


def lacks_smtputf8(parameters: bytes, keywords: tuple[str, ...]) -> bool:
    """Whether these parameters of MAIL ask for an extension that the next hop does not have
    (RFC 6531 §3.5). All others are its own to judge."""
    return "SMTPUTF8" not in keywords and parameter(parameters, b"SMTPUTF8") is not None


def _smaller(keyword: str, message_bytes: int) -> int:
    """No number, or 0, is no limit known (RFC 1870 §4)."""
    _, _, theirs = keyword.partition(" ")
    return min(message_bytes, int(theirs) or message_bytes) if theirs else message_bytes
