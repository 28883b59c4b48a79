"""Shortcuts: .url, .desktop, .webloc and .lnk (MS-SHLLINK); where they lead is text."""

import plistlib
import re
import struct
from collections.abc import Iterator

from mailguard.extract.item import About, Feature, Item, Miss, Text
from mailguard.mail.charset import decode, read_text

TYPES = frozenset({"application/x-mswinurl", "application/x-ms-shortcut"})
NAMES = (".url", ".lnk", ".desktop", ".webloc", ".website")

_LINK = b"L\0\0\0\x01\x14\x02\0"
_HEADER = 76
_HAS_LIST, _HAS_INFO, _UNICODE = 1, 2, 0x80
_STRINGS = ((4, "name"), (8, "path"), (0x10, "folder"), (0x20, "arguments"), (0x40, "icon"))
_LINES = re.compile(
    r"^(?:URL|BASEURL|Exec|Path|Name|Comment|WorkingDirectory)\s*=(.*)$", re.I | re.M
)
_BINARY_PLIST = b"bplist00"
_XML_STRING = re.compile(rb"<string>([^<]*+)")
_RUN = re.compile(rb"(?:[\x20-\x7e]\0){6,}|[\x20-\x7e]{6,}")

SIZE = 1 << 20
"""Bytes that are looked at; shortcuts have one or two thousand."""


def read(data: bytes, about: About) -> Iterator[Item]:
    """Yield where it leads, and with which arguments."""
    yield Feature("active")
    if len(data) > SIZE:
        yield Miss("too_long")
        data = data[:SIZE]
    if data.startswith(_LINK):
        yield from _read_link(data)
    elif data.startswith(_BINARY_PLIST):
        stored = plistlib.loads(data)
        target = stored.get("URL") if isinstance(stored, dict) else None
        # Must: no other type. A few hundred bytes can make a list that takes for ever to write out.
        yield Text("target", target if isinstance(target, str) else "")
    elif found := _XML_STRING.findall(data):
        yield Text("target", "\n".join(decode(each, "utf-8") for each in found))
    else:
        text = read_text(data, "")
        yield Text("target", "\n".join(_LINES.findall(text)))
        yield Text("", _LINES.sub("", text))


def _read_link(data: bytes) -> Iterator[Item]:
    """Yield the strings of a .lnk (§2.4), and any others that are long enough to be one."""
    (flags,) = struct.unpack_from("<I", data, 20)
    at = _HEADER
    if flags & _HAS_LIST:
        at += 2 + int.from_bytes(data[at : at + 2], "little")
    if flags & _HAS_INFO:
        at += int.from_bytes(data[at : at + 4], "little")
    width, charset = (2, "utf-16-le") if flags & _UNICODE else (1, "windows-1252")
    for flag, what in _STRINGS:
        if flags & flag:
            end = at + 2 + width * int.from_bytes(data[at : at + 2], "little")
            yield Text(what, data[at + 2 : end].decode(charset, "replace"))
            at = end
    # The target itself is a list of binary items, each with names in it.
    runs = (run.replace(b"\0", b"").decode("ascii") for run in _RUN.findall(data))
    yield Text("target", "\n".join(runs))
