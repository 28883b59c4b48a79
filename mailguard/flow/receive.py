"""One message, from its final dot to the reply: judge it, carry the judgement out, record it.

The order is law (docs/design.md §2, §4): 250 only after the next hop said 250, or after evidence
and row are durable. Every other end is 451 with nothing taken over.

Rules of this file:

1. Only :func:`receive` turns an exception into a reply, and then it is a 4xx.
2. A row left `pending` has its end still open: it is settled, or handed on to be settled.
3. A next hop that may have taken a message is never asked again in the same transaction.
"""

import asyncio
import time

from mailguard import events, metrics
from mailguard.errors import NextHopUnavailable, ScanFailed, SpoolUnavailable, StoreUnavailable
from mailguard.flow.hold import compose, keep, settle_one
from mailguard.flow.plan import Plan, plan_for
from mailguard.flow.record import Outcome, Word, record
from mailguard.flow.setting import Mode, Ports, Setting
from mailguard.flow.unkept import remember_alert
from mailguard.mail.envelope import Path, Transaction
from mailguard.mail.headers import received_line
from mailguard.mail.reply import LOCAL_ERROR, NEXT_HOP_DOWN, Replies, Reply, taken_over
from mailguard.policy.judge import Judgement
from mailguard.ports import Delivery
from mailguard.quarantine.held import Act, HeldMessage

PROTECTED_S = 2.0
"""For the evidence of a message that nothing of ours may delay; it normally takes milliseconds."""


async def receive(
    transaction: Transaction, delivery: Delivery, ports: Ports, setting: Setting
) -> Replies:
    """Judge one transaction and carry the judgement out. The only way mail passes.

    `delivery` has had this transaction's MAIL and RCPTs accepted and no DATA yet; the caller closes
    it. Never raises but for cancellation: every fault is answered 451 and logged.
    """
    started = time.perf_counter()
    judgement: Judgement | None = None
    judged = started
    queue_id = transaction.queue_id
    outcome = Outcome(reply=LOCAL_ERROR.naming(queue_id), word=Word.DEFERRED)
    try:
        async with asyncio.timeout(setting.answer_s) as budget:
            judgement = await ports.judge.judge(transaction)
            judged = time.perf_counter()
            outcome = await carry_out(transaction, judgement, delivery, ports, setting, budget)
    except NextHopUnavailable as error:
        outcome = Outcome(reply=NEXT_HOP_DOWN.naming(queue_id), word=Word.DEFERRED)
        events.failed(queue_id, error)
        if error.may_have_accepted:
            events.dup_risk(queue_id, "", "no reply to the final dot")
    except TimeoutError as error:
        events.failed(queue_id, error)
        if judgement is not None:
            events.dup_risk(queue_id, "", "the answer took longer than its budget")
    except Exception as error:
        events.failed(queue_id, error)
    metrics.took("answer", time.perf_counter() - started)
    if judgement is not None:
        metrics.took("judge", judged - started)
        ms = round((judged - started) * 1000)
        record(transaction, judgement, outcome, ports, setting, ms=ms)
    return (outcome.reply,)


async def carry_out(
    transaction: Transaction,
    judgement: Judgement,
    delivery: Delivery,
    ports: Ports,
    setting: Setting,
    budget: asyncio.Timeout,
) -> Outcome:
    """Do what the dispositions say within `budget`, which ends once the next hop has spoken.

    Raises TemporaryFailure when it cannot be done now.
    """
    if len(judgement.dispositions) != len(transaction.envelope.recipients):
        # Nobody may fall between "passed" and "held".
        raise ScanFailed("not every recipient has a disposition")
    plan = plan_for(judgement, setting.mode)
    if plan.refusal is not None:
        word = Word.REFUSED if plan.refusal.is_permanent else Word.DEFERRED
        if word is Word.REFUSED:
            remember_alert(transaction, judgement, ports, is_refused=True)
        return Outcome(reply=plan.refusal.naming(transaction.queue_id), word=word)
    if not plan.passed:
        held = compose(transaction, judgement, plan, ports, setting)
        await keep(held, transaction, judgement, plan, ports)
        return Outcome(reply=taken_over(transaction.queue_id), word=Word.HELD, held_id=held.id)
    if plan.keep:
        return await _keep_and_relay(transaction, judgement, plan, delivery, ports, setting, budget)
    reply = await _relay(transaction, plan, delivery, ports, setting)
    if reply.is_positive and setting.mode is Mode.ENFORCE:
        remember_alert(transaction, judgement, ports)
    return Outcome(reply=reply, word=_word_for(reply))


