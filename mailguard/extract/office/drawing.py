"""The text of DrawingML and PresentationML (ECMA-376-1 §19, §21): slides, notes, comments."""

from collections.abc import Iterable, Iterator

from mailguard.extract.item import Feature, Item
from mailguard.extract.office.markup import Event, Scribe, Start
from mailguard.extract.office.table import Rows

_TEXTS = frozenset(("t", "text", "v"))


def read_drawing(events: Iterable[Event], where: str) -> Iterator[Item]:
    """Text in the order of the file, a line for each paragraph and each row of a table. Hidden
    slides and shapes are read like all others, and reported."""
    scribe, told, rows = Scribe(where), Scribe("description"), Rows()
    is_text = is_table = False
    for event in events:
        if isinstance(event, str):
            if is_text:
                scribe.add(event)
                rows.add(event)
        elif isinstance(event, Start):
            is_text = event.name in _TEXTS
            if event.name == "br":
                scribe.add("\n")
            elif event.name == "tbl":
                is_table, rows = True, Rows()
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
                scribe.add(" " if is_table else "\n")
            elif event.name == "tc":
                scribe.add("\t")
                rows.cell()
            elif event.name == "tr":
                scribe.add("\n")
                rows.end()
            elif event.name == "tbl":
                is_table = False
                yield from rows.count()
            if scribe.is_full and not is_table:
                yield from scribe.hand_on()
    yield from scribe.hand_on()
    yield from told.hand_on()
