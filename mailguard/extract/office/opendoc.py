"""The text of OpenDocument files (ODF 1.3 part 3): text, sheets and slides alike."""

from collections.abc import Iterable, Iterator

from mailguard.extract.item import Feature, Item, Text
from mailguard.extract.office.grid import PAD, SheetLines
from mailguard.extract.office.markup import End, Event, Scribe, Start

_PLACES = {
    "annotation": "comment",
    "note": "note",
    "notes": "note",
    "deletion": "deleted text",
    "header": "header",
    "header-left": "header",
    "header-first": "header",
    "footer": "footer",
    "footer-left": "footer",
    "footer-first": "footer",
    "text-box": "text box",
    "hidden-text": "hidden text",
    "hidden-paragraph": "hidden text",
    "meta": "properties",
}
_TABLE = frozenset(("table", "table-column", "table-row", "table-cell", "covered-table-cell"))
_CELLS = frozenset(("table-row", "table-cell", "covered-table-cell"))
_COLUMNS = 16384
_STYLES = frozenset(("styles", "automatic-styles"))
_HIDDEN = frozenset(("hidden-text", "hidden-paragraph"))
_SPACING = {"tab": "\t", "line-break": "\n"}
_PARAGRAPHS_WORDS = "p h creator date title desc keyword subject description user-defined"
_PARAGRAPHS = frozenset(_PARAGRAPHS_WORDS.split())
_DEPTH = 100
_SPACES = 100
"""Spaces written for one element that stands for many."""


class _Place:
    """Somewhere in the document, until the element that makes it ends."""

    def __init__(self, element: str, scribe: "Scribe | _Table") -> None:
        self.element = element
        self.scribe = scribe


class _Table:
    """A sheet, or a table in a text."""

    def __init__(self, where: str) -> None:
        self.lines = SheetLines(where)
        self.rest = Scribe(where)
        self.hidden_columns: list[bool] = []
        self.is_row_hidden = False
        self._times = self._cell_times = 1
        self._cells: list[str] = []
        self._hidden: set[int] = set()
        self._cell: list[str] | None = None
        self._column = 0

    def add(self, text: str) -> None:
        """The cell goes on with `text`."""
        if self._cell is None:
            self.rest.add(text)
        else:
            self._cell.append(text)

    def start(self, event: Start) -> None:
        """A column, a row or a cell begins."""
        is_hidden = event.get("visibility") in ("collapse", "filter")
        if event.name == "table-column":
            repeated = _count(event.get("number-columns-repeated"))
            # Nothing is hidden beyond what a table can have; more would only cost memory.
            room = _COLUMNS - len(self.hidden_columns)
            self.hidden_columns += [is_hidden] * min(repeated, room)
        elif event.name == "table-row":
            self.is_row_hidden = is_hidden
            self._times = _count(event.get("number-rows-repeated"))
            self._column = 0
        else:
            self._cell_times = _count(event.get("number-columns-repeated"))
            self._cell = []

    def end(self, name: str) -> Iterator[Item]:
        """A row or a cell ends."""
        if name == "table-row":
            self.lines.add(self._cells, self._hidden, self._times)
            self._cells, self._hidden = [], set()
            yield from self.lines.hand_on()
            if self.rest.is_full:
                yield from self.rest.hand_on()
        elif self._cell is not None:
            text = " ".join("".join(self._cell).split())
            for column in range(self._column, self._column + min(self._cell_times, PAD)):
                if self.is_row_hidden or (
                    column < len(self.hidden_columns) and self.hidden_columns[column]
                ):
                    self._hidden.add(len(self._cells))
                self._cells.append(text)
            self._column += self._cell_times
            self._cell = None

    def hand_on(self) -> Iterator[Item]:
        """All that is left."""
        if self._cell is not None:
            yield from self.end("table-cell")
        yield from self.end("table-row")
        yield from self.rest.hand_on()
        yield from self.lines.finish()


