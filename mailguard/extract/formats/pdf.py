"""PDF (ISO 32000) by PDFium: pages, notes, form fields, properties, and the files inside.

PDFium is C++ and a file below 1 KB can make it take gigabytes, or the process down: it is safe
only where a dead process is an answer. Text is found whatever its colour or place.
"""

import ctypes
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pypdfium2.raw as pdfium

from mailguard.extract.item import About, Feature, Item, Member, Miss, Name, Text
from mailguard.extract.office.pdf_page import may_show, must_show
from mailguard.extract.office.pdf_raw import lost_files, views
from mailguard.extract.office.pdf_salvage import salvage
from mailguard.extract.pictures.sight import show_page

TYPES = frozenset(("application/pdf", "application/x-pdf"))
NAMES = (".pdf", ".ai")

PAGES = 2000
"""Pages that are read. A page costs some milliseconds; no letter home has so many."""

CHARACTERS = 1 << 21
"""Of one page, or one value: as much as is taken of all of the file."""

ANNOTATIONS = 1000
"""Of one page; a form of many fields has some hundreds."""

FILES = 200
BOOKMARKS = 2000
PASSWORDS = 50
"""Each costs up to 20 ms in files of the newest kind of encryption (ISO 32000-2 §7.6.4)."""

_PROPERTIES = ("Title", "Author", "Subject", "Keywords", "Creator", "Producer")
_VALUES = ("Contents", "V", "DV", "TU", "RC", "Subj", "T")
"""ISO 32000 tables 164, 170 and 220: text, value, tip, rich text, subject, and who wrote it."""

_LOST = Miss("broken")
"""Stands for a file that has to be looked for otherwise."""

_LAUNCH = re.compile(rb"/Launch\b")
_SCRIPT = re.compile(rb"/(?:JavaScript|JS)\b")

