"""A released message on its way through the mail server that had asked about it.

:mod:`mailguard.flow.release` sends it with a key in front; here it comes in again. A good key is
used up by it, and what a reviewer has decided is not decided anew: only malware that the reviewer
was not shown, and sealed imagery, still stop it, and are then a new held message.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import replace

from mailguard import events
from mailguard.errors import StoreUnavailable, UnknownItem
from mailguard.flow.advise import Advice, Advise, Give
from mailguard.flow.setting import Keyring
from mailguard.mail.envelope import Transaction
from mailguard.mail.release_key import ReleaseKey, read_release, verify_release, without_release
from mailguard.ports import Clock, HeldStore

PATIENCE_S = 10.0
"""For the database to say whether a key was used: the message is then judged like any other."""

Released = Callable[[Iterable[str]], Advise]
"""How to judge what was released, by the symbols that have been decided about."""


async def advise_released(
    transaction: Transaction,
    give: Give,
    *,
    released: Released,
    otherwise: Advise,
    held: HeldStore,
    keyring: Keyring,
    clock: Clock,
) -> None:
    """Have a message with a good key judged by `released`, without the key, which the mail server
    is told to remove; hand any other, and one whose key cannot be looked up now, to `otherwise`.

    The key is good again if the mail server was not told to take the message.
    """
    key = await _recognise(transaction, keyring, clock)
    if key is None:
        await otherwise(transaction, give)
        return
    symbols = await _symbols_of(key, held)
    is_taken = False

    def pass_on(advice: Advice) -> bool:
        nonlocal is_taken
        is_told = give(replace(advice, removes_key=True))
        is_taken = is_told and advice.refusal is None
        if is_taken and (advice.discard or advice.without):
            events.release_stopped(transaction.queue_id, key.held_id)
        elif is_taken:
            events.release_passed(transaction.queue_id, key.held_id)
        return is_told

    try:
        bare = replace(transaction, raw=without_release(transaction.raw, key))
        await released(symbols)(bare, pass_on)
    finally:
        if not is_taken:
            with contextlib.suppress(StoreUnavailable):
                await keyring.keys.give_back(key.token)


async def _recognise(transaction: Transaction, keyring: Keyring, clock: Clock) -> ReleaseKey | None:
    """The key of a message if it was good until now."""
    key = read_release(transaction.raw)
    if key is None:
        return None
    try:
        async with asyncio.timeout(PATIENCE_S):
            # Asked first: nobody makes us hash a large message by an invented key.
            if not await keyring.keys.is_good(key.token):
                return None
            secret = await keyring.secret()
            if not verify_release(key, transaction.raw, transaction.envelope, secret, clock.now()):
                return None
            return key if await keyring.keys.spend(key.token) else None
    except (StoreUnavailable, TimeoutError) as error:
        events.failed(transaction.queue_id, error)
        return None


async def _symbols_of(key: ReleaseKey, held: HeldStore) -> tuple[str, ...]:
    """What the reviewer was shown; nothing where that cannot be looked up now."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return (await held.by_id(key.held_id)).symbols
    except (StoreUnavailable, UnknownItem, TimeoutError) as error:
        events.failed(key.held_id, error)
        return ()
