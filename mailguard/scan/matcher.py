"""Which rules match a message: one pass over all text, and a closer look only where it is worth it.

1. Each segment is scanned once for what rules need (`all`, `any`); every pattern is reported at
   most once, so no text can cost more than its length.
2. Only where all that some rule needs occurs, the segment's sentences or paragraphs are looked at
   one by one, in the same way; where one has all of it, exclusions (`unless`) are looked for too.
3. Only in units that made a finding, spans are computed.

Limits: a finding counts up to :data:`COUNT_LIMIT` units.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import islice, product

from mailguard.errors import RuleError
from mailguard.mail.sentence import paragraphs, sentences
from mailguard.mail.text import Segment, Where
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

    def keys(self) -> list[int]:
        """Patterns of which one occurs wherever the rule can match."""
        return sorted(self.all)[:1] or sorted(self.any)

    def shown(self, ends: Mapping[int, int]) -> list[int]:
        """The patterns among these whose matches are part of what was found."""
        return [pattern for pattern in ends if pattern in self.all or pattern in self.any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Text:
    """A segment after the first pass."""

    segment: Segment
    encoded: bytes
    whole: Unit


class Matcher:
    """The patterns of some rules, ready to be looked for. One thread at a time may ask."""

    def __init__(self, needed: Engine, excluding: Engine, rules: Iterable[Rule]) -> None:
        """Look for `rules`: `needed` knows the patterns of their `all` and `any`, `excluding` those
        of their `unless`."""
        self._needed, self._excluding = needed, excluding
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
        needed = sorted({pattern for rule in rules for pattern in (*rule.all, *rule.any)})
        excluding = sorted({pattern for rule in rules for pattern in rule.unless})
        compiled = compiled or b""
        end = _LENGTH_BYTES + int.from_bytes(compiled[:_LENGTH_BYTES])
        try:
            return cls(
                Engine(needed, compiled[_LENGTH_BYTES:end]),
                Engine(excluding, compiled[end:]),
                rules,
            )
        except PatternError as error:
            file = next(r.file for r in rules if error.pattern in (*r.all, *r.any, *r.unless))
            raise RuleError(file, f"{error.pattern!r}: {error}", "match") from error

    def only(self, rule: Rule) -> "Matcher":
        """Return a matcher for `rule` alone; its patterns must be among those compiled here."""
        return Matcher(self._needed, self._excluding, (rule,))

    def dump(self) -> bytes:
        """The compiled patterns, for :meth:`compile`. Must: be kept where only we can write, for
        the engine trusts what it loads."""
        needed = self._needed.dump()
        return len(needed).to_bytes(_LENGTH_BYTES) + needed + self._excluding.dump()

    def find(self, segments: Iterable[Segment]) -> Iterator[Finding]:
        """Yield a finding for each rule and segment that match, in the order of the segments;
        then one for each rule about the whole message."""
        texts = [self._read(segment) for segment in segments if segment.where in self._places]
        for text in texts:
            for within, split in _SPLIT.items():
                if checks := self._worth(text, within):
                    yield from self._find_in_units(text, split, checks)
        yield from self._find_in_message(texts)

    def _read(self, segment: Segment) -> _Text:
        encoded = encode(segment.folded.text)
        whole = Unit(start=0, end=len(encoded), ends=self._needed.first_ends(encoded))
        return _Text(segment=segment, encoded=encoded, whole=whole)

    def _worth(self, text: _Text, within: Within) -> list[_Check]:
        """Return the checks of all rules that can match in the units of `text`, by name."""
        ids, where = text.whole.ends.keys(), text.segment.where
        known = {c for id_ in ids for c in self._in_units.get((within, where, id_), ())}
        return sorted((c for c in known if c.has_all(ids)), key=lambda c: c.symbol.name)

    def _find_in_units(
        self, text: _Text, split: Callable[[str], Iterator[tuple[int, int]]], checks: list[_Check]
    ) -> Iterator[Finding]:
        found: list[tuple[_Check, list[Unit]]] = [(check, []) for check in checks]
        counting = found
        for start, end in split(text.segment.folded.text):
            ends = self._needed.first_ends(text.encoded[start:end])
            having_all = [(c, units) for c, units in counting if c.has_all(ends.keys())]
            if not having_all:
                continue
            excluding = self._excluding.first_ends(text.encoded[start:end])
            for check, units in having_all:
                if check.unless.isdisjoint(excluding):
                    units.append(Unit(start=start, end=end, ends=ends))
            counting = [(c, units) for c, units in counting if len(units) < COUNT_LIMIT]
            if not counting:
                break
        for check, units in found:
            if units:
                yield self._finding(check, len(units), [(text, unit) for unit in units])

    def _find_in_message(self, texts: list[_Text]) -> Iterator[Finding]:
        everywhere = _union(texts)
        for check in self._in_message:
            if not check.has_all(everywhere):
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
            spans=tuple(islice(spans, SPAN_LIMIT)),
        )

    def _spans(self, check: _Check, text: _Text, unit: Unit) -> Iterator[Span]:
        shown = check.shown(unit.ends)
        for start, end in find_ranges(self._needed, shown, text.encoded, unit):
            first, last = text.segment.folded.span(start, end)
            yield Span(part=text.segment.part, where=text.segment.where, start=first, end=last)


def _union(texts: Iterable[_Text]) -> set[int]:
    """Return the patterns that occur in any of `texts`."""
    return {pattern for text in texts for pattern in text.whole.ends}
