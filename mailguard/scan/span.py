"""Where in a unit patterns match: the engine tells where a match ends, this where it begins."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mailguard.mail.sentence import SENTENCE_LIMIT
from mailguard.scan.engine import Engine
from mailguard.scan.finding import SPAN_LIMIT

AREA = SENTENCE_LIMIT
"""Characters in which the beginning of a match is looked for."""

_LETTERS = b"abcdefghijklmnopqrstuvwxyz0123456789"
_WORD = 30
"""Characters that a range may grow by at either end; longer than English words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A half-open range of a text, and the end in it of each pattern's first match."""

    start: int
    end: int
    ends: Mapping[int, int]


def find_ranges(
    engine: Engine, patterns: Iterable[int], encoded: bytes, unit: Unit
) -> list[tuple[int, int]]:
    """Return where any of `patterns` match in `unit` of `encoded`: whole words, disjoint, in order.

    All matches of a short unit, up to a limit; of one longer than :data:`AREA` the first of each
    pattern, for the rest of it may be megabytes of the same.
    """
    ranges = [
        _widen(encoded, start, end)
        for pattern in patterns
        for start, end in _locate(engine, pattern, encoded, unit)
    ]
    return _merge(ranges)


def _locate(engine: Engine, pattern: int, encoded: bytes, unit: Unit) -> Iterator[tuple[int, int]]:
    limit = SPAN_LIMIT if unit.end - unit.start <= AREA else 1
    start, ends = unit.start, unit.ends
    for _ in range(limit):
        if pattern not in ends:
            return
        end = start + ends[pattern]
        yield _latest_start(engine, pattern, encoded, max(start, end - AREA), end), end
        start = end
        ends = engine.first_ends(encoded[start : unit.end])


def _latest_start(engine: Engine, pattern: int, encoded: bytes, start: int, end: int) -> int:
    """Return where the shortest match that ends at `end` begins, by halving: a text that begins
    further left has every match of one that begins further right."""
    starts = range(start, end)
    behind = bisect_left(
        starts, True, key=lambda first: pattern not in engine.first_ends(encoded[first:end])
    )
    return starts[max(0, behind - 1)]


def _widen(encoded: bytes, start: int, end: int) -> tuple[int, int]:
    """Widen a range to whole words: the shortest match may begin or end inside one."""
    before, after = encoded[max(0, start - _WORD) : start], encoded[end : end + _WORD]
    if encoded[start] in _LETTERS:
        start -= len(before) - len(before.rstrip(_LETTERS))
    if encoded[end - 1] in _LETTERS:
        end += len(after) - len(after.lstrip(_LETTERS))
    return start, end


def _merge(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return disjoint ranges in order: gaps and alternatives make matches overlap."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if merged and start < merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged
