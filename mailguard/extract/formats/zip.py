"""ZIP archives: what the directory at the end names, and what only a header in between names.

Programs disagree about which of the two counts, so both are read. The sizes that count are those
of the packed streams; headers are believed of stored files alone, which have no end of their own.
"""

import zlib
from collections.abc import Generator, Iterator
from itertools import islice

from mailguard.extract.formats._deflate64 import inflate64
from mailguard.extract.formats._room import Room
from mailguard.extract.formats._zip import (
    DEFLATED,
    DEFLATED_64,
    ENTRIES,
    LOCAL,
    SIZE_BEHIND,
    STORED,
    Entry,
    alone,
    find_directory,
    read_directory,
    read_local,
    with_sizes,
)
from mailguard.extract.formats._zip_crypt import (
    AES,
    CLASSIC,
    decrypt,
    method_of,
    without_encryption,
)
from mailguard.extract.item import About, Feature, Item, Miss, Name, Text
from mailguard.extract.libarchive import Unreadable, unpack

TYPES = frozenset(
    {
        "application/zip",
        "application/x-zip-compressed",
        "application/java-archive",
        "application/x-java-archive",
        "application/vnd.android.package-archive",
        "application/x-xpinstall",
        "application/epub+zip",
        "application/vnd.google-earth.kmz",
    }
)
NAMES = (".zip", ".zipx", ".jar", ".apk", ".xpi", ".epub", ".kmz")

PASSWORDS = 30
"""Words that are tried on a file. Each costs 1,000 rounds of SHA-1 (AE-2), half a millisecond."""

TRIALS = 2000
"""Words tried on all files together: a second."""

_CHUNK = 1 << 16
_NOTHING = 2
"""Bytes of the deflated stream of a folder, which some programs write."""

_EMPTY = 22
"""Bytes of an archive that says in its directory that it has no files (APPNOTE 4.3.16)."""

SAMPLE = (
    b"PK\3\4\n\0\0\0\0\0\0\0!\0\x47\xdd\xdc\x79\2\0\0\0\2\0\0\0\1\0\0\0aok"
    b"PK\1\2\n\0\n\0\0\0\0\0\0\0!\0\x47\xdd\xdc\x79\2\0\0\0\2\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0"
    b"\0\0\0\0aPK\5\6\0\0\0\0\1\0\1\0/\0\0\0!\0\0\0\0\0"
)


def read(data: bytes, about: About) -> Iterator[Item]:
    """Yield each file once, and each name of it; an encrypted one if a password opens it."""
    directory = find_directory(data)
    listed: list[Entry] = []
    if directory:
        listed = list(islice(read_directory(data, directory), ENTRIES + 1))
        if directory.comment:
            yield Text("comment", directory.comment)
        if directory.is_split:
            yield Miss("partial")
    opener = _Opener(data, about)
    end = 0
    for entry in sorted(listed[:ENTRIES], key=lambda entry: entry.at):
        end = yield from opener.open_strays(end, entry.at)
        if entry.comment:
            yield Text("comment", entry.comment)
        if entry.at < end:
            # No packer makes streams that share bytes; they multiply (D. Fifield, 2019).
            yield Name(entry.title)
            yield Miss("bomb")
        else:
            end = yield from opener.open(entry)
    if len(listed) > ENTRIES:
        yield Miss("too_many_parts")
    yield from opener.open_strays(end, len(data))
    if not directory:
        # Cut off, or no archive at all.
        yield Miss("broken")
    elif not listed and not end:
        yield Feature("empty") if len(data) <= _EMPTY else Miss("broken")


