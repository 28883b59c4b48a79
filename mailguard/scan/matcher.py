"""Which rules match a message: one pass over all text, and a closer look only where it is worth it.

1. Each segment is scanned once for what rules need (`all`, `any`); every pattern is reported at
   most once, so no text can cost more than its length.
2. Only where all that some rule needs occurs, the segment's sentences or paragraphs are looked at
   one by one, in the same way; where one has all of it, exclusions (`unless`) are looked for too.
3. Only in units that made a finding, spans are computed.
4. A segment that is also read in another way (what its HTML shows; words that are disguised, of
   which the first pass sees the signs) is matched in each reading: whatever only that shows, is
   found too. What the plain reading shows stays found.

Limits: a finding counts up to :data:`COUNT_LIMIT` units.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import islice, product

from mailguard.errors import RuleError
from mailguard.mail.disguise import SIGNS, Sign, undisguise
from mailguard.mail.fold import Folded
from mailguard.mail.sentence import paragraphs, sentences
from mailguard.mail.text import Segment, Where
from mailguard.mail.vocabulary import Vocabulary
from mailguard.scan.engine import Engine, PatternError, encode
from mailguard.scan.finding import SPAN_LIMIT, Finding, Span, Symbol
from mailguard.scan.rule import Rule, Within
from mailguard.scan.span import Unit, find_ranges

COUNT_LIMIT = 100
"""Units that a finding counts: no policy asks for more than "very many"."""

_LENGTH_BYTES = 8
"""Before the two dumped engines: the length of the first."""

_SPLIT: Mapping[Within, Callable[[str], Iterator[tuple[int, int]]]] = {
    Within.SENTENCE: sentences,
    Within.PARAGRAPH: paragraphs,
}

_Units = Mapping[Within, set[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Check:
    """A rule as the engines see it: patterns by id, those of `unless` in an engine of their own."""

    symbol: Symbol
    places: frozenset[Where]
    all: frozenset[int]
    any: frozenset[int]
    unless: frozenset[int]

    def has_all(self, ids: Set[int]) -> bool:
        """Whether all that the rule needs is among these patterns."""
        return self.all <= ids and not (self.any and self.any.isdisjoint(ids))

    def earliest(self, ends: Mapping[int, int]) -> int:
        """Where the first unit ends at the earliest that has all the rule needs, in a text with
        these first matches of all of it."""
        some = (ends[pattern] for pattern in self.any if pattern in ends)
        return max(min(some, default=0), *(ends[pattern] for pattern in self.all), 0)

    def keys(self) -> list[int]:
        """Patterns of which one occurs wherever the rule can match."""
        return sorted(self.all)[:1] or sorted(self.any)

    def shown(self, ends: Mapping[int, int]) -> list[int]:
        """The patterns among these whose matches are part of what was found."""
        return [pattern for pattern in ends if pattern in self.all or pattern in self.any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Text:
    """A reading of a segment after the first pass."""

    segment: Segment
    folded: Folded
    encoded: bytes
    whole: Unit


class Matcher:
    """The patterns of some rules, ready to be looked for. One thread at a time may ask."""

    def __init__(
        self, needed: Engine, excluding: Engine, rules: Iterable[Rule], vocabulary: Vocabulary
    ) -> None:
        """Look for `rules`: `needed` knows the patterns of their `all` and `any` and the signs of
        disguise, `excluding` those of their `unless`; `vocabulary` the words of all."""
        self._needed, self._excluding, self._vocabulary = needed, excluding, vocabulary
        self._signs = {needed.ids[pattern]: sign for pattern, sign in SIGNS.items()}
        self._in_units: dict[tuple[Within, Where, int], list[_Check]] = {}
        self._in_message: list[_Check] = []
        self._places: set[Where] = set()
        for rule in rules:
            check = _Check(
                symbol=rule.symbol,
                places=rule.places,
                all=frozenset(needed.ids[pattern] for pattern in rule.all),
                any=frozenset(needed.ids[pattern] for pattern in rule.any),
                unless=frozenset(excluding.ids[pattern] for pattern in rule.unless),
            )
            self._places |= rule.places
            if rule.within is Within.MESSAGE:
                self._in_message.append(check)
                continue
            for where, pattern in product(check.places, check.keys()):
                self._in_units.setdefault((rule.within, where, pattern), []).append(check)

    @classmethod
    def compile(cls, rules: Sequence[Rule], compiled: bytes | None = None) -> "Matcher":
        """Load what :meth:`dump` gave if it fits these rules and this machine, else compile.

        Raises :class:`RuleError` for a pattern that the engine does not take.
        """
        sought = {pattern for rule in rules for pattern in (*rule.all, *rule.any)}
        needed = sorted(sought | SIGNS.keys())
        excluding = sorted({pattern for rule in rules for pattern in rule.unless})
        compiled = compiled or b""
        end = _LENGTH_BYTES + int.from_bytes(compiled[:_LENGTH_BYTES])
        try:
            return cls(
                Engine(needed, compiled[_LENGTH_BYTES:end]),
                Engine(excluding, compiled[end:]),
                rules,
                Vocabulary((*sorted(sought), *excluding)),
            )
        except PatternError as error:
            file = next(r.file for r in rules if error.pattern in (*r.all, *r.any, *r.unless))
            raise RuleError(file, f"{error.pattern!r}: {error}", "match") from error

    def only(self, rule: Rule) -> "Matcher":
        """Return a matcher for `rule` alone; its patterns must be among those compiled here."""
        return Matcher(self._needed, self._excluding, (rule,), self._vocabulary)

    def dump(self) -> bytes:
        """The compiled patterns, for :meth:`compile`. Must: be kept where only we can write, for
        the engine trusts what it loads."""
        needed = self._needed.dump()
        return len(needed).to_bytes(_LENGTH_BYTES) + needed + self._excluding.dump()

    def find(self, segments: Iterable[Segment]) -> Iterator[Finding]:
        """Yield a finding for each rule and segment that match, in the order of the segments;
        then one for each rule about the whole message."""
        plain: list[_Text] = []
        others: list[_Text] = []
        for segment in segments:
            if segment.where not in self._places:
                continue
            text = self._read(segment, segment.folded)
            readings = list(self._read_otherwise(text)) if self._is_odd(text) else ()
            plain.append(text)
            others += readings
            found: set[Symbol] = set()
            seen: _Units | None = {within: set() for within in _SPLIT} if readings else None
            for reading in (text, *readings):
                for finding in self._find_in_text(reading, found, seen):
                    found.add(finding.symbol)
                    yield finding
        found = set()
        for texts in (plain, [*plain, *others]) if others else (plain,):
            for finding in self._find_in_message(texts, found):
                found.add(finding.symbol)
                yield finding

    def readings(self, segment: Segment) -> Iterator[Folded]:
        """Yield the ways beside the plain one in which `segment` is read, for explanations."""
        for text in self._read_otherwise(self._read(segment, segment.folded)):
            yield text.folded

    def _read(self, segment: Segment, folded: Folded) -> _Text:
        encoded = encode(folded.text)
        whole = Unit(start=0, end=len(encoded), ends=self._needed.first_ends(encoded))
        return _Text(segment=segment, folded=folded, encoded=encoded, whole=whole)

    def _is_odd(self, text: _Text) -> bool:
        """Whether there may be another way to read a segment; no more than a glance."""
        return (
            text.segment.shown is not None
            or not self._signs.keys().isdisjoint(text.whole.ends)
            or not text.segment.text.isascii()
        )

    def _read_otherwise(self, text: _Text) -> Iterator[_Text]:
        """Read a segment as it is shown, and both as what disguised words stand for."""
        plain = [text]
        if shown := text.segment.shown:
            plain.append(self._read(text.segment, shown))
            yield plain[-1]
        for reading in plain:
            signs = self._signs_in(reading.whole)
            if signs or not text.segment.text.isascii():
                for folded in undisguise(
                    text.segment.text, reading.folded, signs, self._vocabulary
                ):
                    yield self._read(text.segment, folded)

    def _signs_in(self, unit: Unit) -> dict[Sign, int]:
        """The signs of disguise, and where the first of each ends."""
        signs: dict[Sign, int] = {}
        for pattern in self._signs.keys() & unit.ends.keys():
            sign, end = self._signs[pattern], unit.ends[pattern]
            signs[sign] = min(signs.get(sign, end), end)
        return signs

    def _find_in_text(
        self, text: _Text, found: Set[Symbol], seen: _Units | None
    ) -> Iterator[Finding]:
        """Find in units of `text` that are not `seen`, in which there was nothing but what is
        `found`, and add them to these."""
        for within in _SPLIT:
            checks = [c for c in self._worth(text, within) if c.symbol not in found]
            if checks:
                units = seen[within] if seen else None
                yield from self._find_in_units(text, within, checks, units)

    def _worth(self, text: _Text, within: Within) -> list[_Check]:
        """Return the checks of all rules that can match in the units of `text`, by name."""
        ids, where = text.whole.ends.keys(), text.segment.where
        known = {c for id_ in ids for c in self._in_units.get((within, where, id_), ())}
        return sorted((c for c in known if c.has_all(ids)), key=lambda c: c.symbol.name)

    def _find_in_units(
        self, text: _Text, within: Within, checks: list[_Check], seen: set[bytes] | None
    ) -> Iterator[Finding]:
        found: list[tuple[_Check, list[Unit]]] = [(check, []) for check in checks]
        counting = found
        first = min(check.earliest(text.whole.ends) for check in checks)
        new: set[bytes] = set()
        for start, end in _SPLIT[within](text.folded.text):
            if end < first:
                continue
            unit = text.encoded[start:end]
            if seen is not None:
                if unit in seen:
                    continue
                new.add(unit)
            ends = self._needed.first_ends(unit)
            having_all = [(c, units) for c, units in counting if c.has_all(ends.keys())]
            if not having_all:
                continue
            excluding = self._excluding.first_ends(unit)
            for check, units in having_all:
                if check.unless.isdisjoint(excluding):
                    units.append(Unit(start=start, end=end, ends=ends))
            counting = [(c, units) for c, units in counting if len(units) < COUNT_LIMIT]
            if not counting:
                break
        if seen is not None:
            seen |= new
        for check, units in found:
            if units:
                yield self._finding(check, len(units), [(text, unit) for unit in units])

    def _find_in_message(self, texts: list[_Text], found: Set[Symbol]) -> Iterator[Finding]:
        everywhere = _union(texts)
        for check in self._in_message:
            if check.symbol in found or not check.has_all(everywhere):
                continue
            named = [text for text in texts if text.segment.where in check.places]
            if not check.has_all(_union(named)) or any(self._excludes(check, t) for t in named):
                continue
            showing = [text for text in named if check.shown(text.whole.ends)]
            yield self._finding(check, 1, [(text, text.whole) for text in showing])

    def _excludes(self, check: _Check, text: _Text) -> bool:
        if not check.unless:
            return False
        return not check.unless.isdisjoint(self._excluding.first_ends(text.encoded))

    def _finding(self, check: _Check, count: int, places: list[tuple[_Text, Unit]]) -> Finding:
        spans = (span for text, unit in places for span in self._spans(check, text, unit))
        return Finding(
            symbol=check.symbol,
            level=check.symbol.level,
            part=places[0][0].segment.part,
            where=places[0][0].segment.where,
            count=count,
            spans=tuple(islice(_disjoint(spans), SPAN_LIMIT)),
        )

    def _spans(self, check: _Check, text: _Text, unit: Unit) -> Iterator[Span]:
        shown = check.shown(unit.ends)
        for start, end in find_ranges(self._needed, shown, text.encoded, unit):
            first, last = text.folded.span(start, end)
            yield Span(part=text.segment.part, where=text.segment.where, start=first, end=last)


def _disjoint(spans: Iterable[Span]) -> Iterator[Span]:
    """Leave out what another reading of the same text has shown already."""
    shown: list[Span] = []
    for span in spans:
        if not any(_overlap(span, other) for other in shown):
            shown.append(span)
            yield span


def _overlap(one: Span, other: Span) -> bool:
    same = (one.part, one.where) == (other.part, other.where)
    return same and one.start < other.end and other.start < one.end


def _union(texts: Iterable[_Text]) -> set[int]:
    """Return the patterns that occur in any of `texts`."""
    return {pattern for text in texts for pattern in text.whole.ends}
