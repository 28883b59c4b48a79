"""HTML to text as a reader sees it, quotations apart, in linear time.

The tokeniser of the HTML standard (§13.2.5) without its tree: text needs none, and trees can be
made to explode (33 KB of misnested tags cost lexbor 1 GB, 20,000 attributes 0.7 s and 200,000
minutes). Text of all elements is kept; what a reader does not see is marked (`mail.hidden`): by its
style, or as comment, ``alt``, ``title`` or value of a hidden field. Scripts and styles are no text.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mailguard.mail.hidden import hide, join_hidden, show_hidden, without_hiding, without_marks
from mailguard.mail.markup import LOOSE_TAG, TOKEN, unescaped
from mailguard.mail.outline import Outline
from mailguard.mail.tag import LINE, PARAGRAPH, SPACES, Tag, read_tag

LINKS = 1000
"""Links of a page that are told; a newsletter has a hundred."""

_REMEMBERED = 1000
"""Tags of a page that are read once however often they occur."""

_LINK_TEXT = 200
_LINK_TARGET = 2000
_LINK_PIECES = 50
"""Characters and pieces of text of a link that are told: more is not read as a link."""

_CITED = re.compile(r"type\s*=\s*[\"']?cite|quote", re.IGNORECASE)
_REMOTE = re.compile(r"\s*(?:https?:|//|ftp:)", re.IGNORECASE)

_UNSEEN_FIELDS = {"hidden", "checkbox", "radio"}


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


_TURNS = re.compile(r"""\bdir\s*=\s*["']?\s*rtl""", re.IGNORECASE)
_FROM_RIGHT_TO_LEFT, _AS_BEFORE = "\u202e", "\u202c"
"""What a ``bdo`` element is in plain text (UAX 9 §2.2)."""


class _Reading:
    """A page being read."""

    def __init__(self, html: str) -> None:
        self._html = without_marks(html)
        self._own, self._quoted = [""], [""]
        self._pieces = self._own
        self._nested = 0
        self._outline = Outline()
        self._is_conditional = False
        self._is_preformatted = False
        self._tags: dict[str, Tag] = {}
        self._links: list[Link] = []
        self._link: tuple[list[str], int, str] | None = None
        self._images = {True: 0, False: 0}

    def read(self) -> Page:
        tokens = iter(TOKEN.split(self._html))
        self._add(next(tokens))
        outline, tags, pieces = self._outline, self._tags, self._pieces
        # Split gives the four groups of each token, then the text up to the next.
        for raw, content, written, declaration, text in zip(*[tokens] * 5, strict=True):
            if written:
                tag = tags.get(written) or self._read_tag(written)
                is_end = tag.is_end
                if not is_end:
                    outline.begin(tag)
                if line_break := tag.line_break:
                    # Text of no colour still takes its lines.
                    if outline.is_gone or self._is_conditional:
                        pieces.append(hide(line_break))
                    elif pieces[-1] != line_break:
                        pieces.append(line_break)
                if is_end:
                    outline.end(tag.name)
                if tag.said:
                    pieces += tag.said
                if tag.is_notable:
                    self._note(tag)
                    pieces = self._pieces
                if tag.is_cut:
                    pieces.append(LOOSE_TAG.sub(" ", tag.attributes.partition(">")[2]))
            elif raw:
                self._read_raw(raw.lower(), content)
            elif declaration:
                self._read_declaration(declaration)
            if text:
                self._add(text.replace("\n", LINE) if self._is_preformatted else text)
        self._end_link()
        return Page(
            marked=_finish(self._own),
            marked_quoted=_finish(self._quoted),
            links=tuple(self._links),
            remote_images=self._images[True],
            inline_images=self._images[False],
        )

    def _read_tag(self, written: str) -> Tag:
        tag = read_tag(written)
        if len(self._tags) < _REMEMBERED:
            self._tags[written] = tag
        return tag

    def _add(self, text: str) -> None:
        if self._is_conditional or self._outline.is_hidden:
            self._pieces.append(hide(text))
        elif not text.isspace() or LINE in text:
            self._pieces.append(text)
        elif self._pieces[-1] not in SPACES:
            self._pieces.append(" ")

    def _note(self, tag: Tag) -> None:
        """What is more to an element than its looks."""
        match tag.name:
            case "pre":
                self._is_preformatted = not tag.is_end
            case "blockquote":
                if tag.is_end:
                    self._end_quotation()
                elif self._nested:
                    self._nested += 1
                elif _is_quotation(tag.attributes, self._own):
                    self._begin_quotation()
            case "bdo":
                if tag.is_end or _TURNS.search(tag.attributes):
                    self._add(_AS_BEFORE if tag.is_end else _FROM_RIGHT_TO_LEFT)
            case "a":
                if self._link:
                    self._end_link()
                if not tag.is_end and "href" in tag.known:
                    self._link = self._pieces, len(self._pieces), tag.known["href"]
            case "img" if not tag.is_end:
                self._images[bool(_REMOTE.match(tag.known.get("src", "")))] += 1
            case "input" | "button" if not tag.is_end:
                self._add_field(tag.known)

    def _begin_quotation(self) -> None:
        # In place of the break: blank lines would part it from "Ben wrote:".
        if self._own[-1] in SPACES:
            self._own.pop()
        self._own.append(f"{LINE}>{LINE}")
        self._pieces, self._nested = self._quoted, 1

    def _end_quotation(self) -> None:
        if self._nested:
            self._nested -= 1
            self._pieces = self._quoted if self._nested else self._own

    def _add_field(self, known: Mapping[str, str]) -> None:
        """Add what stands in a field or on a button."""
        if known.get("placeholder"):
            self._add(f" {known['placeholder']} ")
        if value := known.get("value"):
            if known.get("type", "").lower() in _UNSEEN_FIELDS:
                self._pieces.append(hide(f" {value} "))
            else:
                self._add(f" {value} ")

    def _read_raw(self, name: str, content: str) -> None:
        """What an element without markup inside shows."""
        if name == "style":
            self._outline.add_sheet(content)
        elif name not in ("script", "style"):
            self._pieces.append(PARAGRAPH)
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

    def _end_link(self) -> None:
        if self._link and len(self._links) < LINKS:
            pieces, start, target = self._link
            text = without_hiding("".join(pieces[start : start + _LINK_PIECES]))
            self._links.append(
                Link(
                    text=unescaped(text.replace(LINE, " "))[:_LINK_TEXT].strip(),
                    target=unescaped(target)[:_LINK_TARGET].strip(),
                )
            )
        self._link = None


def _is_quotation(attributes: str, before: list[str]) -> bool:
    """Whether a blockquote quotes another message; some authors only indent with it."""
    if _CITED.search(attributes):
        return True
    shown = without_hiding("".join(before[-10:]))
    return shown.rstrip(" \n\t" + LINE).endswith(":")


def _finish(pieces: list[str]) -> str:
    text = "".join(pieces).replace("\n", " ").replace(LINE, "\n")
    return unescaped(join_hidden(text))
