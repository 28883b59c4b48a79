"""Attachments are judged like what stands in the message, and never pass unread."""

import asyncio
import os
import resource
import signal
import zipfile
from collections.abc import AsyncIterator
from email.message import EmailMessage
from io import BytesIO
from pathlib import Path

import pytest

from mailguard import events
from mailguard.errors import ScanFailed
from mailguard.extract import judging
from mailguard.extract.judging import ScanJudge
from mailguard.extract.pool import ScanPool
from mailguard.mail.envelope import Transaction
from mailguard.mail.message import Message
from mailguard.policy.directory import build_directory
from mailguard.policy.disposition import Policy
from mailguard.policy.judge import Judgement, conclude
from mailguard.policy.relationship import is_automatic
from mailguard.scan.finding import ScanReport
from mailguard.scan.registry import Ruleset, build_ruleset
from mailguard.scan.rule import parse_rule
from mailguard.testing import SCHOOL, transaction

RULE = """
symbol = "THREAT_TEST"
category = "threat"
level = 3
status = "stable"
says = "The writer says a word."
clauses = []
why = "A rule for this test."
[match]
in = ["body", "attachment", "filename"]
within = "sentence"
all = ['''\\bpineapple\\b''']
[[examples.match]]
text = "a pineapple"
[[examples.match]]
text = "pineapple"
[[examples.no_match]]
text = "an apple"
[[examples.no_match]]
text = "a pine"
"""

SETUP = {
    "rules": (parse_rule("rules/threat/THREAT_TEST.toml", RULE, {}),),
    "disabled": (),
    "school": SCHOOL,
}


@pytest.fixture(scope="module")
def ruleset() -> Ruleset:
    return build_ruleset(**SETUP)


@pytest.fixture
async def judge(ruleset: Ruleset) -> AsyncIterator[ScanJudge]:
    pool = ScanPool(ruleset, SETUP, 20)
    yield ScanJudge(ruleset, Policy(directory=build_directory(SCHOOL)), pool, budget_s=20)
    await pool.close()


def packed(name: str, content: str | bytes) -> bytes:
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr(name, content)
    return archive.getvalue()


def letter(text: str, *files: tuple[str, bytes], shown: bool = False) -> Transaction:
    """A message with files, which may pose as text of the message's own (`shown`)."""
    message = EmailMessage()
    message["From"], message["To"] = "ana@elmpark.example", "ben@elmpark.example"
    message.set_content(text)
    for name, content in files:
        message.add_attachment(content, "application", "octet-stream", filename=name)
        if shown:
            *_, part = message.iter_attachments()
            part.replace_header("Content-Type", f'text/plain; name="{name}"')
            part.replace_header("Content-Disposition", "inline")
    return transaction(message.as_bytes())


