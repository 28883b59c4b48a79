from mailguard.quarantine.held import State
from mailguard.store.engine import Database
from mailguard.store.held_counts import count_held
from mailguard.store.held_store import SqlHeldStore
from mailguard.testing import SCHOOL
from mailguard.testing.quarantine import audit_entry, held_message


async def test_messages_are_counted_by_level_and_the_state_that_most_needs_attention(
    database: Database, store: SqlHeldStore
) -> None:
    kept = [
        held_message(1, states=[State.HELD], level=2),
        held_message(2, states=[State.RELEASED, State.HELD, State.PURGED], level=2),
        held_message(3, states=[State.HELD], level=4),
        held_message(4, states=[State.DELIVERED], level=1),
        held_message(5, states=[State.SEALED], level=4),
        held_message(6, states=[State.PURGED], level=3),
    ]
    for held in kept:
        await store.add(held, audit_entry(subject=held.id))

    counts = await count_held(database, SCHOOL.name)

    assert {
        (State.HELD, 2): 2,
        (State.HELD, 4): 1,
        (State.DELIVERED, 1): 1,
        (State.SEALED, 4): 1,
    } == counts


async def test_another_schools_messages_are_not_counted(
    database: Database, store: SqlHeldStore
) -> None:
    await store.add(held_message(1), audit_entry())

    assert {} == await count_held(database, "another")
