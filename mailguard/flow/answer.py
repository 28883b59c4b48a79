"""What the client is told of what the next hop said about each recipient.

An LMTP client hears all of it. An SMTP client has one reply for the message (RFC 5321 §4.2.5), so
that what differs cannot all be passed on:

================================  ==============================================================
all 2xx, or all refused           the first; temporary if any is, and nobody got it
4xx, or no last word, beside 2xx  that 4xx, once it is remembered who got the message
5xx beside 2xx                    250, once the refused copies are kept as undeliverable
================================  ==============================================================

Who got it when the client last sent this message counts as 2xx.
"""

import asyncio
from dataclasses import dataclass

from mailguard import events
from mailguard.errors import SpoolUnavailable, StoreUnavailable
from mailguard.flow.case import Case
from mailguard.flow.receipts import forget, remember
from mailguard.flow.undeliverable import keep_undeliverable
from mailguard.mail.reply import LOCAL_ERROR, Replies, Reply, taken_over

KEEP_S = 10.0
"""For the refused copies: the client is waiting for its answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How one hand-over ended."""

    replies: Replies
    """One for each recipient that passed, or one for all."""

    got: tuple[int, ...]
    """Positions of the recipients whose copy the next hop took."""

    takes_held: bool
    """Whether the client may forget the copies that are held; otherwise it sends them again."""

    held_id: str = ""
    """What was kept as undeliverable."""


async def make_answer(case: Case, replies: Replies) -> Answer:
    """Find the answer to these replies of the next hop, one for each recipient that passed.

    On return all is durable on which the answer relies.
    """
    said = dict(zip(case.plan.passed, replies, strict=True))
    got = tuple(i for i, reply in said.items() if reply.is_positive)
    if case.answers_each:
        return Answer(replies=replies, got=got, takes_held=True)
    refused = {i: reply for i, reply in said.items() if not reply.is_positive}
    temporary = [reply for reply in refused.values() if not reply.is_permanent]
    if not refused:
        await conclude(case)
        return _one(replies[0], got)
    if not got and not case.had:
        return _one((temporary or replies)[0], got)
    if temporary:
        await _remember(case, got)
        return _one(temporary[0], got)
    return await _keep_refused(case, refused, said, got)


async def conclude(case: Case) -> None:
    """The client gets a reply for good, and does not send the message again."""
    if case.had:
        recipients = case.transaction.envelope.recipients
        await forget(case.transaction, (recipients[i].address for i in case.had), case.ports)


async def _keep_refused(
    case: Case, refused: dict[int, Reply], said: dict[int, Reply], got: tuple[int, ...]
) -> Answer:
    queue_id = case.transaction.queue_id
    try:
        async with asyncio.timeout(KEEP_S):
            held_id = await keep_undeliverable(
                case.transaction, case.judgement, refused, case.ports, case.setting
            )
    except (SpoolUnavailable, StoreUnavailable, TimeoutError) as error:
        events.failed(queue_id, error)
        if isinstance(error, TimeoutError):
            events.dup_risk(queue_id, "", "the refused copies may have been kept after all")
        await _remember(case, got)
        return _one(LOCAL_ERROR.naming(queue_id), got)
    await conclude(case)
    reply = said[got[0]] if got else taken_over(queue_id)
    return Answer(replies=(reply,), got=got, takes_held=True, held_id=held_id)


async def _remember(case: Case, got: tuple[int, ...]) -> None:
    recipients = case.transaction.envelope.recipients
    await remember(case.transaction, (recipients[i].address for i in got), case.ports)


def _one(reply: Reply, got: tuple[int, ...]) -> Answer:
    return Answer(replies=(reply,), got=got, takes_held=reply.is_positive)
