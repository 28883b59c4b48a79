"""What a picture, or a page of a PDF, shows as items. Needs the extra's libraries."""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from mailguard.extract.item import Feature, Item, Miss, Text
from mailguard.extract.pictures.engine import Engine, is_plain
from mailguard.extract.pictures.frames import CannotShow, frames, samples
from mailguard.extract.pictures.paper import draw

PAGES = 100
"""Pages of a file that are looked at; each of a scan takes a second or two."""

_WARM_S = 10.0
"""Of processor time for one empty picture, which takes a hundredth of a second."""


class Sight:
    """Reads what pictures show. Not for several threads; a forked process may use it."""

    def __init__(self, models: Path) -> None:
        """Load the model in the folder `models`. Raises RuntimeError."""
        self._engine = Engine(models)

    def warm(self) -> None:
        """Have the libraries load what they load on first use."""
        for sample in samples():
            for _ in self.show_file(sample, _WARM_S):
                pass

    def show_file(self, data: bytes, seconds: float) -> Iterator[Item]:
        """See :func:`mailguard.extract.pictures.sight.show_file`."""
        end = time.process_time() + seconds
        is_empty = True
        try:
            for item in self._show(frames(data), end, "the picture"):
                is_empty = False
                yield item
        except CannotShow:
            is_empty = False
            yield Miss("image")
        if is_empty:
            yield Feature("empty")

    def show_page(self, page: Any, number: int, end: float, *, has_text: bool) -> Iterator[Item]:
        """See :func:`mailguard.extract.pictures.sight.show_page`."""
        if number > PAGES or time.process_time() >= end:
            yield Miss("image")
            return
        picture = draw(page, has_text=has_text)
        if picture is None:
            yield Miss("image")
        else:
            yield from self._show([picture], end, f"page {number}")

    def _show(self, pictures: Iterable[Image.Image], end: float, place: str) -> Iterator[Item]:
        known = {""}
        for picture in pictures:
            if time.process_time() >= end:
                yield Miss("image")
                return
            if is_plain(picture):
                continue
            codes = "\n".join(dict.fromkeys(self._engine.read_codes(picture)))
            if codes not in known:
                yield Text(f"code in {place}", codes)
            words, is_whole = self._engine.read_words(picture, end)
            if words not in known:
                yield Text(f"text in {place}", words)
            if not is_whole:
                yield Miss("image")
                return
            known |= {codes, words}
