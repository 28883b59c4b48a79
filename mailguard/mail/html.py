"""HTML to text as a reader sees it, quotations apart, in linear time.

The tokeniser of the HTML standard (§13.2.5) without its tree: text needs none, and trees can be
made to explode (33 KB of misnested tags cost lexbor 1 GB, 20,000 attributes 0.7 s and 200,000
minutes). Text of all elements is kept, hidden or not; scripts, styles and comments are not text.
"""

import re
from functools import lru_cache
from html import unescape

_LINE = "\x1e"
"""Stands for a line end of the page, while ``\\n`` is still one of the source: white space."""

_PARAGRAPH = _LINE * 2
_BREAKS = {
    **dict.fromkeys(["p", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "pre", "title"], _PARAGRAPH),
    **dict.fromkeys(["ul", "ol", "li", "dl", "dt", "dd", "table", "caption", "tr"], _PARAGRAPH),
    **dict.fromkeys(["article", "aside", "section", "main", "nav", "header"], _PARAGRAPH),
    **dict.fromkeys(["footer", "form", "fieldset", "figure", "blockquote"], _PARAGRAPH),
    # Gmail and Apple Mail make a div of every line that is typed.
    **dict.fromkeys(["div", "br", "option"], _LINE),
    **dict.fromkeys(["td", "th"], "\t"),
}
_SPACES = {" ", *_BREAKS.values()}

# Must: an alternative of a token that has begun ends at the latest with the text, and has then
# taken all of it. If one could fail, a page of its beginnings would take quadratic time.
_ATTRIBUTES = r"""
    (?: [ \t\n\r\f/]*+ [^ \t\n\r\f/>] [^ \t\n\r\f/>=]*+
        (?: [ \t\n\r\f]*+ = [ \t\n\r\f]*+
            (?: "[^"]*+ (?:"|\Z) | '[^']*+ (?:'|\Z) | [^ \t\n\r\f>]*+ ) )?+ )*+ [ \t\n\r\f/]*+
"""
_TOKEN = re.compile(
    rf"""<(?:
        (?i:(script|style|title|textarea|xmp|iframe|noembed|noframes)) (?=[ \t\n\r\f/>])
            {_ATTRIBUTES} (?:>|\Z)
            ([^<]*+ (?: < (?!/(?i:\1)[ \t\n\r\f/>]) [^<]*+ )*+)
      | (/?) ([a-zA-Z][^ \t\n\r\f/>]*+) ({_ATTRIBUTES}) (?:>|(\Z))
      | !-- (?!\[if) (?: -?> | [^-]*+ (?: -(?!-!?>) [^-]*+ )*+ (?:--!?>|\Z) )
      | [!?/] [^>]*+ (?:>|\Z)
    )""",
    re.VERBOSE,
)
_PAIR = re.compile(
    r"""[ \t\n\r\f/]*+ ([^ \t\n\r\f/>] [^ \t\n\r\f/>=]*+)
        (?: [ \t\n\r\f]*+ = [ \t\n\r\f]*+
            (?: "([^"]*+) (?:"|\Z) | '([^']*+) (?:'|\Z) | ([^ \t\n\r\f>]*+) ) )?+""",
    re.VERBOSE,
)
_LOOSE_TAG = re.compile(r"<[^>]*+>?+")
_CITED = re.compile(r"type\s*=\s*[\"']?cite|quote", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#(?:\d{1,7}|[xX][0-9a-fA-F]{1,6})|[a-zA-Z][a-zA-Z0-9]{1,31});?")
_ZEROS = re.compile(r"&#([xX]?)0++(?=[0-9a-fA-F])")
_unescape = lru_cache(maxsize=1024)(unescape)


def read_html(html: str) -> tuple[str, str]:
    """Return the text of a page without its quotations, and that of the quotations.

    A quotation is a ``blockquote`` that a mail program marked as one or that follows a colon
    ("Ben wrote:"); in the first text a line with ``>`` stands in its place. Block elements end
    lines, those that set a distance leave a blank one. Values of ``alt`` and ``title`` are text.
    """
    own, quoted = [""], [""]
    pieces, nested, is_preformatted = own, 0, False
    tokens = iter(_TOKEN.split(html))
    pieces.append(next(tokens))
    # Split gives the six groups of each token, then the text up to the next.
    for raw, content, end, name, attributes, cut, text in zip(*[tokens] * 7, strict=True):
        if name:
            name = name.lower()
            if name in _BREAKS and pieces[-1] != _BREAKS[name]:
                pieces.append(_BREAKS[name])
            if name == "pre":
                is_preformatted = not end
            elif name == "blockquote" and nested:
                nested += -1 if end else 1
                pieces = quoted if nested else own
            elif name == "blockquote" and not end and _is_quotation(attributes, own):
                # In place of the break: blank lines would part it from "Ben wrote:".
                own[-1] = f"{_LINE}>{_LINE}"
                pieces, nested = quoted, 1
            if attributes:
                pieces += _read_attributes(attributes) if cut is None else _read_cut(attributes)
        elif raw:
            pieces.append(_read_raw(raw.lower(), content))
        if is_preformatted:
            pieces.append(text.replace("\n", _LINE))
        elif text and not text.isspace():
            pieces.append(text)
        elif text and pieces[-1] not in _SPACES:
            pieces.append(" ")
    return _finish(own), _finish(quoted)


def _read_raw(name: str, content: str) -> str:
    """What an element without markup inside shows."""
    if name in ("script", "style"):
        return ""
    return _PARAGRAPH + _LOOSE_TAG.sub(" ", content)


def _read_attributes(attributes: str) -> list[str]:
    lower = attributes.lower()
    if "alt" not in lower and "title" not in lower:
        return []
    return [
        f" {pair[2] or pair[3] or pair[4] or ''} "
        for pair in _PAIR.finditer(attributes)
        if pair[1].lower() in ("alt", "title")
    ]


def _read_cut(attributes: str) -> list[str]:
    """What an unclosed tag has swallowed. Browsers drop it; here nothing goes unread."""
    return [_LOOSE_TAG.sub(" ", attributes.partition(">")[2])]


def _is_quotation(attributes: str, before: list[str]) -> bool:
    """Whether a blockquote quotes another message; some authors only indent with it."""
    if _CITED.search(attributes):
        return True
    return "".join(before[-10:]).rstrip(" \n\t" + _LINE).endswith(":")


def _finish(pieces: list[str]) -> str:
    text = "".join(pieces).replace("\n", " ").replace(_LINE, "\n")
    if "&" not in text:
        return text
    return _ENTITY.sub(lambda entity: _unescape(entity[0]), _ZEROS.sub(r"&#\1", text))
