"""JSON (RFC 8259), also a line each; not parsed, so that it may be broken or nested without end."""

import re
from collections.abc import Iterator

from mailguard.extract.item import About, Feature, Item, Text
from mailguard.mail.charset import read_text

TYPES = frozenset(("application/json", "application/x-ndjson", "application/geo+json"))
NAMES = (".json", ".jsonl", ".ndjson", ".geojson", ".ipynb", ".webmanifest", ".har")
SAMPLE = rb'{"name": "Ann\u00e9"}'

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
    keys = _RECORD.findall(text)
    # Records of one list begin with the same key.
    if keys and (rows := keys.count(keys[0])) > 1:
        yield Feature(f"rows:{rows}")


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    shown = _ESCAPE.sub(_sign, text)
    return shown.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _sign(found: re.Match[str]) -> str:
    if found[1]:
        return chr(int(found[1], 16))
    return _SIGNS.get(found[2], found[2])
