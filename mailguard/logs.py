"""Set up logging once, at start: one line for each event, key=value or JSON, to standard error."""

import logging
import sys
from typing import TextIO

import structlog


def configure(*, as_json: bool = False, level: str = "info", to: TextIO | None = None) -> None:
    """Send every event at `level` or above to `to` (standard error when None)."""
    stream = to or sys.stderr
    render: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(sort_keys=False)
        if as_json
        else structlog.processors.LogfmtRenderer(
            key_order=["time", "level", "event"], bool_as_flag=False
        )
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            _escape_controls,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        # Binding anew for each event costs as much as rendering it.
        cache_logger_on_first_use=True,
    )
    # Must: no text of a library's own records. It may quote mail; the place is enough to look.
    logging.basicConfig(
        stream=stream,
        level=logging.WARNING,
        format="level=%(levelname)s event=library logger=%(name)s place=%(filename)s:%(lineno)d",
        force=True,
    )
    # aiosmtpd writes every command at INFO and every line of a message at DEBUG to this logger.
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)
    # asyncio floods when a descriptor limit is hit (2,477 tracebacks in seconds were seen); its
    # real reports come through the loop's exception handler.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)


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
