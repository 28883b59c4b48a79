"""One message that a mail server keeps in hand and asks about: judge it, store it, say what to do.

The milter's counterpart of :mod:`mailguard.flow.receive`. The order is the same law: the mail
server hears nothing before evidence and row are durable, and whatever fails is a 4xx. What differs
is that nobody tells us whether the mail server then kept its word: `delivered` means here that it
was told to deliver.

Rules of this file:

1. The mail server is answered exactly once.
2. Only :func:`advise` turns an exception into an answer, and then it is a 4xx.
3. A mail server that has gone before its answer delivers nothing: a `pending` row is withdrawn.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mailguard import events, metrics
from mailguard.errors import ScanFailed
from mailguard.flow.hold import compose, settle_one
from mailguard.flow.plan import Plan, plan_for
from mailguard.flow.protected import keep_unless_protected
from mailguard.flow.record import Outcome, Word, record
from mailguard.flow.setting import Mode, Ports, Setting
from mailguard.flow.unkept import remember_alert
from mailguard.mail.envelope import Path, Transaction
from mailguard.mail.reply import LOCAL_ERROR, Reply, taken_over
from mailguard.policy.judge import Judgement
from mailguard.quarantine.held import Act, HeldMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What the mail server is to do with the message it asked about."""

    refusal: Reply | None = None
    """Say this to the client, and take nothing."""

    discard: bool = False
    """Say 250 to the client and forget the message: all of it is in quarantine."""

    without: tuple[Path, ...] = ()
    """Deliver it, but not to these recipients: their copy is in quarantine."""

    removes_key: bool = False
    """If it is delivered, take the key of a release out of it."""

    held_id: str = ""
    """The copy that was stored, if any."""


Give = Callable[[Advice], bool]
"""Tell the mail server; False when it waits for no answer any more."""

Advise = Callable[[Transaction, Give], Awaitable[None]]
"""Say of one transaction what becomes of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What was decided, and what is stored because of it."""

    advice: Advice
    outcome: Outcome
    plan: Plan | None = None
    held: HeldMessage | None = None
    """Its row may be there, and is `pending` if anybody is to get the message now."""

    is_unkept: bool = False
    """No row carries its alert, or perhaps none."""


async def advise(transaction: Transaction, give: Give, ports: Ports, setting: Setting) -> None:
    """Judge one transaction, and `give` the mail server what follows from it, exactly once.

    Never raises but for cancellation: every fault is answered 451 and logged.
    """
    started = time.perf_counter()
    judgement: Judgement | None = None
    judged = started
    queue_id = transaction.queue_id
    refusal = LOCAL_ERROR.naming(queue_id)
    course = Course(
        advice=Advice(refusal=refusal), outcome=Outcome(reply=refusal, word=Word.DEFERRED)
    )
    try:
        async with asyncio.timeout(setting.answer_s):
            judgement = await ports.judge.judge(transaction)
            judged = time.perf_counter()
            course = await decide(transaction, judgement, ports, setting)
    except TimeoutError as error:
        events.failed(queue_id, error)
        if judgement is not None:
            events.dup_risk(queue_id, "", "the answer took longer than its budget")
    except Exception as error:
        events.failed(queue_id, error)
    is_told = give(course.advice)
    metrics.took("answer", time.perf_counter() - started)
    await settle(transaction, course, ports, is_told=is_told)
    if judgement is not None:
        if course.is_unkept and is_told:
            remember_alert(
                transaction,
                judgement,
                ports,
                held_id=course.held.id if course.held is not None else None,
                is_refused=course.advice.refusal is not None,
            )
        metrics.took("judge", judged - started)
        # What it was not told to deliver stays with its client; what is stored is stored.
        is_deferred = not is_told and not course.advice.discard
        outcome = Outcome(reply=refusal, word=Word.DEFERRED) if is_deferred else course.outcome
        ms = round((judged - started) * 1000)
        record(transaction, judgement, outcome, ports, setting, ms=ms)


async def decide(
    transaction: Transaction, judgement: Judgement, ports: Ports, setting: Setting
) -> Course:
    """Decide, and store what is to be stored. Raises TemporaryFailure when it cannot be now."""
    if len(judgement.dispositions) != len(transaction.envelope.recipients):
        # Nobody may fall between "passed" and "held".
        raise ScanFailed("not every recipient has a disposition")
    queue_id = transaction.queue_id
    plan = plan_for(judgement, setting.mode)
    if plan.refusal is not None:
        word = Word.REFUSED if plan.refusal.is_permanent else Word.DEFERRED
        refusal = plan.refusal.naming(queue_id)
        return Course(
            advice=Advice(refusal=refusal),
            outcome=Outcome(reply=refusal, word=word),
            is_unkept=word is Word.REFUSED,
        )
    taken = taken_over(queue_id)
    if not plan.keep:
        return Course(
            advice=Advice(),
            outcome=Outcome(reply=taken, word=Word.RELAYED),
            is_unkept=setting.mode is Mode.ENFORCE,
        )
    held = compose(transaction, judgement, plan, ports, setting)
    kept = await keep_unless_protected(held, transaction, judgement, plan, ports)
    held_id = held.id if kept.may_have_row else ""
    without = tuple(transaction.envelope.recipients[i] for i in plan.held) if plan.passed else ()
    return Course(
        advice=Advice(discard=not plan.passed, without=without, held_id=held_id),
        outcome=Outcome(reply=taken, word=_word(plan), held_id=held_id),
        plan=plan,
        held=held if kept.may_have_row else None,
        is_unkept=kept.is_missed,
    )


def _word(plan: Plan) -> Word:
    if plan.taken:
        return Word.HELD
    return Word.RETURNED if plan.returned else Word.RELAYED


async def settle(transaction: Transaction, course: Course, ports: Ports, *, is_told: bool) -> None:
    """Bring the row, if any, to its end, now that the mail server knows or never will."""
    held, plan = course.held, course.plan
    if held is None or plan is None:
        return
    if not plan.passed:
        if not is_told:
            events.dup_risk(transaction.queue_id, held.id, "the mail server had gone")
        return
    if not is_told:
        await settle_one(held, None, (), "withdraw", ports)
        return
    rows = {recipient.address for recipient in held.recipients}
    can_now = True
    for positions, act, word in (
        (plan.passed, Act.DELIVER, "deliver"),
        (plan.taken, Act.TAKE, "take"),
        (plan.returned, Act.RETURN, "returned"),
    ):
        addresses = (transaction.envelope.recipients[i].address for i in positions)
        listed = tuple(address for address in addresses if address in rows)
        can_now = await settle_one(held, act, listed, word, ports, can_now=can_now)
