"""JSON (RFC 8259), also a line each: as written, so that it may be broken or nested without end;
records of a list also as a table."""

import json
import re
from collections import Counter
from collections.abc import Iterator

from mailguard.extract.item import About, Feature, Item, Text
from mailguard.extract.office.grid import line_of, words_of
from mailguard.mail.charset import read_text

TYPES = frozenset(("application/json", "application/x-ndjson", "application/geo+json"))
NAMES = (".json", ".jsonl", ".ndjson", ".geojson", ".ipynb", ".webmanifest", ".har")
SAMPLE = rb'{"name": "Ann\u00e9"}'

TABLE = 4 << 20
"""Characters that are parsed. A record of a pupil with all its keys has some thousand."""

COLUMNS = 200
"""Keys of one table; the widest exports have some hundred columns."""

_ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))')
_SIGNS = {"b": " ", "f": "\n", "n": "\n", "r": "\n", "t": "\t"}
_RECORD = re.compile(
    r"""(?: \A\s*+\[?\s*+ | \}[ \t]*+,[ \t]*+ | \n[ \t]*+ ) \{\s*+"([^"\\]{1,100})"\s*+:""",
    re.VERBOSE,
)


def read(data: bytes, about: About) -> Iterator[Item]:
    """Yield the text as written, its escapes undone, and how many records there are."""
    text = read_text(data, "")
    yield Text("", _unescape(text))
    # Records of one list begin with the same key.
    keys = Counter(_RECORD.findall(text))
    if (rows := max(keys.values(), default=0)) > 1:
        yield Feature(f"rows:{rows}")
        if len(text) <= TABLE and (table := _table(text)):
            yield Text("as a table", table)


def _table(text: str) -> str:
    """The first list of records as lines of cells, heading first; ``""`` where there is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    lists = value.values() if isinstance(value, dict) else [value]
    rows = next((each for each in lists if isinstance(each, list) and len(each) > 1), [])
    records = [row for row in rows if isinstance(row, dict)]
    keys = list(dict.fromkeys(key for record in records for key in record))[:COLUMNS]
    lines = [line_of([words_of(key) for key in keys])]
    lines += (line_of([_cell(record.get(key)) for key in keys]) for record in records)
    return "".join(lines) if records else ""


def _cell(value: object) -> str:
    """What a person would see of it in a table; of lists and objects, nothing: the text has it."""
    return "" if value is None or isinstance(value, (list, dict)) else str(value)


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    shown = _ESCAPE.sub(_sign, text)
    return shown.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _sign(found: re.Match[str]) -> str:
    if found[1]:
        return chr(int(found[1], 16))
    return _SIGNS.get(found[2], found[2])
