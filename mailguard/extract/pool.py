"""Judging processes that can be killed, for messages that are large or have attachments to open."""

import asyncio
import pickle
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mailguard import events
from mailguard.errors import ScanFailed
from mailguard.extract.found import Limits
from mailguard.extract.turns import Turns
from mailguard.extract.worker_process import UNUSABLE, NotStarted, Worker
from mailguard.mail.envelope import Transaction
from mailguard.mail.message import Mailbox
from mailguard.scan.codec import report_from_json
from mailguard.scan.finding import ScanReport, Unscanned
from mailguard.scan.registry import Ruleset

PROCESSES = 2
"""Of one relay worker: a file that takes all its time leaves the others a way. Each takes some
130 MB with those below it, and more of them would only share the same cores."""

IDLE_S = 300.0
"""One process is always kept; another that nobody has needed for so long gives its memory back."""

WAITING = 0.5
"""How long a message waits for a process, as a share of the budget. Whoever waits in vain gets
451 and comes again; a person who sends from a mail program sees that, so it is not done early."""

CLOCK_TIMES = 2.0
"""By the clock, judging may take so many times the budget, which is processor time. Waiting, twice
20 seconds and the next hop together stay below the 80 after which the whole answer is 451."""

DEATHS = 10
"""Deaths in the cage that are told of one message."""

DEATH_REASONS = {"killed", "timeout", "too_long", "engine"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What came back about one message."""

    report: ScanReport
    from_: tuple[Mailbox, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    """Those that say whether a machine sent it."""

    failure: str = ""
    """``timeout`` or ``killed`` when the process gave no answer; nothing was read then."""


class ScanPool:
    """Some worker processes, each started when first needed, and again after it died."""

    def __init__(
        self,
        ruleset: Ruleset,
        setup: dict[str, Any],
        budget_s: float,
        limits: Limits | None = None,
        *,
        processes: int = PROCESSES,
        idle_s: float = IDLE_S,
    ) -> None:
        """`setup` holds the arguments with which the worker builds the same `ruleset`; `limits`
        are for each attachment. `budget_s` is processor time for a message."""
        self._ruleset = ruleset
        self._setup = pickle.dumps(
            {"ruleset": setup, "budget_s": budget_s, "limits": limits or Limits()}
        )
        self._budget_s = budget_s
        self._idle_s = idle_s
        self._turns = Turns(processes)
        self._idle: list[Worker] = []
        """Those used last at the end."""

        self._first: asyncio.Task[None] | None = None
        self._ending: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Have a process ready before a message needs one. Never raises for its failure, which the
        log tells: messages that need one are deferred meanwhile."""
        self._first = asyncio.create_task(self._prepare())
        await asyncio.wait({self._first})

    async def read(self, transaction: Transaction) -> Reading:
        """Have one message scanned within the budget.

        A worker that dies or overruns gives a report that says so. Raises ScanFailed when none was
        free in time or could be started, or when the machine was too busy: nobody has judged the
        message, and later somebody may.
        """
        sender = transaction.envelope.sender.address.lower()
        try:
            async with self._turns.turn(sender, self._budget_s * WAITING):
                return await self._read(transaction)
        except TimeoutError:
            raise ScanFailed("no judging process was free in time") from None

    async def close(self) -> None:
        """Kill all workers that are not at work."""
        if self._ending is not None:
            self._ending.cancel()
        if self._first is not None:
            self._first.cancel()
            await asyncio.wait({self._first})
        while self._idle:
            await self._idle.pop().kill()

    async def _read(self, transaction: Transaction) -> Reading:
        worker = await self._take()
        deadline = time.monotonic() + self._budget_s * CLOCK_TIMES
        try:
            answer = await worker.ask(transaction, self._budget_s, deadline)
            for death in answer["deaths"][:DEATHS]:
                reason = death if death in DEATH_REASONS else "killed"
                events.caged_reader_died(transaction.queue_id, reason)
            reading = self._understand(answer)
        except TimeoutError:
            await worker.kill()
            if time.monotonic() >= deadline:
                raise ScanFailed("the machine was too busy to judge it") from None
            return self._give_up(transaction, "timeout")
        except UNUSABLE:
            await worker.kill()
            return self._give_up(transaction, "killed")
        except BaseException:
            # Must: a worker in the middle of an answer is never asked again.
            await worker.kill()
            raise
        self._put_back(worker)
        if reading is None:
            raise ScanFailed("no process could read its attachments, or the machine was too busy")
        return reading

    def _understand(self, answer: Any) -> Reading | None:
        """What a worker says; None if it could not judge. Raises when it is of no known form."""
        from_ = tuple(
            Mailbox(name=str(name), address=str(address)) for name, address in answer["from"]
        )
        if answer["report"] is None:
            return None
        headers = tuple((str(name), str(value)) for name, value in answer["headers"])
        report = report_from_json(answer["report"], self._ruleset.symbols)
        return Reading(report=report, from_=from_, headers=headers)

    def _give_up(self, transaction: Transaction, reason: str) -> Reading:
        events.scan_worker_died(transaction.queue_id, reason)
        report = ScanReport(
            findings=(),
            unscanned=(Unscanned(part="", reason=reason),),
            ruleset=self._ruleset.fingerprint,
        )
        return Reading(report=report, failure=reason)

    async def _take(self) -> Worker:
        """A worker that may be asked. Raises ScanFailed."""
        if not self._idle and self._first is not None and not self._first.done():
            await asyncio.wait({self._first})
        while self._idle:
            worker = self._idle.pop()
            if worker.is_alive:
                return worker
            # It died while it had nothing to do: no message is to blame for that.
            await worker.kill()
        return await self._start()

    async def _prepare(self) -> None:
        with suppress(ScanFailed):
            self._put_back(await self._start())

    async def _start(self) -> Worker:
        try:
            worker = await Worker.start(self._setup)
        except NotStarted:
            events.judging_unavailable("judging process")
            raise ScanFailed("no judging process could be started") from None
        if worker.walls is None:
            events.judging_unavailable("cage")
        else:
            events.judging_started(worker.walls.seccomp, worker.walls.landlock)
        return worker

    def _put_back(self, worker: Worker) -> None:
        self._idle.append(worker)
        if len(self._idle) > 1 and self._ending is None:
            loop = asyncio.get_running_loop()
            self._ending = loop.call_later(self._idle_s, self._end_idle)

    def _end_idle(self) -> None:
        """End what nobody has needed for long, but for one."""
        self._ending = None
        latest = time.monotonic() - self._idle_s
        while len(self._idle) > 1 and self._idle[0].idle_since <= latest:
            self._idle.pop(0).end()
        if len(self._idle) > 1:
            loop = asyncio.get_running_loop()
            self._ending = loop.call_later(self._idle_s, self._end_idle)
