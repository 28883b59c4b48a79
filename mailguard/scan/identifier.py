"""Numbers that identify a person: what the detectors of NHS numbers, UPNs and the like share.

A number with the right check digit is common: one random ten-digit number in eleven passes for an
NHS number. So a valid number counts only

* near (:data:`NEAR`) words that name its kind ("NHS no."), however it is written;
* near words that go with its kind ("patient"), when it is also written in the usual way;
* under a heading of a table that names its kind, however far below;
* in a text that has such words anywhere and at least :data:`LIST` such numbers, which are at least
  half of all that look like it: a list with a title (where the words only go with its kind, those
  that are written in the usual way);

and never directly behind the name of something else ("ISBN", "tel.", "order no."). One of a kind
without check digits counts only directly behind or before its name, or under such a heading.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from mailguard.mail.text import MessageView, Segment, Where
from mailguard.scan.engine import Engine, encode
from mailguard.scan.finding import SPAN_LIMIT, Finding, Level, Span, Symbol
from mailguard.scan.heading import find_below

NEAR = 100
"""Characters on either side in which a word counts. Microsoft Purview uses 300 for passports."""

BEFORE, AFTER = 60, 15
"""Characters in which the name of a number without check digits stands: "TRN (Ana Reed): ", or
" (TRN)" behind it."""

LIST = 3
"""Distinct numbers that make a list."""

MANY = 10
"""Distinct numbers that make it a matter of many people."""

OTHER_NAMES = (
    "isbn|issn|ean|barcode|sku|tel|telephone|phone|mobile|mob|fax|call|ring|text|whatsapp|order"
    "|invoice|po|booking|ref|reference|tracking|parcel|utr|account|acc|serial|imei|voucher|ticket"
    "|licence|meter|room|score|model|item|product|asset|quote|policy|case|job|membership|extension"
)
"""What a number is called that is no identifier of a person, with bars between."""

_SENTENCE_END = re.compile(r"(?<!\bno)(?<!\bnos)[.!?]\s+[a-z]{2}")

_LABEL = 40
"""Characters before a number in which such a name can stand: "telephone number is: "."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One number that was found."""

    segment: Segment
    start: int
    end: int
    """Half-open range of the folded text."""

    number: str
    """Folded, without spaces and dashes: tells distinct ones apart, and is shown nowhere."""


