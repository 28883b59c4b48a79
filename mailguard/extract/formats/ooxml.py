"""Word, Excel and PowerPoint files since 2007 (ECMA-376), with and without macros.

Which part is what is told by its first element, not by its name: names are the sender's.
"""

import re
import zipfile
from collections.abc import Iterable, Iterator
from functools import partial

from mailguard.extract.item import About, Feature, Item, Member, Miss, Text
from mailguard.extract.office.drawing import read_drawing
from mailguard.extract.office.markup import (
    Events,
    Start,
    entities_of,
    read_any,
    root_of,
    spaces_of,
)
from mailguard.extract.office.package import FAULTS, CannotRead, Package, guarded
from mailguard.extract.office.raw_text import read_raw
from mailguard.extract.office.sheet import (
    Book,
    read_sheet,
    read_strings,
    read_styles,
    read_workbook,
)
from mailguard.extract.office.word import read_hidden_styles, read_word
from mailguard.extract.office.xlsb import (
    read_binary_book,
    read_binary_comments,
    read_binary_sheet,
)
from mailguard.extract.office.zipped import zipped

_OFFICE = "application/vnd.openxmlformats-officedocument."
_MICROSOFT = "application/vnd.ms-"

TYPES = frozenset(
    (
        *(
            _OFFICE + kind
            for kind in (
                "wordprocessingml.document",
                "wordprocessingml.template",
                "spreadsheetml.sheet",
                "spreadsheetml.template",
                "presentationml.presentation",
                "presentationml.slideshow",
                "presentationml.template",
            )
        ),
        *(
            _MICROSOFT + kind + ".macroenabled.12"
            for kind in (
                "word.document",
                "word.template",
                "excel.sheet",
                "excel.template",
                "excel.addin",
                "powerpoint.presentation",
                "powerpoint.slideshow",
                "powerpoint.template",
            )
        ),
        "application/vnd.visio",
        "application/vnd.ms-visio.drawing.main+xml",
        "application/x-ooxml",
    )
)
_NAMES_WORDS = (
    ".docx .docm .dotx .dotm .xlsx .xlsm .xltx .xltm .xlam .xlsb .pptx .pptm .potx .potm "
    ".ppsx .ppsm .ppam .sldx .vsdx .vsdm"
)
NAMES = tuple(_NAMES_WORDS.split())

_WORD = {
    "document": "",
    "hdr": "header",
    "ftr": "footer",
    "footnotes": "footnote",
    "endnotes": "endnote",
    "comments": "comment",
    "glossaryDocument": "building block",
}
_SHEETS = frozenset(("worksheet", "dialogsheet", "macrosheet"))
_DRAWN = {
    "sld": "slide",
    "notes": "note",
    "cmLst": "comment",
    "comments": "comment",
    "ThreadedComments": "comment",
    "threadedComments": "comment",
    "sldLayout": "master",
    "sldMaster": "master",
    "notesMaster": "master",
    "handoutMaster": "master",
    "wsDr": "drawing",
    "userShapes": "drawing",
    "dataModel": "diagram",
    "chartSpace": "chart",
}
_PLAIN = {
    "coreProperties": "properties",
    "Properties": "properties",
    "xml": "drawing",
}
_SKIPPED = frozenset(("Types", "Relationships", "sst", "styleSheet", "Signature"))
"""Read before all others, or nothing that is shown."""

_REPEATED = frozenset(("master", "text box", "description"))
"""Places whose text comes again and again: each slide layout, each old twin of a text box."""

_NOT_CONTENT = re.compile(r"printersettings\d*\.bin$|\.odttf$|\.fntdata$|thumbnail\.\w+$|\.rels$")
_BINARY_BOOK = ("xl/workbook.bin", "xl/sharedstrings.bin")
_BINARY_SHEET = re.compile(r"^xl/(?:work|macro|dialog|chart)sheets/sheet\d*\.bin$")
_BINARY_LINK = re.compile(r"^xl/externallinks/\w+\.bin$")
_BINARY_COMMENTS = re.compile(r"^xl/comments\d*\.bin$")
_BINARY_FORM = re.compile(
    r"^xl/(?:workbook|sharedstrings|styles|calcchain|metadata|volatiledependencies"
    r"|\w+/binaryindex\d*)\.bin$"
)
"""Read before all others, or nothing that is shown."""

_NUMBER = re.compile(r"\d{1,9}")

_SAMPLE_NS = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
SAMPLE = zipped(
    {
        "[Content_Types].xml": "<Types/>",
        "word/document.xml": f'<w:document xmlns:w="{_SAMPLE_NS}"><w:body><w:p><w:r><w:t>Word</w:t>'
        "</w:r></w:p></w:body></w:document>",
    }
)

_Part = tuple[zipfile.ZipInfo, str, bytes]
_Links = dict[str, dict[str, str]]


def read(data: bytes, about: About) -> Iterator[Item]:
    """Yield all text, shown or hidden, and the files inside: pictures, embedded files, macros."""
    try:
        package = Package(data, about)
    except CannotRead as error:
        yield Miss(error.reason)
        return
    except FAULTS:
        yield Miss("broken")
        return
    parts = [(part, root_of(head), head) for part in package.parts if (head := package.head(part))]
    locked = [part for part in package.parts if part.flag_bits & 1]
    if locked:
        yield Miss("encrypted")
    if package.is_cut:
        yield Miss("too_many_parts")
    links: _Links = {}
    for part, root, _ in parts:
        if root == "Relationships":
            yield from guarded(_read_links(package, part, links))
    book, hidden_styles = Book(), set[str]()
    for part, root, _ in parts:
        if root == "styles":
            events = Events(package.pieces(part))
            hidden_styles.update(read_hidden_styles(events))
            yield from events.misses()
        if root in ("workbook", "sst", "styleSheet"):
            yield from guarded(_read_book(package, part, root, book))
    for part, _, _ in parts:
        if part.filename.lower().endswith(_BINARY_BOOK):
            yield from guarded(_read_binary_book(package, part, book))
    if book.is_cut:
        yield Miss("too_long")
    sheets = _sheets(parts, links, book)
    seen: set[str] = set()
    for part, root, head in sorted(parts, key=_order):
        if root in _SKIPPED or root == "workbook" or _NOT_CONTENT.search(part.filename.lower()):
            continue
        if root:
            items = _read_part(package, part, root, head, sheets, book, hidden_styles)
            yield from _once(guarded(items), seen)
        else:
            yield from guarded(_read_binary(package, part, sheets, book))


