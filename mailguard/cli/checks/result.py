"""The outcome of one check, and what a check is given."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from mailguard.config import Config
from mailguard.service.compose import Stores


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One thing looked at."""

    name: str
    ok: bool
    what: str
    """What was seen, in plain words."""

    do: str = ""
    """What to do about it. Where all is ok: a piece of advice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is looked at."""

    config: Config
    file: Path
    """Where the configuration was read from."""

    stores: Stores


Check = Callable[[Scene], AsyncIterator[Result]]
"""May raise any MailGuardError or OSError: the thing looked at is then not ok."""


def counted(number: int, one: str, many: str = "") -> str:
    """`number` and its noun: ``1 file``, ``2 files``."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
