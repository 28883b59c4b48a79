"""What a caged reader answers, as JSON that whoever asked it checks before use."""

import json
from collections.abc import Callable, Iterable, Iterator

from mailguard.extract.found import REASONS, Found, Missed, Named, Opened, Piece, Trait

_KINDS: dict[str, tuple[Callable[..., Found], tuple[tuple[str, type], ...]]] = {
    "opened": (
        Opened,
        (("path", str), ("declared", str), ("sniffed", str), ("size", int), ("reader", str)),
    ),
    "piece": (Piece, (("path", str), ("where", str), ("text", str))),
    "named": (Named, (("path", str), ("name", str))),
    "missed": (Missed, (("path", str), ("reason", str))),
    "trait": (Trait, (("path", str), ("word", str))),
}
_NAMES: dict[object, str] = {kind: name for name, (kind, _) in _KINDS.items()}


def found_to_json(found: Iterable[Found]) -> bytes:
    """Write what was found. Text may hold lone surrogates."""
    rows = []
    for each in found:
        name = _NAMES[type(each)]
        rows.append([name, *(getattr(each, key) for key, _ in _KINDS[name][1])])
    return json.dumps(rows, ensure_ascii=False).encode("utf-8", "surrogatepass")


def found_from_json(answer: bytes) -> Iterator[Found]:
    """Read what was found. Raises ValueError for anything that `found_to_json` does not write."""
    try:
        rows = json.loads(answer.decode("utf-8", "surrogatepass"))
    except RecursionError:
        raise ValueError("nested answer") from None
    if not isinstance(rows, list):
        raise ValueError("no list")
    for row in rows:
        yield _read(row)


def _read(row: object) -> Found:
    if not isinstance(row, list) or not row or not isinstance(row[0], str):
        raise ValueError("no row")
    name, *values = row
    if name not in _KINDS:
        raise ValueError("unknown kind")
    kind, keys = _KINDS[name]
    if len(values) != len(keys):
        raise ValueError("wrong number of values")
    for value, (_, wanted) in zip(values, keys, strict=True):
        # bool is an int, and no size.
        if type(value) is not wanted:
            raise ValueError("wrong type")
    if kind is Missed and values[1] not in REASONS - {"engine"}:
        # Its words may come from the file; and that the machine was at fault, it cannot know.
        values[1] = "killed"
    return kind(**{key: value for (key, _), value in zip(keys, values, strict=True)})
