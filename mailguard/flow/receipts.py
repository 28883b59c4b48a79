"""Who has a message already, when its sender must send it again: SMTP in, LMTP out.

The client has one reply and was told 451, so its retry goes to the others only.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Iterable

from mailguard import events
from mailguard.errors import StoreUnavailable
from mailguard.flow.setting import Ports
from mailguard.mail.envelope import Transaction
from mailguard.mail.fingerprint import trace_free

PATIENCE_S = 10.0
"""For the database: the client is waiting for its answer."""

HASHED_HERE = 1 << 20
"""Bytes that are hashed in the event loop, in a millisecond or two; more than that in a thread."""


async def who_has_it(transaction: Transaction, ports: Ports) -> tuple[int, ...]:
    """The positions in its envelope of those who got this message when it was last sent, also by
    another host of a list, one that speaks LMTP.

    Where the memory cannot be read, nobody: a message twice is better than none.
    """
    if transaction.session.protocol == "lmtp" or not await ports.receipts.has_any_delivered():
        return ()
    about = await _about(transaction)
    try:
        async with asyncio.timeout(PATIENCE_S):
            marks = await ports.receipts.delivered(about)
    except (StoreUnavailable, TimeoutError):
        events.dup_risk(transaction.queue_id, "", "who has it already could not be looked up")
        return ()
    recipients = enumerate(transaction.envelope.recipients)
    return tuple(i for i, path in recipients if _mark(about, path.address) in marks)


async def remember(transaction: Transaction, addresses: Iterable[str], ports: Ports) -> None:
    """Note who got this message, so that the client may be told 451. Never raises."""
    about = await _about(transaction)
    marks = sorted({_mark(about, address) for address in addresses})
    if not marks:
        return
    try:
        async with asyncio.timeout(PATIENCE_S):
            await ports.receipts.note_delivered(about, marks)
    except (StoreUnavailable, TimeoutError):
        events.dup_risk(transaction.queue_id, "", "who has it already could not be remembered")


async def forget(transaction: Transaction, addresses: Iterable[str], ports: Ports) -> None:
    """It was answered for good as far as these go; another transaction may have brought the same
    message for others. Never raises: what is not forgotten now ends by itself."""
    about = await _about(transaction)
    marks = sorted({_mark(about, address) for address in addresses})
    with contextlib.suppress(StoreUnavailable, TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            await ports.receipts.forget_delivered(about, marks)


async def _about(transaction: Transaction) -> str:
    """One listener's: through another the same message may go on to here once more."""
    known = f"{transaction.session.listener} {await hash_trace_free(transaction)}"
    return hashlib.sha256(known.encode("utf-8", "surrogatepass")).hexdigest()


async def hash_trace_free(transaction: Transaction) -> str:
    """By what a message is known again although another hop has added its own line."""
    sender, raw = transaction.envelope.sender, transaction.raw
    if raw.size <= HASHED_HERE:
        return trace_free(sender, raw)
    return await asyncio.to_thread(trace_free, sender, raw)


def _mark(about: str, address: str) -> str:
    """Stands for an address: a child's mail to a helpline leaves none behind."""
    return hashlib.sha256(f"{about} {address}".encode("utf-8", "surrogatepass")).hexdigest()
