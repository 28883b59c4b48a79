"""Our own mail that comes back through a listener, on its way out: passed on unjudged, once."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from mailguard import events
from mailguard.errors import NextHopUnavailable, StoreUnavailable
from mailguard.flow.advise import Advice, Advise, Give
from mailguard.flow.handover import head_for
from mailguard.flow.setting import Setting
from mailguard.mail.envelope import Transaction
from mailguard.mail.reply import NEXT_HOP_DOWN, Replies
from mailguard.mail.signature import read_key, verify
from mailguard.ports import Clock, Delivery, OwnMailStore

PATIENCE_S = 10.0
"""For the database to say whether a key was used: the message is then judged like any other."""

Receive = Callable[[Transaction, Delivery], Awaitable[Replies]]
"""What becomes of all other mail."""


async def receive_own(
    transaction: Transaction,
    delivery: Delivery,
    *,
    otherwise: Receive,
    mails: OwnMailStore,
    clock: Clock,
    setting: Setting,
) -> Replies:
    """Pass on a message with a good key, without judgement or ledger row; hand any other, and one
    whose key cannot be looked up now, to `otherwise`.

    The key is used up by it, and good again unless the next hop says 2xx. A mail of ours has one
    recipient, so that there is one reply whatever the client and the next hop speak.
    """
    message_id = await _recognise(transaction, mails, clock)
    if not message_id:
        return await otherwise(transaction, delivery)
    reply = NEXT_HOP_DOWN.naming(transaction.queue_id)
    try:
        async with asyncio.timeout(setting.answer_s):
            envelope = transaction.envelope
            head = head_for(transaction, envelope.recipients, setting)
            reply = (await delivery.data(head, transaction.raw))[0]
            reply = reply.naming(transaction.queue_id)
    except NextHopUnavailable as error:
        events.failed(transaction.queue_id, error)
        if error.may_have_accepted:
            events.dup_risk(transaction.queue_id, "", "no reply to the final dot")
    except TimeoutError as error:
        events.failed(transaction.queue_id, error)
        events.dup_risk(transaction.queue_id, "", "the answer took longer than its budget")
    finally:
        if not reply.is_positive:
            with contextlib.suppress(StoreUnavailable):
                await mails.give_back(message_id)
    if reply.is_positive:
        events.own_mail_passed(transaction.queue_id)
    return (reply,)


async def advise_own(
    transaction: Transaction,
    give: Give,
    *,
    otherwise: Advise,
    mails: OwnMailStore,
    clock: Clock,
) -> None:
    """The same where a mail server keeps the message and asks: it may deliver it.

    The key is good again if the mail server has gone before it heard so.
    """
    message_id = await _recognise(transaction, mails, clock)
    if not message_id:
        await otherwise(transaction, give)
    elif give(Advice()):
        events.own_mail_passed(transaction.queue_id)
    else:
        with contextlib.suppress(StoreUnavailable):
            await mails.give_back(message_id)


async def _recognise(transaction: Transaction, mails: OwnMailStore, clock: Clock) -> str:
    """The Message-ID of a mail of ours whose key was good until now, ``""`` for any other."""
    key = read_key(transaction.raw)
    if key is None:
        return ""
    try:
        async with asyncio.timeout(PATIENCE_S):
            secret = await mails.secret()
            if not verify(key, transaction.envelope, secret, clock.now()):
                return ""
            return key.message_id if await mails.spend(key.message_id) else ""
    except (StoreUnavailable, TimeoutError) as error:
        events.failed(transaction.queue_id, error)
        return ""
