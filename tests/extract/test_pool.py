"""The judging process: same report as here, and its death or silence is a finding."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from mailguard import events
from mailguard.errors import ScanFailed
from mailguard.extract import pool as module
from mailguard.extract.judging import ScanJudge
from mailguard.extract.pool import ScanPool
from mailguard.extract.worker_process import Worker
from mailguard.mail.message import parse
from mailguard.mail.raw import Raw
from mailguard.mail.text import look
from mailguard.policy.directory import build_directory
from mailguard.policy.disposition import Action, Policy
from mailguard.scan.registry import Ruleset, build_ruleset
from mailguard.scan.rule import parse_rule
from mailguard.scan.scanner import scan
from mailguard.testing import SCHOOL, mail, transaction

RULE = """
symbol = "THREAT_TEST"
category = "threat"
level = 3
status = "stable"
says = "The writer says a word."
clauses = []
why = "A rule for this test."
[match]
in = ["body"]
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
LARGE = transaction(mail("All is well.\n" * 30_000 + "Bring the pineapple.\n"))


@pytest.fixture(scope="module")
def ruleset() -> Ruleset:
    return build_ruleset(**SETUP)


@pytest.fixture
async def pool(ruleset: Ruleset) -> AsyncIterator[ScanPool]:
    pool = ScanPool(ruleset, SETUP, 20)
    yield pool
    await pool.close()


def children() -> list[int]:
    text = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text()
    return [
        int(pid)
        for pid in text.split()
        if b"mailguard.extract.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


async def judge_with(pool: ScanPool, ruleset: Ruleset) -> Action:
    policy = Policy(directory=build_directory(SCHOOL))
    judgement = await ScanJudge(ruleset, policy, pool, budget_s=20).judge(LARGE)
    return judgement.dispositions[0].action


async def test_the_worker_reports_what_the_relay_would_have_found(
    pool: ScanPool, ruleset: Ruleset
) -> None:
    here = scan(look(parse(LARGE.raw.head(LARGE.raw.size))), LARGE, ruleset)

    reading = await pool.read(LARGE)

    assert reading.report == here
    assert [finding.symbol.name for finding in here.findings] == ["THREAT_TEST"]
    assert [mailbox.address for mailbox in reading.from_] == ["ana@elmpark.example"]


OTHER = replace(
    LARGE, envelope=replace(LARGE.envelope, sender=replace(LARGE.envelope.sender, address="x@y"))
)


async def test_one_senders_messages_are_read_one_after_the_other(pool: ScanPool) -> None:
    first, second = await asyncio.gather(pool.read(LARGE), pool.read(LARGE))

    assert first == second
    assert len(children()) == 1


async def test_a_message_does_not_wait_for_another_senders(pool: ScanPool) -> None:
    await pool.read(LARGE)
    (pid,) = children()
    os.kill(pid, signal.SIGSTOP)
    waiting = asyncio.create_task(pool.read(LARGE))
    await asyncio.sleep(0)

    quick = await pool.read(OTHER)
    os.kill(pid, signal.SIGCONT)

    assert quick == await waiting
    assert len(children()) == 2


async def test_a_process_that_nobody_needs_is_ended_but_the_last(ruleset: Ruleset) -> None:
    pool = ScanPool(ruleset, SETUP, 20, idle_s=0.2)
    await asyncio.gather(pool.read(LARGE), pool.read(OTHER))
    both = len(children())

    async with asyncio.timeout(10):
        while len(children()) > 1:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.3)

    assert (both, len(children())) == (2, 1)
    await pool.close()


