import itertools
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailguard.errors import IllegalTransition, StoreUnavailable, UnknownItem
from mailguard.ports import AuditEntry
from mailguard.quarantine.held import Act, Decision, HeldMessage, HeldRecipient, State, new_held_id
from mailguard.quarantine.retention import Retention
from mailguard.store.audit_log import SqlAuditLog
from mailguard.store.engine import Database
from mailguard.store.held_store import SqlHeldStore
from mailguard.store.lock import locked
from mailguard.testing import NOON, SCHOOL
from mailguard.testing.quarantine import audit_entry, held_message

R0, R1 = "r0@elmpark.example", "r1@elmpark.example"
BY_KIM = audit_entry("release", actor="Kim Lee", reason="a joke between friends")
BY_SAM = audit_entry("confirm", actor="Sam Roe", reason="a threat")
SENT = audit_entry("released")


async def add(store: SqlHeldStore, *messages: HeldMessage) -> None:
    for held in messages:
        await store.add(held, audit_entry(subject=held.id))


def ids(messages: list[HeldMessage]) -> list[str]:
    return [held.id for held in messages]


UNIQUE = itertools.count()
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
RECIPIENTS = st.builds(
    HeldRecipient,
    address=TEXT,
    argument=st.binary(max_size=40),
    relationship=TEXT,
    state=st.sampled_from(State),
    reply=TEXT,
    decision=st.none()
    | st.builds(Decision, by=TEXT, at=st.datetimes(timezones=st.just(UTC)), reason=TEXT),
    bounced=st.booleans(),
)
MESSAGES = st.builds(
    lambda **fields: replace(held_message(), **fields),
    queue_id=TEXT,
    sender=TEXT,
    sender_argument=st.binary(max_size=40),
    recipients=st.lists(RECIPIENTS, min_size=1, max_size=3).map(tuple),
    categories=st.dictionaries(TEXT, st.integers(0, 4), max_size=3),
    symbols=st.lists(TEXT, max_size=3).map(tuple),
    received=st.datetimes(timezones=st.just(UTC)),
    level=st.integers(0, 4),
    size=st.integers(0, 2**50),
    sealed=st.booleans(),
    alert=st.booleans(),
    dup_risk=st.booleans(),
    exported=st.booleans(),
)


@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(held=MESSAGES)
async def test_what_is_added_is_read_back(store: SqlHeldStore, held: HeldMessage) -> None:
    held = replace(held, id=new_held_id(NOON, next(UNIQUE).to_bytes(10)))

    await store.add(held, audit_entry())

    assert await store.by_id(held.id) == held


async def test_text_that_is_no_utf8_is_kept_readable(store: SqlHeldStore) -> None:
    await add(store, replace(held_message(), sender="\udcff@x.example"))

    assert (await store.by_id(held_message().id)).sender == "\\udcff@x.example"


async def test_a_message_is_added_once(store: SqlHeldStore, log: SqlAuditLog) -> None:
    await add(store, held_message())

    with pytest.raises(IllegalTransition, match="in quarantine already"):
        await add(store, held_message())

    assert (await log.verify()).count == 1


async def test_an_unknown_id_is_said_to_be_unknown(store: SqlHeldStore) -> None:
    with pytest.raises(UnknownItem, match="no message 01XYZ in quarantine"):
        await store.by_id("01XYZ")


async def test_a_message_of_another_school_is_unknown(database: Database) -> None:
    await add(SqlHeldStore(database, "Oak Lane"), held_message(school="Oak Lane"))

    with pytest.raises(UnknownItem):
        await SqlHeldStore(database, SCHOOL.name).by_id(held_message().id)


async def test_messages_are_listed_oldest_first(store: SqlHeldStore) -> None:
    one, two, three = (held_message(number) for number in (1, 2, 3))
    await add(store, two, three, one)

    assert await store.select() == [one, two, three]
    assert await store.select(limit=2) == [one, two]


async def test_messages_are_listed_by_the_state_of_any_recipient(store: SqlHeldStore) -> None:
    held = held_message(1, states=[State.DELIVERED, State.HELD])
    sealed = held_message(2, states=[State.SEALED])
    released = held_message(3, states=[State.RELEASED, State.RELEASED])
    await add(store, held, sealed, released)

    assert await store.select(states=[State.HELD]) == [held]
    assert await store.select(states=iter([State.RELEASED, State.DELIVERED])) == [held, released]
    assert await store.select(states=[State.PURGED]) == []


async def test_a_decision_and_its_entry_are_there_together(
    store: SqlHeldStore, log: SqlAuditLog
) -> None:
    held = held_message(states=[State.HELD, State.HELD])
    await add(store, held)

    after = await store.act(held.id, Act.RELEASE, [R1], BY_KIM)

    decision = Decision(by="Kim Lee", at=NOON, reason="a joke between friends")
    assert [each.decision for each in after.recipients] == [None, decision]
    assert [each.state for each in after.recipients] == [State.HELD, State.RELEASING]
    assert await store.by_id(held.id) == after
    assert (await log.verify()).count == 2


