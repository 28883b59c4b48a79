"""Pictures that are drawn by commands (MS-EMF, MS-WMF): what is written in them is text, mostly."""

from collections.abc import Iterator

from mailguard.extract.item import About, Item, Miss
from mailguard.extract.office.raw_text import read_raw

TYPES = frozenset(
    ("image/emf", "image/wmf", "image/x-emf", "image/x-wmf", "application/x-msmetafile")
)
NAMES = (".emf", ".wmf")
SAMPLE = "\0\0a drawing\0\0".encode("utf-16-le")


def read(data: bytes, about: About) -> Iterator[Item]:
    """Yield what looks like words; the drawing itself is a miss, as of other pictures."""
    yield from read_raw(data, "drawing")
    yield Miss("image")
