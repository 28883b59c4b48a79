"""One message, from its final dot to the reply: judge it, carry the judgement out, record it.

The order is law (docs/design.md §2, §4): 250 only after the next hop said 250, or after evidence
and row are durable. Every other end is 451 with nothing taken over. An LMTP client (RFC 2033 §4.2)
has a reply for each recipient, whose copy is then held, refused, deferred or passed by itself.

Rules of this file:

1. Whatever fails here is a 4xx; only :func:`receive` says so to everybody.
2. A row left `pending` has its end still open: it is settled, or handed on to be settled.
3. A next hop that may have taken a message is never asked again in the same transaction.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace

from mailguard import events, metrics
from mailguard.errors import (
    NextHopUnavailable,
    ScanFailed,
    SpoolUnavailable,
    StoreUnavailable,
)
from mailguard.flow.answer import Answer, conclude, make_answer
from mailguard.flow.case import Case
from mailguard.flow.handover import hand_over
from mailguard.flow.hold import compose, keep, part_for, settle_one
from mailguard.flow.plan import leave_out, plan_for, refusals_for
from mailguard.flow.protected import keep_unless_protected
from mailguard.flow.receipts import who_has_it
from mailguard.flow.record import Outcome, Word, record
from mailguard.flow.setting import Mode, Ports, Setting
from mailguard.flow.unkept import remember_alert
from mailguard.mail.envelope import Transaction
from mailguard.mail.reply import LOCAL_ERROR, NEXT_HOP_DOWN, Replies, Reply, taken_over
from mailguard.policy.disposition import Action
from mailguard.policy.judge import Judgement
from mailguard.ports import Delivery
from mailguard.quarantine.held import Act, HeldId, HeldMessage


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
    return outcome.replies(transaction)


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
    recipients = transaction.envelope.recipients
    if len(judgement.dispositions) != len(recipients):
        # Nobody may fall between "passed" and "held".
        raise ScanFailed("not every recipient has a disposition")
    answers_each = transaction.session.protocol == "lmtp"
    refusals = refusals_for(judgement, setting.mode) if answers_each else {}
    world = delivery, ports, setting, budget
    try:
        return await _carry_out_but(refusals, transaction, judgement, *world)
    except (SpoolUnavailable, StoreUnavailable) as error:
        # So far nothing was sent. A child's call for help need not come again with the others.
        unkept = _unkept(judgement)
        if not answers_each or len({*refusals, *unkept}) == len(recipients):
            raise
        events.failed(transaction.queue_id, error)
        return await _carry_out_but({**unkept, **refusals}, transaction, judgement, *world)


def _unkept(judgement: Judgement) -> Mapping[int, Reply]:
    """What is told to those whose copy does not go on unless evidence can be kept."""
    dispositions = judgement.dispositions
    is_sealed = any(disposition.action is Action.SEAL for disposition in dispositions)
    return {
        i: LOCAL_ERROR
        for i, disposition in enumerate(dispositions)
        if is_sealed or not disposition.is_protected
    }


async def _carry_out_but(
    refusals: Mapping[int, Reply],
    transaction: Transaction,
    judgement: Judgement,
    delivery: Delivery,
    ports: Ports,
    setting: Setting,
    budget: asyncio.Timeout,
) -> Outcome:
    """The same for all but those who are refused."""
    recipients = transaction.envelope.recipients
    part = transaction, judgement
    if refusals:
        others = [i for i in range(len(recipients)) if i not in refusals]
        part = part_for(others, transaction, judgement)
    had = await who_has_it(part[0], ports)
    case = Case(
        transaction=part[0],
        judgement=part[1],
        plan=leave_out(plan_for(part[1], setting.mode), had, part[1]),
        delivery=delivery,
        introduced=len(recipients),
        had=had,
        ports=ports,
        setting=setting,
        budget=budget,
    )
    if not refusals:
        return await _carry_out(case)
    outcome = await _carry_out(case) if len(refusals) < len(recipients) else None
    return _with_refusals(transaction, judgement, refusals, outcome, ports)


def _with_refusals(
    transaction: Transaction,
    judgement: Judgement,
    refusals: Mapping[int, Reply],
    outcome: Outcome | None,
    ports: Ports,
) -> Outcome:
    """Put the refusals beside the replies to the others, if there are any."""
    others = iter(outcome.each if outcome is not None else ())
    each = tuple(
        refusals[i].naming(transaction.queue_id) if i in refusals else next(others)
        for i in range(len(transaction.envelope.recipients))
    )
    # Everybody stays in it, since whoever got the message is not told of it.
    dispositions = tuple(
        disposition
        if i in refusals and refusals[i].is_permanent
        else replace(disposition, alert=False)
        for i, disposition in enumerate(judgement.dispositions)
    )
    refused = replace(judgement, dispositions=dispositions)
    remember_alert(transaction, refused, ports, is_refused=True)
    if outcome is not None and outcome.word in (Word.HELD, Word.RETURNED):
        return replace(outcome, reply=each[0], each=each)
    held_id = outcome.held_id if outcome is not None else ""
    return Outcome(reply=each[0], word=Word.of(each), held_id=held_id, each=each)


async def _carry_out(case: Case) -> Outcome:
    transaction, judgement, plan = case.transaction, case.judgement, case.plan
    if plan.refusal is not None:
        word = Word.of((plan.refusal,))
        if word is Word.REFUSED:
            remember_alert(transaction, judgement, case.ports, is_refused=True)
            await conclude(case)
        return Outcome(reply=plan.refusal.naming(transaction.queue_id), word=word)
    if not plan.passed:
        return await _keep_all(case)
    if plan.keep:
        return await _keep_and_relay(case)
    answer = await make_answer(case, await hand_over(case))
    _tell_of(answer, case)
    return _outcome(case, answer)


async def _keep_all(case: Case) -> Outcome:
    """Nothing goes on: everybody's copy is held, but for those who have theirs already."""
    taken = taken_over(case.transaction.queue_id)
    each = (taken,) * len(case.plan.held)
    if not each:
        await conclude(case)
        return Outcome(reply=taken, word=Word.RELAYED)
    word = Word.HELD if case.plan.taken else Word.RETURNED
    held = compose(case.transaction, case.judgement, case.to_keep, case.ports, case.setting)
    await keep(held, case.transaction, case.judgement, case.to_keep, case.ports)
    if case.to_keep.passed:
        await _settle(case, held, Answer(replies=each, got=(), takes_held=True))
    await conclude(case)
    return Outcome(reply=taken, word=word, held_id=held.id, each=each)


