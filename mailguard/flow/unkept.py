"""An alert about a message of which nothing is kept: it lives in memory until it is a row."""

from mailguard.flow.parties import parse_head
from mailguard.flow.setting import Ports, Unkept
from mailguard.mail.envelope import Transaction
from mailguard.policy.judge import Judgement
from mailguard.policy.visibility import Parties
from mailguard.quarantine.held import HeldId

CAPACITY = 1000
"""Alerts that wait for the database; some 1 KB each. A school that is owed more has been called."""


def remember_alert(
    transaction: Transaction,
    judgement: Judgement,
    ports: Ports,
    *,
    held_id: HeldId | None = None,
    is_refused: bool = False,
) -> None:
    """Remember that somebody must be told of a message which has no row, if anybody must be.

    So it is with a child's call for help whose copy could not be stored, and where the school's
    settings relay or refuse what carries an alert. `held_id` is the row that it may have after all.
    """
    told = [each for each in judgement.dispositions if each.alert and not each.unlisted]
    if not told or len(ports.unkept) >= CAPACITY:
        return
    envelope = transaction.envelope
    ports.unkept.append(
        Unkept(
            queue_id=transaction.queue_id,
            held_id=held_id,
            received=transaction.received,
            level=max(each.verdict.level for each in told),
            parties=Parties(
                addresses=(
                    envelope.sender.address,
                    *(path.address for path in envelope.recipients),
                    *(mailbox.address for mailbox in parse_head(transaction.raw).from_),
                ),
                relationships=tuple(str(each.relationship) for each in judgement.dispositions),
            ),
            is_refused=is_refused,
        )
    )
