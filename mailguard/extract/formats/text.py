"""Plain text in any charset, source code included."""

import codecs
from collections.abc import Iterator

from mailguard.extract.item import About, Item, Miss, Text
from mailguard.extract.office.raw_text import read_raw
from mailguard.mail.charset import read_text

TYPES = frozenset(
    (
        "text/plain",
        "text/markdown",
        "text/css",
        "text/javascript",
        "text/vbscript",
        "text/troff",
        "text/texmacs",
        "text/PGP",
        "text/x-asm",
        "text/x-bytecode",
        "text/x-c",
        "text/x-c++",
        "text/x-diff",
        "text/x-file",
        "text/x-fortran",
        "text/x-java",
        "text/x-lisp",
        "text/x-lua",
        "text/x-m4",
        "text/x-makefile",
        "text/x-msdos-batch",
        "text/x-ms-regedit",
        "text/x-objective-c",
        "text/x-pascal",
        "text/x-perl",
        "text/x-php",
        "text/x-po",
        "text/x-ruby",
        "text/x-script.python",
        "text/x-python",
        "text/x-shellscript",
        "text/x-tcl",
        "text/x-tex",
        "application/javascript",
        "application/x-subrip",
        "application/x-sylk",
        "application/x-wine-extension-ini",
        "application/x-setupscript",
    )
)
_NAMES_WORDS = (
    ".txt .text .md .markdown .log .ini .cfg .conf .srt .vtt .tex .rst .yaml .yml .toml .sql "
    ".css .py .js .ts .c .h .cpp .cs .java .php .rb .pl .sh .ps1 .bat .cmd .vbs .vb .bas .lua "
    ".r .go .asc.txt .nfo .slk .dif .diz .bib .reg .inf"
)
NAMES = tuple(_NAMES_WORDS.split())
SAMPLE = "Grüße".encode("cp1252")


def read(data: bytes, about: About) -> Iterator[Item]:
    """Yield the text; of a file that only poses as text, what looks like words."""
    if _is_binary(data):
        yield from read_raw(data, "")
        yield Miss("format")
        return
    yield Text("", read_text(data, ""))


def _is_binary(data: bytes) -> bool:
    """Whether it has NULs, but not as many as UTF-16 has in the letters of Europe."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return False
    return b"\0" in data and data.count(0) * 4 < len(data)
