"""Web pages, as attached to mail: text, hidden text, what is behind links, scripts."""

import re
from collections.abc import Iterator

from mailguard.extract.formats._page_table import mark_tables, read_tables
from mailguard.extract.item import About, Feature, Item, Miss, Text
from mailguard.extract.office.data_uri import data_files
from mailguard.mail.charset import read_text
from mailguard.mail.hidden import show_hidden
from mailguard.mail.html import read_page

TYPES = frozenset(("text/html", "application/xhtml+xml", "application/hta"))
NAMES = (".html", ".htm", ".xhtml", ".xht", ".shtml", ".hta", ".php.html")
SAMPLE = b"<html><body><p>A page</p></body></html>"

LIMIT = 8 << 20
"""Characters of a page that are read: four times what is taken of all files together."""

_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?([\w-]{1,40})""", re.IGNORECASE)
_SCRIPT = re.compile(r"<script\b[^<>]*+>([^<]*+(?:<(?!/script)[^<]*+)*+)", re.IGNORECASE)
_ACTIVE = re.compile(r"<(?:object|embed|applet|iframe)\b|\bon(?:load|error|click)\s*=", re.I)


def _as_shown(marked: str) -> str:
    """The lines that have something hidden in them, without it: a word may be shown in pieces."""
    lines = []
    for line in marked.split("\n"):
        text, hidden = show_hidden(line)
        # Each range is as long as what it hides, and they are in order.
        ends = [0, *(end for _, end in hidden)]
        starts = [*(start for start, _ in hidden), len(text)]
        shown = "".join(text[end:start] for end, start in zip(ends, starts, strict=True))
        if hidden and shown.strip():
            lines.append(shown)
    return "\n".join(lines)


def read(data: bytes, about: About) -> Iterator[Item]:
    """Yield the text, hidden or not, quotations and links apart; the files that are inside the
    page; and the scripts, which may write what is read."""
    declared = _CHARSET.search(data[:4096])
    html = read_text(data, declared[1].decode() if declared else "")
    if len(html) > LIMIT:
        html = html[:LIMIT]
        yield Miss("too_long")
    page = read_page(mark_tables(html))
    for where, marked in (("", page.marked), ("quoted", page.marked_quoted)):
        all_text, hidden = show_hidden(marked)
        text, rows = read_tables(all_text)
        if text and not text.isspace():
            yield Text(where, text)
        yield from rows
        if hidden and (shown := read_tables(_as_shown(marked))[0]):
            yield Text("as shown", shown)
    targets = [link.target for link in page.links if not link.target.startswith("data:")]
    if targets:
        yield Text("link", "\n".join(targets))
    scripts = [script for script in _SCRIPT.findall(html) if not script.isspace()]
    if any(scripts):
        yield Text("script", "\n".join(filter(None, scripts)))
    if scripts or _ACTIVE.search(html):
        yield Feature("active")
    yield from data_files(html)
