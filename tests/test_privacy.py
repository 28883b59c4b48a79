"""Promise 5, least exposure: what a message says is in no log, ledger row or error."""

import inspect
import io
import logging

from mailguard import events, logs
from mailguard.errors import ScanFailed
from mailguard.mail.reply import Reply
from mailguard.testing import CANARY


def test_the_suite_keeps_what_is_logged(log_lines: io.StringIO) -> None:
    events.purged("QUEUEID", "01TESTITEM")

    assert "event=purged queue_id=QUEUEID held_id=01TESTITEM" in log_lines.getvalue()


def test_an_unknown_exception_is_logged_by_type_and_place_only(log_lines: io.StringIO) -> None:
    try:
        raise KeyError(CANARY)
    except KeyError as error:
        events.failed("QUEUEID", error)

    last = log_lines.getvalue().splitlines()[-1]
    assert 'error="KeyError at test_privacy.py:' in last
    assert CANARY not in last


def test_our_own_errors_are_logged_in_their_words(log_lines: io.StringIO) -> None:
    events.failed("QUEUEID", ScanFailed("no judging process was free in time"))

    assert "no judging process was free in time" in log_lines.getvalue().splitlines()[-1]


def test_of_a_next_hops_reply_only_the_codes_are_logged(log_lines: io.StringIO) -> None:
    reply = Reply.of(550, f"5.7.1 rejected: your subject {CANARY} looks odd")

    events.refused_command("QUEUEID", "192.0.2.1", reply)

    last = log_lines.getvalue().splitlines()[-1]
    assert 'reply="550 5.7.1"' in last
    assert CANARY not in last


def test_a_librarys_own_record_is_reduced_to_its_place(log_lines: io.StringIO) -> None:
    logs.configure(level="debug", to=log_lines)
    logging.getLogger("other.package").warning("could not parse %s", CANARY)

    last = log_lines.getvalue().splitlines()[-1]
    assert "event=library logger=other.package place=test_privacy.py:" in last
    assert CANARY not in last


def test_aiosmtpds_logger_is_silent(log_lines: io.StringIO) -> None:
    logs.configure(level="debug", to=log_lines)
    before = log_lines.getvalue()

    logging.getLogger("mail.log").info("%r >> %r", "peer", CANARY)
    logging.getLogger("mail.log").error("%r", CANARY)

    assert log_lines.getvalue() == before


def test_no_value_can_start_a_line_of_its_own(log_lines: io.StringIO) -> None:
    events.connected("192.0.2.1\nlevel=error event=forged", "mail\x1b[31m")

    last = log_lines.getvalue().splitlines()[-1]
    assert "event=connected" in last
    assert "event=forged" in last
    assert "\x1b" not in last


def test_no_event_takes_content() -> None:
    forbidden = {"subject", "body", "text", "filename", "span", "words", "headers", "raw"}

    taken = {
        parameter
        for function in vars(events).values()
        if inspect.isfunction(function) and function.__module__ == events.__name__
        for parameter in inspect.signature(function).parameters
    }

    assert forbidden & taken == set()
    assert {"queue_id", "held_id", "symbols"} <= taken