class _OpenDoc:
    """One document being read."""

    def __init__(self, where: str, hidden_styles: set[str]) -> None:
        self.places = [_Place("", Scribe(where))]
        self.hidden = Scribe("hidden text")
        self.told = Scribe("description")
        self.hidden_styles = hidden_styles
        self.spans: list[bool] = []
        self.style = ""
        self.page = 0
        self.paragraphs = 0
        self.is_styles = False
        self.features: set[str] = set()

    @property
    def scribe(self) -> Scribe | _Table:
        return self.hidden if any(self.spans) else self.places[-1].scribe

    def open(self, element: str, scribe: Scribe | _Table) -> None:
        if len(self.places) < _DEPTH:
            self.places.append(_Place(element, scribe))

    def start(self, event: Start) -> Iterator[Item]:
        name = event.name
        if name in _SPACING:
            self.scribe.add(_SPACING[name])
        elif name in ("p", "h"):
            self.paragraphs += 1
        elif name == "s":
            count = event.get("c")
            self.scribe.add(" " * (min(int(count), _SPACES) if count.isdecimal() else 1))
        elif name == "span":
            self.spans.append(event.get("style-name") in self.hidden_styles)
        elif name in _PLACES:
            if name == "deletion":
                self.features.add("tracked_changes")
            elif name in _HIDDEN:
                self.features.add("hidden")
            if name == "notes":
                self.open(name, Scribe(f"note {self.page}"))
            elif name != "text-box" or not self.page:
                self.open(name, Scribe(_PLACES[name]))
        elif name in _TABLE:
            self._start_table(event)
        elif name == "page":
            yield from self._start_page(event)
        elif name in _STYLES:
            self.is_styles = True
        elif name == "style":
            self.style = event.get("name")
        elif name in ("text-properties", "table-properties", "drawing-page-properties"):
            self._note_style(event)
        elif name in ("dde-source", "dde-connection-decl", "event-listener", "script"):
            self.features.add("active")
        elif name in ("section-source", "table-source", "cell-range-source"):
            self.features.add("external_link")
        if event.attributes:
            self._tell(event)

    def _tell(self, event: Start) -> None:
        self.told.add(event.told())
        target = event.get("href")
        if ":" in target:
            self.told.add(target + "\n")
            if event.name in ("image", "object", "object-ole", "plugin", "floating-frame"):
                self.features.add("external_link")
        if '"' in (formula := event.get("formula")):
            self.told.add(formula + "\n")

    def _note_style(self, event: Start) -> None:
        is_hidden = (
            event.get("display") == "none"
            or (event.name == "table-properties" and event.get("display") == "false")
            or event.get("visibility") == "hidden"
        )
        if is_hidden:
            self.hidden_styles.add(self.style)

    def _start_page(self, event: Start) -> Iterator[Item]:
        yield from self.hand_on(everything=True)
        self.page += 1
        is_hidden = event.get("style-name") in self.hidden_styles
        if is_hidden:
            self.features.add("hidden")
        self.open("page", Scribe(f"{'hidden ' if is_hidden else ''}slide {self.page}"))

    def _start_table(self, event: Start) -> None:
        if event.name == "table":
            is_hidden = event.get("style-name") in self.hidden_styles
            if is_hidden:
                self.features.add("hidden")
            where = f"{'hidden ' if is_hidden else ''}sheet {event.get('name')}".strip()
            self.open("table", _Table(where))
        elif isinstance(table := self.places[-1].scribe, _Table):
            table.start(event)

    def text(self, text: str) -> None:
        if self.is_styles or (text.isspace() and not self.paragraphs):
            return
        self.scribe.add(text)

    def end(self, event: End) -> Iterator[Item]:
        name = event.name
        if name == "span" and self.spans:
            self.spans.pop()
        elif name in _PARAGRAPHS:
            self.paragraphs -= name in ("p", "h")
            self.scribe.add("\n")
            self.hidden.add("\n")
            yield from self.hand_on()
        elif name in _STYLES:
            self.is_styles = False
        elif name in _CELLS and isinstance(table := self.places[-1].scribe, _Table):
            yield from table.end(name)
        if len(self.places) > 1 and name == self.places[-1].element:
            yield from self.places.pop().scribe.hand_on()

    def hand_on(self, *, everything: bool = False) -> Iterator[Item]:
        for scribe in (self.places[-1].scribe, self.hidden, self.told):
            if isinstance(scribe, Scribe) and (scribe.is_full or everything):
                yield from scribe.hand_on()

    def finish(self) -> Iterator[Item]:
        for place in self.places:
            yield from place.scribe.hand_on()
        for item in self.hidden.hand_on():
            yield from (item, Feature("hidden"))
        for item in self.told.hand_on():
            yield item
            if isinstance(item, Text) and "vnd.sun.star.script:" in item.text:
                self.features.add("macros")
        yield from map(Feature, sorted(self.features))


def _count(value: str) -> int:
    return min(int(value), 1 << 20) if value.isdecimal() and len(value) < 10 else 1


def read_opendoc(events: Iterable[Event], where: str, hidden_styles: set[str]) -> Iterator[Item]:
    """Text in the order of the document, a line for each row of a table; notes, comments,
    deletions and what is hidden apart. Styles that hide are added to `hidden_styles`."""
    document = _OpenDoc(where, hidden_styles)
    for event in events:
        if isinstance(event, str):
            document.text(event)
        elif isinstance(event, Start):
            yield from document.start(event)
        else:
            yield from document.end(event)
    yield from document.finish()
