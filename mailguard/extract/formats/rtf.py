"""Rich text (RTF 1.9.1), read as a stream: what is hidden, deleted or set apart is told apart."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from mailguard.extract.formats._wide import narrow
from mailguard.extract.item import About, Feature, Item, Member, Miss, Text
from mailguard.extract.office.markup import Scribe

TYPES = frozenset(("text/rtf", "application/rtf", "text/richtext"))
NAMES = (".rtf",)
SAMPLE = rb"{\rtf1\ansi A letter.\par}"

DEPTH = 1000
"""Groups in each other; Word itself gives up at some hundreds."""

TOKENS = 2_000_000
"""Words, braces and runs of letters: some six seconds. A book of 500 pages has half a million."""

FILES = 200
"""Objects and pictures that are taken out."""

_TOKEN = re.compile(
    rb"""\\(?:
          bin(\d{1,10})[ ]?
        | '([0-9a-fA-F]{2})
        | ([a-zA-Z]{1,32})(-?\d{1,10})?[ ]?
        | ([^a-zA-Z])
      )
    | ([{}])
    | ([^\\{}\r\n]+)""",
    re.VERBOSE,
)
_OFTEN = 1000
_NOT_HEX = re.compile(rb"[^0-9a-fA-F]+")

_PLACES = {
    b"header": "header",
    b"headerl": "header",
    b"headerr": "header",
    b"headerf": "header",
    b"footer": "footer",
    b"footerl": "footer",
    b"footerr": "footer",
    b"footerf": "footer",
    b"footnote": "footnote",
    b"annotation": "comment",
    b"atnauthor": "author",
    b"atnid": "author",
    b"info": "properties",
    b"userprops": "properties",
    b"fldinst": "field",
    b"shptxt": "text box",
    b"textbox": "text box",
    b"sp": "description",
    b"xe": "index",
    b"bkmkstart": "bookmark",
}
_SKIPPED = frozenset(
    b"fonttbl colortbl stylesheet listtable listoverridetable revtbl rsidtbl generator themedata"
    b" colorschememapping latentstyles datastore pgdsctbl mmathPr xmlnstbl fchars lchars filetbl"
    b" bkmkend pntext sn panose falt formfield nonshppict blipuid picprop pnseclvl"
    b" pntxta pntxtb wgrffmtfilter".split()
)
_BREAKS = {
    b"par": "\n",
    b"line": "\n",
    b"row": "\n",
    b"sect": "\n",
    b"page": "\n",
    b"cell": "\t",
    b"nestcell": "\t",
    b"nestrow": "\n",
    b"tab": "\t",
    b"emdash": "—",
    b"endash": "–",
    b"lquote": "‘",
    b"rquote": "’",
    b"ldblquote": "“",
    b"rdblquote": "”",
    b"bullet": "•",
    b"emspace": " ",
    b"enspace": " ",
}
_SIGNS = {b"~": " ", b"_": "-", b"\\": "\\", b"{": "{", b"}": "}", b"\n": "\n", b"\r": "\n"}
_LISTED = frozenset(("properties", "description", "unknown"))
"""Places in which each group is a value of its own; what has no letter is for machines."""

_LETTER = re.compile(r"[^\W\d_]")
_HEX = {b"objdata": "object.bin", b"pict": "picture"}
_CHARSETS = {
    0: "cp1252", 77: "mac-roman", 128: "cp932", 129: "cp949", 134: "gb18030", 136: "big5",
    161: "cp1253", 162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257",
    204: "cp1251", 222: "cp874", 238: "cp1250",
}  # fmt: skip
"""RTF 1.9.1, font table: what ``\\fcharset`` means."""

_FORMATS = frozenset(b"v deleted plain uc ansicpg mac f fcharset objupdate objautlink".split())
_KNOWN = _FORMATS | _SKIPPED | {b"u", *_BREAKS, *_PLACES, *_HEX}

_OLE = bytes.fromhex("d0cf11e0a1b11ae1")


@dataclass(frozen=True, slots=True)
class _Group:
    """What holds until the closing brace."""

    where: str = ""
    codec: str = "cp1252"
    skips: int = 1
    """Bytes that stand for a letter beyond ASCII, for old readers (``\\uc``)."""

    is_hidden: bool = False
    is_deleted: bool = False
    is_silent: bool = False
    is_fonts: bool = False
    hex_name: str = ""


class _Rtf:
    def __init__(self) -> None:
        self.group = _Group()
        self.outer: list[_Group] = []
        self.too_deep = 0
        self.default_codec = "cp1252"
        self.fonts: dict[int, str] = {}
        self.font = 0
        self.scribes: dict[str, Scribe] = {}
        self.bytes = bytearray()
        self.hex = bytearray()
        self.to_skip = 0
        self.is_optional = False
        self.files = 0
        self.features: set[str] = set()

    def write(self, text: str) -> None:
        self.flush()
        group = self.group
        if group.is_silent or group.hex_name:
            return
        where = "hidden text" if group.is_hidden else group.where
        where = "deleted text" if group.is_deleted else where
        self.scribe(where).add(text)

    def scribe(self, where: str) -> Scribe:
        return self.scribes.setdefault(where, Scribe(where))

    def flush(self) -> None:
        """Decode the bytes that have come: a letter may consist of two of them."""
        if self.bytes:
            text = bytes(self.bytes).decode(self.group.codec, "replace")
            self.bytes.clear()
            self.write(text)

    def open(self) -> None:
        self.flush()
        if len(self.outer) >= DEPTH:
            self.too_deep += 1
            return
        self.outer.append(self.group)
        self.is_optional = False
        self.to_skip = 0

    def close(self) -> Iterator[Item]:
        self.flush()
        if self.too_deep:
            self.too_deep -= 1
        elif self.outer:
            inner, self.group = self.group, self.outer.pop()
            if inner.hex_name and inner.hex_name != self.group.hex_name:
                yield from self.take_file(inner.hex_name)
            if inner.where != self.group.where or inner.where in _LISTED:
                self.scribe(inner.where).add("\n")
        self.to_skip = 0

    def take_file(self, name: str) -> Iterator[Item]:
        data = bytes(self.hex)
        self.hex.clear()
        self.files += 1
        if not data or self.files > FILES:
            return
        if name == "object.bin":
            yield Feature("embedded")
            # MS-OLEDS §2.2.4: a header, then the object itself or a file with its name.
            start = data.find(_OLE)
            data = data[start:] if start >= 0 else data
        yield Member(name, data)

    def hand_on(self, *, everything: bool = False) -> Iterator[Item]:
        for where, scribe in self.scribes.items():
            for item in scribe.hand_on() if everything or scribe.is_full else ():
                if not isinstance(item, Text):
                    continue
                # The halves of letters beyond the first 65,536 come one by one.
                text = item.text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
                if where in _LISTED:
                    text = "\n".join(filter(_LETTER.search, text.split("\n")))
                if not text:
                    continue
                yield Text(where, text)
                if where == "field" and "DDE" in text.upper():
                    self.features.add("active")
                elif where == "hidden text":
                    self.features.add("hidden")

    def content(self, run: bytes) -> None:
        if self.group.hex_name:
            digits = _NOT_HEX.sub(b"", run)
            self.hex += bytes.fromhex(digits[: len(digits) // 2 * 2].decode())
        elif self.to_skip:
            self.bytes += run[self.to_skip :]
            self.to_skip = max(0, self.to_skip - len(run))
        else:
            self.bytes += run

    def word(self, word: bytes, argument: int | None) -> None:
        if word not in _KNOWN and not self.is_optional:
            return
        if self.bytes:
            self.flush()
        number = 1 if argument is None else argument
        if word in _BREAKS:
            self.write(_BREAKS[word])
        elif word == b"u":
            self.write(chr(number % 65536))
            self.to_skip = self.group.skips
        elif word in _PLACES:
            self.group = replace(self.group, where=_PLACES[word], is_silent=False)
        elif word in _HEX:
            self.group = replace(self.group, hex_name=_HEX[word], is_silent=False)
        elif word in _SKIPPED:
            self.group = replace(self.group, is_silent=True, is_fonts=word == b"fonttbl")
        elif self.is_optional:
            # Readers leave out what they do not know; what is written there nobody sees.
            self.group = replace(self.group, where="unknown")
        else:
            self.format(word, number)
        self.is_optional = False

    def format(self, word: bytes, number: int) -> None:
        group = self.group
        match word:
            case b"v":
                self.group = replace(group, is_hidden=number != 0)
            case b"deleted":
                self.features.add("tracked_changes")
                self.group = replace(group, is_deleted=number != 0)
            case b"plain":
                self.group = replace(group, is_hidden=False, is_deleted=False)
            case b"uc":
                self.group = replace(group, skips=min(max(0, number), 16))
            case b"ansicpg":
                self.default_codec = _codec(f"cp{number}")
                self.group = replace(group, codec=self.default_codec)
            case b"mac":
                self.group = replace(group, codec="mac-roman")
            case b"f" if group.is_fonts:
                self.font = number
            case b"fcharset" if group.is_fonts:
                # A file with more fonts than these is not written by any program.
                if len(self.fonts) < 10_000 and number in _CHARSETS:
                    self.fonts[self.font] = _CHARSETS[number] if number else self.default_codec
            case b"f":
                self.group = replace(group, codec=self.fonts.get(number, self.default_codec))
            case b"objupdate" | b"objautlink":
                self.features.add("external_link")


def _codec(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "cp1252"


def read(data: bytes, about: About) -> Iterator[Item]:
    """Yield the text, in the order of the file, and the objects and pictures inside."""
    data = narrow(data)
    rtf = _Rtf()
    at = count = 0
    while token := _TOKEN.search(data, at):
        at = token.end()
        count += 1
        if count == TOKENS:
            yield Miss("too_long")
            break
        if not count % _OFTEN:
            yield from rtf.hand_on()
        binary, byte, word, argument, sign, brace, run = token.groups()
        if run is not None:
            rtf.content(run)
        elif brace == b"{":
            rtf.open()
        elif brace == b"}":
            yield from rtf.close()
        elif word is not None:
            rtf.word(word, int(argument) if argument else None)
        elif byte is not None:
            if rtf.to_skip:
                rtf.to_skip -= 1
            else:
                rtf.bytes.append(int(byte, 16))
        elif binary is not None:
            size = min(int(binary), len(data) - at)
            if rtf.group.hex_name:
                rtf.hex += data[at : at + size]
            at += size
        elif sign == b"*":
            rtf.is_optional = True
        elif sign in _SIGNS:
            rtf.write(_SIGNS[sign])
    rtf.flush()
    if rtf.too_deep:
        yield Miss("too_deep")
    yield from rtf.hand_on(everything=True)
    yield from map(Feature, sorted(rtf.features))