class Identifier:
    """One kind of number, and how to tell that it is one."""

    def __init__(
        self,
        *,
        pattern: str,
        is_valid: Callable[[str], bool],
        named: str,
        goes_with: str = "",
        is_usual: Callable[[str], object] = lambda written: False,
        is_checked: bool = True,
        is_listed: bool = True,
        other_names: str = OTHER_NAMES,
        gate: str = "",
    ) -> None:
        """`pattern` finds what looks like it; `is_valid` judges it without spaces and dashes,
        `is_usual` as written; `named` and `goes_with` are patterns for the words near it, which see
        ``_`` as a space. `gate` is a simpler pattern without which there is no match: both are in
        the pattern language of rules, where `pattern` may have more. `is_checked` is false where
        any number of its form is valid, or nearly; `is_listed` where several of them make no list.
        """
        words = [named, goes_with] if goes_with else [named]
        # Vectorscan first, as it passes over mail without such numbers twenty times faster.
        self._gate = Engine([gate or pattern, *words])
        self._likely = self._gate.ids[gate or pattern]
        self._pattern = re.compile(pattern, re.ASCII)
        self._is_valid, self._is_usual = is_valid, is_usual
        self._named = re.compile(named, re.ASCII)
        self._goes_with = re.compile(goes_with, re.ASCII) if goes_with else None
        self._is_checked, self._is_listed = is_checked, is_checked and is_listed
        self._otherwise_named = re.compile(
            rf"\b(?:{other_names})\b(?:[ .:#(]|\b(?:no|nos|number|num|id|code|us|me|on|is|was)\b)*"
            r"[ .:#(+-]*$"
        )

    def find(self, view: MessageView, *, own: bool = False) -> list[Hit]:
        """Return all such numbers of a message, in order; `own`: only in what its author wrote
        above the signature, and in files."""
        return [hit for segment in view.segments for hit in self._find_in(segment, own=own)]

    def _find_in(self, segment: Segment, *, own: bool) -> Iterator[Hit]:
        if own and segment.where is Where.QUOTED:
            return
        text = segment.folded.text.replace("_", " ")
        there = self._gate.first_ends(encode(text))
        if self._likely not in there or len(there) == 1:
            return
        alike = list(self._pattern.finditer(text))
        valid = [match for match in alike if self._is_it(text, match)]
        for match in self._choose(segment, text, alike, valid):
            if not own or segment.folded.span(*match.span())[0] < segment.closing:
                start, end = match.span()
                number = bare(match[0])
                yield Hit(segment=segment, start=start, end=end, number=number)

    def _choose(
        self,
        segment: Segment,
        text: str,
        alike: Sequence[re.Match[str]],
        valid: Sequence[re.Match[str]],
    ) -> Sequence[re.Match[str]]:
        """Return those of `valid` that words speak for."""
        if self._is_listed and len(valid) * 2 >= len(alike):
            told = self._named.search(text)
            listed = valid if told else [match for match in valid if self._is_usual(match[0])]
            if len({bare(match[0]) for match in listed}) >= LIST:
                return listed
        spots = [match.span() for match in valid]
        below = find_below(segment, text, spots, self._named) if valid else set()
        is_told = self._is_near_its_words if self._is_checked else self._is_at_its_name
        return [match for n, match in enumerate(valid) if n in below or is_told(text, match)]

    def _is_it(self, text: str, match: re.Match[str]) -> bool:
        if not self._is_valid(bare(match[0])):
            return False
        start = max(0, match.start() - _LABEL)
        other = self._otherwise_named.search(text[start : match.start()])
        # "Teacher reference no." names it, though "reference no." alone would name another.
        return not other or any(
            name.end() > start + other.start()
            for name in self._named.finditer(text, max(0, start - _LABEL), match.start())
        )

    def _is_near_its_words(self, text: str, match: re.Match[str]) -> bool:
        around = text[max(0, match.start() - NEAR) : match.end() + NEAR]
        if self._named.search(around):
            return True
        return bool(self._goes_with and self._is_usual(match[0]) and self._goes_with.search(around))

    def _is_at_its_name(self, text: str, match: re.Match[str]) -> bool:
        start, end = match.span()
        names = list(self._named.finditer(text, max(0, start - BEFORE), start))
        if names:
            between = text[names[-1].end() : start]
            # "TRN 1234567, and the order is 7654321": the second is not called so.
            if _SENTENCE_END.search(between):
                return False
            return not self._pattern.search(between) or not re.search("[a-z]{4}", between)
        return bool(self._named.search(text, end, end + AFTER))


def bare(written: str) -> str:
    """A number without what parts its groups."""
    return written.translate(_GROUPING)


_GROUPING = dict.fromkeys(map(ord, " -\n/.()"))


def report(
    symbol: Symbol, hits: Iterable[Hit], *, least: Level | None = None, adds_up: bool = False
) -> Iterator[Finding]:
    """Yield one finding for all `hits`, if there are any: it counts distinct numbers.

    Its level is `least`, else the symbol's, and higher for a list and for many. What says little
    about a person (a symbol of L0) stays there, unless it `adds_up` and there are many.
    """
    numbers: set[str] = set()
    spans: list[Span] = []
    for hit in hits:
        numbers.add(hit.number)
        if len(spans) < SPAN_LIMIT:
            start, end = hit.segment.folded.span(hit.start, hit.end)
            where = hit.segment.where
            spans.append(Span(part=hit.segment.part, where=where, start=start, end=end))
    if numbers:
        level = symbol.level if least is None else least
        counted = _level(len(numbers))
        if symbol.level is Level.COUNT and not (adds_up and counted is Level.SERIOUS):
            counted = Level.COUNT
        yield Finding(
            symbol=symbol,
            level=max(level, counted),
            part=spans[0].part,
            where=spans[0].where,
            count=len(numbers),
            spans=tuple(spans),
        )


def _level(count: int) -> Level:
    if count >= MANY:
        return Level.SERIOUS
    return Level.HOLD if count >= LIST else Level.FLAG
