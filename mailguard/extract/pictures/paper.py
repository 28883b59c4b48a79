"""Pages of a PDF as pictures, by PDFium."""

import ctypes
from typing import Any

import pypdfium2.raw as pdfium
from PIL import Image

from mailguard.extract.pictures.frames import AREA

DOTS = 150
"""An inch: print of eight points has letters of ten pixels. Fax machines have 100 or 200."""

_POINTS = 72
_WHITE = 0xFFFFFFFF


def draw(page: Any, *, has_text: bool) -> Image.Image | None:
    """The page in mode ``L``, at most :data:`AREA` large; None where it cannot be drawn.

    Where `has_text` its text is known already, and is taken away from the page for good.
    """
    if has_text:
        _take_text(page)
    wide, high = pdfium.FPDF_GetPageWidthF(page), pdfium.FPDF_GetPageHeightF(page)
    if not (wide > 0 and high > 0):
        return None
    scale = min(DOTS / _POINTS, (AREA / (wide * high)) ** 0.5)
    width, height = max(1, int(wide * scale)), max(1, int(high * scale))
    bitmap = pdfium.FPDFBitmap_CreateEx(width, height, pdfium.FPDFBitmap_Gray, None, 0)
    if not bitmap:
        return None
    try:
        pdfium.FPDFBitmap_FillRect(bitmap, 0, 0, width, height, _WHITE)
        how = pdfium.FPDF_ANNOT | pdfium.FPDF_GRAYSCALE
        pdfium.FPDF_RenderPageBitmap(bitmap, page, 0, 0, width, height, 0, how)
        stride = pdfium.FPDFBitmap_GetStride(bitmap)
        shades = ctypes.string_at(pdfium.FPDFBitmap_GetBuffer(bitmap), stride * height)
        return Image.frombytes("L", (width, height), shades, "raw", "L", stride)
    finally:
        pdfium.FPDFBitmap_Destroy(bitmap)


def _take_text(page: Any) -> None:
    for index in reversed(range(pdfium.FPDFPage_CountObjects(page))):
        thing = pdfium.FPDFPage_GetObject(page, index)
        if pdfium.FPDFPageObj_GetType(thing) == pdfium.FPDF_PAGEOBJ_TEXT and (
            pdfium.FPDFPage_RemoveObject(page, thing)
        ):
            pdfium.FPDFPageObj_Destroy(thing)
