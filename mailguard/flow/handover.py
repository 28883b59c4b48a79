"""Hand a message to the next hop for those recipients whose copy passes."""

import time

from mailguard import events, metrics
from mailguard.errors import NextHopUnavailable
from mailguard.flow.case import Case
from mailguard.flow.setting import Setting
from mailguard.mail.envelope import Path, Transaction
from mailguard.mail.headers import received_line
from mailguard.mail.reply import NEXT_HOP_DOWN, NO_LAST_WORD, Replies
from mailguard.ports import Delivery


async def hand_over(case: Case) -> Replies:
    """Send the message on; return the next hop's reply for each recipient that passes, in its own
    words, with our queue id behind them.

    A next hop that closed before DATA is asked anew, once. Raises NextHopUnavailable, but not where
    the client waits for a reply for each recipient: the others' are not spoilt by it.
    """
    queue_id = case.transaction.queue_id
    started = time.perf_counter()
    try:
        replies = await _hand_over(case)
    except NextHopUnavailable as error:
        if not case.answers_each:
            raise
        events.failed(queue_id, error)
        replies = (NO_LAST_WORD if error.may_have_accepted else NEXT_HOP_DOWN,)
    # Must: the next hop has spoken, and no clock of ours may turn its word into another.
    case.budget.reschedule(None)
    metrics.took("relay", time.perf_counter() - started)
    if NO_LAST_WORD in replies:
        events.dup_risk(queue_id, "", "no reply to the final dot")
    if len(replies) == 1:
        replies *= len(case.passed)
    if len(replies) != len(case.passed):
        raise NextHopUnavailable(f"{len(replies)} last words", may_have_accepted=True)
    return tuple(reply.naming(queue_id) for reply in replies)


async def _hand_over(case: Case) -> Replies:
    transaction, delivery, passed = case.transaction, case.delivery, case.passed
    head = head_for(transaction, passed, case.setting)
    try:
        if len(passed) < case.introduced:
            await delivery.reset()
            refusal = await _introduce(delivery, transaction.envelope.sender, passed)
            if refusal:
                return refusal
        return await delivery.data(head, transaction.raw)
    except NextHopUnavailable as error:
        # Must: who logged in did so on that connection, and no other may be taken for theirs.
        if error.may_have_accepted or transaction.session.auth:
            raise
    fresh = await case.ports.next_hop.open(transaction.session, transaction.queue_id)
    try:
        refusal = await _introduce(fresh, transaction.envelope.sender, passed)
        return refusal or await fresh.data(head, transaction.raw)
    finally:
        await fresh.close()


async def _introduce(delivery: Delivery, sender: Path, recipients: tuple[Path, ...]) -> Replies:
    """Send MAIL and RCPTs again; a refusal now, of what was accepted before, is 451 for all."""
    reply = await delivery.mail(sender.argument)
    for path in recipients:
        if not reply.is_positive:
            return (NEXT_HOP_DOWN,)
        reply = await delivery.rcpt(path.argument)
    return () if reply.is_positive else (NEXT_HOP_DOWN,)


def head_for(transaction: Transaction, passed: tuple[Path, ...], setting: Setting) -> bytes:
    """The `Received:` line to put in front of what goes to `passed`; empty when switched off."""
    if not setting.adds_received:
        return b""
    return received_line(
        transaction.session,
        transaction.queue_id,
        passed,
        hostname=setting.hostname,
        now=transaction.received,
    )
