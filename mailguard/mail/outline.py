"""Which elements of a page are open, and so how text at this place of it looks; in linear time."""

from collections import defaultdict
from collections.abc import Mapping

from mailguard.mail.style import PLAIN, SHEET, Look, read_sheet, restyle
from mailguard.mail.tag import Tag

_DEEPEST = 1000
"""Elements inside each other that are told apart; browsers stop at 512."""

_REMEMBERED = 1000
"""How many looks of a page, and elements in them, are found once however often they occur."""


class Outline:
    """The elements that are open, told by their tags in order."""

    def __init__(self) -> None:
        self._open: list[tuple[str, Look]] = []
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._sheet: dict[str, Mapping[str, str]] = {}
        self._room = SHEET
        # With each look what elements make of it, by their dress; the look is kept there so that
        # no other comes to have its id.
        self._known: dict[int, tuple[Look, dict[tuple[str | None, ...], Look]]] = {}
        self._restyled = 0
        self.is_hidden = False
        """Whether text at this place is not seen."""

        self.is_gone = False
        """Whether what is at this place takes no room."""

        self._show(PLAIN)

    def add_sheet(self, css: str) -> None:
        """Take note of a style sheet; it is good for what follows."""
        for selector, style in read_sheet(css[: self._room]).items():
            self._sheet[selector] = {**self._sheet.get(selector, {}), **style}
        self._room -= min(self._room, len(css))
        self._known.clear()
        self._restyled = 0
        self._show(self._look)

    def begin(self, tag: Tag) -> None:
        """An element begins."""
        name, open_ = tag.name, self._open
        while tag.ends and open_ and open_[-1][0] in tag.ends:
            self._pop()
        if tag.is_void or len(open_) == _DEEPEST:
            return
        look = self._look
        open_.append((name, look))
        self._counts[name] += 1
        if tag.is_styled or (self._sheet and (tag.is_named or name in self._sheet)):
            restyled = self._looks.get(tag.dress) or self._restyle(tag)
            if restyled is not look:
                self._show(restyled)

    def end(self, name: str) -> None:
        """An element ends, and all in it; nothing does if none of that name is open."""
        if not self._counts.get(name):
            return
        while self._pop() != name:
            pass

    def _pop(self) -> str:
        name, look = self._open.pop()
        self._counts[name] -= 1
        if look is not self._look:
            self._show(look)
        return name

    def _restyle(self, tag: Tag) -> Look:
        look = restyle(self._look, tag.name, tag.known, self._sheet)
        if self._restyled < _REMEMBERED:
            self._restyled += 1
            self._looks[tag.dress] = look
        return look

    def _show(self, look: Look) -> None:
        self._look, self.is_hidden, self.is_gone = look, look.hidden, look.gone
        known = self._known.get(id(look))
        if known is None:
            known = look, {}
            if len(self._known) < _REMEMBERED:
                self._known[id(look)] = known
        self._looks = known[1]
