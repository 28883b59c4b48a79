"""Many messages in one file, each after a line that begins with "From " (mbox, RFC 4155)."""

import re
from collections.abc import Iterator

from mailguard.extract.formats._wide import narrow
from mailguard.extract.item import About, Item, Member

TYPES = frozenset({"application/mbox", "application/x-mbox"})
NAMES = (".mbox", ".mbx")

SAMPLE = b"From ana@elmpark.example Mon Nov 23 09:00:00 2026\nSubject: sample\n\nsample\n"

_FROM_LINE = re.compile(rb"(?:\A|(?<=\n)\r?\n)From [^\n]*(?:\n|\Z)")
_QUOTED_FROM = re.compile(rb"^>(?=>*From )", re.MULTILINE)


def read(data: bytes, about: About) -> Iterator[Item]:
    """Yield each message as a file of its own; what stands before the first is one as well."""
    data = narrow(data)
    begins = number = 0
    for line in _FROM_LINE.finditer(data):
        if not data[begins : line.start()].isspace() and line.start() > begins:
            number += 1
            yield _message(data[begins : line.start()], number)
        begins = line.end()
    yield _message(data[begins:], number + 1)


def _message(content: bytes, number: int) -> Member:
    return Member(f"{number}.eml", _QUOTED_FROM.sub(b"", content), "message/rfc822")
