"""What a school may decide about its mail, and what it may not."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from mailguard.errors import ConfigError
from mailguard.policy.directory import Directory
from mailguard.policy.leak import DEFAULT_TABLE, Table, check_cells
from mailguard.policy.taxonomy import BEHAVIOUR, LOCKED, Action, Group
from mailguard.scan.finding import Category, Level

UNSCANNED_LEVELS: Mapping[str, Level] = {
    "format": Level.COUNT,
    "image": Level.COUNT,
    "audio": Level.COUNT,
    "video": Level.COUNT,
    "external": Level.FLAG,
    "encrypted": Level.FLAG,
    "broken": Level.FLAG,
}
"""By reason. Any other reason means that a check failed or was evaded, and is L2: nothing passes
unread in silence. What is in :data:`GUARDED` is L2 too between a pupil and the outside world."""

GUARDED = frozenset({"encrypted", "broken"})
"""Between adults of the school these are everyday: a locked report, a document that one program
wrote badly and another repairs. Between a child and a stranger they are also how to hide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The school's own decisions. Raises ConfigError for one that no school may take."""

    directory: Directory
    actions: Mapping[Category, Action] = field(default_factory=dict)
    """What findings of a category lead to from L2 on, instead of `hold`, and for data instead of
    `return`. Hard rules still win."""

    data: Table = field(default_factory=lambda: DEFAULT_TABLE)
    """What becomes of personal data and passwords on their way out; all cells of it."""

    unscanned: Mapping[str, Level] = field(default_factory=dict)
    """By reason, instead of :data:`UNSCANNED_LEVELS`."""

    counted: frozenset[Category] | None = None
    """The only categories that count, beside what is sealed; None: all."""

    decided: frozenset[str] = frozenset()
    """Symbols that a person has decided about, and which do not count any more; what seals does."""

    def for_released(self, symbols: Iterable[str] = ()) -> Self:
        """The same for what a reviewer has released: everything but malware and sealed imagery
        has been decided about, and of malware the `symbols` that the reviewer was shown."""
        return replace(self, counted=frozenset({Category.MALWARE}), decided=frozenset(symbols))

    def __post_init__(self) -> None:
        if problems := (*_check_actions(self.actions), *check_cells(self.data)):
            raise ConfigError(problems)

    def unscanned_level(self, reason: str, author: Group, recipient: Group) -> Level:
        """The level of a part that could not be read, before hard rule 1."""
        if reason in self.unscanned:
            return self.unscanned[reason]
        if reason in GUARDED and _is_between_pupil_and_outside(author, recipient):
            return Level.HOLD
        return UNSCANNED_LEVELS.get(reason, Level.HOLD)


def _is_between_pupil_and_outside(author: Group, recipient: Group) -> bool:
    strangers = {Group.OUTSIDE, Group.SPOOFED}
    return (author is Group.PUPIL and recipient in strangers) or (
        author in strangers and recipient is Group.PUPIL
    )


def _check_actions(actions: Mapping[Category, Action]) -> Iterator[str]:
    for category, action in actions.items():
        if action is Action.SEAL:
            yield f"policy.actions.{category}: only suspected illegal images are sealed; use hold"
        elif action is Action.RETURN:
            yield f"policy.actions.{category}: only data goes back to its author; see policy.data"
        elif category in LOCKED and action.strictness < Action.HOLD.strictness:
            yield f"policy.actions.{category}: illegal content cannot be let through; use hold"
        elif category in BEHAVIOUR and action.strictness > Action.HOLD.strictness:
            # A refusal comes back to the author, who may be a child, or learns of being watched.
            yield f"policy.actions.{category}: only a person may tell the writer; use hold or flag"