def _order(part: _Part) -> tuple[bool, str, int]:
    """Slide 2 before slide 10, and properties last."""
    name = part[0].filename
    number = _NUMBER.search(name)
    is_about = name.lower().startswith(("docprops/", "customxml/"))
    return is_about, _NUMBER.sub("", name), int(number[0]) if number else 0


def _once(items: Iterator[Item], seen: set[str]) -> Iterator[Item]:
    for item in items:
        if isinstance(item, Text) and item.where in _REPEATED:
            if item.text in seen:
                continue
            seen.add(item.text)
        yield item


def _read_links(package: Package, part: zipfile.ZipInfo, links: _Links) -> Iterator[Item]:
    """Note where the links of a part lead (ECMA-376-2 §9); those out of the file are text."""
    folder, _, name = part.filename.rpartition("_rels/")
    targets = links.setdefault((folder + name).removesuffix(".rels"), {})
    events = Events(package.pieces(part))
    for event in events:
        if not isinstance(event, Start) or event.name != "Relationship":
            continue
        target = event.get("Target")
        if event.get("TargetMode") != "External":
            targets[event.get("Id")] = target.lstrip("/") if target[:1] == "/" else folder + target
            continue
        yield Text("link", target)
        if not event.get("Type").endswith("/hyperlink"):
            # Fetched when the file is opened, and not when somebody clicks.
            yield Feature("external_link")
    yield from events.misses()


def _read_book(package: Package, part: zipfile.ZipInfo, root: str, book: Book) -> Iterator[Item]:
    events = Events(package.pieces(part))
    if root == "workbook":
        yield from read_workbook(events, book)
    elif root == "sst":
        read_strings(events, book)
    else:
        read_styles(events, book)
    yield from events.misses()


def _sheets(parts: Iterable[_Part], links: _Links, book: Book) -> dict[str, str]:
    """What each sheet's part is called in words."""
    found = {}
    for part, root, _ in parts:
        if root == "workbook" or part.filename.lower().endswith(_BINARY_BOOK):
            for key, target in links.get(part.filename, {}).items():
                if name := book.names.get(key):
                    found[target] = (
                        f"hidden sheet {name}" if key in book.hidden else f"sheet {name}"
                    )
    return found


def _read_part(
    package: Package,
    part: zipfile.ZipInfo,
    root: str,
    head: bytes,
    sheets: dict[str, str],
    book: Book,
    hidden_styles: set[str],
) -> Iterator[Item]:
    yield from entities_of(head)
    name = part.filename
    events = Events(package.pieces(part))
    if root in _WORD and "spreadsheetml" not in spaces_of(head):
        yield from read_word(events, _WORD[root], hidden_styles)
    elif root in _SHEETS:
        where = sheets.get(name, "sheet")
        if where.startswith("hidden"):
            yield Feature("hidden")
        if root == "macrosheet":
            yield Feature("macros")
        yield from read_sheet(events, where, book)
    elif root in _DRAWN:
        number = _NUMBER.search(name.rpartition("/")[2])
        has_number = number and root in ("sld", "notes")
        where = f"{_DRAWN[root]} {number[0]}" if number and has_number else _DRAWN[root]
        yield from read_drawing(events, where)
    else:
        if b"ddeLink" in head:
            yield Feature("active")
        read_rest = partial(read_any, words_only=root in _PLAIN)
        yield from read_rest(events, _PLAIN.get(root, "part"))
    yield from events.misses()


def _read_binary_book(package: Package, part: zipfile.ZipInfo, book: Book) -> Iterator[Item]:
    read_binary_book(package.pieces(part), book)
    yield from ()


def _read_binary(
    package: Package, part: zipfile.ZipInfo, sheets: dict[str, str], book: Book
) -> Iterator[Item]:
    """Hand a part that is no XML to the reader of its kind."""
    name = part.filename.lower()
    if _BINARY_SHEET.search(name):
        where = sheets.get(part.filename, "sheet")
        if where.startswith("hidden"):
            yield Feature("hidden")
        if "/macrosheets/" in name:
            yield Feature("macros")
        yield from read_binary_sheet(package.pieces(part), where, book)
        return
    if _BINARY_COMMENTS.search(name):
        yield from read_binary_comments(package.pieces(part))
        return
    if _BINARY_LINK.search(name):
        yield Feature("external_link")
        yield from read_raw(package.read(part), "link")
        return
    if _BINARY_FORM.search(name):
        return
    if "vbaproject" in name:
        # Whatever is left of them, or made of them so that no reader opens it.
        yield Feature("macros")
    elif "/embeddings/" in name:
        yield Feature("embedded")
    elif "/activex/" in name:
        yield Feature("active")
    data = package.read(part)
    if "customproperty" in name:
        # Words of an add-in, in no format at all.
        yield from read_raw(data, "part")
    elif data:
        yield Member(part.filename.rpartition("/")[2], data)
