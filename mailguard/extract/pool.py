"""A judging process that can be killed, for messages that are large or have attachments to open."""

import asyncio
import contextlib
import json
import pickle
import sys
from dataclasses import dataclass, replace
from typing import Any

from mailguard import events
from mailguard.errors import ScanFailed
from mailguard.extract.found import Limits
from mailguard.extract.frames import ANSWER_LIMIT, LENGTH
from mailguard.mail.envelope import Transaction
from mailguard.mail.message import Mailbox
from mailguard.mail.raw import Raw
from mailguard.scan.codec import report_from_json
from mailguard.scan.finding import ScanReport, Unscanned
from mailguard.scan.registry import Ruleset

WAITING = 0.5
"""How long a message waits for the process, as a share of the budget. Whoever waits in vain gets
451 and comes again; a person who sends from a mail program sees that, so it is not done early."""

DEATHS = 10
"""Deaths in the cage that are told of one message."""

DEATH_REASONS = {"killed", "timeout", "too_long", "engine"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What came back about one message."""

    report: ScanReport
    from_: tuple[Mailbox, ...] = ()
    failure: str = ""
    """``timeout`` or ``killed`` when the process gave no answer; nothing was read then."""


class ScanPool:
    """One worker process, started when first needed, and again after it died."""

    def __init__(
        self,
        ruleset: Ruleset,
        setup: dict[str, Any],
        budget_s: float,
        limits: Limits | None = None,
    ) -> None:
        """`setup` holds the arguments with which the worker builds the same `ruleset`; `limits`
        are for each attachment."""
        self._ruleset = ruleset
        self._setup = pickle.dumps(
            {"ruleset": setup, "budget_s": budget_s, "limits": limits or Limits()}
        )
        self._budget_s = budget_s
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None

    async def read(self, transaction: Transaction) -> Reading:
        """Have one message scanned within the budget.

        A worker that dies or overruns gives a report that says so. Raises ScanFailed when no worker
        was free in time: nobody has looked at the message, and later somebody may.
        """
        try:
            await asyncio.wait_for(self._turn.acquire(), self._budget_s * WAITING)
        except TimeoutError:
            raise ScanFailed("no judging process was free in time") from None
        try:
            async with asyncio.timeout(self._budget_s):
                return await self._ask(transaction)
        except TimeoutError:
            return await self._give_up(transaction, "timeout")
        except (OSError, EOFError, ValueError, KeyError, TypeError, RecursionError):
            return await self._give_up(transaction, "killed")
        except asyncio.CancelledError:
            # Must: a worker in the middle of an answer is never asked again.
            await self.close()
            raise
        finally:
            self._turn.release()

    async def close(self) -> None:
        """Kill the worker."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()

    async def _give_up(self, transaction: Transaction, reason: str) -> Reading:
        await self.close()
        events.scan_worker_died(transaction.queue_id, reason)
        report = ScanReport(
            findings=(),
            unscanned=(Unscanned(part="", reason=reason),),
            ruleset=self._ruleset.fingerprint,
        )
        return Reading(report=report, failure=reason)

    async def _ask(self, transaction: Transaction) -> Reading:
        process = self._process
        if process is None or process.returncode is not None:
            # None yet, or one that died while idle: no message is to blame for that.
            process = await self._start()
        assert process.stdin is not None and process.stdout is not None
        facts = replace(transaction, raw=Raw(buffer=b"", sha256=transaction.raw.sha256))
        await _write(process.stdin, pickle.dumps(facts))
        process.stdin.write(LENGTH.pack(transaction.raw.size))
        for chunk in transaction.raw.chunks():
            process.stdin.write(chunk)
            await process.stdin.drain()
        (length,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
        if length > ANSWER_LIMIT:
            raise ValueError("answer too long")
        answer = json.loads(await process.stdout.readexactly(length))
        for death in answer["deaths"][:DEATHS]:
            events.caged_reader_died(
                transaction.queue_id, death if death in DEATH_REASONS else "killed"
            )
        return Reading(
            report=report_from_json(answer["report"], self._ruleset.symbols),
            from_=tuple(
                Mailbox(name=str(name), address=str(address)) for name, address in answer["from"]
            ),
        )

    async def _start(self) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-m",
            "mailguard.extract.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"LC_ALL": "C.UTF-8"},
            cwd="/",
            # Whoever stops MailGuard at a terminal stops the relay, which still has use for it.
            start_new_session=True,
        )
        self._process = process
        assert process.stdin is not None
        await _write(process.stdin, self._setup)
        return process


async def _write(stream: asyncio.StreamWriter, body: bytes) -> None:
    stream.write(LENGTH.pack(len(body)) + body)
    await stream.drain()