class _Opener:
    """Reads the files of one archive, and learns the password that opens them."""

    def __init__(self, data: bytes, about: About) -> None:
        self._data = data
        self._room = Room(about)
        self._passwords = [word for word in about.passwords if "\0" not in word][:PASSWORDS]
        self._trials = TRIALS
        self._strays = ENTRIES

    def open_strays(self, start: int, end: int) -> Generator[Item, None, int]:
        """Yield the files from `start` to `end`, which the directory does not name; return where
        the last one ends."""
        at = start
        while (at := self._data.find(LOCAL, at, end)) >= 0:
            entry = read_local(self._data, at)
            if not entry:
                at += len(LOCAL)
                continue
            self._strays -= 1
            if self._strays < 0:
                yield Miss("too_many_parts")
                break
            yield Feature("unlisted")
            at = start = yield from self.open(with_sizes(entry, self._data))
        return start

    def open(self, entry: Entry) -> Generator[Item, None, int]:
        """Yield a file and its names; return where it ends."""
        local = read_local(self._data, entry.at)
        if not local:
            yield Name(entry.title)
            yield Miss("broken")
            return entry.at + 1
        if local.name != entry.name:
            yield Name(local.title)
        if b"\0" in entry.name:
            # Programs in C end the name here.
            yield Name(entry.title.partition("\0")[0])
        end = self._end(entry, local.begin)
        if entry.name.endswith(b"/") and end - local.begin <= _NOTHING:
            yield Name(entry.title)
            return end
        if local.method != entry.method:
            # Who goes by the other header gets another file.
            yield Miss("broken")
        if entry.is_encrypted or local.is_encrypted:
            content, reason = self._decrypt(entry, self._data[local.begin : end])
        elif entry.method == STORED:
            content, reason = self._data[local.begin : end], ""
            if len(content) > self._room.left:
                content, reason = content[: self._room.left], "too_long"
            elif len(content) < entry.packed:
                reason = "broken"
        elif entry.method == DEFLATED:
            content, reason, stop = self._inflate(local.begin)
            # Where it is broken, the header knows better where the next file may begin.
            end = min(end, stop) if reason else stop
        elif entry.method == DEFLATED_64:
            content, reason, stop = inflate64(self._data, local.begin, self._room.left)
            end = min(end, stop) if reason else stop
        else:
            content, reason = self._unpack(alone(entry, self._data[local.begin : end]))
            reason = "format" if reason and not content else reason
        yield from self._room.take(entry.title, content, reason)
        return max(end, entry.at + 1)

    def _end(self, entry: Entry, begin: int) -> int:
        """Where a stream ends that has no end of its own."""
        if entry.packed or not entry.flags & SIZE_BEHIND:
            return min(begin + entry.packed, len(self._data))
        end = self._data.find(b"PK", begin)
        return len(self._data) if end < 0 else end

    def _inflate(self, begin: int) -> tuple[bytes, str, int]:
        """Unpack the stream at `begin`; return also where it ends."""
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        pieces: list[bytes] = []
        left = self._room.left
        at = begin
        try:
            while not stream.eof:
                chunk = stream.unconsumed_tail
                if not chunk:
                    chunk = self._data[at : at + _CHUNK]
                    at += len(chunk)
                piece = stream.decompress(chunk, _CHUNK)
                if not chunk and not piece:
                    return b"".join(pieces), "broken", at
                pieces.append(piece[:left])
                left -= len(piece)
                if left < 0:
                    return b"".join(pieces), "too_long", at
        except zlib.error:
            return b"".join(pieces), "broken", at
        return b"".join(pieces), "", at - len(stream.unused_data)

    def _decrypt(self, entry: Entry, stream: bytes) -> tuple[bytes, str]:
        """Try the passwords, the one that was right last first."""
        for word in self._passwords:
            self._trials -= 1
            if self._trials < 0:
                break
            if method_of(entry) in (STORED, DEFLATED):
                content, reason = self._unpack(alone(entry, stream), word)
            else:
                content, reason = self._open(entry, stream, word)
            if reason in ("", "too_long", "format"):
                self._passwords.remove(word)
                self._passwords.insert(0, word)
                return content, reason
        return b"", "encrypted"

    def _open(self, entry: Entry, stream: bytes, word: str) -> tuple[bytes, str]:
        """A file of another method with one password."""
        packed = decrypt(entry, stream, word)
        if packed is None:
            return b"", "encrypted"
        if method_of(entry) == DEFLATED_64:
            content, reason, _ = inflate64(packed, 0, self._room.left)
        else:
            # AE-2 has no checksum but its seal, which has been checked.
            is_sealed = entry.method == AES and not entry.crc
            options = "zip:ignorecrc32" if is_sealed else ""
            plain = alone(without_encryption(entry, packed), packed)
            content, reason = self._unpack(plain, options=options)
        is_cut = reason == "broken" and len(packed) == CLASSIC
        return content, "too_long" if is_cut else reason

    def _unpack(self, archive: bytes, password: str = "", options: str = "") -> tuple[bytes, str]:
        try:
            found = unpack(archive, ("zip",), password=password, options=options)
            entry = next(found, None)
        except Unreadable as unreadable:
            return b"", unreadable.reason
        return entry.read(self._room.left) if entry else (b"", "broken")
