"""Numbers that identify a person: what the detectors of NHS numbers, UPNs and the like share.

A number with the right check digit is common: one random ten-digit number in eleven passes for an
NHS number. So a valid number counts only

* near (:data:`NEAR`) words that name its kind ("NHS no."), however it is written;
* near words that go with its kind ("patient"), when it is also written in the usual way;
* in a text that has such words anywhere and at least :data:`LIST` such numbers, which are at least
  half of all that look like it: a list with a heading;

and never directly behind the name of something else ("ISBN", "tel.", "order no.").
"""

import re
from collections.abc import Callable, Iterator

from mailguard.mail.text import MessageView, Segment
from mailguard.scan.engine import Engine, encode
from mailguard.scan.finding import SPAN_LIMIT, Finding, Level, Span, Symbol

NEAR = 100
"""Characters on either side in which a word counts. Microsoft Purview uses 300 for passports."""

LIST = 3
"""Distinct numbers that make a list."""

MANY = 10
"""Distinct numbers that make it a matter of many people."""

_OTHERWISE_NAMED = re.compile(
    r"\b(?:isbn|issn|ean|barcode|tel|telephone|phone|mobile|mob|fax|call|ring|text|whatsapp|order"
    r"|invoice|po|booking|ref|reference|tracking|parcel|utr|account|acc|serial|imei|voucher|ticket"
    r"|licence|meter)\b(?:[ .:#(]|\b(?:no|nos|number|num|id|code|us|me|on|is|was)\b)*[ .:#(+-]*$"
)
_LABEL = 40
"""Characters before a number in which such a name can stand: "telephone number is: "."""


class Identifier:
    """One kind of number, and how to tell that it is one."""

    def __init__(
        self,
        *,
        symbol: Symbol,
        pattern: str,
        is_valid: Callable[[str], bool],
        is_usual: Callable[[str], object],
        named: str,
        goes_with: str,
    ) -> None:
        """`pattern` finds what looks like it, in the pattern language of rules; `is_valid` judges
        it without spaces and dashes, `is_usual` as written; `named` and `goes_with` are patterns
        for the words near it."""
        self._symbol, self._is_valid, self._is_usual = symbol, is_valid, is_usual
        # Vectorscan first, as it passes over mail without such numbers twenty times faster.
        self._gate = Engine([pattern])
        self._pattern = re.compile(pattern, re.ASCII)
        self._named = re.compile(named, re.ASCII)
        self._goes_with = re.compile(goes_with, re.ASCII)

    def find(self, view: MessageView) -> Iterator[Finding]:
        """Yield one finding for the message: its level and count are those of distinct numbers."""
        numbers: set[str] = set()
        spans: list[Span] = []
        for segment in view.segments:
            for match in self._find_in(segment):
                numbers.add(_bare(match[0]))
                if len(spans) < SPAN_LIMIT:
                    start, end = segment.folded.span(match.start(), match.end())
                    spans.append(Span(part=segment.part, where=segment.where, start=start, end=end))
        if numbers:
            yield Finding(
                symbol=self._symbol,
                level=_level(len(numbers)),
                part=spans[0].part,
                where=spans[0].where,
                count=len(numbers),
                spans=tuple(spans),
            )

    def _find_in(self, segment: Segment) -> list[re.Match[str]]:
        text = segment.folded.text
        if not self._gate.first_ends(encode(text)):
            return []
        alike = list(self._pattern.finditer(text))
        valid = [match for match in alike if self._is_it(text, match)]
        if not valid or not (self._named.search(text) or self._goes_with.search(text)):
            return []
        distinct = {_bare(match[0]) for match in valid}
        if len(distinct) >= LIST and len(valid) * 2 >= len(alike):
            return valid
        return [match for match in valid if self._is_near_its_words(text, match)]

    def _is_it(self, text: str, match: re.Match[str]) -> bool:
        label = text[max(0, match.start() - _LABEL) : match.start()]
        return self._is_valid(_bare(match[0])) and not _OTHERWISE_NAMED.search(label)

    def _is_near_its_words(self, text: str, match: re.Match[str]) -> bool:
        around = text[max(0, match.start() - NEAR) : match.end() + NEAR]
        if self._named.search(around):
            return True
        return bool(self._is_usual(match[0]) and self._goes_with.search(around))


def _bare(written: str) -> str:
    return written.replace(" ", "").replace("-", "")


def _level(count: int) -> Level:
    if count >= MANY:
        return Level.SERIOUS
    return Level.HOLD if count >= LIST else Level.FLAG
