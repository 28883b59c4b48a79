"""A page as plain text, complete in itself, and as HTML that mail programs can show.

The HTML fetches nothing and leads nowhere: no picture, style sheet, script, form or link, so
neither a robot that follows everything in a mail nor a careless tap changes anything.
"""

import textwrap
from collections.abc import Iterable, Iterator

from jinja2 import Environment, PackageLoader, StrictUndefined

from mailguard.report.page import Card, Fact, Page, Section

WIDTH = 72
"""Characters of a line of text: RFC 5322 advises at most 78, and quoting adds some."""

_templates = Environment(
    loader=PackageLoader("mailguard.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render_html(page: Page) -> str:
    """The page as one HTML document."""
    return _templates.get_template("page.html").render(page=page) + "\n"


def render_text(page: Page) -> str:
    """The page as text with lines of at most :data:`WIDTH` characters, where words allow it."""
    blocks = [
        "\n".join((page.title, *page.subtitle)),
        *(_wrap(warning, "!! ", "   ") for warning in page.warnings),
        _wrap(page.summary),
        *(_section(section) for section in page.sections),
    ]
    return "\n\n".join(blocks) + "\n"


def _section(section: Section) -> str:
    heading = section.heading.upper()
    blocks = [f"{heading}\n{'-' * len(heading)}"]
    if section.lead:
        blocks.append(_wrap(section.lead))
    blocks.extend(_card(card) for card in section.cards)
    if section.facts:
        blocks.append("\n".join(_facts(section.facts)))
    if section.points:
        blocks.append("\n".join(_wrap(point, "* ", "  ") for point in section.points))
    if section.commands:
        blocks.append("\n".join(f"  {command}" for command in section.commands))
    if section.note:
        blocks.append(_wrap(section.note))
    return "\n\n".join(blocks)


def _card(card: Card) -> str:
    why = [("Why", reason) for reason in card.reasons[:1]]
    more = [("", reason) for reason in card.reasons[1:]]
    facts = (*card.facts, *why, *more, ("Look", card.command))
    return "\n".join(
        (_wrap(f"{card.reference}  {card.title}", "", "  "), *_facts(facts, indent="  "))
    )


def _facts(facts: Iterable[Fact], indent: str = "") -> Iterator[str]:
    facts = tuple(facts)
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        yield _wrap(value, f"{indent}{name:<{width}}  ", f"{indent}{'':<{width}}  ")


def _wrap(text: str, first: str = "", rest: str = "") -> str:
    # A command or an address that is broken in two cannot be copied.
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
