"""Office files before 2007, and objects embedded in newer ones: streams in a file (MS-CFB).

Word, Excel, PowerPoint and their macros; encrypted files of the newer kind come so, too.
"""

import re
import struct
from collections.abc import Iterator
from io import BytesIO

import olefile

from mailguard.extract.item import About, Feature, Item, Member, Miss, Name, Text
from mailguard.extract.office.doc import read_doc
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

_DOCUMENTS = frozenset(("worddocument", "workbook", "book", "powerpoint document"))
_ENCRYPTED = frozenset(("encryptedpackage", "encryptioninfo", "encryptedsummary"))
_MAIL = "__properties_version1.0"
_NATIVE = "\x01ole10native"
_FILES = frozenset(("package", "contents"))
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
    names = {path[-1].lower() for path in paths}
    if names & _ENCRYPTED:
        yield Miss("encrypted")
        return
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
            yield from _read_stream(ole, path, about.room, is_known=is_known)
        except _FAULTS:
            yield Miss("broken")
    if not is_known and _MAIL not in names:
        yield Miss("format")


def _read_stream(
    ole: olefile.OleFileIO, path: list[str], room: int, *, is_known: bool
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
        yield from _read_document(ole, path, room)
    elif name in _DOCUMENTS:
        yield from _read_document(ole, path, room)
    elif name == _NATIVE:
        yield Feature("embedded")
        yield from _read_native(_content(ole, path))
    elif name in _FILES and is_known:
        yield from _read_file(path[-1], _content(ole, path))
    elif _PROPERTIES.fullmatch(path[-1]):
        yield from _read_properties(ole, path)
    elif not is_known:
        yield from read_raw(_content(ole, path), "")


def _content(ole: olefile.OleFileIO, path: list[str]) -> bytes:
    content: bytes = ole.openstream(path).read()
    return content


def _read_document(ole: olefile.OleFileIO, path: list[str], room: int) -> Iterator[Item]:
    stream = _content(ole, path)
    name = path[-1].lower()
    if name == "worddocument":
        tables = [
            _content(ole, table) if ole.exists(table := [*path[:-1], which]) else b""
            for which in ("0Table", "1Table")
        ]
        yield from read_doc(stream, (tables[0], tables[1]))
    elif name == "powerpoint document":
        yield from read_ppt(stream, room)
    else:
        yield from read_xls(stream)


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
