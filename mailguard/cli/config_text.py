"""The configuration's keys as text: a commented example file, and the documentation's table."""

import json
import textwrap
from collections.abc import Iterator, Mapping
from enum import Enum

from mailguard.config import Config, walk_keys

WIDTH = 78
"""Characters of a comment line: a terminal has 80."""

HEAD = """\
# MailGuard's configuration. Every key has a default, shown here behind a #:
# take the # away and write what your school needs. Then: mailguard config check
"""


def compose_example() -> str:
    """A TOML file that names every key, each commented out with its default: it changes nothing."""
    lines = [HEAD]
    section = ""
    for key, kind, description, default in walk_keys():
        parent, _, name = key.rpartition(".")
        if parent != section:
            section = parent
            lines += _heading(section)
        lines += _comment(f"{description} ({kind})")
        lines.append(f"#{name} = {toml_value(default)}\n")
    return "\n".join(lines)


def compose_table() -> str:
    """Markdown with one row for every key."""
    rows = ["| key | may be | default | meaning |", "|---|---|---|---|"]
    for key, kind, description, default in walk_keys():
        cells = (f"`{key}`", kind, f"`{toml_value(default)}`", description)
        rows.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
    return "\n".join(rows) + "\n"


def toml_value(value: object) -> str:
    """`value` as TOML writes it on one line."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{key} = {toml_value(item)}" for key, item in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml_value, value))}]"
    # JSON's texts, numbers and booleans are TOML's too.
    return json.dumps(value, ensure_ascii=False)


def _heading(section: str) -> Iterator[str]:
    field = Config.model_fields[section]
    yield from _comment(field.description or _docstring(section))
    is_repeated = isinstance(field.get_default(call_default_factory=True), tuple)
    yield f"[[{section}]]\n" if is_repeated else f"[{section}]\n"


def _docstring(section: str) -> str:
    default = Config.model_fields[section].get_default(call_default_factory=True)
    model = type(default[0] if isinstance(default, tuple) else default)
    return " ".join((model.__doc__ or "").split())


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ")