async def test_a_process_is_ready_before_it_is_needed(
    pool: ScanPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    monkeypatch.setattr(events, "judging_started", lambda *walls: told.append(walls))
    starting = asyncio.create_task(pool.start())
    await asyncio.sleep(0)

    await pool.read(LARGE)
    await starting

    assert len(children()) == 1
    assert [seccomp for seccomp, _ in told] == [True]


async def test_no_process_can_be_started_is_told_and_defers(
    pool: ScanPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    monkeypatch.setattr(events, "judging_unavailable", told.append)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/bin/false")
        await pool.start()
        with pytest.raises(ScanFailed, match="could be started"):
            await pool.read(LARGE)

    assert told == ["judging process"] * 2
    assert (await pool.read(LARGE)).failure == ""


async def test_scan_worker_killed_is_unscanned_and_held(pool: ScanPool, ruleset: Ruleset) -> None:
    await pool.read(LARGE)
    (pid,) = children()
    os.kill(pid, signal.SIGSTOP)
    judging = asyncio.create_task(judge_with(pool, ruleset))
    await asyncio.sleep(0)

    os.kill(pid, signal.SIGKILL)

    assert await judging is Action.HOLD


async def test_scan_worker_that_overruns_is_killed_unscanned_and_held(
    pool: ScanPool, ruleset: Ruleset, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pool.read(LARGE)
    monkeypatch.setattr(module, "WAITING", 1000)
    monkeypatch.setattr(module, "CLOCK_TIMES", 10_000)
    pool._budget_s = 0.002

    action = await judge_with(pool, ruleset)

    assert action is Action.HOLD
    assert children() == []


async def test_what_a_busy_machine_has_no_time_for_is_deferred(pool: ScanPool) -> None:
    await pool.read(LARGE)
    os.kill(children()[0], signal.SIGSTOP)
    pool._budget_s = 0.05

    with pytest.raises(ScanFailed, match="too busy"):
        await pool.read(LARGE)

    assert children() == []


async def test_a_new_worker_takes_over_from_a_dead_one(pool: ScanPool) -> None:
    good = await pool.read(LARGE)
    os.kill(children()[0], signal.SIGSTOP)
    reading = asyncio.create_task(pool.read(LARGE))
    await asyncio.sleep(0)
    os.kill(children()[0], signal.SIGKILL)
    bad = await reading

    again = await pool.read(LARGE)

    assert [item.reason for item in bad.report.unscanned] == ["killed"]
    assert again == good


async def test_no_free_scan_worker_defers(ruleset: Ruleset) -> None:
    pool = ScanPool(ruleset, SETUP, 0.1)

    async with pool._turns.turn("ana@elmpark.example", 1), pool._turns.turn("another", 1):
        with pytest.raises(ScanFailed, match="no judging process was free"):
            await pool.read(LARGE)


async def test_a_small_message_never_waits_for_a_worker(ruleset: Ruleset) -> None:
    pool = ScanPool(ruleset, SETUP, 0.1, processes=0)
    policy = Policy(directory=build_directory(SCHOOL))
    small = replace(LARGE, raw=Raw.of(mail("Bring the pineapple.")))

    judgement = await ScanJudge(ruleset, policy, pool, budget_s=20).judge(small)

    assert [finding.symbol.name for finding in judgement.report.findings] == ["THREAT_TEST"]


async def test_a_worker_that_died_while_idle_costs_no_message(pool: ScanPool) -> None:
    good = await pool.read(LARGE)
    os.kill(children()[0], signal.SIGKILL)
    await pool._idle[0]._process.wait()

    assert await pool.read(LARGE) == good


async def test_an_answer_of_another_form_is_no_answer(pool: ScanPool) -> None:
    for body in ("b'[' * 200_000", "b'{}'", "b'[[]]'", "b'9' * 5_000"):
        code = (
            "import struct, sys\nsys.stdin.buffer.read(8)\n"
            f"body = {body}\nsys.stdout.buffer.write(struct.pack('>Q', len(body)) + body)\n"
            "sys.stdout.flush()\nwhile sys.stdin.buffer.read(1 << 16): pass"
        )
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-Ic", code, stdin=pipe, stdout=pipe
        )
        pool._idle.append(Worker(process, None))

        reading = await pool.read(LARGE)

        assert reading.failure == "killed", body
        assert process.returncode is not None


def test_the_worker_ends_with_the_relay_and_has_neither_its_terminal_nor_its_files() -> None:
    code = (
        "import asyncio, os, sys\nfrom mailguard import logs\n"
        "from mailguard.extract.pool import ScanPool\n"
        "from mailguard.scan.registry import build_ruleset\n"
        "from mailguard.testing import SCHOOL, mail, transaction\n"
        "SETUP = {'rules': (), 'disabled': (), 'school': SCHOOL}\n"
        "async def main():\n"
        "    pool = ScanPool(build_ruleset(**SETUP), SETUP, 20)\n"
        "    await pool.read(transaction(mail('x')))\n"
        "    print(pool._idle[0].pid, os.readlink(f'/proc/self/fd/{given}'), flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "logs.configure(level='error')\n"
        "given, _ = os.pipe()\nos.set_inheritable(given, True)\n"
        "import uvloop\nuvloop.run(main())"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as relay:
        assert relay.stdout is not None
        told, given = relay.stdout.readline().decode().split()
        worker = int(told)
        held = [str(each.readlink()) for each in Path(f"/proc/{worker}/fd").iterdir()]
        caged = Path(f"/proc/{worker}/task/{worker}/children").read_text().split()
        heard = os.getsid(worker) == os.getsid(relay.pid)
        # In the middle of something, it does not look for the end of its input.
        os.kill(worker, signal.SIGSTOP)
        relay.kill()
    pids = [str(worker), *caged]
    deadline = time.monotonic() + 5
    while any(map(_is_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.01)

    assert caged
    assert not heard
    assert given not in held
    assert not [pid for pid in pids if _is_alive(pid)]


def _is_alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
