"""HTML to text as a reader sees it, quotations apart, in linear time.

The tokeniser of the HTML standard (§13.2.5) without its tree: text needs none, and trees can be
made to explode (33 KB of misnested tags cost lexbor 1 GB, 20,000 attributes 0.7 s and 200,000
minutes). Text of all elements is kept; what a reader does not see is marked (`mail.hidden`): by its
style, or as comment, ``alt``, ``title`` or value of a hidden field. Scripts and styles are no text.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mailguard.mail.hidden import hide, join_hidden, show_hidden, without_marks
from mailguard.mail.markup import LOOSE_TAG, PAIR, TOKEN, unescaped
from mailguard.mail.outline import Outline

LINKS = 1000
"""Links of a page that are told; a newsletter has a hundred."""

_SHORT = 300
_REMEMBERED = 1000
"""Characters of attributes, and how many such of a page, that are read once however often they
occur: programs write the same ones again and again."""

_LINK_TEXT = 200
_LINK_TARGET = 2000
_LINK_PIECES = 50
"""Characters and pieces of text of a link that are told: more is not read as a link."""

_LINE = "\x1e"
"""Stands for a line end of the page, while ``\\n`` is still one of the source: white space."""

_PARAGRAPH = _LINE * 2
_BREAKS = {
    **dict.fromkeys(["p", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "pre", "title"], _PARAGRAPH),
    **dict.fromkeys(["ul", "ol", "li", "dl", "dt", "dd", "table", "caption", "tr"], _PARAGRAPH),
    **dict.fromkeys(["article", "aside", "section", "main", "nav", "header"], _PARAGRAPH),
    **dict.fromkeys(["footer", "form", "fieldset", "figure", "blockquote"], _PARAGRAPH),
    **dict.fromkeys(["details", "summary", "dialog"], _PARAGRAPH),
    # Gmail and Apple Mail make a div of every line that is typed.
    **dict.fromkeys(["div", "br", "option", "center", "address", "legend"], _LINE),
    **dict.fromkeys(["td", "th"], "\t"),
}
_SPACES = {" ", *_BREAKS.values()}

_CITED = re.compile(r"type\s*=\s*[\"']?cite|quote", re.IGNORECASE)
_REMOTE = re.compile(r"\s*(?:https?:|//|ftp:)", re.IGNORECASE)

_HIDING = (
    *("none", "hidden", "collapse", "opacity", "font", "color", "background", "transparent"),
    *("mso-hide", "absolute", "fixed", "indent", "margin", "clip", "scale(", "<template"),
    *("<datalist", "<audio", "<video", "<canvas"),
)
"""Without one of these (lower-case) a page hides nothing by style."""

_SAYING = ("alt", "title", "href", "src", "value", "placeholder")
_HIDING_NAMES = ("style", "class", "color", "hidden", "background", "id", "bgcolor")
_NAMES = {*_SAYING, *_HIDING_NAMES, "type"}
_NOTABLE = {"blockquote", "a", "img", "input", "button"}
_UNSEEN_FIELDS = {"hidden", "checkbox", "radio"}


_Attributes = tuple[Mapping[str, str], Sequence[str]]
_NOTHING: _Attributes = {}, ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link of a page."""

    text: str
    """What the reader sees of it, white space as it stands."""

    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a page says, and what it leads to."""

    marked: str
    """Without quotations; a line with ``>`` stands in place of each. Marks (`mail.hidden`) are
    around what a reader does not see."""

    marked_quoted: str
    """The quotations, marked in the same way."""

    links: tuple[Link, ...] = ()
    """At most :data:`LINKS`."""

    remote_images: int = 0
    """Images that opening the message would fetch."""

    inline_images: int = 0
    """Images that come with the message."""

    @property
    def own(self) -> str:
        """All text without the quotations, hidden or not, without marks."""
        return show_hidden(self.marked)[0]

    @property
    def quoted(self) -> str:
        """All text of the quotations."""
        return show_hidden(self.marked_quoted)[0]


def read_html(html: str) -> tuple[str, str]:
    """Return all text of a page without its quotations, and that of the quotations; no marks."""
    page = read_page(html)
    return page.own, page.quoted


def read_page(html: str) -> Page:
    """Read a page.

    A quotation is a ``blockquote`` that a mail program marked as one or that follows a colon
    ("Ben wrote:"). Block elements end lines, those that set a distance leave a blank one.
    """
    return _Reading(html).read()


class _Reading:
    """A page being read."""

    def __init__(self, html: str) -> None:
        self._html = without_marks(html)
        self._own, self._quoted = [""], [""]
        self._pieces = self._own
        self._nested = 0
        lower = html.lower()
        # Most pages hide nothing: no need to know which elements their text is in. Escapes could
        # hide how they do it.
        is_styled = "style" in lower and ("&#" in lower or "\\" in lower)
        may_hide = is_styled or any(hint in lower for hint in _HIDING)
        self._outline = Outline() if may_hide else None
        self._names = _HIDING_NAMES + _SAYING if self._outline else _SAYING
        self._is_conditional = False
        self._attributes: dict[str, _Attributes] = {}
        self._links: list[Link] = []
        self._link: tuple[list[str], int, str] | None = None
        self._images = {True: 0, False: 0}

    def read(self) -> Page:
        tokens = iter(TOKEN.split(self._html))
        self._add(next(tokens))
        is_preformatted = False
        outline = self._outline
        # Split gives the seven groups of each token, then the text up to the next.
        for raw, content, end, name, attributes, cut, declaration, text in zip(
            *[tokens] * 8, strict=True
        ):
            if name:
                name = name.lower()
                if end and outline:
                    if name in _BREAKS:
                        self._break(name)
                    outline.end(name)
                elif not outline or not end:
                    known, said = self._read_attributes(attributes) if attributes else _NOTHING
                    if outline:
                        outline.begin(name, attributes, known)
                    if name in _BREAKS:
                        self._break(name)
                    if said:
                        self._pieces += said
                    if name in _NOTABLE and not end:
                        self._begin(name, attributes, known)
                if name in ("blockquote", "a", "pre"):
                    if name == "pre":
                        is_preformatted = not end
                    elif end:
                        self._end(name)
                if cut is not None:
                    self._pieces.append(LOOSE_TAG.sub(" ", attributes.partition(">")[2]))
            elif raw:
                self._read_raw(raw.lower(), content)
            elif declaration:
                self._read_declaration(declaration)
            if text:
                self._add(text.replace("\n", _LINE) if is_preformatted else text)
        self._end_link()
        return Page(
            marked=_finish(self._own),
            marked_quoted=_finish(self._quoted),
            links=tuple(self._links),
            remote_images=self._images[True],
            inline_images=self._images[False],
        )

    def _add(self, text: str) -> None:
        if self._is_conditional or (self._outline and self._outline.is_hidden):
            self._pieces.append(hide(text))
        elif not text.isspace() or _LINE in text:
            self._pieces.append(text)
        elif self._pieces[-1] not in _SPACES:
            self._pieces.append(" ")

    def _begin(self, name: str, attributes: str, known: Mapping[str, str]) -> None:
        """What is more to an element than its looks."""
        if name == "blockquote":
            if self._nested:
                self._nested += 1
            elif _is_quotation(attributes, self._own):
                self._begin_quotation()
        elif name == "a":
            if self._link:
                self._end_link()
            if "href" in known:
                self._link = self._pieces, len(self._pieces), known["href"]
        elif name == "img":
            self._images[bool(_REMOTE.match(known.get("src", "")))] += 1
        else:
            self._add_field(known)

    def _end(self, name: str) -> None:
        if name == "a":
            if self._link:
                self._end_link()
        elif self._nested:
            self._nested -= 1
            self._pieces = self._quoted if self._nested else self._own

    def _begin_quotation(self) -> None:
        # In place of the break: blank lines would part it from "Ben wrote:".
        if self._own[-1] in _SPACES:
            self._own.pop()
        self._own.append(f"{_LINE}>{_LINE}")
        self._pieces, self._nested = self._quoted, 1

    def _add_field(self, known: Mapping[str, str]) -> None:
        """Add what stands in a field or on a button."""
        if known.get("placeholder"):
            self._add(f" {known['placeholder']} ")
        if value := known.get("value"):
            if known.get("type", "").lower() in _UNSEEN_FIELDS:
                self._pieces.append(hide(f" {value} "))
            else:
                self._add(f" {value} ")

    def _break(self, name: str) -> None:
        # Text of no colour still takes its lines.
        if self._is_conditional or (self._outline and self._outline.is_gone):
            self._pieces.append(hide(_BREAKS[name]))
        elif self._pieces[-1] != _BREAKS[name]:
            self._pieces.append(_BREAKS[name])

    def _read_raw(self, name: str, content: str) -> None:
        """What an element without markup inside shows."""
        if name == "style" and self._outline:
            self._outline.add_sheet(content)
        elif name not in ("script", "style"):
            self._pieces.append(_PARAGRAPH)
            self._add(LOOSE_TAG.sub(" ", content))

    def _read_declaration(self, declaration: str) -> None:
        """Comments; Outlook reads those of the form ``<!--[if mso]>...<![endif]-->``, others do
        not."""
        if declaration.startswith("!--["):
            self._is_conditional = True
        elif declaration.endswith(("-->", "]>")) or declaration.startswith("!--"):
            self._is_conditional = False
            if declaration.startswith("!--"):
                comment = LOOSE_TAG.sub(" ", declaration[3:].rstrip(">").rstrip("!").rstrip("-"))
                if not comment.isspace():
                    self._pieces.append(hide(comment))

    def _read_attributes(self, attributes: str) -> _Attributes:
        """Return the values of attributes that matter, the first of each, as browsers do; and all
        of ``alt`` and ``title``, hidden."""
        if (read := self._attributes.get(attributes)) is not None:
            return read
        known: dict[str, str] = {}
        said: list[str] = []
        lower = attributes.lower()
        is_notable = any(name in lower for name in self._names)
        for pair in PAIR.finditer(attributes) if is_notable else ():
            name = pair[1].lower()
            if name in ("alt", "title"):
                said.append(hide(f" {pair[2] or pair[3] or pair[4] or ''} "))
            elif name in _NAMES and name not in known:
                value = pair[2] or pair[3] or pair[4] or ""
                known[name] = unescaped(value) if name in _HIDING_NAMES else value
        if len(attributes) <= _SHORT and len(self._attributes) < _REMEMBERED:
            self._attributes[attributes] = known, said
        return known, said

    def _end_link(self) -> None:
        if self._link and len(self._links) < LINKS:
            pieces, start, target = self._link
            text, _ = show_hidden(join_hidden("".join(pieces[start : start + _LINK_PIECES])))
            self._links.append(
                Link(
                    text=unescaped(text.replace(_LINE, " "))[:_LINK_TEXT].strip(),
                    target=unescaped(target)[:_LINK_TARGET].strip(),
                )
            )
        self._link = None


def _is_quotation(attributes: str, before: list[str]) -> bool:
    """Whether a blockquote quotes another message; some authors only indent with it."""
    if _CITED.search(attributes):
        return True
    shown, _ = show_hidden(join_hidden("".join(before[-10:])))
    return shown.rstrip(" \n\t" + _LINE).endswith(":")


def _finish(pieces: list[str]) -> str:
    text = "".join(pieces).replace("\n", " ").replace(_LINE, "\n")
    return unescaped(join_hidden(text))
