"""Undo a part's transfer encoding as far as it can be undone (RFC 2045 §6)."""

import binascii
import re

PIECES = 1000
"""Runs of base64 between padding that are decoded; honest mail has one, joined files a few."""

_NO_ENCODING = {"", "7bit", "8bit", "binary"}
_NOT_BASE64 = bytes(
    set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
)
_TOKEN = re.compile(r"""[^\s()<>@,;:\\"/\[\]?=]+""")
_COMMENT = re.compile(r"\([^()]*+\)")
_SPACED_BREAK = re.compile(rb"=[ \t]++(?=\r?\n)")


def decode_transfer(data: bytes, encoding: str) -> tuple[bytes, str]:
    """Return the content, and the name of what was wrong (``""`` when nothing was).

    `encoding` is the field as written. Comments, quotes and parameters around the word are
    ignored, as some readers do; data in an encoding that is none of RFC 2045's stays as it is.
    """
    name = name_encoding(encoding)
    if name in _NO_ENCODING:
        return data, ""
    if name == "base64":
        return decode_base64(data)
    if name == "quoted-printable":
        return binascii.a2b_qp(_SPACED_BREAK.sub(b"=", data)), ""
    return data, "unknown_transfer_encoding"


def name_encoding(encoding: str) -> str:
    """The word that the field `encoding` consists of, lower-case; ``""`` if it has none."""
    word = _TOKEN.search(_COMMENT.sub(" ", encoding))
    return word[0].lower() if word else ""


def decode_base64(data: bytes) -> tuple[bytes, str]:
    """Decode base64 with anything between its letters, with missing, wrong or early padding."""
    body = data.rstrip(b"= \t\r\n")
    if b"=" in body:
        pieces = body.split(b"=", PIECES)[:PIECES]
        return b"".join(decode_base64(piece)[0] for piece in pieces), "padding_inside_base64"
    try:
        return binascii.a2b_base64(body + b"==="), ""
    except binascii.Error:
        # The last letter alone is no byte.
        letters = body.translate(None, _NOT_BASE64)
        return binascii.a2b_base64(letters[:-1]), "broken_base64"
