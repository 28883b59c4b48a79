"""Text in the charset that a message declares for it: a file by itself cannot say which it is."""

import codecs

from mailguard.mail.charset import ORDINARY, read_text

_TEXT = {"", "application/json", "application/javascript", "application/xml"}


def in_utf8(data: bytes, charset: str, sniffed: str) -> bytes:
    """`data` in UTF-8, behind a byte order mark that no label in the file overrules; as it is where
    its bytes show what they are, or are no text by `sniffed`, whatever is declared."""
    is_text = sniffed.startswith("text/") or sniffed in _TEXT or sniffed.endswith("+xml")
    is_plain = not charset or (charset in ORDINARY and data.isascii())
    if is_plain or not is_text or b"\0" in data:
        return data
    return codecs.BOM_UTF8 + read_text(data, charset).encode("utf-8", "replace")
