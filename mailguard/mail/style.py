"""What a style makes of text: whether its reader sees it.

Not a browser: styles of elements and simple selectors (element, class, id) of style sheets,
whatever their media. Text that is wrongly taken for hidden is still read (see `mail.text`), so
where in doubt it is hidden.
"""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

_Colour = tuple[int, int, int]

ALIKE = 20
"""Steps of 255 by which two colours may differ in each channel and still look the same."""

_FAR = 400
"""Pixels to the left or above at which text is off the screen."""

SHEET = 1 << 18
"""Characters of style sheets that are read. Those of newsletters have some twenty thousand."""

_RULES = 2000
_CLASSES = 20
_CACHE = 1 << 10
_SHORT = 500
"""Characters of a style that is remembered."""

# Must: each begins only where its run of characters does, else "aaaa..." takes quadratic time.
_DECLARATION = re.compile(r"(?<![a-z-])([a-z-]++)\s*+:\s*+([^;]*+)")
_BLOCK = re.compile(r"(?:\A|(?<=[{}]))([^{}]*+)\{([^{}]*+)\}")
_CSS_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)|<!--|-->", re.DOTALL)
_CSS_ESCAPE = re.compile(r"\\(?:([0-9a-f]{1,6})\s?|(.))", re.DOTALL)
_SELECTOR = re.compile(r"[a-z][a-z0-9]*(?:[.#][\w-]+)?|[.#][\w-]+")
_LENGTH = re.compile(r"(-?\d*\.?\d+)\s*(px|pt|em|rem|ex|%|vw|vh|cm|mm|in)?")
_HEX = re.compile(r"#?([0-9a-f]{3,8})")
_RGB = re.compile(r"rgba?\(\s*(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})(?:[\s,/]+(\d*\.?\d+)%?)?")
_COLOURS = """
white=ffffff black=000000 red=ff0000 blue=0000ff green=008000 yellow=ffff00 silver=c0c0c0
gray=808080 grey=808080 navy=000080 purple=800080 lime=00ff00 aqua=00ffff cyan=00ffff
fuchsia=ff00ff magenta=ff00ff maroon=800000 olive=808000 teal=008080 orange=ffa500 snow=fffafa
ivory=fffff0 azure=f0ffff whitesmoke=f5f5f5 ghostwhite=f8f8ff floralwhite=fffaf0
mintcream=f5fffa window=ffffff windowtext=000000
"""
_NAMES = {name: int(value, 16) for name, value in re.findall(r"(\w+)=(\w+)", _COLOURS)}
UNSHOWN = {"template", "datalist", "audio", "video", "canvas"}
"""Elements whose text a mail program shows only if it cannot show the element."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How text appears at one place of a page."""

    gone: bool = False
    """For good: nothing inside can come back."""

    invisible: bool = False
    tiny: bool = False
    colour: _Colour | None = (0, 0, 0)
    background: _Colour | None = (255, 255, 255)
    """None where it is not known: a picture, a gradient."""

    hidden: bool = field(init=False)
    """Whether the reader sees nothing of such text."""

    def __post_init__(self) -> None:
        # Once, for it is asked wherever an element ends.
        object.__setattr__(self, "hidden", self._is_hidden())

    def _is_hidden(self) -> bool:
        if self.gone or self.invisible or self.tiny:
            return True
        if self.colour is None or self.background is None:
            return False
        pairs = zip(self.colour, self.background, strict=True)
        return all(abs(one - other) <= ALIKE for one, other in pairs)


PLAIN = Look()


@lru_cache(maxsize=_CACHE)
def _look(
    gone: bool,
    invisible: bool,
    tiny: bool,
    colour: _Colour | None,
    background: _Colour | None,
) -> Look:
    """One and the same for the same fields: pages have few looks, and many elements."""
    return Look(gone=gone, invisible=invisible, tiny=tiny, colour=colour, background=background)


