"""One tag of a page: which element begins or ends there, and what that means to a reader."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from mailguard.mail.hidden import hide
from mailguard.mail.markup import PAIR, TAG, unescaped
from mailguard.mail.style import UNSHOWN

LINE = "\x1e"
"""Stands for a line end of the page, while ``\\n`` is still one of the source: white space."""

PARAGRAPH = LINE * 2
_BREAKS = {
    **dict.fromkeys(["p", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "pre", "title"], PARAGRAPH),
    **dict.fromkeys(["ul", "ol", "li", "dl", "dt", "dd", "table", "caption", "tr"], PARAGRAPH),
    **dict.fromkeys(["article", "aside", "section", "main", "nav", "header"], PARAGRAPH),
    **dict.fromkeys(["footer", "form", "fieldset", "figure", "blockquote"], PARAGRAPH),
    **dict.fromkeys(["details", "summary", "dialog"], PARAGRAPH),
    # Gmail and Apple Mail make a div of every line that is typed.
    **dict.fromkeys(["div", "br", "option", "center", "address", "legend"], LINE),
    **dict.fromkeys(["td", "th"], "\t"),
}
SPACES = {" ", *_BREAKS.values()}

_WITHOUT_END = """
area base br col embed hr img input link meta param source track wbr basefont bgsound
"""
_VOID = frozenset(_WITHOUT_END.split())

_BLOCKS = """
address article aside blockquote center details dialog dir div dl fieldset figcaption figure
footer form h1 h2 h3 h4 h5 h6 header hr main menu nav ol p pre section table ul
"""
_ENDS = {
    **dict.fromkeys(_BLOCKS.split(), frozenset(("p",))),
    **dict.fromkeys(("td", "th"), frozenset(("td", "th"))),
    "tr": frozenset(("td", "th", "tr")),
    "li": frozenset(("li",)),
    **dict.fromkeys(("dt", "dd"), frozenset(("dt", "dd"))),
    **dict.fromkeys(("option", "optgroup"), frozenset(("option",))),
}
"""Elements that end where this one begins, their own end left out (HTML standard §13.1.2.4)."""

_NOTABLE = {"blockquote", "a", "img", "input", "button", "pre", "bdo"}

_LOOKS = frozenset(("style", "color", "hidden", "background", "bgcolor"))
_DRESS = (*_LOOKS, "class", "id")
_STYLING = frozenset(_DRESS)
_TOLD = {*_STYLING, "href", "src", "value", "placeholder", "type", "alt", "title"}

_SHORT = 300
_CACHE = 1 << 11
"""Characters of a tag that is remembered, and how many: programs write the same ones again and
again."""


class _Element(NamedTuple):
    is_void: bool
    is_notable: bool
    line_break: str
    ends: frozenset[str]


class Tag(NamedTuple):
    """A tag that was read."""

    written: str
    """Without ``<``."""

    name: str
    """Lower-case."""

    is_end: bool
    is_void: bool
    """Whether its element has no end."""

    is_notable: bool
    """Whether there is more to its element than how it looks."""

    line_break: str
    """What stands in the text for where its element begins or ends; ``""`` for nothing."""

    ends: frozenset[str]
    """Elements that end where this one begins, as long as they are the last to be open."""

    attributes: str
    known: Mapping[str, str]
    """The values of attributes that matter, the first of each, as browsers do."""

    said: Sequence[str]
    """All of ``alt`` and ``title``, hidden."""

    is_styled: bool
    """Whether it may change how text looks by itself."""

    is_named: bool
    """Whether a style sheet may know it by a class or id."""

    dress: tuple[str | None, ...]
    """Its name and all that can change how text looks; the same for tags that change the same."""

    is_cut: bool
    """Whether the page ends in it."""


def read_tag(written: str) -> Tag:
    """Read a tag, ``<`` left out, as :data:`~mailguard.mail.markup.TOKEN` found it."""
    return _remembered(written) if len(written) <= _SHORT else _read(written)


def _read(written: str) -> Tag:
    found = TAG.match(written)
    assert found, "a token is a tag"
    slash, name, attributes, end = found.groups()
    name = name.lower()
    known, said = _read_attributes(attributes) if attributes else _NOTHING
    is_styled = name in UNSHOWN or not _LOOKS.isdisjoint(known)
    is_named = "class" in known or "id" in known
    return Tag(
        written,
        name,
        bool(slash),
        *(_ELEMENTS.get(name) or _PLAIN),
        attributes,
        known,
        said,
        is_styled,
        is_named,
        (name, *map(known.get, _DRESS)) if is_styled or is_named else (name,),
        end is not None,
    )


def _read_attributes(attributes: str) -> tuple[Mapping[str, str], Sequence[str]]:
    known: dict[str, str] = {}
    said: list[str] = []
    for attribute, *values in PAIR.findall(attributes):
        attribute = attribute.lower()
        if attribute not in _TOLD or attribute in known:
            continue
        value = values[0] or values[1] or values[2]
        if attribute in ("alt", "title"):
            said.append(hide(f" {value} "))
        else:
            known[attribute] = unescaped(value) if attribute in _STYLING else value
    return known, said


_NOTHING: tuple[Mapping[str, str], Sequence[str]] = {}, ()

_remembered = lru_cache(maxsize=_CACHE)(_read)

_PLAIN = _Element(is_void=False, is_notable=False, line_break="", ends=frozenset())
_ELEMENTS = {
    name: _Element(
        is_void=name in _VOID,
        is_notable=name in _NOTABLE,
        line_break=_BREAKS.get(name, ""),
        ends=_ENDS.get(name, frozenset()),
    )
    for name in {*_VOID, *_NOTABLE, *_BREAKS, *_ENDS}
}