async def test_a_refused_decision_changes_nothing(store: SqlHeldStore, log: SqlAuditLog) -> None:
    held = held_message(states=[State.HELD, State.RELEASED])
    await add(store, held)

    with pytest.raises(IllegalTransition):
        await store.act(held.id, Act.CONFIRM, [R0, R1], BY_SAM)

    assert await store.by_id(held.id) == held
    assert (await log.verify()).count == 1


async def test_the_second_of_two_reviewers_learns_who_was_first(store: SqlHeldStore) -> None:
    await add(store, held_message())
    await store.act(held_message().id, Act.RELEASE, [R0], BY_KIM)

    with pytest.raises(IllegalTransition) as refusal:
        await store.act(held_message().id, Act.CONFIRM, [R0], BY_SAM)

    assert str(refusal.value) == (
        f"The message to {R0} is being released (Kim Lee, 2 March 2026, 12:00 UTC), "
        "so it cannot be confirmed."
    )


async def test_the_next_hops_reply_is_kept(store: SqlHeldStore) -> None:
    await add(store, held_message(states=[State.RELEASING]))

    await store.act(held_message().id, Act.REFUSE, [R0], SENT, reply="550 no such user")

    recipient = (await store.by_id(held_message().id)).recipients[0]
    assert (recipient.state, recipient.reply) == (State.HELD, "550 no such user")


async def test_a_risk_of_arriving_twice_is_marked_and_stays(store: SqlHeldStore) -> None:
    held = held_message(states=[State.PENDING])
    await add(store, held)

    await store.act(held.id, Act.TAKE, [R0], audit_entry("take"), dup_risk=True)
    await store.act(held.id, Act.CONFIRM, [R0], BY_SAM)

    assert (await store.by_id(held.id)).dup_risk


async def test_an_act_on_an_unknown_message_is_refused(store: SqlHeldStore) -> None:
    with pytest.raises(UnknownItem):
        await store.act(held_message().id, Act.CONFIRM, [R0], BY_SAM)


async def test_a_withdrawn_message_is_gone_but_for_the_audit_log(
    store: SqlHeldStore, log: SqlAuditLog, url: str
) -> None:
    await add(store, held_message(states=[State.PENDING, State.PENDING]))

    await store.withdraw(held_message().id, audit_entry("withdraw"))

    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        assert connection.execute("SELECT count(*) FROM held_recipients").fetchone() == (0,)
    assert await store.select() == []
    assert (await log.verify()).count == 2


async def test_only_a_pending_message_can_be_withdrawn(store: SqlHeldStore) -> None:
    held = held_message(states=[State.HELD, State.PENDING])
    await add(store, held)

    with pytest.raises(IllegalTransition, match="cannot be withdrawn"):
        await store.withdraw(held.id, audit_entry("withdraw"))

    assert await store.by_id(held.id) == held


async def test_a_copy_can_be_withdrawn_and_the_others_stay_and_can_be_acted_on(
    store: SqlHeldStore, log: SqlAuditLog
) -> None:
    held = held_message(states=[State.PENDING, State.PENDING, State.PENDING])
    await add(store, held)
    await store.act(held.id, Act.DELIVER, [R1], audit_entry("deliver"))

    await store.withdraw(held.id, audit_entry("withdraw"), [R0])
    left = await store.act(held.id, Act.TAKE, ["r2@elmpark.example"], audit_entry("take"))

    assert [(r.address, r.state) for r in left.recipients] == [
        (R1, State.DELIVERED),
        ("r2@elmpark.example", State.HELD),
    ]
    assert await store.by_id(held.id) == left
    assert (await log.verify()).count == 4


async def test_a_copy_that_was_delivered_cannot_be_withdrawn(store: SqlHeldStore) -> None:
    held = held_message(states=[State.DELIVERED, State.PENDING])
    await add(store, held)

    with pytest.raises(IllegalTransition, match="cannot be withdrawn"):
        await store.withdraw(held.id, audit_entry("withdraw"), [R0])

    assert await store.by_id(held.id) == held


async def test_withdrawing_an_unknown_message_says_so(store: SqlHeldStore) -> None:
    with pytest.raises(UnknownItem):
        await store.withdraw(held_message().id, audit_entry("withdraw"))


async def test_a_first_attempt_carries_no_risk(store: SqlHeldStore) -> None:
    await add(store, held_message(states=[State.RELEASING]))

    assert await store.note_attempt(held_message().id, NOON) is False


async def test_an_attempt_without_an_end_makes_the_next_one_risky(store: SqlHeldStore) -> None:
    await add(store, held_message(states=[State.RELEASING]))
    await store.note_attempt(held_message().id, NOON)

    assert await store.note_attempt(held_message().id, NOON) is True
    assert (await store.by_id(held_message().id)).dup_risk


async def test_a_failed_attempt_has_an_end(store: SqlHeldStore) -> None:
    held = held_message(states=[State.RELEASING, State.RELEASED])
    await add(store, held)
    await store.note_attempt(held.id, NOON)

    await store.note_failure(held.id, "451 try later")

    assert await store.note_attempt(held.id, NOON) is False
    replies = [each.reply for each in (await store.by_id(held.id)).recipients]
    assert replies == ["451 try later", ""]


