"""Which elements of a page are open, and so how text at this place of it looks; in linear time."""

from collections.abc import Mapping

from mailguard.mail.style import PLAIN, SHEET, UNSHOWN, Look, read_sheet, restyle

_DEEPEST = 1000
"""Elements inside each other that are told apart; browsers stop at 512."""

_REMEMBERED = 1000
_SHORT = 300
"""How many elements of a page, and characters of their attributes, are styled once however often
they occur."""

_WITHOUT_END = """
area base br col embed hr img input link meta param source track wbr basefont bgsound
"""
_VOID = frozenset(_WITHOUT_END.split())
_STYLING = frozenset(("style", "hidden", "bgcolor", "background", "color"))
"""Attributes that change a look by themselves; others need a style sheet."""

_BLOCKS = """
address article aside blockquote center details dialog dir div dl fieldset figcaption figure
footer form h1 h2 h3 h4 h5 h6 header hr main menu nav ol p pre section table ul
"""
_CELL = {"td": ("td", "th", "tr"), "th": ("td", "th", "tr"), "tr": ("tr",), "li": ("li",)}
_ENDED_BY: Mapping[str, frozenset[str]] = {
    "p": frozenset(_BLOCKS.split()),
    **{name: frozenset(by) for name, by in _CELL.items()},
    **dict.fromkeys(("dt", "dd"), frozenset(("dt", "dd"))),
    "option": frozenset(("option", "optgroup")),
}
"""Elements that end where another begins, their own end left out (HTML standard §13.1.2.4)."""


class Outline:
    """The elements that are open, told by their tags in order."""

    def __init__(self) -> None:
        self._open: list[tuple[str, Look]] = []
        self._counts: dict[str, int] = {}
        self._sheet: dict[str, Mapping[str, str]] = {}
        self._room = SHEET
        self._look = PLAIN
        # With the look outside, so that no other comes to have its id.
        self._known: dict[tuple[int, str, str], tuple[Look, Look]] = {}
        self.is_hidden = False
        """Whether text at this place is not seen."""

    @property
    def is_gone(self) -> bool:
        """Whether what is at this place takes no room."""
        return self._look.gone

    def add_sheet(self, css: str) -> None:
        """Take note of a style sheet; it is good for what follows."""
        for selector, style in read_sheet(css[: self._room]).items():
            self._sheet[selector] = {**self._sheet.get(selector, {}), **style}
        self._room -= min(self._room, len(css))
        self._known.clear()

    def begin(self, name: str, written: str, attributes: Mapping[str, str]) -> None:
        """An element begins, with `attributes` as `written`."""
        if self._open and name in _ENDED_BY.get(self._open[-1][0], ()):
            self._pop()
        if name in _VOID or len(self._open) == _DEEPEST:
            return
        self._open.append((name, self._look))
        self._counts[name] = self._counts.get(name, 0) + 1
        if self._sheet or name in UNSHOWN or not _STYLING.isdisjoint(attributes):
            self._show(self._restyled(name, written, attributes))

    def _restyled(self, name: str, written: str, attributes: Mapping[str, str]) -> Look:
        key = id(self._look), name, written
        if known := self._known.get(key):
            return known[1]
        look = restyle(self._look, name, attributes, self._sheet)
        if len(self._known) < _REMEMBERED and len(written) <= _SHORT:
            self._known[key] = self._look, look
        return look

    def end(self, name: str) -> None:
        """An element ends, and all in it; nothing does if none of that name is open."""
        if not self._counts.get(name):
            return
        ended = ""
        while ended != name:
            ended = self._pop()

    def _pop(self) -> str:
        name, look = self._open.pop()
        self._counts[name] -= 1
        if look is not self._look:
            self._show(look)
        return name

    def _show(self, look: Look) -> None:
        self._look, self.is_hidden = look, look.hidden
