"""A key of a release: good from its issue until it is spent, once, whoever asks."""

import asyncio

from mailguard.store.engine import Database
from mailguard.store.release_keys import SqlReleaseKeys
from mailguard.testing import SCHOOL
from mailguard.testing.fakes import FakeClock


def keys_of(database: Database, clock: FakeClock | None = None) -> SqlReleaseKeys:
    return SqlReleaseKeys(database, SCHOOL.name, clock or FakeClock())


async def test_a_key_is_spent_once_and_good_again_when_given_back(database: Database) -> None:
    keys = keys_of(database)
    token, other = await keys.issue(), await keys.issue()

    seen = [await keys.is_good(token), await keys.spend(token), await keys.is_good(token)]
    again = await keys.spend(token)
    await keys.give_back(token)

    assert token != other
    assert (seen, again) == ([True, True, False], False)
    assert await keys.spend(token)
    assert await keys.is_good(other)


async def test_what_was_never_issued_is_no_key(database: Database) -> None:
    keys = keys_of(database)
    await keys.give_back("0f" * 16)

    assert not await keys.is_good("0f" * 16)
    assert not await keys.spend("0f" * 16)


async def test_of_many_at_once_in_two_processes_one_spends_it(database: Database, url: str) -> None:
    other = Database(url)
    token = await keys_of(database).issue()

    spent = await asyncio.gather(
        *(keys_of(each).spend(token) for each in (database, other) for _ in range(5))
    )

    await other.close()
    assert sorted(spent) == [False] * 9 + [True]


async def test_another_school_cannot_spend_it(database: Database) -> None:
    token = await keys_of(database).issue()

    assert not await SqlReleaseKeys(database, "other", FakeClock()).spend(token)


async def test_keys_of_yesterday_and_of_a_clock_set_back_are_forgotten(database: Database) -> None:
    clock = FakeClock()
    keys = keys_of(database, clock)
    old = await keys.issue()
    clock.advance(hours=26)
    kept = await keys.issue()
    gone = await keys.is_good(old)

    clock.advance(hours=-26)
    await keys.issue()

    assert not gone
    assert not await keys.is_good(kept)