@pytest.mark.parametrize(
    ("recipients", "is_risky"), [([R0], True), ([R0, R1], False)], ids=["one", "all"]
)
async def test_an_attempt_ends_when_the_result_for_every_recipient_is_recorded(
    store: SqlHeldStore, recipients: list[str], is_risky: bool
) -> None:
    held = held_message(states=[State.RELEASING, State.RELEASING])
    await add(store, held)
    await store.note_attempt(held.id, NOON)

    await store.act(held.id, Act.SENT, recipients, SENT)

    assert await store.note_attempt(held.id, NOON) is is_risky


async def test_an_attempt_for_an_unknown_message_is_refused(store: SqlHeldStore) -> None:
    with pytest.raises(UnknownItem):
        await store.note_attempt(held_message().id, NOON)
    with pytest.raises(UnknownItem):
        await store.note_failure(held_message().id, "451")
    with pytest.raises(UnknownItem):
        await store.note_export(held_message().id, audit_entry("export"))


async def test_a_message_grows_old_with_the_time_that_passes(
    store: SqlHeldStore, stopwatch: Any
) -> None:
    await add(store, held_message(states=[State.RELEASED]))
    stopwatch.advance(days=30, seconds=-60)
    early = await store.due(Retention())

    stopwatch.advance(seconds=60)

    assert (early, ids(await store.due(Retention()))) == ([], [held_message().id])


@pytest.mark.parametrize(
    "stamp",
    [datetime(1970, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)],
    ids=["flat battery", "far ahead"],
)
async def test_a_clock_that_jumps_deletes_nothing_early(
    store: SqlHeldStore, stopwatch: Any, stamp: datetime
) -> None:
    """Whatever the wall clock said when it was received, decided or looked at."""
    await add(store, held_message(states=[State.HELD], received=stamp))
    held = (await store.select())[0]
    wrong = replace(BY_KIM, at=stamp)
    await store.act(held.id, Act.RELEASE, [R0], wrong)
    await store.act(held.id, Act.SENT, [R0], replace(wrong, at=stamp + timedelta(days=9000)))

    stopwatch.advance(days=29)

    assert await store.due(Retention()) == []


async def test_a_restart_of_the_machine_deletes_nothing_early(
    store: SqlHeldStore, stopwatch: Any
) -> None:
    await add(store, held_message(states=[State.RELEASED]))
    stopwatch.boot = "second"

    stopwatch.advance(days=9000)

    assert await store.due(Retention()) == []


async def test_a_decision_makes_a_message_young_again(store: SqlHeldStore, stopwatch: Any) -> None:
    await add(store, held_message(states=[State.RELEASING]))
    stopwatch.advance(days=365)
    await store.act(held_message().id, Act.SENT, [R0], SENT)

    assert await store.due(Retention()) == []


async def test_an_exported_message_is_due_long_after_its_export(
    store: SqlHeldStore, stopwatch: Any, log: SqlAuditLog
) -> None:
    await add(store, held_message(states=[State.CONFIRMED]))
    stopwatch.advance(days=365)
    never_exported = await store.due(Retention())
    await store.note_export(held_message().id, audit_entry("export"))
    just_exported = await store.due(Retention())
    stopwatch.advance(days=90)

    due = await store.due(Retention())

    assert (never_exported, just_exported, ids(due)) == ([], [], [held_message().id])
    assert due[0].exported
    assert (await log.verify()).count == 2


async def test_what_is_purged_is_not_due_again(store: SqlHeldStore, stopwatch: Any) -> None:
    await add(store, held_message(states=[State.RELEASED]))
    await store.act(held_message().id, Act.EXPIRE, [R0], audit_entry("purge"))

    stopwatch.advance(days=365)

    assert await store.due(Retention()) == []


METHODS: dict[str, Callable[[SqlHeldStore, AuditEntry], object]] = {
    "add": lambda store, entry: store.add(held_message(2), entry),
    "by_id": lambda store, entry: store.by_id(held_message().id),
    "select": lambda store, entry: store.select(),
    "due": lambda store, entry: store.due(Retention()),
    "act": lambda store, entry: store.act(held_message().id, Act.CONFIRM, [R0], entry),
    "withdraw": lambda store, entry: store.withdraw(held_message().id, entry),
    "note_attempt": lambda store, entry: store.note_attempt(held_message().id, NOON),
    "note_failure": lambda store, entry: store.note_failure(held_message().id, "451"),
    "note_export": lambda store, entry: store.note_export(held_message().id, entry),
}


@pytest.mark.parametrize("method", METHODS)
async def test_a_database_that_is_away_is_said_to_be_unavailable(url: str, method: str) -> None:
    store = SqlHeldStore(Database(url, patience=0), SCHOOL.name)
    lock = url.removeprefix("sqlite:///") + ".lock"

    with locked(Path(lock), patience=0), pytest.raises(StoreUnavailable):
        await METHODS[method](store, audit_entry())
