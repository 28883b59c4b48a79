"""Read the argument of MAIL and RCPT on bytes, without changing one of them."""

import re
from dataclasses import dataclass

from mailguard.mail.envelope import Path

# RFC 5321 §4.1.2, wider where real mail is: dots anywhere in the local part (old mobile
# operators), 8-bit (RFC 6531), no brackets (Postfix: strict_rfc821_envelopes = no). Control
# characters, spaces outside quotes, comments and a second bare @ fit nowhere, so no two servers
# can read two different mailboxes from one argument. Each alternative begins with a byte of its
# own and repetitions are possessive: matching is linear.
_ATOM = rb'[^\x00-\x20\x7f()<>\[\]:;@\\,"]++'
_QUOTED = rb'"(?:[^"\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f])*+"'
_DOMAIN = rb"(?:\[[^\x00-\x20\x7f<>\[\]\\]*+\]|" + _ATOM + rb")"
_MAILBOX = rb"(?:" + _ATOM + rb"|" + _QUOTED + rb")(?:@" + _DOMAIN + rb")?+"

_PATH = re.compile(
    rb"\x20*+(?:"
    rb"<(?P<route>@" + _DOMAIN + rb"(?:,@" + _DOMAIN + rb")*+:)?+(?P<mailbox>" + _MAILBOX + rb")>"
    rb"|(?P<null><>)"
    # Not a display name: what follows holds no second path.
    rb"|(?P<bare>" + _MAILBOX + rb")(?=[^<>]*+\Z)"
    rb")(?:\x20(?P<parameters>[^\x00-\x1f\x7f]*+))?+"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedPath:
    """A path and what belongs to it in the same argument."""

    path: Path
    has_route: bool
    """A source route (``@a,@b:``) stood before the mailbox. RFC 5321 §C: it means nothing."""

    parameters: bytes
    """What follows the path and its space: ESMTP parameters, verbatim."""


def parse_path(argument: bytes) -> ParsedPath | None:
    """Read what followed ``MAIL FROM:`` or ``RCPT TO:``; None when it is no path.

    ``<>`` gives the address ``""``. Refused are control characters anywhere, an unclosed bracket
    or quote, text glued to the path (``<a@b.example>SIZE=3``) and more than one mailbox.
    """
    match = _PATH.fullmatch(argument)
    if match is None:
        return None
    mailbox = match["mailbox"] or match["bare"] or b""
    return ParsedPath(
        path=Path(argument=argument, address=mailbox.decode("utf-8", "backslashreplace")),
        has_route=match["route"] is not None,
        parameters=match["parameters"] or b"",
    )


def parameter(parameters: bytes, keyword: bytes) -> bytes | None:
    """The value of the first parameter `keyword` (any case): ``b""`` when it has none, None when
    the parameter is absent."""
    for word in parameters.split(b" "):
        name, _, value = word.partition(b"=")
        if name.upper() == keyword.upper():
            return value
    return None


def printable(argument: bytes) -> str:
    """`argument` in printable ASCII, for logs and evidence; every other byte is ``\\xNN``."""
    return "".join(chr(c) if 32 <= c < 127 else f"\\x{c:02x}" for c in argument)
