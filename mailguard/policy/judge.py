"""The judging core in one call: what the relay, the milter, `scan` and replay all use."""

from collections.abc import Callable
from dataclasses import dataclass

from mailguard.mail.envelope import Transaction
from mailguard.mail.message import Message
from mailguard.mail.text import Extract, look
from mailguard.policy.disposition import Disposition, Policy, dispose
from mailguard.policy.relationship import Relationship, can_be_told, identify_author, relate
from mailguard.policy.taxonomy import Group
from mailguard.policy.verdict import Verdict, weigh
from mailguard.scan.finding import ScanReport
from mailguard.scan.registry import Ruleset
from mailguard.scan.scanner import never, scan


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Everything decided about one transaction, before anything is done."""

    report: ScanReport
    dispositions: tuple[Disposition, ...]
    """One for each envelope recipient, in envelope order."""


def judge(
    transaction: Transaction,
    message: Message,
    extracts: tuple[Extract, ...],
    ruleset: Ruleset,
    policy: Policy,
    expired: Callable[[], bool] = never,
) -> Judgement:
    """Form the opinion on one parsed message. Pure: same input, same judgement, on any machine.

    When `expired` answers true the scan ends there, and says so in its report.
    """
    view = look(message, extracts)
    report = scan(view, transaction, ruleset, expired)
    return conclude(report, transaction, message, policy)


def conclude(
    report: ScanReport, transaction: Transaction, message: Message, policy: Policy
) -> Judgement:
    """Decide for each recipient what `report` means; the report may come from another process."""
    author = identify_author(transaction, message, policy.directory)
    may_return = can_be_told(transaction, message, policy.directory)
    verdicts: dict[tuple[Relationship, frozenset[str]], Verdict] = {}
    dispositions = []
    for recipient in transaction.envelope.recipients:
        relationship = relate(author, recipient.address, policy.directory)
        children = (
            policy.directory.children_of(recipient.address)
            if relationship.recipient is Group.PARENT
            else frozenset[str]()
        )
        verdict = verdicts.get((relationship, children))
        if verdict is None:
            verdict = weigh(report, relationship, policy, children=children)
            verdicts[relationship, children] = verdict
        disposition = dispose(verdict, recipient.address, policy, may_return=may_return)
        dispositions.append(disposition)
    return Judgement(report=report, dispositions=tuple(dispositions))
