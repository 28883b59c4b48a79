"""The tokens of HTML (§13.2.5 of its standard) as patterns that take linear time."""

import re
from functools import lru_cache
from html import unescape

# Must: an alternative of a token that has begun ends at the latest with the text, and has then
# taken all of it. If one could fail, a page of its beginnings would take quadratic time.
_ATTRIBUTES = r"""
    (?: [ \t\n\r\f/]*+ [^ \t\n\r\f/>] [^ \t\n\r\f/>=]*+
        (?: [ \t\n\r\f]*+ = [ \t\n\r\f]*+
            (?: "[^"]*+ (?:"|\Z) | '[^']*+ (?:'|\Z) | [^ \t\n\r\f>]*+ ) )?+ )*+ [ \t\n\r\f/]*+
"""
TOKEN = re.compile(
    rf"""<(?:
        (?i:(script|style|title|textarea|xmp|iframe|noembed|noframes)) (?=[ \t\n\r\f/>])
            {_ATTRIBUTES} (?:>|\Z)
            ([^<]*+ (?: < (?!/(?i:\1)[ \t\n\r\f/>]) [^<]*+ )*+)
      | (/?[a-zA-Z][^ \t\n\r\f/>]*+ {_ATTRIBUTES} (?:>|\Z))
      | ( !-- (?!\[if) (?: -?> | [^-]*+ (?: -(?!-!?>) [^-]*+ )*+ (?:--!?>|\Z) )
        | [!?/] [^>]*+ (?:>|\Z) )
    )""",
    re.VERBOSE,
)
"""Its groups: name and content of an element without markup inside, a tag, a declaration."""

TAG = re.compile(rf"(/?) ([a-zA-Z][^ \t\n\r\f/>]*+) ({_ATTRIBUTES}) (?:>|(\Z))", re.VERBOSE)
"""Its groups: a slash if it is an end, the name, the attributes, and if the page ends in it."""

PAIR = re.compile(
    r"""[ \t\n\r\f/]*+ ([^ \t\n\r\f/>] [^ \t\n\r\f/>=]*+)
        (?: [ \t\n\r\f]*+ = [ \t\n\r\f]*+
            (?: "([^"]*+) (?:"|\Z) | '([^']*+) (?:'|\Z) | ([^ \t\n\r\f>]*+) ) )?+""",
    re.VERBOSE,
)
LOOSE_TAG = re.compile(r"<[^>]*+>?+")

_ENTITY = re.compile(r"&(?:#(?:\d{1,7}|[xX][0-9a-fA-F]{1,6})|[a-zA-Z][a-zA-Z0-9]{1,31});?")
_ZEROS = re.compile(r"&#([xX]?)0++(?=[0-9a-fA-F])")
_unescape = lru_cache(maxsize=1024)(unescape)


def unescaped(text: str) -> str:
    """Replace character references, as many as there are and each at most some digits long."""
    if "&" not in text:
        return text
    return _ENTITY.sub(lambda entity: _unescape(entity[0]), _ZEROS.sub(r"&#\1", text))
