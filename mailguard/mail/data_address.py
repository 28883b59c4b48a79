"""Files that a page has in itself: addresses that are their content (RFC 2397)."""

import re
from collections.abc import Iterator

from mailguard.mail.transfer import decode_base64

FILES = 50
"""Of one page; one that was saved with all its pictures has some fifty."""

LEAST_PICTURE = 100
"""Bytes of a picture with anything on it; those that keep a distance in a page have fewer."""

_ADDRESS = re.compile(
    rb"data:([\w.+-]{1,80}/[\w.+-]{1,80})?(?:;[\w=.+-]{1,80})*;base64,", re.IGNORECASE
)
_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/=\s]|%[0-9A-Fa-f]{2})*+")
_ESCAPES = ((b"%2B", b"+"), (b"%2F", b"/"), (b"%3D", b"="))


def data_files(page: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the declared type (lower case, ``""`` if none) and content of each file in base64 in a
    page of an encoding like ASCII, without tiny pictures. The caller counts them."""
    if b";base64," not in page:
        return
    for found in _ADDRESS.finditer(page):
        encoded = _BASE64.match(page, found.end())
        assert encoded is not None
        letters = encoded[0]
        for escape, letter in _ESCAPES:
            letters = letters.replace(escape, letter).replace(escape.lower(), letter)
        kind = (found[1] or b"").decode("ascii").lower()
        content = decode_base64(letters)[0]
        if content and not (kind.startswith("image/") and len(content) < LEAST_PICTURE):
            yield kind, content