async def _keep_and_relay(
    transaction: Transaction,
    judgement: Judgement,
    plan: Plan,
    delivery: Delivery,
    ports: Ports,
    setting: Setting,
    budget: asyncio.Timeout,
) -> Outcome:
    """Store first, as `pending`; then deliver; then say in the row how that ended."""
    held = compose(transaction, judgement, plan, ports, setting)
    # A child's call for help is not delayed for want of a copy (promise 6).
    is_protected = all(disposition.is_protected for disposition in judgement.dispositions)
    may_have_row = True
    is_missed = False
    try:
        async with asyncio.timeout(PROTECTED_S if is_protected else None):
            await keep(held, transaction, judgement, plan, ports)
    except (SpoolUnavailable, StoreUnavailable, TimeoutError) as error:
        if not is_protected:
            raise
        events.evidence_missed(transaction.queue_id, error)
        may_have_row = isinstance(error, TimeoutError)
        is_missed = True
    try:
        reply = await _relay(transaction, plan, delivery, ports, setting)
        # Must: the next hop has spoken, and no clock of ours may turn its word into another.
        budget.reschedule(None)
    except BaseException as error:
        if isinstance(error, NextHopUnavailable) and error.may_have_accepted:
            events.dup_risk(transaction.queue_id, held.id, "no reply to the final dot")
        if may_have_row:
            await settle_one(held, None, (), "withdraw", ports)
        raise
    if is_missed and reply.is_positive:
        row = held.id if may_have_row else None
        remember_alert(transaction, judgement, ports, held_id=row)
    if not may_have_row:
        return Outcome(reply=reply, word=_word_for(reply))
    if not reply.is_positive:
        await settle_one(held, None, (), "withdraw", ports)
        return Outcome(reply=reply, word=_word_for(reply))
    await settle_one(held, Act.DELIVER, _rows(transaction, plan.passed, held), "deliver", ports)
    if plan.held:
        await settle_one(held, Act.TAKE, _rows(transaction, plan.held, held), "take", ports)
    word = Word.HELD if plan.held else Word.RELAYED
    return Outcome(reply=reply, word=word, held_id=held.id)


def _rows(
    transaction: Transaction, positions: tuple[int, ...], held: HeldMessage
) -> tuple[str, ...]:
    """The addresses at these positions that have a row."""
    rows = {recipient.address for recipient in held.recipients}
    addresses = (transaction.envelope.recipients[i].address for i in positions)
    return tuple(address for address in addresses if address in rows)


async def _relay(
    transaction: Transaction, plan: Plan, delivery: Delivery, ports: Ports, setting: Setting
) -> Reply:
    """Send the message on for the recipients that pass; return the next hop's reply in its own
    words, with our queue id behind them.

    A next hop that closed before DATA is asked anew, once.
    """
    started = time.perf_counter()
    reply = await _hand_over(transaction, plan, delivery, ports, setting)
    metrics.took("relay", time.perf_counter() - started)
    return reply.naming(transaction.queue_id)


async def _hand_over(
    transaction: Transaction, plan: Plan, delivery: Delivery, ports: Ports, setting: Setting
) -> Reply:
    passed = tuple(transaction.envelope.recipients[i] for i in plan.passed)
    head = head_for(transaction, passed, setting)
    try:
        if plan.held:
            await delivery.reset()
            refusal = await _introduce(delivery, transaction.envelope.sender, passed)
            if refusal is not None:
                return refusal
        return (await delivery.data(head, transaction.raw))[0]
    except NextHopUnavailable as error:
        # Must: who logged in did so on that connection, and no other may be taken for theirs.
        if error.may_have_accepted or transaction.session.auth:
            raise
    fresh = await ports.next_hop.open(transaction.session, transaction.queue_id)
    try:
        refusal = await _introduce(fresh, transaction.envelope.sender, passed)
        if refusal is not None:
            return refusal
        return (await fresh.data(head, transaction.raw))[0]
    finally:
        await fresh.close()


async def _introduce(
    delivery: Delivery, sender: Path, recipients: tuple[Path, ...]
) -> Reply | None:
    """Send MAIL and RCPTs again; a refusal now, of what was accepted before, is 451 for all."""
    reply = await delivery.mail(sender.argument)
    for path in recipients:
        if not reply.is_positive:
            return NEXT_HOP_DOWN
        reply = await delivery.rcpt(path.argument)
    return None if reply.is_positive else NEXT_HOP_DOWN


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


def _word_for(reply: Reply) -> Word:
    if reply.is_positive:
        return Word.RELAYED
    return Word.REFUSED if reply.is_permanent else Word.DEFERRED
