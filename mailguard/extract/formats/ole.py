"""Office files before 2007, and objects embedded in newer ones: streams in a file (MS-CFB).

Word, Excel, PowerPoint and their macros; encrypted files of the newer kind come so, too.
"""

import re
import struct
from collections.abc import Iterator
from io import BytesIO

import olefile

from mailguard.extract.item import About, Feature, Item, Member, Miss, Name, Text
from mailguard.extract.office.blip import drawings_of, read_pictures
from mailguard.extract.office.cipher import DEFAULT_PASSWORD, Work
from mailguard.extract.office.doc import read_doc
from mailguard.extract.office.locked_old import is_locked_ppt, unlock_doc, unlock_ppt, unlock_xls
from mailguard.extract.office.locked_package import unlock_package
from mailguard.extract.office.macro import read_macro
from mailguard.extract.office.ppt import read_ppt
from mailguard.extract.office.properties import read_properties
from mailguard.extract.office.raw_text import read_raw
from mailguard.extract.office.xls import read_xls

TYPES = frozenset(
    (
        "application/msword",
        "application/vnd.ms-excel",
        "application/vnd.ms-powerpoint",
        "application/vnd.ms-office",
        "application/vnd.ms-publisher",
        "application/vnd.ms-works",
        "application/vnd.visio",
        "application/x-ole-storage",
        "application/x-mspublisher",
        "application/cdfv2",
        "application/CDFV2",
        "application/CDFV2-corrupt",
        "application/encrypted",
        "application/x-encrypted-office",
    )
)
NAMES = (".doc", ".dot", ".xls", ".xlt", ".xla", ".ppt", ".pot", ".pps", ".ppa", ".pub", ".wps")

STREAMS = 5000
"""Streams of one file. Each embedded object has five, each module of macros two."""

_BARE = 2048
"""Bytes of a file without streams: a head, a table and a directory of 512 bytes each."""

_DOCUMENTS = frozenset(("worddocument", "workbook", "book", "powerpoint document"))
_PACKAGE, _INFO = "encryptedpackage", "encryptioninfo"
_SUMMARY, _USER = "encryptedsummary", "Current User"
_MAIL = "__properties_version1.0"
_NATIVE = "\x01ole10native"
_FILES = frozenset(("package", "contents"))
_PICTURES = frozenset(("pictures", "data"))
"""Of PowerPoint and Word. Excel has its own in the workbook."""

_PUBLISHER = "quill"
"""Its text is in a stream that has the name of an embedded file."""

_NO_SOURCE = frozenset(("dir", "_vba_project", "project", "projectwm"))
_STARTS = (b"%PDF", b"PK", b"\xd0\xcf\x11\xe0", b"{\\rt", b"\x89PNG", b"\xff\xd8", b"GIF8", b"<")
_PROPERTIES = re.compile("\x05(?:document)?summaryinformation", re.IGNORECASE)

_FAULTS = (OSError, struct.error, IndexError, ValueError, TypeError, RecursionError)
"""What olefile raises over a file that is none, and we over a stream that is cut."""


def read(data: bytes, about: About) -> Iterator[Item]:
    """Yield the text of all documents in the file, macros, and the files inside."""
    try:
        ole = olefile.OleFileIO(BytesIO(data))
        paths = ole.listdir()
    except _FAULTS:
        yield from read_raw(data, "")
        yield Miss("broken")
        return
    if not paths and len(data) <= _BARE:
        yield Feature("empty")
    names = {path[-1].lower() for path in paths}
    if names & {_PACKAGE, _INFO}:
        yield from _read_package(ole, about)
        return
    if _SUMMARY in names:
        # Title and author, under a password that opens the rest as well.
        yield Miss("encrypted")
    if len(paths) > STREAMS:
        yield Miss("too_many_parts")
    folders = {folder.lower() for path in paths for folder in path[:-1]}
    known = _DOCUMENTS | {_NATIVE} | (set() if _PUBLISHER in folders else _FILES)
    # The rest are streams of which each file has some: names that begin with a sign, and macros.
    is_known = (
        bool(names & known)
        or "vba" in folders
        or all(path[-1][:1] < " " for path in paths if len(path) == 1)
    )
    for path in paths[:STREAMS]:
        try:
            yield from _read_stream(ole, path, about, is_known=is_known)
        except _FAULTS:
            yield Miss("broken")
    if not is_known and _MAIL not in names:
        yield Miss("format")


