"""Files that a page or a drawing has in itself (RFC 2397)."""

import re
from collections.abc import Iterator

from mailguard.extract.item import Item, Member, Miss
from mailguard.mail.transfer import decode_base64

FILES = 100
"""Of one page; one that was saved with all its pictures has some fifty."""

_DATA = re.compile(r"data:([\w.+-]{1,80}/[\w.+-]{1,80})?(?:;[\w=.+-]{1,80})*;base64,")
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/=\s]|%[0-9A-Fa-f]{2})*+")


def data_files(text: str) -> Iterator[Item]:
    """Yield each file."""
    for number, found in enumerate(_DATA.finditer(text)):
        if number == FILES:
            yield Miss("too_many_parts")
            return
        content = _BASE64.match(text, found.end())
        assert content is not None
        encoded = content[0].replace("%2B", "+").replace("%2F", "/").replace("%3D", "=")
        data = decode_base64(encoded.encode())[0]
        if data:
            yield Member(f"file {number + 1}", data, found[1] or "")
