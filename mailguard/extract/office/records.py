"""Records in XML: elements of one name whose fields are attributes or elements with a value."""

from collections.abc import Iterable, Iterator

from mailguard.extract.item import Feature, Item, Text
from mailguard.extract.office.grid import line_of, words_of
from mailguard.extract.office.markup import End, Event, Start

FIELDS = 200
"""Of one record; the widest exports have some hundred."""

CELLS = 500_000
"""Of all records of a file: an export of 2,000 pupils with every field has 200,000."""

LONGEST = 200
"""Characters of a value that are put into a table. Longer ones are sentences, which stand in the
text."""

_Fields = dict[str, str]


class Records:
    """Looks on while a document is read, and then has its records as tables."""

    def __init__(self) -> None:
        self._open: list[tuple[str, _Fields, list[str]]] = []
        self._tables: dict[str, list[_Fields]] = {}
        self._room = CELLS

    def watch(self, events: Iterable[Event]) -> Iterator[Event]:
        """Yield the events as they come."""
        for event in events:
            if isinstance(event, Start):
                fields = dict(list(event.attributes.items())[:FIELDS])
                self._open.append((event.name, fields, []))
            elif isinstance(event, End):
                self._end()
            elif self._open and not event.isspace():
                self._open[-1][2].append(event[:LONGEST])
            yield event

    def tables(self) -> Iterator[Item]:
        """Yield each table of two records and more, and how many records it has."""
        for records in self._tables.values():
            if len(records) < 2:
                continue
            names = list(dict.fromkeys(name for record in records for name in record))[:FIELDS]
            lines = [line_of([words_of(name) for name in names])]
            lines += (line_of([record.get(name, "") for name in names]) for record in records)
            yield Text("as a table", "".join(lines))
            yield Feature(f"rows:{len(records)}")

    def _end(self) -> None:
        if not self._open:
            return
        name, fields, text = self._open.pop()
        if len(fields) > 1 and not text:
            self._room -= len(fields)
            if self._room >= 0:
                self._tables.setdefault(name, []).append(fields)
        elif self._open and text and not fields:
            above = self._open[-1][1]
            if len(above) < FIELDS:
                above.setdefault(name, " ".join("".join(text).split())[:LONGEST])
