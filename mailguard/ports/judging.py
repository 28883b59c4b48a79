"""Who looks at messages."""

from typing import Protocol

from mailguard.mail.envelope import Transaction
from mailguard.mail.message import Message
from mailguard.mail.text import Extract
from mailguard.policy.judge import Judgement


class Extractor(Protocol):
    """Looks at attachments outside the judging core."""

    async def extract(self, message: Message) -> tuple[Extract, ...]:
        """One Extract for each attachment. Never raises for what a message contains."""
        ...


class Judge(Protocol):
    """Forms the opinion; the adapter decides where (in this process, or in one it can kill)."""

    async def judge(self, transaction: Transaction) -> Judgement:
        """Judge one transaction within its time budget.

        An engine that fails or overruns is an `unscanned` finding in the report. Raises
        ScanFailed only when no judgement could be made at all.
        """
        ...
