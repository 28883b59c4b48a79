"""The engines: Tesseract for words, ZXing for codes, over pictures in shades of grey.

Both are C++ and slow: only for the cage. Neither says anything about what a picture shows besides.
"""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import tesserocr
import zxingcpp
from PIL import Image

SMALL_AREA = 500_000
"""Pixels below which a picture is enlarged: letters of less than ten pixels are read wrongly."""

SURE = 80
"""Per cent of confidence from which one reading is enough. Clear print has 90 to 96; upside down
it has 30 to 50, and so has what letters over a photograph are taken for."""

BRIGHT, DARK = 240, 15
"""Shades that hardly a photograph has in plenty: letters put on one are white or black."""

_ALONE = re.compile(r"(?<!\S)[|l](?=\s|['’](?:m|d|ll|ve)\b|$)", re.MULTILINE)
"""An I without serifs as Tesseract reads it: a bar, or a small L. Nearly every threat has one."""

_DOTS = 200
"""An inch, as Tesseract is told: it would guess, and say so."""

_CODES = zxingcpp.BarcodeFormats(
    [
        zxingcpp.BarcodeFormat.QRCode,
        zxingcpp.BarcodeFormat.MicroQRCode,
        zxingcpp.BarcodeFormat.RMQRCode,
        zxingcpp.BarcodeFormat.DataMatrix,
        zxingcpp.BarcodeFormat.Aztec,
        zxingcpp.BarcodeFormat.PDF417,
        zxingcpp.BarcodeFormat.Code128,
    ]
)
"""Those that can hold a link or a sentence, and have a check. The others are digits on goods."""


class Engine:
    """Reads pictures of mode ``L``. Not for several threads; a forked process may use it."""

    def __init__(self, models: Path) -> None:
        """Load the model for English in the folder `models`. Raises RuntimeError."""
        tesserocr.set_leptonica_log_level(tesserocr.LeptLogLevel.NONE)
        self._tesseract = tesserocr.PyTessBaseAPI(
            path=f"{models}/", lang="eng", psm=tesserocr.PSM.AUTO, oem=tesserocr.OEM.LSTM_ONLY
        )

    def read_codes(self, picture: Image.Image) -> list[str]:
        """What each code says; takes up to half a second for the largest picture."""
        found = zxingcpp.read_barcodes(picture, formats=_CODES)
        return [code.text for code in found if code.text and not code.text.isspace()]

    def read_words(self, picture: Image.Image, end: float) -> tuple[str, bool]:
        """Return the words, a line for each line, and whether there was time for all of them.

        `end` is in processor time of this process. Where it is not sure, it reads again: upside
        down, and only the brightest or darkest letters; all that these show is returned.
        """
        if picture.width * picture.height < SMALL_AREA:
            picture = picture.resize((picture.width * 2, picture.height * 2))
        texts: list[str] = []
        for number, view in enumerate(_views(picture)):
            is_turned = number == 1
            if (is_turned and not texts) or is_plain(view):
                continue
            seconds = end - time.process_time()
            if seconds <= 0:
                return "\n".join(texts), False
            text, confidence, is_whole = self._read(view, seconds)
            if text:
                texts.append(text)
            if not is_whole:
                return "\n".join(texts), False
            if text and confidence >= SURE:
                break
        return "\n".join(texts), True

    def _read(self, view: Image.Image, seconds: float) -> tuple[str, int, bool]:
        api = self._tesseract
        try:
            api.SetImageBytes(view.tobytes(), view.width, view.height, 1, view.width)
            api.SetSourceResolution(_DOTS)
            is_whole = api.Recognize(max(1, int(seconds * 1000)))
            lines = map(str.strip, _ALONE.sub("I", api.GetUTF8Text()).splitlines())
            return "\n".join(filter(None, lines)), api.MeanTextConf(), is_whole
        finally:
            api.Clear()


def is_plain(picture: Image.Image) -> bool:
    """Whether a picture of mode ``L`` has one shade only."""
    darkest, brightest = picture.getextrema()
    return darkest == brightest


def _views(picture: Image.Image) -> Iterator[Image.Image]:
    """The picture in the ways in which it may be legible; lines that run up or down are turned by
    Tesseract itself, one way or the other."""
    yield picture
    yield picture.transpose(Image.Transpose.ROTATE_180)
    yield picture.point([255 if shade < BRIGHT else 0 for shade in range(256)])
    yield picture.point([255 if shade > DARK else 0 for shade in range(256)])
