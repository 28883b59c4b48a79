"""Messages, appointments and contacts that Outlook saved as .msg (MS-OXMSG in MS-CFB)."""

import io
import re
from collections.abc import Iterator

import olefile

from mailguard.extract.formats import message
from mailguard.extract.formats._mapi import (
    BINARY,
    STRING,
    UNICODE,
    charset_of,
    decode_value,
    read_attachment,
    read_message,
)
from mailguard.extract.item import About, Item, Member, Miss, Name

TYPES = frozenset({"application/vnd.ms-outlook", "application/x-msg"})
NAMES = (".msg", ".oft")

_STREAM = "__substg1.0_"
_TAG = re.compile(_STREAM.replace(".", r"\.") + "([0-9A-Fa-f]{4})([0-9A-Fa-f]{4})")
_FILE = "__attach_version1.0_"
_PERSON = "__recip_version1.0_"
_EMBEDDED = _STREAM + "3701000D"
_FIXED = "__properties_version1.0"
_CODE_PAGES = (b"\x03\x00\xfd\x3f", b"\x03\x00\xde\x3f")
"""PidTagMessageCodepage and PidTagInternetCodepage, as their entries begin."""

STREAMS = 20_000
"""Streams of one file that are looked at. A message has 60, and 15 more for each of its people."""

DEPTH = 10
"""Messages inside messages. They are all in one file, so the driver does not count them."""


def read(data: bytes, about: About) -> Iterator[Item]:
    """Yield people, subject and bodies, and each file, of the messages enclosed as well."""
    if not data.startswith(olefile.MAGIC):
        # Other programs call any message so.
        yield from message.read(data, about)
        return
    with olefile.OleFileIO(io.BytesIO(data)) as ole:
        paths = [tuple(path) for path in ole.listdir()]
        if len(paths) > STREAMS:
            yield Miss("too_many_parts")
        yield from _Message(ole, paths[:STREAMS]).read(())


class _Message:
    """The compound file, its streams by the storage they are in."""

    def __init__(self, ole: olefile.OleFileIO, paths: list[tuple[str, ...]]) -> None:
        self._ole = ole
        self._streams: dict[tuple[str, ...], list[str]] = {}
        self._storages: dict[tuple[str, ...], dict[str, None]] = {}
        for path in paths:
            self._streams.setdefault(path[:-1], []).append(path[-1])
            for depth in range(1, len(path)):
                self._storages.setdefault(path[: depth - 1], {})[path[depth - 1]] = None

    def read(self, at: tuple[str, ...]) -> Iterator[Item]:
        """Yield the message whose streams are in storage `at`."""
        charset = self._charset(at)
        yield from read_message(self._properties(at, charset))
        for storage in self._storages.get(at, ()):
            inside = (*at, storage)
            if storage.startswith(_PERSON):
                yield from read_message(self._properties(inside, charset))
            elif storage.startswith(_FILE):
                yield from self._read_file(inside, charset)

    def _read_file(self, at: tuple[str, ...], charset: str) -> Iterator[Item]:
        properties = self._properties(at, charset)
        yield from read_attachment(properties, "", None)
        embedded = (*at, _EMBEDDED)
        if embedded not in self._streams and embedded not in self._storages:
            return
        yield from (Name(each) for each in properties.values() if isinstance(each, str) and each)
        if len(at) > 2 * DEPTH:
            yield Miss("too_deep")
        elif _FIXED in self._streams.get(embedded, ()):
            yield from self.read(embedded)
        else:
            # A sheet or picture put into the text.
            for stream in self._streams.get(embedded, ()):
                yield Member(stream, self._open((*embedded, stream)))

    def _properties(self, at: tuple[str, ...], charset: str) -> dict[int, str | bytes]:
        """The properties in storage `at` that are text or bytes."""
        found: dict[int, str | bytes] = {}
        for stream in self._streams.get(at, ()):
            if not (tag := _TAG.fullmatch(stream)):
                continue
            number, kind = int(tag[1], 16), int(tag[2], 16)
            if kind in (STRING, UNICODE, BINARY):
                found[number] = decode_value(kind, self._open((*at, stream)), charset)
        return found

    def _charset(self, at: tuple[str, ...]) -> str:
        """The charset of text that is not Unicode."""
        if _FIXED not in self._streams.get(at, ()):
            return ""
        fixed = self._open((*at, _FIXED))
        for mark in _CODE_PAGES:
            entry = fixed.find(mark)
            if entry >= 0:
                return charset_of(fixed[entry + 8 : entry + 12])
        return ""

    def _open(self, path: tuple[str, ...]) -> bytes:
        return bytes(self._ole.openstream(list(path)).read())
