"""A mistake in the configuration as a sentence: the key, what was wrong, what would be right."""

import difflib
import re

from pydantic_core import ErrorDetails

from mailguard.config.keys import walk_keys


def describe_mistake(detail: ErrorDetails) -> str:
    """One mistake as: key: what was wrong; what would be right."""
    where = ".".join(str(step) for step in detail["loc"] if step != "[key]")
    context = detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden":
            return f"{where}: there is no such key{_nearest(where)}"
        case "enum" | "literal_error":
            return f"{where}: {detail['input']!r} is not known; write {context['expected']}"
        case "value_error":
            text = str(context["error"])
            about_a_key = not isinstance(detail["input"], dict)
            return f"{where}: {detail['input']!r} will not do; {text}" if about_a_key else text
        case "greater_than_equal":
            return f"{where}: {detail['input']!r} is too small; write {context['ge']} or more"
        case "less_than_equal":
            return f"{where}: {detail['input']!r} is too large; write {context['le']} or less"
        case kind:
            wanted = next((words for key, words in _WANTED.items() if kind.startswith(key)), None)
            return f"{where}: {_shorten(detail['input'])} will not do; {wanted or detail['msg']}"


_WANTED = {
    "int": "write a whole number",
    "bool": "write true or false",
    "tuple": 'write a list, e.g. ["one", "two"]',
    "model": "write it as a [section] of its own",
    "mapping": "write it as a [section] of its own",
    "dict": "write it as a [section] of its own",
    "string_too_short": "it may not be empty",
    "string_pattern_mismatch": "it has a character that cannot stand here",
    "string": "write text in quotes",
}
"""By the beginning of pydantic's error type: what would be right."""


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _nearest(where: str) -> str:
    plain = re.sub(r"\.\d+\.", ".", where)
    known = [key for key, *_ in walk_keys()]
    sections = sorted({key.rpartition(".")[0] for key in known} - {""})
    close = difflib.get_close_matches(plain, known + sections, n=1, cutoff=0.7)
    if close:
        return f"; did you mean {close[0]}?"
    section = plain.rpartition(".")[0]
    names = [key.rpartition(".")[2] for key in known if key.rpartition(".")[0] == section]
    return f"; the keys here are {', '.join(names)}" if names else f"; known: {', '.join(sections)}"
