"""Where a message is judged: plain small ones here and now, others in a process one can kill."""

import copy
import time
from dataclasses import replace
from typing import Self

from mailguard import events, metrics
from mailguard.errors import ScanFailed
from mailguard.extract.pool import Reading, ScanPool
from mailguard.extract.sniff import Sniffer
from mailguard.mail.attachment import Extract, needs_reader
from mailguard.mail.envelope import Transaction
from mailguard.mail.message import Message, parse
from mailguard.policy.disposition import Policy
from mailguard.policy.judge import Judgement, conclude, judge
from mailguard.scan.finding import ScanReport, Unscanned
from mailguard.scan.registry import Ruleset

INLINE_LIMIT = 256 * 1024
"""Bytes of a message judged in the relay's own process. Ordinary mail without attachments stays
below; at the measured rate of the slowest step this is some 10 ms of its event loop."""


class ScanJudge:
    """Implements :class:`mailguard.ports.Judge`."""

    def __init__(
        self, ruleset: Ruleset, policy: Policy, pool: ScanPool, *, budget_s: float
    ) -> None:
        self._ruleset = ruleset
        self._policy = policy
        self._pool = pool
        self._budget_s = budget_s
        self._sniffer = Sniffer()

    def under(self, policy: Policy) -> Self:
        """The same judge, for whom findings mean what `policy` says."""
        other = copy.copy(self)
        other._policy = policy
        return other

    async def judge(self, transaction: Transaction) -> Judgement:
        """See :meth:`mailguard.ports.Judge.judge`."""
        if transaction.raw.size > INLINE_LIMIT:
            return await self._judge_elsewhere(transaction)
        deadline = time.monotonic() + self._budget_s
        try:
            started = time.perf_counter()
            message = parse(bytes(transaction.raw.buffer))
            metrics.took("parse", time.perf_counter() - started)
            extracts = await self._sniffer.extract(message)
            closed = _closed(message, extracts)
            if closed:
                return await self._judge_opened(transaction, message, extracts, closed)
            judgement = self._judge_here(transaction, message, extracts, deadline)
        except ScanFailed:
            raise
        except Exception as error:
            # An engine's failure is a finding, and never a pass (promise 3).
            events.failed(transaction.queue_id, error)
            return self._conclude(transaction, self._unread("engine"))
        return judgement

    def _judge_here(
        self,
        transaction: Transaction,
        message: Message,
        extracts: tuple[Extract, ...],
        deadline: float,
    ) -> Judgement:
        judgement = judge(
            transaction,
            message,
            extracts,
            self._ruleset,
            self._policy,
            expired=lambda: time.monotonic() > deadline,
        )
        if judgement.report.failed:
            events.checks_failed(transaction.queue_id, judgement.report.failed)
        return judgement

    async def _judge_opened(
        self,
        transaction: Transaction,
        message: Message,
        extracts: tuple[Extract, ...],
        closed: frozenset[str],
    ) -> Judgement:
        """Judge a small message whose parts `closed` have to be opened in the cage.

        Where that fails, what the relay can read by itself is judged here.
        """
        failure, refusal = "timeout", None
        try:
            reading = await self._pool.read(transaction)
            failure = reading.failure
        except ScanFailed as error:
            refusal = error
        if not failure:
            return self._conclude(transaction, reading)
        unopened = tuple(
            replace(extract, is_read=True, misses=(failure,)) if extract.part in closed else extract
            for extract in extracts
        )
        deadline = time.monotonic() + self._budget_s
        judgement = self._judge_here(transaction, message, unopened, deadline)
        if refusal is not None and not _is_protected(judgement):
            raise refusal
        return judgement

    async def _judge_elsewhere(self, transaction: Transaction) -> Judgement:
        try:
            reading = await self._pool.read(transaction)
        except ScanFailed:
            judgement = self._conclude(transaction, self._unread("timeout"))
            if _is_protected(judgement):
                return judgement
            raise
        return self._conclude(transaction, reading)

    def _unread(self, reason: str) -> Reading:
        report = ScanReport(
            findings=(),
            unscanned=(Unscanned(part="", reason=reason),),
            ruleset=self._ruleset.fingerprint,
        )
        return Reading(report=report)

    def _conclude(self, transaction: Transaction, reading: Reading) -> Judgement:
        message = Message(
            headers=reading.headers,
            subject="",
            from_=reading.from_,
            to=(),
            message_id="",
            parts=(),
            defects=(),
            unread=(),
        )
        return conclude(reading.report, transaction, message, self._policy)


def _closed(message: Message, extracts: tuple[Extract, ...]) -> frozenset[str]:
    """The parts that only a format reader can open."""
    sniffed = {extract.part: extract.sniffed for extract in extracts}
    return frozenset(
        part.number
        for part in message.parts
        if part.number in sniffed and needs_reader(part, sniffed[part.number])
    )


def _is_protected(judgement: Judgement) -> bool:
    """Whether it is a child's call for help, which waits for no process (hard rule 1)."""
    return all(disposition.is_protected for disposition in judgement.dispositions)
