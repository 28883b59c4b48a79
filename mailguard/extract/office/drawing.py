"""The text of DrawingML and PresentationML (ECMA-376-1 §19, §21): slides, notes, comments."""

from collections.abc import Iterable, Iterator

from mailguard.extract.item import Feature, Item
from mailguard.extract.office.grid import Grid
from mailguard.extract.office.markup import Event, Scribe, Start

_TEXTS = frozenset(("t", "text", "v"))


def read_drawing(events: Iterable[Event], where: str) -> Iterator[Item]:
    """Text in the order of the file, a line for each paragraph and each row of a table. Hidden
    slides and shapes are read like all others, and reported."""
    scribe, told = Scribe(where), Scribe("description")
    grid: Grid | None = None
    is_text = False
    for event in events:
        if isinstance(event, str):
            if is_text:
                (grid or scribe).add(event)
        elif isinstance(event, Start):
            is_text = event.name in _TEXTS
            if event.name == "br":
                (grid or scribe).add("\n")
            elif event.name == "tbl":
                grid = Grid(scribe)
            elif event.name == "sld" and event.get("show") in ("0", "false"):
                scribe.where = f"hidden {where}"
                yield Feature("hidden")
            elif event.name == "cNvPr" and event.is_on("hidden"):
                yield Feature("hidden")
            if event.attributes:
                told.add(event.told())
        else:
            is_text = False
            if event.name in ("p", "cm", "text", "v"):
                (grid or scribe).add("\n")
            elif grid and event.name == "tc":
                grid.cell()
            elif grid and event.name == "tr":
                grid.row()
            elif grid and event.name == "tbl":
                yield from grid.finish()
                grid = None
            if scribe.is_full:
                yield from scribe.hand_on()
    if grid:
        yield from grid.finish()
    yield from scribe.hand_on()
    yield from told.hand_on()
