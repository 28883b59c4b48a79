"""What a line of the log looks like: for a file, for the journal, as JSON."""

import inspect
import io
import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from mailguard import events, logs
from mailguard.testing import CANARY

PROGRAM = f"""
import logging, sys
from mailguard import events, logs
logs.configure(as_json="json" in sys.argv, level="debug")
events.connected("192.0.2.1", "mail")
events.stopped("jobs")
events.lost_client("QUEUEID", "a\\nb <0> \\x1b[31m")
events.alert_to_nobody("QUEUEID", "HELDID")
events.ledger_lost(3)
try:
    raise KeyError("{CANARY}")
except KeyError:
    logging.getLogger("a_library").exception("could not read %s", "{CANARY}")
"""


@pytest.fixture
def journal() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Our end of a stream to the journal, and the journal's."""
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def stream_of(sock: socket.socket) -> str:
    found = os.fstat(sock.fileno())
    return f"{found.st_dev}:{found.st_ino}"


def run(
    stderr: int, environment: Mapping[str, str], *arguments: str
) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        stderr=stderr,
        env={**os.environ, **environment},
        check=True,
        timeout=30,
    )


def lines_in_journal(journal: tuple[socket.socket, socket.socket], *arguments: str) -> list[str]:
    ours, theirs = journal
    run(ours.fileno(), {"JOURNAL_STREAM": stream_of(ours)}, *arguments)
    return theirs.recv(1 << 16).decode().splitlines()


def test_lines_for_the_journal_begin_with_their_priority_and_have_no_time(
    journal: tuple[socket.socket, socket.socket],
) -> None:
    lines = lines_in_journal(journal)

    assert [
        "<7>level=debug event=connected peer=192.0.2.1 listener=mail",
        "<6>level=info event=stopped process=jobs",
        '<6>level=info event=lost_client queue_id=QUEUEID stage="a\\\\nb <0> \\\\x1b[31m"',
        "<3>level=error event=alert_to_nobody queue_id=QUEUEID held_id=HELDID",
        "<3>level=error event=ledger_lost rows=3",
        "<3>level=error event=library logger=a_library place=<string>:13",
    ] == lines


def test_json_for_the_journal_has_the_priority_in_front_and_no_time(
    journal: tuple[socket.socket, socket.socket],
) -> None:
    lines = lines_in_journal(journal, "json")

    assert ["<7>", "<6>", "<6>", "<3>", "<3>", "<3>"] == [line[:3] for line in lines]
    assert {"level": "info", "event": "stopped", "process": "jobs"} == json.loads(lines[1][3:])


def test_lines_for_a_file_have_their_time_and_no_priority(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        run(log.fileno(), {"JOURNAL_STREAM": ""})

    lines = (tmp_path / "log").read_text().splitlines()
    assert 6 == len(lines)
    assert all(line.startswith("time=20") for line in lines)


def test_json_for_a_file_has_its_time(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        run(log.fileno(), {"JOURNAL_STREAM": ""}, "json")

    found = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert {"time", "level", "event", "rows"} == found[4].keys()


def test_standard_error_that_was_redirected_is_not_the_journal(
    journal: tuple[socket.socket, socket.socket], tmp_path: Path
) -> None:
    with (tmp_path / "log").open("wb") as log:
        run(log.fileno(), {"JOURNAL_STREAM": stream_of(journal[0])})

    assert (tmp_path / "log").read_text().startswith("time=20")


def test_a_stream_without_a_file_is_not_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")

    assert not logs.is_journal(io.StringIO())


def test_what_a_library_logs_leaves_neither_its_text_nor_its_traceback(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        run(log.fileno(), {"JOURNAL_STREAM": ""})

    text = (tmp_path / "log").read_text()
    assert "event=library logger=a_library" in text
    assert CANARY not in text
    assert "Traceback" not in text


def test_a_level_that_only_a_library_knows_is_no_error(log_lines: io.StringIO) -> None:
    logs.configure(level="debug", to=log_lines)

    logging.getLogger("other").log(35, "odd")

    assert "level=warning event=library logger=other" in log_lines.getvalue().splitlines()[-1]


def test_every_event_about_a_held_message_names_its_transaction_too() -> None:
    functions = inspect.getmembers(events, inspect.isfunction)

    about_held = {
        name: inspect.signature(function).parameters
        for name, function in functions
        if function.__module__ == events.__name__
        and "held_id" in inspect.signature(function).parameters
    }

    assert {"decided", "purged", "evidence_missing"} <= about_held.keys()
    assert [] == [name for name, taken in about_held.items() if "queue_id" not in taken]
