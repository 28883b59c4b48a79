"""Files that a page or a drawing has in itself (RFC 2397), as items."""

from collections.abc import Iterator

from mailguard.extract.item import Item, Member, Miss
from mailguard.mail import data_address
from mailguard.mail.data_address import FILES


def data_files(text: str) -> Iterator[Item]:
    """Yield each file."""
    files = data_address.data_files(text.encode("utf-8", "replace"))
    for number, (kind, data) in enumerate(files):
        if number == FILES:
            yield Miss("too_many_parts")
            return
        yield Member(f"file {number + 1}", data, kind)
