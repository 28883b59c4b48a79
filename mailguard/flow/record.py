"""What is written down about a transaction once it has its reply: one ledger row, one log event."""

from dataclasses import dataclass
from enum import StrEnum

from mailguard import events, metrics
from mailguard.flow.setting import Ports, Setting
from mailguard.mail.envelope import Transaction
from mailguard.mail.reply import Replies, Reply
from mailguard.policy.disposition import strictest
from mailguard.policy.judge import Judgement
from mailguard.ports import LedgerRow
from mailguard.scan.finding import acting_symbols


class Word(StrEnum):
    """What became of a transaction, in one word.

    Where each recipient has a reply of its own (LMTP), the first of these that is true of any: what
    somebody has to see to, then what has arrived, then what is still to come.
    """

    HELD = "held"
    """At least one recipient's copy is in quarantine."""

    RETURNED = "returned"
    """At least one recipient's copy went back to the author, and none is held."""

    RELAYED = "relayed"
    DEFERRED = "deferred"
    REFUSED = "refused"

    @classmethod
    def of(cls, replies: Replies) -> "Word":
        """Of what was not held and had these replies."""
        if any(reply.is_positive for reply in replies):
            return cls.RELAYED
        return cls.REFUSED if all(reply.is_permanent for reply in replies) else cls.DEFERRED


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What in fact happened."""

    reply: Reply
    word: Word
    held_id: str = ""
    each: Replies = ()
    """For each recipient, where they have replies of their own; `reply` is then the first."""

    def replies(self, transaction: Transaction) -> Replies:
        """What its client is to be told: an LMTP client something about each recipient."""
        if transaction.session.protocol != "lmtp":
            return (self.reply,)
        return self.each or (self.reply,) * len(transaction.envelope.recipients)


def record(
    transaction: Transaction,
    judgement: Judgement,
    outcome: Outcome,
    ports: Ports,
    setting: Setting,
    *,
    ms: int,
) -> None:
    """Write the ledger row and the log event. Mail with a helpline leaves no address in either."""
    unlisted = any(disposition.unlisted for disposition in judgement.dispositions)
    chief = strictest(judgement.dispositions)
    sender = "" if unlisted else transaction.envelope.sender.address
    recipients = () if unlisted else tuple(path.address for path in transaction.envelope.recipients)
    symbols = acting_symbols(judgement.report)
    alert = any(disposition.alert for disposition in judgement.dispositions)
    unscanned = tuple(sorted({item.reason for item in judgement.report.unscanned}))
    ports.ledger.record(
        LedgerRow(
            queue_id=transaction.queue_id,
            school=setting.school,
            received=transaction.received,
            listener=transaction.session.listener,
            sender=sender,
            recipients=recipients,
            relationship=str(chief.relationship),
            level=chief.verdict.level,
            categories=tuple(str(category) for category, _ in chief.verdict.levels),
            symbols=() if unlisted else symbols,
            disposition=str(chief.action),
            outcome=str(outcome.word),
            unscanned=unscanned,
            size=transaction.raw.size,
            ms=ms,
            ident="" if unlisted else transaction.session.ident,
        )
    )
    metrics.judged(
        listener=transaction.session.listener,
        disposition=str(chief.action),
        level=chief.verdict.level,
        relationship=str(chief.relationship),
        outcome=str(outcome.word),
    )
    # In a small school even a count, seen at the right minute, may say who asked whom for help.
    levels = () if unlisted else chief.verdict.levels
    metrics.found([(str(category), level) for category, level in levels], unscanned, alert=alert)
    events.concluded(
        queue_id=transaction.queue_id,
        ident=transaction.session.ident,
        listener=transaction.session.listener,
        peer=transaction.session.peer,
        sender=sender,
        recipients=recipients,
        relationship=str(chief.relationship),
        level=chief.verdict.level,
        symbols=() if unlisted else symbols,
        unscanned=unscanned,
        disposition=str(chief.action),
        alert=alert,
        outcome=str(outcome.word),
        held_id=outcome.held_id,
        reply=outcome.reply,
        size=transaction.raw.size,
        ms=ms,
    )