async def _keep_and_relay(case: Case) -> Outcome:
    """Store first, as `pending`; then deliver; then say in the row how that ended."""
    transaction, judgement, plan, ports = case.transaction, case.judgement, case.to_keep, case.ports
    held = compose(transaction, judgement, plan, ports, case.setting)
    kept = await keep_unless_protected(held, transaction, judgement, plan, ports)
    try:
        answer = await make_answer(case, await hand_over(case))
    except BaseException as error:
        if isinstance(error, NextHopUnavailable) and error.may_have_accepted:
            events.dup_risk(transaction.queue_id, held.id, "no reply to the final dot")
        if kept.may_have_row:
            await settle_one(held, None, (), "withdraw", ports)
        raise
    if kept.is_missed:
        _tell_of(answer, case, held_id=held.id if kept.may_have_row else None)
    is_kept = kept.may_have_row and await _settle(case, held, answer)
    return _outcome(case, answer, held_id=held.id if is_kept else "")


async def _settle(case: Case, held: HeldMessage, answer: Answer) -> bool:
    """Say in the row how the message ended for each recipient; False when nothing of it is left.

    A copy that goes back to the client is none of ours: it is judged and kept anew when it returns.
    """
    taken, returned = (case.plan.taken, case.plan.returned) if answer.takes_held else ((), ())
    actions = [disposition.action for disposition in case.judgement.dispositions]
    if not taken and not returned and not any(actions[i] is Action.FLAG for i in answer.got):
        await settle_one(held, None, (), "withdraw", case.ports)
        return False
    rows = [recipient.address for recipient in held.recipients]
    done: set[str] = set()
    can_now = True
    for positions, act, word in (
        ((*answer.got, *case.had), Act.DELIVER, "deliver"),
        (taken, Act.TAKE, "take"),
        (returned, Act.RETURN, "returned"),
    ):
        wanted = {case.transaction.envelope.recipients[i].address for i in positions} - done
        listed = tuple(address for address in rows if address in wanted)
        can_now = await settle_one(held, act, listed, word, case.ports, can_now=can_now)
        done |= wanted
    if rest := tuple(address for address in rows if address not in done):
        await settle_one(held, None, rest, "withdraw", case.ports, can_now=can_now)
    return True


def _tell_of(answer: Answer, case: Case, held_id: HeldId | None = None) -> None:
    """See to the alert about what was delivered and has no row of its own, or perhaps none."""
    if answer.got and case.setting.mode is Mode.ENFORCE:
        remember_alert(case.transaction, case.judgement, case.ports, held_id=held_id)


def _outcome(case: Case, answer: Answer, held_id: str = "") -> Outcome:
    held_id = held_id or answer.held_id
    is_held = bool(case.plan.held) and answer.takes_held
    stopped = Word.HELD if case.plan.taken else Word.RETURNED
    word = stopped if is_held else Word.of(answer.replies)
    if not case.answers_each:
        return Outcome(reply=answer.replies[0], word=word, held_id=held_id)
    said = dict(zip(case.plan.passed, answer.replies, strict=True))
    taken = taken_over(case.transaction.queue_id)
    each = tuple(said.get(i, taken) for i in range(len(case.judgement.dispositions)))
    return Outcome(reply=each[0], word=word, held_id=held_id, each=each)