def symbols(judgement: Judgement) -> list[tuple[str, str]]:
    return [(finding.symbol.name, finding.part) for finding in judgement.report.findings]


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def worker() -> int:
    (pid,) = (
        pid
        for pid in children(os.getpid())
        if b"mailguard.extract.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    )
    return pid


async def test_words_and_names_in_an_archive_are_found_where_it_is(judge: ScanJudge) -> None:
    inside = letter("Hello", ("a.zip", packed("b.zip", packed("note.html", "<p>a pineapple</p>"))))
    named = letter("Hello", ("a.zip", packed("pineapple.txt", "x")))

    shown = letter("Hello", ("a.zip", packed("note.html", "<p>a pineapple</p>")), shown=True)

    judgements = [await judge.judge(each) for each in (inside, named, shown)]

    assert [{*symbols(each)} for each in judgements] == [{("THREAT_TEST", "2")}] * 3
    assert [each.report.unscanned for each in judgements] == [(), (), ()]


async def test_what_says_that_a_machine_sent_it_is_known_wherever_it_was_read(
    judge: ScanJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[bool] = []

    def spy(report: ScanReport, of: Transaction, message: Message, policy: Policy) -> Judgement:
        told.append(is_automatic(message))
        return conclude(report, of, message, policy)

    monkeypatch.setattr(judging, "conclude", spy)
    attached = ("a.zip", packed("a.txt", "x"))
    automatic = b"Auto-Submitted: auto-generated\n" + letter("Hello", attached).raw.buffer

    await judge.judge(letter("Hello", attached))
    await judge.judge(transaction(automatic))

    assert told == [False, True]


async def test_what_was_missed_in_an_attachment_is_in_the_report(judge: ScanJudge) -> None:
    zeros = BytesIO()
    with zipfile.ZipFile(zeros, "w", zipfile.ZIP_DEFLATED) as writer:
        writer.writestr("zeros.exe", bytes(30 << 20))

    judgement = await judge.judge(letter("Hello", ("a.zip", zeros.getvalue())))

    assert {item.part for item in judgement.report.unscanned} == {"2"}
    assert not {"bomb", "too_long"}.isdisjoint(item.reason for item in judgement.report.unscanned)
    assert judgement.dispositions[0].action == "hold"


async def test_the_text_is_judged_even_when_the_worker_dies_on_the_attachment(
    judge: ScanJudge,
) -> None:
    await judge.judge(letter("Hello", ("a.zip", packed("a.txt", "x"))))
    os.kill(worker(), signal.SIGSTOP)
    message = letter("a pineapple", ("a.zip", packed("b.txt", "y")))
    judging = asyncio.create_task(judge.judge(message))
    await asyncio.sleep(0.1)

    os.kill(worker(), signal.SIGKILL)
    judgement = await judging

    assert symbols(judgement) == [("THREAT_TEST", "1")]
    assert [(item.part, item.reason) for item in judgement.report.unscanned] == [("2", "killed")]


async def test_an_attachment_waits_for_a_free_worker_and_is_deferred_without(
    ruleset: Ruleset,
) -> None:
    pool = ScanPool(ruleset, SETUP, 0.1, processes=0)
    judge = ScanJudge(ruleset, Policy(directory=build_directory(SCHOOL)), pool, budget_s=20)

    with pytest.raises(ScanFailed):
        await judge.judge(letter("Hello", ("a.zip", packed("a.txt", "x"))))
    plain = await judge.judge(letter("a pineapple"))

    assert symbols(plain) == [("THREAT_TEST", "1")]


async def test_an_attachment_that_no_process_can_read_is_deferred(
    judge: ScanJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    monkeypatch.setattr(events, "judging_unavailable", told.append)
    await judge.judge(letter("Hello", ("a.zip", packed("a.txt", "x"))))
    pid = worker()
    # Nothing more can be started: not even the process that the next one is forked from.
    resource.prlimit(pid, resource.RLIMIT_NPROC, (0, 0))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, 3))
    os.kill(children(pid)[0], signal.SIGKILL)

    with pytest.raises(ScanFailed, match="no process could read"):
        await judge.judge(letter("a pineapple", ("a.zip", packed("b.txt", "y"))))


async def test_a_death_in_the_cage_is_logged(
    judge: ScanJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    monkeypatch.setattr(events, "caged_reader_died", lambda *words: told.append(words))
    await judge.judge(letter("Hello", ("a.zip", packed("a.txt", "x"))))
    long = "".join(f"<p>Line {number} of a long page.</p>" for number in range(200_000))
    message = letter("a pineapple", ("a.zip", packed("b.html", long)))
    judging = asyncio.create_task(judge.judge(message))

    while not judging.done():
        for zygote in children(worker()):
            for child in children(zygote):
                os.kill(child, signal.SIGKILL)
        await asyncio.sleep(0.01)

    judgement = await judging
    assert told == [(message.queue_id, "killed")]
    assert symbols(judgement) == [("THREAT_TEST", "1")]
    assert [item.reason for item in judgement.report.unscanned] == ["killed"]
