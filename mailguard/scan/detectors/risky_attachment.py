"""Attached files that run something when they are opened.

Catches: programs, by content, declared type or name, and any such file that poses as a document;
scripts, shortcuts, HTML applications and disk images.
Misses: what is inside a file: see active_content.
False positives: a pupil's web page script sent as homework (held for a look, no alarm).
"""

import re
from collections.abc import Iterator

from mailguard.mail.envelope import Transaction
from mailguard.mail.text import Attachment, MessageView
from mailguard.scan.detector import match, no_match
from mailguard.scan.example import compose
from mailguard.scan.finding import Category, Finding, Level, Symbol
from mailguard.scan.school import School

PROGRAM_ATTACHMENT = Symbol(
    name="PROGRAM_ATTACHMENT",
    category=Category.MALWARE,
    level=Level.SERIOUS,
    says="An attached file is a program, or hides that it is one.",
    clauses=("symphony:3.1.5f",),
)
RISKY_ATTACHMENT = Symbol(
    name="RISKY_ATTACHMENT",
    category=Category.MALWARE,
    level=Level.HOLD,
    says="An attached file could start a program on the reader's computer.",
    clauses=("symphony:3.1.5f",),
)
SYMBOLS = (PROGRAM_ATTACHMENT, RISKY_ATTACHMENT)

_PROGRAM_NAME = re.compile(
    r"\.(?:exe|com|scr|pif|cpl|dll|sys|ocx|ms[ipt]|msix|appx|jar|apk|application|gadget)$"
)
_RISKY_NAME = re.compile(
    r"\.(?:bat|cmd|ps[cdm]?1|vb[se]?|jse?|ws[cfh]?|sct|hta|lnk|url|scf|reg|inf|chm|hlp|msc|iso|img"
    r"|vhdx?|udf|diagcab|appref-ms|settingcontent-ms|library-ms|search-ms)$"
)
"""What Windows starts, mounts or follows on a double click, by the last part of the name. Python
and web pages are not among them: pupils send them to each other in computing lessons."""

_POSED_AS = re.compile(
    r"\.(?:pdf|docx?|xlsx?|pptx?|rtf|odt|txt|csv|jpe?g|png|gif|heic|mp[34]|mov|html?|zip)"
    r"[\s._-]*\.[a-z0-9-]+$"
)
_DIRECTION = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Marks that turn the direction of writing: "gpj.exe" is then read as "exe.jpg" (UTS 36 §3.5)."""

_PROGRAM_TYPES = frozenset(
    {
        "application/x-dosexec",
        "application/x-msdos-program",
        "application/x-msdownload",
        "application/vnd.microsoft.portable-executable",
        "application/x-executable",
        "application/x-pie-executable",
        "application/x-sharedlib",
        "application/x-mach-binary",
        "application/x-msi",
        "application/java-archive",
        "application/x-java-archive",
        "application/vnd.android.package-archive",
    }
)
_RISKY_TYPES = frozenset(
    {
        "application/hta",
        "application/x-ms-shortcut",
        "application/x-mswinurl",
        "application/x-iso9660-image",
        "application/x-virtualbox-vhd",
        "application/x-vhd",
        "application/vnd.ms-htmlhelp",
        "text/x-msdos-batch",
        "text/vbscript",
    }
)

EXAMPLES = (
    match(compose(filename="setup.exe", attachment="MZ")),
    match(compose(filename="Invoice.pdf.js", attachment="run"), why="poses as a document"),
    match(compose(filename="holiday.jpg", attachment="MZ"), sniffed={"2": "application/x-dosexec"}),
    match(compose(filename="open me.lnk", attachment="x"), why="a shortcut"),
    match(compose(filename="backup.iso", attachment="x"), why="a disk image"),
    no_match(compose(filename="Year 4 homework.docx", attachment="Spelling")),
    no_match(compose(filename="turtle.py", attachment="print(1)"), why="computing homework"),
    no_match(compose(filename="v1.2 minutes.final.txt", attachment="Minutes"), why="dots in names"),
    no_match(compose(filename="letter.pdf", attachment="%PDF"), sniffed={"2": "application/pdf"}),
)


def detect(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    """Yield a finding for each attached file that is, or may start, a program."""
    for attachment in view.attachments:
        symbol = _judge(attachment)
        if symbol:
            yield Finding(symbol=symbol, level=symbol.level, part=attachment.part, where=None)


def _judge(attachment: Attachment) -> Symbol | None:
    # Windows ignores dots and spaces at the end of a name.
    name = _DIRECTION.sub("", attachment.filename).lower().rstrip(". ")
    types = {attachment.declared, attachment.sniffed}
    if _PROGRAM_NAME.search(name) or not types.isdisjoint(_PROGRAM_TYPES):
        return PROGRAM_ATTACHMENT
    if not _RISKY_NAME.search(name) and types.isdisjoint(_RISKY_TYPES):
        return None
    hides = _POSED_AS.search(name) or _DIRECTION.search(attachment.filename)
    return PROGRAM_ATTACHMENT if hides else RISKY_ATTACHMENT
