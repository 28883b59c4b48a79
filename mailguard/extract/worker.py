"""The judging process: reads messages on standard input, answers with scan reports as JSON.

Started fresh (never forked from the relay), it holds rules and the school's domains, and no
configuration, key, database or network of its own. It may die on any message; the relay then
records that the message was not read.
"""

import asyncio
import json
import os
import pickle
import resource
import sys
from typing import BinaryIO

from mailguard.extract.frames import LENGTH
from mailguard.extract.sniff import Sniffer
from mailguard.mail.envelope import Transaction
from mailguard.mail.message import parse
from mailguard.mail.text import look
from mailguard.scan.codec import report_to_json
from mailguard.scan.registry import Ruleset, build_ruleset
from mailguard.scan.scanner import scan

MEMORY = 3 << 30
"""Bytes of address space: the largest message (200 MB), its decoded parts and their text, twice."""


def main() -> int:
    """Serve until standard input ends."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # Must: nothing that a library prints may get between the frames.
    os.dup2(2, 1)
    setup = _read(requests)
    if setup is None:
        return 0
    # The parent is trusted, and this is the only direction in which objects travel.
    ruleset = build_ruleset(**pickle.loads(setup))  # noqa: S301
    _limit()
    while (job := _read(requests)) is not None:
        raw = _read(requests)
        if raw is None:
            return 0
        answer = _answer(pickle.loads(job), raw, ruleset)  # noqa: S301
        answers.write(LENGTH.pack(len(answer)) + answer)
        answers.flush()
    return 0


def _answer(transaction: Transaction, raw: bytes, ruleset: Ruleset) -> bytes:
    """Judge as far as the report; what it means is the parent's business."""
    message = parse(raw)
    extracts = asyncio.run(Sniffer().extract(message))
    report = scan(look(message, extracts), transaction, ruleset)
    return json.dumps(
        {
            "from": [[mailbox.name, mailbox.address] for mailbox in message.from_],
            "report": report_to_json(report),
        }
    ).encode()


def _read(stream: BinaryIO) -> bytes | None:
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    body = stream.read(length)
    return body if len(body) == length else None


def _limit() -> None:
    """Give up what judging does not need; the message has not been seen yet."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


if __name__ == "__main__":
    sys.exit(main())
