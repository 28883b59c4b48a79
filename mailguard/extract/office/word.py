"""The text of WordprocessingML (ECMA-376-1 §17): as it is shown, and apart what is not."""

from collections.abc import Iterable, Iterator

from mailguard.extract.item import Feature, Item, Text
from mailguard.extract.office.grid import Grid
from mailguard.extract.office.markup import End, Event, Scribe, Start

_CHARACTERS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "ptab": "\t"}
_TEXTS = frozenset(("t", "delText", "instrText", "delInstrText"))
_DELETED = frozenset(("del", "moveFrom"))
_NOTES = frozenset(("footnote", "endnote", "comment"))
_TABLE = frozenset(("tbl", "tr", "tc"))
_DEPTH = 200
"""Text boxes and tables in each other; libxml2 itself stops at 256 elements."""


class _Word:
    """One part being read: document, header, notes or comments."""

    def __init__(self, where: str, hidden_styles: set[str]) -> None:
        self.hidden_styles = hidden_styles
        self.is_paragraph_hidden = False
        # Tables and text boxes, each in the one before; the document first.
        self.main: list[Scribe | Grid] = [Scribe(where)]
        self.hidden = Scribe("hidden text")
        self.deleted = Scribe("deleted text")
        self.fields = Scribe("field")
        self.told = Scribe("description")
        self.text_name = ""
        self.is_hidden = False
        self.is_in_style = False
        self.deletions = 0
        self.features: set[str] = set()

    def start(self, event: Start) -> Iterator[Item]:
        name = event.name
        if name in _TEXTS:
            self.text_name = name
        elif name in _CHARACTERS:
            self.scribe.add(_CHARACTERS[name])
        elif name == "r":
            self.is_hidden = self.is_paragraph_hidden
        elif name == "rStyle" and not self.is_in_style:
            self.is_hidden = self.is_hidden or event.get("val") in self.hidden_styles
        elif name == "pStyle":
            self.is_paragraph_hidden = event.get("val") in self.hidden_styles
        elif name == "vanish" and not self.is_in_style:
            self.is_hidden = is_vanishing(event)
        elif name == "pPr":
            # What hides the mark at the end of a paragraph hides no text.
            self.is_in_style = True
        elif name in _DELETED:
            self.deletions += 1
            self.features.add("tracked_changes")
        elif name == "ins":
            self.features.add("tracked_changes")
        elif name == "tbl" and len(self.main) < _DEPTH:
            self.main.append(self._grid())
        elif name == "txbxContent" and len(self.main) < _DEPTH:
            self.main.append(Scribe("text box"))
        if event.attributes:
            yield from self._tell(event)

    def _tell(self, event: Start) -> Iterator[Item]:
        self.told.add(event.told())
        if event.name == "comment" and (author := event.get("author")):
            yield Text("author", author)

    def text(self, text: str) -> None:
        if not self.text_name:
            return
        self.scribe.add(text)
        if isinstance(place := self.main[-1], Grid) and not text.isspace():
            place.fill()

    def _grid(self) -> Grid:
        """A table at this place; what stands before it in a cell of another comes before it."""
        place = self.main[-1]
        if isinstance(place, Scribe):
            return Grid(place)
        place.spill()
        return Grid(place.scribe)

    @property
    def scribe(self) -> Scribe | Grid:
        if self.text_name in ("instrText", "delInstrText"):
            return self.fields
        if self.text_name == "delText" or self.deletions:
            return self.deleted
        return self.hidden if self.is_hidden else self.main[-1]

    def end(self, event: End) -> Iterator[Item]:
        name = event.name
        if name in _TEXTS:
            self.text_name = ""
        elif name == "r":
            self.is_hidden = False
        elif name == "pPr":
            self.is_in_style = False
        elif name == "p":
            self.is_paragraph_hidden = False
            self.main[-1].add("\n")
            yield from self._paragraph()
        elif name in _TABLE and isinstance(grid := self.main[-1], Grid):
            if name == "tc":
                grid.cell()
            elif name == "tr":
                grid.row()
            else:
                self.main.pop()
                yield from grid.finish()
        elif name in _DELETED and self.deletions:
            self.deletions -= 1
        elif name == "txbxContent" and isinstance(box := self.main[-1], Scribe):
            if len(self.main) > 1:
                self.main.pop()
                yield from box.hand_on()
        elif name in _NOTES:
            self.main[-1].add("\n")

    def _paragraph(self) -> Iterator[Item]:
        self.fields.add("\n")
        for scribe in (self.hidden, self.deleted):
            scribe.add("\n")
        place = self.main[-1]
        main = place.scribe if isinstance(place, Grid) else place
        for scribe in (main, self.hidden, self.deleted, self.fields, self.told):
            if scribe.is_full:
                yield from scribe.hand_on()

    def finish(self) -> Iterator[Item]:
        for grid in self.main:
            if isinstance(grid, Grid):
                yield from grid.finish()
        main = [place for place in self.main if isinstance(place, Scribe)]
        for scribe in (*main, self.hidden, self.deleted, self.told):
            if scribe is self.hidden:
                found = list(scribe.hand_on())
                self.features |= {"hidden"} if found else set()
                yield from found
            else:
                yield from scribe.hand_on()
        for item in self.fields.hand_on():
            yield item
            if isinstance(item, Text) and "DDE" in item.text.upper():
                self.features.add("active")
        yield from map(Feature, sorted(self.features))


def is_vanishing(event: Start) -> bool:
    """Whether a ``vanish`` element says yes (§17.3.2.41)."""
    return event.get("val").lower() not in ("0", "false", "off")


def read_hidden_styles(events: Iterable[Event]) -> Iterator[str]:
    """The names of the styles whose text is hidden (§17.7)."""
    style = ""
    for event in events:
        if isinstance(event, Start):
            if event.name == "style":
                style = event.get("styleId")
            elif event.name == "vanish" and style and is_vanishing(event):
                yield style


def read_word(
    events: Iterable[Event], where: str, hidden_styles: set[str] | None = None
) -> Iterator[Item]:
    """Text in the order of the document, a line for each row of a table; tracked deletions, hidden
    text, field codes and descriptions of pictures apart."""
    word = _Word(where, hidden_styles or set())
    for event in events:
        if isinstance(event, str):
            word.text(event)
            if isinstance(scribe := word.scribe, Scribe) and scribe.is_overfull:
                yield from scribe.hand_on()
        elif isinstance(event, Start):
            yield from word.start(event)
        else:
            yield from word.end(event)
    yield from word.finish()
