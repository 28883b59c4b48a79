"""The outcome of one check."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

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


Check = Callable[[Config, Stores], AsyncIterator[Result]]
"""May raise any MailGuardError or OSError: the thing looked at is then not ok."""
