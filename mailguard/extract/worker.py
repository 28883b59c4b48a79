"""The judging process: reads messages on standard input, answers with scan reports as JSON.

Started fresh (never forked from the relay), it holds rules and the school's domains, and no
configuration, key, database or network of its own. Attachments are opened in the cage, by other
processes. It says once what holds those, and is ready then. It may die on any message; the relay
then records that the message was not read.
"""

import contextlib
import ctypes
import json
import os
import pickle
import resource
import signal
import sys
from dataclasses import asdict

from mailguard.extract.cage import Cage, Dead
from mailguard.extract.frames import read_frame, write_frame
from mailguard.extract.unpack import unpack
from mailguard.mail.envelope import Transaction
from mailguard.mail.message import parse
from mailguard.mail.text import look
from mailguard.policy.relationship import SAYING_AUTOMATIC
from mailguard.scan.codec import report_to_json
from mailguard.scan.registry import Ruleset, build_ruleset
from mailguard.scan.scanner import scan

MEMORY = 3 << 30
"""Bytes of address space: the largest message (200 MB), its decoded parts and their text, twice."""

_PR_SET_PDEATHSIG = 1

HEADERS, HEADER = 10, 100
"""Fields, and characters of each, that go back with the report: one word in one field is enough."""

UNPACKING = 0.5
"""The share of the budget that attachments may take; the rest is for judging what was read."""


def main() -> int:
    """Serve until standard input ends."""
    _end_with_parent()
    # Must: uvloop leaves open whatever the relay was given and did not mark.
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # Must: nothing that a library prints may get between the frames.
    os.dup2(2, 1)
    setup = read_frame(requests)
    if setup is None:
        return 0
    # The parent is trusted, and this is the only direction in which objects travel.
    given = pickle.loads(setup)  # noqa: S301
    cage = Cage(given["limits"])
    # Before the rules: both take their time to load.
    with contextlib.suppress(OSError):
        cage.start()
    ruleset = build_ruleset(**given["ruleset"])
    seconds = given["budget_s"] * UNPACKING
    _limit()
    write_frame(answers, _hello(cage))
    while (job := read_frame(requests)) is not None:
        raw = read_frame(requests)
        if raw is None:
            break
        write_frame(answers, _answer(pickle.loads(job), raw, ruleset, cage, seconds))  # noqa: S301
        # No caged process sees the attachments of two messages.
        cage.renew()
    cage.close()
    return 0


def _hello(cage: Cage) -> bytes:
    """What holds the processes that read attachments; null if there can be none just now."""
    try:
        return json.dumps(asdict(cage.get_ready())).encode()
    except Dead:
        return b"null"


def _answer(
    transaction: Transaction, raw: bytes, ruleset: Ruleset, cage: Cage, seconds: float
) -> bytes:
    """Judge as far as the report; what it means is the parent's business.

    There is none where an attachment was not read for want of a process or of time to run it: at
    another time it will be.
    """
    message = parse(raw)
    extracts = unpack(message, cage, seconds)
    deaths, cage.deaths = cage.deaths, []
    report = None
    if not any("engine" in extract.misses for extract in extracts):
        report = report_to_json(scan(look(message, extracts), transaction, ruleset))
    return json.dumps(
        {
            "headers": [
                [name, value[:HEADER]]
                for name, value in message.headers
                if name.lower() in SAYING_AUTOMATIC
            ][:HEADERS],
            "from": [[mailbox.name, mailbox.address] for mailbox in message.from_],
            "report": report,
            "deaths": deaths,
        }
    ).encode()


def _end_with_parent() -> None:
    """Die with the relay, even in the middle of a message: nobody would hear the answer."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _limit() -> None:
    """Give up what judging does not need; the message has not been seen yet."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


if __name__ == "__main__":
    sys.exit(main())