_Style = Mapping[str, str]
Sheet = Mapping[str, _Style]
"""The declarations for each simple selector."""
_Changes = Mapping[str, bool | _Colour | None]
"""Fields of a look."""

_GONE: _Changes = {"gone": True}


def read_sheet(css: str) -> Sheet:
    """Read a style sheet."""
    sheet: dict[str, dict[str, str]] = {}
    plain = _CSS_COMMENT.sub(" ", css[:SHEET].lower())
    for number, block in enumerate(_BLOCK.finditer(plain)):
        if number == _RULES:
            break
        if not (style := _declarations(block[2])):
            continue
        for selector in block[1].split(","):
            # The last element of "div.x span.y" is the one that is styled.
            last = (selector.split() or [""])[-1]
            if _SELECTOR.fullmatch(last):
                sheet.setdefault(last, {}).update(style)
    return sheet


def restyle(look: Look, name: str, attributes: Mapping[str, str], sheet: Sheet) -> Look:
    """Return how text in an element appears, inside one where it appears as `look`."""
    if look.gone:
        return look
    if name in UNSHOWN or "hidden" in attributes:
        return _changed(look, _GONE)
    if "bgcolor" in attributes:
        look = _changed(look, {"background": _colour(attributes["bgcolor"].lower())})
    if "background" in attributes:
        look = _changed(look, {"background": None})
    if "color" in attributes and name == "font":
        look = _changed(look, {"colour": _colour(attributes["color"].lower())})
    if sheet:
        style = _style(name, attributes, sheet)
        return _changed(look, _changes(style)) if style else look
    written = attributes.get("style")
    return _changed(look, _written_changes(written)) if written else look


def _changed(look: Look, changes: _Changes) -> Look:
    if not changes:
        return look
    return _look(
        changes.get("gone", look.gone),
        changes.get("invisible", look.invisible),
        changes.get("tiny", look.tiny),
        changes.get("colour", look.colour),
        changes.get("background", look.background),
    )


def _style(name: str, attributes: Mapping[str, str], sheet: Sheet) -> _Style:
    style: dict[str, str] = {}
    selectors = [name]
    for word in attributes.get("class", "").lower().split()[:_CLASSES]:
        selectors += f".{word}", f"{name}.{word}"
    if word := attributes.get("id", "").lower():
        selectors += f"#{word}", f"{name}#{word}"
    for selector in selectors:
        if selector in sheet:
            style |= sheet[selector]
    if written := attributes.get("style"):
        style |= _declarations(written.lower())
    return style


def _declarations(style: str) -> _Style:
    return _remembered(style) if len(style) <= _SHORT else _read_declarations(style)


def _read_declarations(style: str) -> _Style:
    if "\\" in style:
        style = _CSS_ESCAPE.sub(lambda escape: _unescaped(escape[1], escape[2]), style)
    if "/*" in style or "<!--" in style or "-->" in style:
        style = _CSS_COMMENT.sub("", style)
    return {
        name: value.partition("!")[0].strip()
        for name, value in _DECLARATION.findall(style)
        if name in _TELLING
    }


def _unescaped(digits: str | None, sign: str | None) -> str:
    if digits is None:
        return sign or ""
    code = int(digits, 16)
    return chr(code).lower() if 0 < code <= sys.maxunicode else "\ufffd"


_remembered = lru_cache(maxsize=_CACHE)(_read_declarations)


def _written_changes(style: str) -> _Changes:
    return _known_changes(style) if len(style) <= _SHORT else _read_changes(style)


def _read_changes(style: str) -> _Changes:
    return _changes(_read_declarations(style.lower()))


_known_changes = lru_cache(maxsize=_CACHE)(_read_changes)


