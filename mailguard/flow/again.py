"""The message whose reply was never read: its sender tries again, and is told the same once more.

Only a message that has exactly one Message-ID can be known again, and its reply is given once: a
scanner or a script that sends the same words ever again is not swallowed.
"""

import asyncio
import contextlib
import functools
import hashlib
from collections.abc import Awaitable, Callable

from mailguard import events
from mailguard.errors import StoreUnavailable
from mailguard.flow.hold import entry_for
from mailguard.flow.receipts import hash_trace_free
from mailguard.mail.envelope import Transaction
from mailguard.mail.fingerprint import fingerprint, has_one_message_id
from mailguard.mail.reply import Replies
from mailguard.ports import Clock, Delivery, Receipts, UnreadReply

PATIENCE_S = 4.0
"""For the database to say what the reply was: the message is then received like any other."""

FIRST_S = 15.0
"""For the first transaction to end, where its client tries again before that: together with all
that comes before and after it less than a mail server waits for us."""

FIRST_EVERY_S = 0.1
ATTEMPTS = (0.0, 1.0, 5.0, 10.0)
"""Seconds before each attempt to remember: a mail server's first retry comes after minutes."""

Receive = Callable[[Transaction, Delivery], Awaitable[Replies]]
"""What becomes of all other mail."""


async def receive_again(
    transaction: Transaction,
    delivery: Delivery,
    *,
    otherwise: Receive,
    receipts: Receipts,
    clock: Clock,
) -> Replies:
    """Give a message whose reply was not read the same reply, neither judged nor sent on; hand any
    other, and one whose reply cannot be looked up now, to `otherwise`.

    What may arrive twice all the same is logged: one that is like it but for its `Received:`
    fields, which another hop may have changed; and one that came so soon that nobody knew yet.
    """
    is_known = False
    if await receipts.has_any_unread():
        exact = _exact(transaction)
        is_known = await receipts.has_unread(exact)
        if is_known:
            unread = await _look_up(transaction, exact, receipts, clock)
            if unread is not None:
                events.answered_again(transaction.queue_id, unread.queue_id, unread.held_id or "")
                return _for_client(transaction, unread.replies)
        elif has_one_message_id(transaction.raw):
            similar = await hash_trace_free(transaction)
            if await receipts.has_similar(similar):
                events.dup_risk(transaction.queue_id, "", "looks like one whose reply was not read")
    replies = await otherwise(transaction, delivery)
    if not is_known and replies[0].is_positive and await receipts.has_any_unread():
        await _look_back(transaction, receipts)
    return replies


async def remember_unread(
    transaction: Transaction, replies: "asyncio.Future[Replies]", *, receipts: Receipts
) -> None:
    """The client has gone, and no command of its followed our reply: remember that, once it is
    known, if the message was taken for all. Never raises for what the database does.

    What cannot be known again, and what an LMTP client must send again to some, may double.
    """
    queue_id = transaction.queue_id
    is_early = not replies.done()
    if not has_one_message_id(transaction.raw):
        if any(reply.is_positive for reply in await replies):
            events.reply_unread(queue_id)
            if is_early:
                events.dup_risk(queue_id, "", "its client did not read the reply")
        return
    exact = _exact(transaction)
    similar = await hash_trace_free(transaction)
    keep = functools.partial(receipts.keep_unread, exact, queue_id=queue_id, trace_free=similar)
    if is_early:
        # For a client that tries again at once, perhaps at another process.
        await _insist(lambda: keep(replies=()), queue_id, ATTEMPTS[:1])
    answer = await replies
    if not is_early and queue_id not in answer[0].lines[-1]:
        # Each is given once: who never says QUIT would else be swallowed again and again.
        events.dup_risk(queue_id, "", "a reply that was given again may not have been read either")
        return
    if all(reply.is_positive for reply in answer):
        events.reply_unread(queue_id)
        await _insist(lambda: keep(replies=answer), queue_id, ATTEMPTS)
        return
    if any(reply.is_positive for reply in answer):
        events.reply_unread(queue_id)
        events.dup_risk(queue_id, "", "its client may not have read who has it and who has not")
    if is_early:
        await _insist(lambda: receipts.drop_unread(exact, queue_id), queue_id, ATTEMPTS)


async def _look_up(
    transaction: Transaction, exact: str, receipts: Receipts, clock: Clock
) -> UnreadReply | None:
    """The reply, waiting for it where it is not known yet; None, and a log line where that may
    double the message, when there is none."""
    merged = functools.partial(entry_for, "merge", clock=clock, again=transaction.queue_id)
    why = "the reply to it could not be looked up"
    unread: UnreadReply | None = None
    try:
        async with asyncio.timeout(PATIENCE_S) as budget:
            unread = await receipts.take_unread(exact, merged)
            if unread is not None and not unread.replies:
                why = "the same message is still being received"
                budget.reschedule(asyncio.get_running_loop().time() + FIRST_S)
            while unread is not None and not unread.replies:
                if unread.queue_id == transaction.queue_id:
                    return None  # its client has gone so early that it finds its own trace
                await asyncio.sleep(FIRST_EVERY_S)
                unread = await receipts.take_unread(exact, merged)
            return unread
    except (StoreUnavailable, TimeoutError):
        events.dup_risk(transaction.queue_id, "", why)
        if unread is not None:
            # Whoever was to answer may be dead: nobody else is to wait for it.
            with contextlib.suppress(StoreUnavailable):
                await receipts.drop_unread(exact, unread.queue_id)
        return None


async def _look_back(transaction: Transaction, receipts: Receipts) -> None:
    """Say so if the same message was taken at the same time from a client that has gone: this was
    its second attempt, so that no other has to be answered."""
    exact = _exact(transaction)
    if not await receipts.has_unread(exact):
        return
    with contextlib.suppress(StoreUnavailable, TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            if await receipts.forget_unread(exact, but=transaction.queue_id):
                events.dup_risk(transaction.queue_id, "", "the same message came twice at a time")


async def _insist(
    write: Callable[[], Awaitable[None]], queue_id: str, delays: tuple[float, ...]
) -> None:
    """Try a few times to have it written."""
    for delay in delays:
        await asyncio.sleep(delay)
        try:
            await write()
            return
        except StoreUnavailable:
            continue
    events.dup_risk(
        queue_id, "", "its client may not have read the reply, and nothing could say so"
    )


def _exact(transaction: Transaction) -> str:
    """One listener's: another may lead to another next hop, which has not seen the message."""
    listener = transaction.session.listener.encode()
    exact = fingerprint(transaction.envelope, transaction.raw).encode()
    return hashlib.sha256(listener + b" " + exact).hexdigest()


def _for_client(transaction: Transaction, replies: Replies) -> Replies:
    """As many as this client waits for; it may have come by LMTP first and by SMTP now."""
    is_lmtp = transaction.session.protocol == "lmtp"
    count = len(transaction.envelope.recipients) if is_lmtp else 1
    return replies if len(replies) == count else replies[:1] * count