SAMPLE = b"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents 4 0 R/Resources<</Font<</F1 5 0 R
>>>>/Annots[<</Type/Annot/Subtype/Text/Rect[0 0 9 9]/Contents(Note)>>]>>endobj
4 0 obj<</Length 42>>stream
BT /F1 12 Tf 20 200 Td (A page of it) Tj ET
endstream endobj
5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj
trailer<</Root 1 0 R/Size 6>>
%%EOF
"""


def read(data: bytes, about: About) -> Iterator[Item]:
    """Yield the text of all pages, what hangs on them, and the files inside. What a page shows
    besides is read if that is asked for, else a Miss; of a file that PDFium does not open, or that
    a process has died of, what is found without it."""
    if about.is_again:
        yield from salvage(data)
        yield Miss("broken")
        return
    pdfium.FPDF_InitLibrary()
    document, reason = _open(data, about.passwords)
    if document is None:
        yield from salvage(data)
        yield Miss(reason)
        return
    try:
        lost = False
        has_text = False
        is_empty = True
        for item in _read_document(document, about):
            lost = lost or item is _LOST
            has_text = has_text or (isinstance(item, Text) and item.where.startswith("page "))
            is_empty = is_empty and isinstance(item, Feature)
            if item is not _LOST:
                yield item
        if not has_text:
            lost_text = _lost_text(data)
            yield from lost_text
            if is_empty and not lost_text:
                yield Feature("empty")
        if lost:
            yield from lost_files(data, about.room)
        seen = list(views(data))
        if any(map(_SCRIPT.search, seen)) or pdfium.FPDFDoc_GetJavaScriptActionCount(document) > 0:
            yield Feature("active")
        if any(map(_LAUNCH.search, seen)):
            yield Feature("launch")
    finally:
        pdfium.FPDF_CloseDocument(document)


def _lost_text(data: bytes) -> list[Item]:
    """Text of pages that PDFium shows empty: other readers make other sense of what is damaged."""
    texts = [each for each in salvage(data) if isinstance(each, Text) and each.where == "page"]
    return [*texts, Miss("broken")] if texts else []


def _open(data: bytes, passwords: tuple[str, ...]) -> tuple[Any, str]:
    for password in ("", *passwords[:PASSWORDS]):
        document = pdfium.FPDF_LoadMemDocument64(data, len(data), password.encode() or None)
        if document:
            return document, ""
        error = pdfium.FPDF_GetLastError()
        if error == pdfium.FPDF_ERR_SECURITY:
            return None, "encrypted"
        if error != pdfium.FPDF_ERR_PASSWORD:
            return None, "broken"
    return None, "encrypted"


def _read_document(document: Any, about: About) -> Iterator[Item]:
    for key in _PROPERTIES:
        value = _string(partial(pdfium.FPDF_GetMetaText, document, key.encode()))
        if value:
            yield Text("properties", value)
    yield from _read_bookmarks(document)
    pictures_end = time.process_time() + about.pictures
    count = pdfium.FPDF_GetPageCount(document)
    if count > PAGES:
        yield Miss("too_long")
    for number in range(min(count, PAGES)):
        page = pdfium.FPDF_LoadPage(document, number)
        if not page:
            yield Miss("broken")
            continue
        try:
            yield from _read_page(document, page, number + 1, pictures_end, about)
        finally:
            pdfium.FPDF_ClosePage(page)
    yield from _read_files(document, about.room)
    if pdfium.FPDF_GetFormType(document) in (
        pdfium.FORMTYPE_XFA_FULL,
        pdfium.FORMTYPE_XFA_FOREGROUND,
    ):
        yield from _read_xfa(document)


def _read_page(
    document: Any, page: Any, number: int, pictures_end: float, about: About
) -> Iterator[Item]:
    text_page = pdfium.FPDFText_LoadPage(page)
    if not text_page:
        yield Miss("broken")
        return
    try:
        text, is_cut = _page_text(text_page)
    finally:
        pdfium.FPDFText_ClosePage(text_page)
    has_text = bool(text) and not text.isspace()
    if has_text:
        yield Text(f"page {number}", text)
    if is_cut:
        yield Miss("too_long")
    yield from _read_annotations(document, page, about.room)
    # Behind all else: it may take away what was read.
    if about.pictures > 0 and may_show(page, has_text=has_text):
        yield from show_page(page, number, pictures_end, has_text=has_text)
    elif must_show(page, has_text=has_text):
        yield Miss("image")
    # Last: it changes the page.
    yield from _read_shown(document, page, number, text)


def _read_shown(document: Any, page: Any, number: int, text: str) -> Iterator[Item]:
    """What stamps, buttons and lists show of themselves: it need not be any of their values."""
    if pdfium.FPDFPage_GetAnnotCount(page) <= 0:
        return
    if pdfium.FPDFPage_Flatten(page, pdfium.FLAT_NORMALDISPLAY) != pdfium.FLATTEN_SUCCESS:
        return
    flat = pdfium.FPDF_LoadPage(document, number - 1)
    text_page = pdfium.FPDFText_LoadPage(flat) if flat else None
    if text_page:
        shown, _ = _page_text(text_page)
        pdfium.FPDFText_ClosePage(text_page)
        known = set(text.split("\n"))
        lines = [line for line in shown.split("\n") if line.strip() and line not in known]
        if lines:
            yield Text("comment", "\n".join(lines))
    if flat:
        if not must_show(page, has_text=True) and must_show(flat, has_text=True):
            yield Miss("image")
        pdfium.FPDF_ClosePage(flat)


def _page_text(text_page: Any) -> tuple[str, bool]:
    count = pdfium.FPDFText_CountChars(text_page)
    if count <= 0:
        return "", False
    taken = min(count, CHARACTERS)
    buffer = (ctypes.c_ushort * (taken + 1))()
    written = pdfium.FPDFText_GetText(text_page, 0, taken, buffer)
    text = bytes(buffer)[: max(0, written - 1) * 2].decode("utf-16-le", "replace")
    # U+FFFE and U+0002 stand for a hyphen at the end of a line.
    text = re.sub("[\ufffe\x02](?:\r\n|\n)?", "", text)
    return text.replace("\r\n", "\n").replace("\0", ""), count > CHARACTERS


def _read_annotations(document: Any, page: Any, room: int) -> Iterator[Item]:
    count = pdfium.FPDFPage_GetAnnotCount(page)
    if count > ANNOTATIONS:
        yield Miss("too_long")
    for index in range(min(count, ANNOTATIONS)):
        annotation = pdfium.FPDFPage_GetAnnot(page, index)
        if not annotation:
            continue
        try:
            yield from _read_annotation(document, annotation, room)
        finally:
            pdfium.FPDFPage_CloseAnnot(annotation)


def _read_annotation(document: Any, annotation: Any, room: int) -> Iterator[Item]:
    kind = pdfium.FPDFAnnot_GetSubtype(annotation)
    values = []
    for key in _VALUES:
        value = _string(partial(_wide, pdfium.FPDFAnnot_GetStringValue, annotation, key.encode()))
        if value and value not in values:
            values.append(value)
    if values:
        where = "form field" if kind == pdfium.FPDF_ANNOT_WIDGET else "comment"
        yield Text(where, "\n".join(values))
    if kind == pdfium.FPDF_ANNOT_LINK:
        link = pdfium.FPDFAnnot_GetLink(annotation)
        action = pdfium.FPDFLink_GetAction(link) if link else None
        if action:
            yield from _read_action(document, action)
    elif kind == pdfium.FPDF_ANNOT_FILEATTACHMENT:
        attachment = pdfium.FPDFAnnot_GetFileAttachment(annotation)
        if attachment:
            yield from _read_file(attachment, room)
    elif kind in (pdfium.FPDF_ANNOT_RICHMEDIA, pdfium.FPDF_ANNOT_SCREEN):
        yield Feature("embedded")


def _read_action(document: Any, action: Any) -> Iterator[Item]:
    kind = pdfium.FPDFAction_GetType(action)
    if kind == pdfium.PDFACTION_URI:
        length = pdfium.FPDFAction_GetURIPath(document, action, None, 0)
        if 0 < length <= CHARACTERS:
            buffer = ctypes.create_string_buffer(length)
            pdfium.FPDFAction_GetURIPath(document, action, buffer, length)
            yield Text("link", buffer.value.decode("utf-8", "replace"))
    elif kind in (pdfium.PDFACTION_LAUNCH, pdfium.PDFACTION_REMOTEGOTO):
        length = pdfium.FPDFAction_GetFilePath(action, None, 0)
        if 0 < length <= CHARACTERS:
            buffer = ctypes.create_string_buffer(length)
            pdfium.FPDFAction_GetFilePath(action, buffer, length)
            yield Text("link", buffer.value.decode("utf-8", "replace"))
        if kind == pdfium.PDFACTION_LAUNCH:
            yield Feature("launch")


def _read_bookmarks(document: Any) -> Iterator[Item]:
    """The outline, which may run in circles."""
    waiting = [pdfium.FPDFBookmark_GetFirstChild(document, None)]
    titles = []
    for _ in range(BOOKMARKS):
        if not waiting:
            break
        bookmark = waiting.pop()
        if not bookmark:
            continue
        titles.append(_string(partial(pdfium.FPDFBookmark_GetTitle, bookmark)))
        waiting.append(pdfium.FPDFBookmark_GetNextSibling(document, bookmark))
        waiting.append(pdfium.FPDFBookmark_GetFirstChild(document, bookmark))
    if any(titles):
        yield Text("outline", "\n".join(titles))


def _read_files(document: Any, room: int) -> Iterator[Item]:
    count = pdfium.FPDFDoc_GetAttachmentCount(document)
    if count > FILES:
        yield Miss("too_many_parts")
    for index in range(min(count, FILES)):
        attachment = pdfium.FPDFDoc_GetAttachment(document, index)
        if attachment:
            yield from _read_file(attachment, room)


def _read_file(attachment: Any, room: int) -> Iterator[Item]:
    yield Feature("embedded")
    name = _string(partial(_wide, pdfium.FPDFAttachment_GetName, attachment))
    length = ctypes.c_ulong()
    if not pdfium.FPDFAttachment_GetFile(attachment, None, 0, length):
        yield _LOST
        yield Name(name)
        return
    if length.value > room:
        yield Name(name)
        yield Miss("bomb")
        return
    buffer = ctypes.create_string_buffer(max(1, length.value))
    if pdfium.FPDFAttachment_GetFile(attachment, buffer, length.value, length):
        yield Member(name, buffer.raw[: length.value])


def _read_xfa(document: Any) -> Iterator[Item]:
    """The packets of an XML form: it is shown in place of the pages (ISO 32000-1 §12.7.8)."""
    for index in range(min(pdfium.FPDF_GetXFAPacketCount(document), FILES)):
        length = ctypes.c_ulong()
        pdfium.FPDF_GetXFAPacketContent(document, index, None, 0, length)
        if 0 < length.value <= CHARACTERS:
            buffer = ctypes.create_string_buffer(length.value)
            if pdfium.FPDF_GetXFAPacketContent(document, index, buffer, length.value, length):
                yield Member("form.xml", buffer.raw)


def _wide(function: Callable[..., int], *arguments: Any) -> int:
    """Call one that wants its buffer as letters, not as bytes."""
    *others, buffer, length = arguments
    return function(*others, ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)), length)


def _string(fetch: Callable[[Any, int], int]) -> str:
    """A UTF-16 string of PDFium's, which first says how many bytes it has."""
    length = fetch(None, 0)
    if not 2 < length <= 2 * CHARACTERS:
        return ""
    buffer = ctypes.create_string_buffer(length)
    fetch(buffer, length)
    return buffer.raw.decode("utf-16-le", "replace").partition("\0")[0]