def _changes(style: _Style) -> _Changes:
    """What a style changes of any look."""
    if not _REMOVING.isdisjoint(style) and _is_gone(style):
        return _GONE
    changes: dict[str, bool | _Colour | None] = {}
    for name, value in style.items():
        match name:
            case "visibility":
                changes["invisible"] = value in ("hidden", "collapse")
            case "font-size" | "font":
                if (size := _pixels(value)) is not None:
                    changes["tiny"] = size <= 1
            case "color" if value != "inherit":
                changes["colour"] = _colour(value)
                if _is_transparent(value):
                    return _GONE
            case "background" | "background-color" if value not in ("inherit", "none", ""):
                if not _is_transparent(value):
                    changes["background"] = _background(value)
    return changes


def _is_gone(style: _Style) -> bool:
    if style.get("display") == "none" or style.get("mso-hide") == "all":
        return True
    if (opacity := _number(style.get("opacity", ""))) is not None and opacity < 0.1:
        return True
    if any((_pixels(style.get(side, "")) or 0) <= -_FAR for side in ("text-indent", "margin-left")):
        return True
    if style.get("position") in ("absolute", "fixed"):
        sides = [_pixels(style.get(side, "")) or 0 for side in _SIDES]
        if any(side <= -_FAR for side in sides):
            return True
        if re.match(r"rect\(\s*[01]", style.get("clip", "")):
            return True
    if style.get("overflow") == "hidden":
        sizes = (_pixels(style[size]) for size in _SIZES if size in style)
        if any(size is not None and size <= 1 for size in sizes):
            return True
    return bool(re.match(r"inset\(\s*(?:[5-9]\d|100)%", style.get("clip-path", ""))) or (
        "scale(0)" in style.get("transform", "")
    )


_SIZES = ("height", "width", "max-height", "max-width")

_REMOVING = frozenset(
    {
        *("display", "mso-hide", "opacity", "text-indent", "margin-left", "position"),
        *("overflow", "clip-path", "transform"),
    }
)
"""Properties of which one is there wherever text takes no room."""

_SIDES = ("left", "top", "right", "bottom")
_TELLING = {
    *("display", "mso-hide", "opacity", "visibility", "font", "font-size", "color"),
    *("background", "background-color", "text-indent", "margin-left", "position", "clip"),
    *("clip-path", "transform", "overflow", *_SIZES, *_SIDES),
}
"""Properties of which one can hide text; what others say is not kept."""


@lru_cache(maxsize=_CACHE)
def _pixels(value: str) -> float | None:
    """A length in pixels, roughly; None for what is not a length."""
    found = _LENGTH.search(value)
    if not found:
        return None
    number = float(found[1])
    match found[2]:
        case "em" | "rem" | "ex":
            return number * 12
        case "%" | "vw" | "vh":
            return number * 0.12
        case "in" | "cm" | "mm":
            return number * 30
    return number


def _number(value: str) -> float | None:
    found = _LENGTH.match(value)
    if not found:
        return None
    return float(found[1]) / (100 if found[2] == "%" else 1)


@lru_cache(maxsize=_CACHE)
def _is_transparent(value: str) -> bool:
    if value == "transparent":
        return True
    found = _RGB.match(value)
    return bool(found and found[4] and float(found[4]) < 0.1)


@lru_cache(maxsize=_CACHE)
def _background(value: str) -> _Colour | None:
    """The colour of a background; None with a picture in front of it."""
    if "url(" in value or "gradient" in value:
        return None
    return next(filter(None, map(_colour, (value, *value.split()))), None)


@lru_cache(maxsize=_CACHE)
def _colour(value: str) -> _Colour | None:
    value = value.strip()
    if found := _RGB.match(value):
        return int(found[1]), int(found[2]), int(found[3])
    number = _NAMES.get(value)
    if number is None and (found := _HEX.fullmatch(value)):
        digits = found[1]
        if len(digits) < 6:
            digits = "".join(digit * 2 for digit in digits[:3])
        number = int(digits[:6], 16)
    return None if number is None else (number >> 16, number >> 8 & 255, number & 255)
