"""What came out for each message of the set, and the shares in it."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from personal_data.judged import Judged
from personal_data.labelled import Label, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One message of the set, and what was said of it."""

    sample: Sample
    judged: Judged
    theirs: Mapping[str, float] = field(default_factory=dict)
    """Presidio's entities with their scores."""

    @property
    def is_positive(self) -> bool:
        """Whether something must be found."""
        return self.sample.label is Label.VALID

    @property
    def is_found(self) -> bool:
        """Whether what must be found was."""
        return not self.judged.symbols.isdisjoint(self.sample.wanted)

    def is_found_by_them(self, known: Mapping[str, str], threshold: float) -> bool:
        """The same for Presidio, by its entity for this kind."""
        score = self.theirs.get(known.get(self.sample.kind, ""))
        return score is not None and score >= threshold

    def is_their_alarm(self, strong: Collection[str], threshold: float) -> bool:
        """Whether Presidio finds anything strong."""
        return any(e in strong and score >= threshold for e, score in self.theirs.items())


def share(of: Iterable[bool]) -> float | None:
    """How many are true, from 0 to 1; None of nothing."""
    all_of = list(of)
    return sum(all_of) / len(all_of) if all_of else None


def precision(outcomes: Iterable[Outcome], symbol: str) -> float | None:
    """Of the messages in which `symbol` was found, the share that has what it says."""
    return share(
        outcome.sample.holds(symbol) for outcome in outcomes if symbol in outcome.judged.symbols
    )


def their_precision(
    outcomes: Iterable[Outcome], known: Mapping[str, str], entity: str, threshold: float
) -> float | None:
    """The same for an entity of Presidio; lists and exports, which hold everything, do not count
    against it."""
    return share(
        known.get(outcome.sample.kind) == entity
        for outcome in outcomes
        if outcome.theirs.get(entity, -1) >= threshold and not outcome.sample.holds_all
    )
