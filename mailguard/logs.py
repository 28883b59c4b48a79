"""Set up logging once, at start: one line for each event, key=value or JSON, to standard error.

Where that is systemd's journal, each line begins with its priority as sd-daemon(3) describes, and
has no time: the journal has its own.
"""

import logging
import os
import sys
from collections.abc import Mapping
from typing import TextIO

import structlog

PRIORITIES: Mapping[str, int] = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""Of syslog(3), by the level of a line."""


def configure(*, as_json: bool = False, level: str = "info", to: TextIO | None = None) -> None:
    """Send every event at `level` or above to `to` (standard error when None)."""
    stream = to or sys.stderr
    in_journal = is_journal(stream)
    render: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(sort_keys=False)
        if as_json
        else structlog.processors.LogfmtRenderer(
            key_order=["level", "event"] if in_journal else ["time", "level", "event"],
            bool_as_flag=False,
        )
    )
    time = structlog.processors.TimeStamper(fmt="iso", utc=True, key="time")
    processors: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        *([] if in_journal else [time]),
        _escape_controls,
        _Prefixed(render) if in_journal else render,
    ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        # Binding anew for each event costs as much as rendering it.
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_LibraryRecords()], force=True)
    # aiosmtpd writes every command at INFO and every line of a message at DEBUG to this logger.
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)
    # asyncio floods when a descriptor limit is hit (2,477 tracebacks in seconds were seen); its
    # real reports come through the loop's exception handler.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)


def is_journal(stream: TextIO) -> bool:
    """Whether `stream` goes to the journal: JOURNAL_STREAM of systemd.exec(5) names its device and
    inode. A child whose standard error was redirected inherits the variable, but not these."""
    named = os.environ.get("JOURNAL_STREAM", "")
    if not named:
        return False
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):  # no file behind it: io.UnsupportedOperation is both
        return False
    return named == f"{found.st_dev}:{found.st_ino}"


class _Prefixed:
    """Renders a line with its priority in front."""

    def __init__(self, render: structlog.typing.Processor) -> None:
        self._render = render

    def __call__(
        self, logger: object, name: str, event: structlog.typing.EventDict
    ) -> structlog.typing.ProcessorReturnValue:
        priority = PRIORITIES.get(name, PRIORITIES["info"])
        return f"<{priority}>{self._render(logger, name, event)!s}"


class _LibraryRecords(logging.Handler):
    """Takes what libraries log, and makes lines like ours of it.

    Must: nothing of a record's own text or traceback, which may quote mail; the place is enough to
    look.
    """

    def __init__(self) -> None:
        super().__init__()
        self._log = structlog.get_logger("mailguard")

    def emit(self, record: logging.LogRecord) -> None:
        """Log by whom and where."""
        level = max(10, min(50, record.levelno // 10 * 10))
        place = f"{record.filename}:{record.lineno}"
        self._log.log(level, "library", logger=record.name, place=place)


def _escape_controls(
    _logger: object, _name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """No value can start a new line or colour a terminal."""
    return {key: _escape(value) for key, value in event.items()}


def _escape(value: object) -> object:
    if isinstance(value, list):
        return ",".join(str(_escape(item)) for item in value)
    if isinstance(value, str) and not value.isprintable():
        return value.encode("unicode_escape").decode("ascii")
    return value
