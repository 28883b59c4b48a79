"""A judging process (:mod:`mailguard.extract.worker`) as seen from the relay."""

import asyncio
import contextlib
import json
import pickle
import sys
import time
from dataclasses import replace
from typing import Any

from mailguard.extract.cage_lock import Walls
from mailguard.extract.frames import ANSWER_LIMIT, LENGTH
from mailguard.extract.patience import Patience
from mailguard.mail.envelope import Transaction
from mailguard.mail.raw import Raw

START_S = 30.0
"""To load rules and format readers, which takes one second where nothing else is to be done."""

UNUSABLE = (OSError, EOFError, ValueError, KeyError, TypeError, RecursionError)
"""What talking to a process raises that dies or answers nonsense."""


class NotStarted(Exception):
    """There is no such process, or it is not ready in time."""


class Worker:
    """One process, which judges one message after the other."""

    def __init__(self, process: asyncio.subprocess.Process, walls: Walls | None) -> None:
        self.walls = walls
        """What holds the processes that read attachments; None if there can be none just now."""

        self.pid = process.pid
        self.idle_since = time.monotonic()
        self._process = process

    @classmethod
    async def start(cls, setup: bytes) -> "Worker":
        """Start one and return it once it is ready. Raises NotStarted."""
        process = None
        try:
            async with asyncio.timeout(START_S):
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
                    # Whoever stops MailGuard at a terminal stops the relay, which still has use
                    # for it.
                    start_new_session=True,
                )
                await _write(process, setup)
                hello = json.loads(await _read(process))
                return cls(process, hello and Walls(**hello))
        except (*UNUSABLE, asyncio.CancelledError) as error:
            if process is not None:
                await cls(process, None).kill()
            if isinstance(error, asyncio.CancelledError):
                raise
            raise NotStarted from None

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.returncode is None

    async def ask(self, transaction: Transaction, seconds: float, deadline: float) -> Any:
        """Have one message judged; return the answer.

        Raises TimeoutError when it has used up so many `seconds` of processor time, or when the
        `deadline` (monotonic) is over; :data:`UNUSABLE` when it dies. Then, or when cancelled, it
        must not be asked again.
        """
        patience = Patience(self.pid, seconds, deadline)
        asking = asyncio.create_task(self._ask(transaction))
        try:
            while not asking.done():
                if not (left := patience.left):
                    raise TimeoutError
                await asyncio.wait({asking}, timeout=left)
            return asking.result()
        finally:
            asking.cancel()
            self.idle_since = time.monotonic()

    def end(self) -> None:
        """Have it end, with those below it."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def kill(self) -> None:
        """The same, and return when it has."""
        self.end()
        await self._process.wait()

    async def _ask(self, transaction: Transaction) -> Any:
        assert self._process.stdin is not None
        facts = replace(transaction, raw=Raw(buffer=b"", sha256=transaction.raw.sha256))
        await _write(self._process, pickle.dumps(facts))
        self._process.stdin.write(LENGTH.pack(transaction.raw.size))
        for chunk in transaction.raw.chunks():
            self._process.stdin.write(chunk)
            await self._process.stdin.drain()
        return json.loads(await _read(self._process))


async def _write(process: asyncio.subprocess.Process, body: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(LENGTH.pack(len(body)) + body)
    await process.stdin.drain()


async def _read(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    (length,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
    if length > ANSWER_LIMIT:
        raise ValueError("answer too long")
    return await process.stdout.readexactly(length)
