"""Programs inside attached archives, and documents that run something when they are opened.

Catches: members of archives, attached messages and documents by their names, those that pose as a
document; macros; actions that start a program.
Misses: programs without a telling name inside an archive, and all in an encrypted one whose names
are encrypted too.
False positives: a pupil's compiled project sent as homework; a teacher's own marking macros (told,
delivered).
"""

import re
from collections.abc import Iterator

from mailguard.mail.envelope import Transaction
from mailguard.mail.text import Attachment, Extract, MessageView
from mailguard.scan.example import Example, compose
from mailguard.scan.finding import Category, Finding, Level, Symbol
from mailguard.scan.school import School

PACKED_PROGRAM = Symbol(
    name="PACKED_PROGRAM",
    category=Category.MALWARE,
    level=Level.HOLD,
    says="An attached file holds a program, or something that starts one.",
    clauses=("symphony:3.1.5f",),
)
MACRO_ATTACHMENT = Symbol(
    name="MACRO_ATTACHMENT",
    category=Category.MALWARE,
    level=Level.FLAG,
    says="An attached document holds macros, which can do harm if they are allowed to run.",
    clauses=("symphony:3.1.5f",),
)
SYMBOLS = (PACKED_PROGRAM, MACRO_ATTACHMENT)

_PROGRAM_NAME = re.compile(
    r"\.(?:exe|scr|pif|cpl|ms[ip]|msix|appx|jar|apk|bat|cmd|ps1|vb[se]|jse|ws[fh]|hta|lnk|scf|chm"
    r"|iso|img|vhdx?|appref-ms|settingcontent-ms|library-ms)$"
)
"""What nobody packs by accident. Not: libraries and scripts, which are in every pupil's project."""

_POSED_AS = re.compile(
    r"\.(?:pdf|docx?|xlsx?|pptx?|rtf|odt|txt|csv|jpe?g|png|gif|mp[34])[\s._-]*"
    r"\.(?:js|com|vbs|jse|wsf|hta|url|py|dll)$"
)
_DIRECTION = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")

_STARTS_SOMETHING = "launch"
_MACROS = "macros"

_LETTER = compose(filename="letter.zip", attachment="x")


def _example(extract: Extract, *, matches: bool, why: str = "") -> Example:
    return Example(matches=matches, raw=_LETTER, extracts=(extract,), why=why)


def _holding(*names: str) -> Extract:
    return Extract(part="2", sniffed="application/zip", is_read=True, names=names)


def _doing(*features: str) -> Extract:
    return Extract(part="2", sniffed="application/pdf", is_read=True, features=features)


EXAMPLES = (
    _example(_holding("readme.txt", "Setup.EXE"), matches=True),
    _example(_holding("inner.zip", "invoice.pdf.js"), matches=True, why="poses as a document"),
    _example(_doing("macros"), matches=True),
    _example(_doing("launch"), matches=True, why="a document that starts something"),
    _example(_holding("game/index.html", "game/main.js", "lib.dll"), matches=False, why="homework"),
    _example(_holding("Notes on notepad.exe.txt", "A talk at example.com"), matches=False),
    _example(_doing("rows:240", "hidden", "active", "embedded"), matches=False, why="a form"),
)


def detect(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    """Yield a finding for each attachment that holds a program, and for each with macros."""
    for attachment in view.attachments:
        for symbol in _judge(attachment):
            yield Finding(symbol=symbol, level=symbol.level, part=attachment.part, where=None)


def _judge(attachment: Attachment) -> Iterator[Symbol]:
    if _STARTS_SOMETHING in attachment.features or any(map(_is_program, attachment.inside)):
        yield PACKED_PROGRAM
    if _MACROS in attachment.features:
        yield MACRO_ATTACHMENT


def _is_program(name: str) -> bool:
    # Windows ignores dots and spaces at the end of a name.
    plain = _DIRECTION.sub("", name).lower().rstrip(". ")
    return bool(_PROGRAM_NAME.search(plain) or _POSED_AS.search(plain))
