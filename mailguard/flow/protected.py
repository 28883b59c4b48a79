"""Keeping the copy of a message that is to go on, whether or not a copy can be kept."""

import asyncio
from dataclasses import dataclass

from mailguard import events
from mailguard.errors import SpoolUnavailable, StoreUnavailable
from mailguard.flow.hold import keep
from mailguard.flow.plan import Plan
from mailguard.flow.setting import Ports
from mailguard.mail.envelope import Transaction
from mailguard.policy.judge import Judgement
from mailguard.quarantine.held import HeldMessage

PROTECTED_S = 2.0
"""For the evidence of a message that nothing of ours may delay; it normally takes milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What came of it."""

    may_have_row: bool = True
    is_missed: bool = False
    """The copy is not there, or nobody knows: no row is sure to carry its alert."""


async def keep_unless_protected(
    held: HeldMessage, transaction: Transaction, judgement: Judgement, plan: Plan, ports: Ports
) -> Kept:
    """Keep a message as :func:`~mailguard.flow.hold.keep` does. A child's call for help is not
    delayed for want of a copy (promise 6): then this returns where it would raise.

    Raises SpoolUnavailable or StoreUnavailable for any other.
    """
    is_protected = all(disposition.is_protected for disposition in judgement.dispositions)
    try:
        async with asyncio.timeout(PROTECTED_S if is_protected else None):
            await keep(held, transaction, judgement, plan, ports)
    except (SpoolUnavailable, StoreUnavailable, TimeoutError) as error:
        if not is_protected:
            raise
        events.evidence_missed(transaction.queue_id, error)
        return Kept(may_have_row=isinstance(error, TimeoutError), is_missed=True)
    return Kept()
