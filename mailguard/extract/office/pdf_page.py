"""Whether a page of a PDF shows more than its text, by PDFium."""

from collections.abc import Iterator
from ctypes import c_float
from typing import Any

import pypdfium2.raw as pdfium

_TEXT = pdfium.FPDF_PAGEOBJ_TEXT
_PATH = pdfium.FPDF_PAGEOBJ_PATH
_PICTURE = pdfium.FPDF_PAGEOBJ_IMAGE
_FORM = pdfium.FPDF_PAGEOBJ_FORM
_NESTED = 3
"""Forms in forms that are looked into; what programs make of a scanned page has two."""

_MUCH = 0.25
"""Of a page: more than a letterhead. What is written in such a picture may be all of the page."""

_OBJECTS = 2000
"""Objects of a page that are looked at."""

_DRAWN = 200
"""Parts of lines: a table of forty cells has so many, and the smallest code drawn by squares."""


def must_show(page: Any, *, has_text: bool) -> bool:
    """Whether something else than its text may be what the page is about: anything on one without
    text, where letters may be drawn as lines; a large picture on others."""
    if not has_text:
        return any(kind != _TEXT for _, kind in _objects(page))
    size = pdfium.FPDF_GetPageWidthF(page) * pdfium.FPDF_GetPageHeightF(page)
    left, bottom, right, top = (c_float() for _ in range(4))
    for thing, kind in _objects(page):
        if kind not in (_PICTURE, _FORM):
            continue
        if pdfium.FPDFPageObj_GetBounds(thing, left, bottom, right, top):
            area = abs((right.value - left.value) * (top.value - bottom.value))
            if area > _MUCH * size and (kind == _PICTURE or _holds_picture(thing)):
                return True
    return False


def _holds_picture(form: Any) -> bool:
    """Whether a picture is among the first objects of a form, or of the forms in it."""
    waiting = [(form, _NESTED)]
    left = _OBJECTS
    while waiting and left > 0:
        form, depth = waiting.pop()
        for index in range(min(pdfium.FPDFFormObj_CountObjects(form), left)):
            left -= 1
            thing = pdfium.FPDFFormObj_GetObject(form, index)
            kind = pdfium.FPDFPageObj_GetType(thing)
            if kind == _PICTURE:
                return True
            if kind == _FORM and depth > 1:
                waiting.append((thing, depth - 1))
    return False


def may_show(page: Any, *, has_text: bool) -> bool:
    """Whether it is worth looking at: small pictures and drawings too may be codes, or letters."""
    parts = 0
    for thing, kind in _objects(page):
        if kind == _PATH and has_text:
            parts += max(0, pdfium.FPDFPath_CountSegments(thing))
            if parts > _DRAWN:
                return True
        elif kind != _TEXT:
            return True
    return False


def _objects(page: Any) -> Iterator[tuple[Any, int]]:
    for index in range(min(pdfium.FPDFPage_CountObjects(page), _OBJECTS)):
        thing = pdfium.FPDFPage_GetObject(page, index)
        yield thing, pdfium.FPDFPageObj_GetType(thing)