def _read_package(ole: olefile.OleFileIO, about: About) -> Iterator[Item]:
    """A file of the newer kind that takes a password."""
    content = None
    try:
        info, package = (_content(ole, [name]) for name in (_INFO, _PACKAGE))
        content = unlock_package(info, package, (*about.passwords, DEFAULT_PASSWORD), Work())
    except _FAULTS:
        pass
    if content is None:
        yield Miss("encrypted")
    else:
        yield Member(about.name or "document", content)


def _read_stream(
    ole: olefile.OleFileIO, path: list[str], about: About, *, is_known: bool
) -> Iterator[Item]:
    name = path[-1].lower()
    folder = path[:-1]
    is_macro = bool(folder) and folder[-1].lower() == "vba"
    if is_macro and name not in _NO_SOURCE and not name.startswith("__srp_"):
        yield Feature("macros")
        if source := read_macro(_content(ole, path)):
            yield Text(f"macro {path[-1]}", source)
    elif name in _DOCUMENTS and folder:
        # An embedded document; its streams lie in a folder of their own.
        yield Feature("embedded")
        yield from _read_document(ole, path, about)
    elif name in _DOCUMENTS:
        yield from _read_document(ole, path, about)
    elif name == _NATIVE:
        yield Feature("embedded")
        yield from _read_native(_content(ole, path))
    elif name in _PICTURES and is_known:
        yield from read_pictures(_content(ole, path))
    elif name in _FILES and is_known:
        yield from _read_file(path[-1], _content(ole, path))
    elif _PROPERTIES.fullmatch(path[-1]):
        yield from _read_properties(ole, path)
    elif not is_known:
        yield from read_raw(_content(ole, path), "")


def _content(ole: olefile.OleFileIO, path: list[str]) -> bytes:
    content: bytes = ole.openstream(path).read()
    return content


def _read_document(ole: olefile.OleFileIO, path: list[str], about: About) -> Iterator[Item]:
    """Word, Excel or PowerPoint; one that takes a password if a word of the message is that."""
    stream = _content(ole, path)
    name = path[-1].lower()
    words, work = (*about.passwords, DEFAULT_PASSWORD), Work()
    if name == "worddocument":
        first, second = (
            _content(ole, table) if ole.exists(table := [*path[:-1], which]) else b""
            for which in ("0Table", "1Table")
        )
        opened = unlock_doc(stream, (first, second), words, work)
        yield from read_doc(*(opened or (stream, (first, second))))
    elif name == "powerpoint document":
        user = [*path[:-1], _USER]
        session = _content(ole, user) if ole.exists(user) else b""
        plain = unlock_ppt(stream, session, words, work)
        if not plain and is_locked_ppt(stream, session):
            # Its records tell nothing, not even that they are encrypted.
            yield Miss("encrypted")
            return
        yield from read_ppt(plain or stream, about.room)
    else:
        book = unlock_xls(stream, words, work) or stream
        yield from read_xls(book)
        yield from read_pictures(drawings_of(book))


def _read_file(name: str, content: bytes) -> Iterator[Item]:
    """An embedded file, or the text of a program that nobody has any more."""
    if content.startswith(_STARTS):
        yield Feature("embedded")
        yield Member(f"{name}.bin", content)
    else:
        yield from read_raw(content, "")
        yield Miss("format")


def _read_properties(ole: olefile.OleFileIO, path: list[str]) -> Iterator[Item]:
    """Title, author and the like, and properties that people have added."""
    stream = _content(ole, path)
    if values := list(read_properties(stream)):
        yield Text("properties", "\n".join(values))
    if "document" in path[-1].lower():
        yield from read_raw(stream, "properties")


def _read_native(stream: bytes) -> Iterator[Item]:
    """A file put into a document (MS-OLEDS §2.3.6): label, path, path again, and the bytes."""
    label, at = _name(stream, 6)
    path, at = _name(stream, at)
    # Flags, and the length of the third name.
    end = stream.find(b"\0", at + 8)
    at = end + 1 if end >= 0 else len(stream)
    yield Name(path)
    if at + 4 > len(stream):
        # A link to a file that is not inside.
        yield Name(label)
        yield Feature("external_link")
        return
    (size,) = struct.unpack_from("<I", stream, at)
    yield Member(label, stream[at + 4 : at + 4 + size])


def _name(stream: bytes, at: int) -> tuple[str, int]:
    end = stream.index(b"\0", at)
    return stream[at:end].decode("cp1252", "replace"), end + 1
