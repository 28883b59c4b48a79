"""Whether this process can read what pictures show, and doing so where it can.

The engines are an extra of the package (``mailguard[pictures]``), and the model for English is one
of the system's. They are loaded when first asked for, which must be before a process is caged.
"""

import os
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mailguard.extract.item import Item, Miss

if TYPE_CHECKING:
    from mailguard.extract.pictures.shown import Sight

MODEL = "eng.traineddata"

_FOLDERS = (
    "usr/share/tesseract-ocr/*/tessdata",
    "usr/share/tessdata",
    "usr/share/tesseract/tessdata",
)
"""Where Debian, Arch and Fedora put it."""

_NO_PACKAGES = "the Python packages tesserocr, zxing-cpp and Pillow are not installed"
_NO_MODEL = f"the model for English, {MODEL}, is not installed"
_NO_ENGINE = f"the model for English, {MODEL}, cannot be loaded"


@cache
def load_sight(root: Path = Path("/")) -> "Sight | str":
    """What reads pictures, or why there is nothing, in plain words. Takes half a second once."""
    # Must: no thread can be started in the cage, and this is read as the library is loaded.
    os.environ["OMP_THREAD_LIMIT"] = "1"
    try:
        shown = import_module("mailguard.extract.pictures.shown")
    except (ImportError, OSError):
        return _NO_PACKAGES
    model = next((file for folder in _FOLDERS for file in root.glob(f"{folder}/{MODEL}")), None)
    if model is None:
        return _NO_MODEL
    try:
        sight: Sight = shown.Sight(model.parent)
    except (OSError, RuntimeError):
        return _NO_ENGINE
    return sight


def warm_sight() -> str:
    """Have everything loaded, and used once; return why pictures cannot be read, ``""`` if they
    can."""
    sight = load_sight()
    if isinstance(sight, str):
        return sight
    sight.warm()
    return ""


def show_file(data: bytes, seconds: float) -> Iterator[Item]:
    """Yield the words and codes in a picture; Miss ``image`` where it was not wholly read.

    It takes about `seconds` of processor time, and reads nothing where that is 0.
    """
    sight = load_sight() if seconds > 0 else ""
    if isinstance(sight, str):
        yield Miss("image")
    else:
        yield from sight.show_file(data, seconds)


def show_page(page: Any, number: int, end: float, *, has_text: bool) -> Iterator[Item]:
    """Yield the words and codes that a page of PDFium's shows besides its text; that is taken away
    from it. Miss ``image`` where there was no time for it before `end`, in processor time of this
    process."""
    sight = load_sight()
    if isinstance(sight, str):
        yield Miss("image")
    else:
        yield from sight.show_page(page, number, end, has_text=has_text)
