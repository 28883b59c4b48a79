"""Formats of ASCII letters that were saved in UTF-16, as some editors do when asked for Unicode."""

import codecs

from mailguard.mail.charset import read_text

_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def narrow(data: bytes) -> bytes:
    """`data` in UTF-8 if it begins with the mark of UTF-16, else as it is."""
    return read_text(data, "").encode("utf-8", "replace") if data.startswith(_MARKS) else data
