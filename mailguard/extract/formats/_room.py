"""How much what is unpacked may still grow to; shared by the readers that unpack."""

from collections.abc import Iterator

from mailguard.extract.item import About, Item, Member, Miss, Name


class Room:
    """The bytes that may still come out of a file: counted on the stream, whatever headers say."""

    def __init__(self, about: About) -> None:
        self.left = about.room
        self._beyond = about.beyond

    def take(self, name: str, content: bytes, reason: str, declared: str = "") -> Iterator[Item]:
        """Yield a file as far as it could be read, and why that is not all of it."""
        self.left -= len(content)
        if content or not reason:
            yield Member(name, content, declared)
        else:
            yield Name(name)
        if reason:
            yield Miss(self._beyond if reason == "too_long" else reason)
