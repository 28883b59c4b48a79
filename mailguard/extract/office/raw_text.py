"""Text in bytes of unknown form: runs of letters, one byte or two each, as ``strings`` finds."""

import re
from collections.abc import Iterator

from mailguard.extract.item import Item, Text

_ONE = re.compile(rb"[\t\n\r\x20-\x7e\xa0-\xff]{6,}")
_TWO = re.compile(rb"(?:[\t\n\r\x20-\x7e\xa0-\xff]\x00|[\x10-\x1f]\x20|[\x00-\xff][\x01-\x05]){6,}")
_WORD = re.compile(r"[^\W\d_]{3}")

_ODD = re.compile("[\x80-\xff]{3,}+")
"""Letters that pixels look like; in words of the West no three of them follow each other."""

RUNS = 50_000
"""Runs of letters of one stream: of random bytes one in a hundred begins one."""


def read_raw(data: bytes, where: str) -> Iterator[Item]:
    """Yield what looks like words."""
    for pattern, charset in ((_TWO, "utf-16-le"), (_ONE, "cp1252")):
        found = []
        for number, run in enumerate(pattern.finditer(data)):
            if number >= RUNS:
                break
            text = _ODD.sub("\n", run[0].decode(charset, "replace").replace("\r", "\n"))
            if _WORD.search(text):
                found.append(text)
        if found:
            yield Text(where, "\n".join(found))
