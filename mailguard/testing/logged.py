"""What is logged while a test looks."""

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog

from mailguard import events


@contextmanager
def capture_events() -> Iterator[list[MutableMapping[str, Any]]]:
    """The log events from now on, each with its name as `event`; none of them is written.

    structlog's own way misses those of a logger that was bound before logs were configured anew.
    """
    found: list[MutableMapping[str, Any]] = []

    def keep(_logger: object, level: str, event: MutableMapping[str, Any]) -> Any:
        found.append({**event, "log_level": level})
        raise structlog.DropEvent

    usual = events._log
    events._log = structlog.wrap_logger(
        structlog.PrintLogger(),
        processors=[keep],
        wrapper_class=structlog.make_filtering_bound_logger(0),
    )
    try:
        yield found
    finally:
        events._log = usual
