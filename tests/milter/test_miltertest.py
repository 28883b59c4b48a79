"""OpenDKIM's miltertest as a second client, written by others from libmilter's own headers."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mailguard.flow.advise import Advice
from mailguard.mail.envelope import Transaction
from mailguard.mail.reply import REFUSED

SCRIPT = Path(__file__).with_name("session.lua")


@pytest.mark.skipif(shutil.which("miltertest") is None, reason="miltertest is not installed")
async def test_miltertest_gets_the_answers_it_expects(
    start_milter: Callable[..., Awaitable[Any]], adviser: Any
) -> None:
    def choose(transaction: Transaction) -> Advice:
        first = transaction.envelope.recipients[0]
        if first.address.startswith("max"):
            return Advice(without=(first,))
        if first.address.startswith("kim"):
            return Advice(removes_key=True)
        return Advice(refusal=REFUSED if first.address.startswith("ivy") else None)

    adviser.choose = choose
    running = await start_milter(removes_keys=True)

    process = await asyncio.create_subprocess_exec(
        *("miltertest", "-D", f"port={running.port}", "-s", str(SCRIPT)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 20)

    assert process.returncode == 0, said.decode()
    assert adviser.bytes_of(0) == (
        b"Subject: Two  spaces\r\nX-Folded: one\r\n\ttwo\r\n\r\nfirst line\r\nsecond line\r\n"
    )
    assert adviser.asked[0].session.ident == "4F5XYZ"
    assert adviser.asked[0].envelope.sender.argument == b"<ana@elmpark.example> SIZE=100"
    assert len(adviser.asked) == 4
