import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mailguard.errors import StoreUnavailable
from mailguard.mail.reply import Reply
from mailguard.ports import AuditEntry
from mailguard.quarantine.held import Act, HeldMessage, State
from mailguard.store import known_receipts
from mailguard.store import receipts as module
from mailguard.store.audit_log import SqlAuditLog
from mailguard.store.engine import Database
from mailguard.store.held_store import SqlHeldStore
from mailguard.store.known_receipts import CAPACITY, LOOK_EVERY_S
from mailguard.store.lock import locked
from mailguard.store.receipts import SqlReceipts
from mailguard.testing import NOON, SCHOOL
from mailguard.testing.quarantine import audit_entry, held_message

OK = Reply(code=250, lines=("first line", "2.0.0 Ok: queued as NEXT (Q1)"))
OTHER = Reply.of(250, "2.0.0 Ok (Q2)")


def merge(held: HeldMessage) -> AuditEntry:
    return AuditEntry(at=NOON, actor="mailguard", action="merge", subject=held.id, detail={})


@pytest.fixture
def receipts(database: Database, stopwatch: Any) -> SqlReceipts:
    return SqlReceipts(database, SCHOOL.name, stopwatch=stopwatch)


@pytest.fixture
def query(url: str) -> Callable[[str], list[Any]]:
    def run(sql: str) -> list[Any]:
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            return connection.execute(sql).fetchall()

    return run


async def take(receipts: SqlReceipts, fingerprint: str = "f") -> tuple[Reply, ...] | None:
    unread = await receipts.take_unread(fingerprint, merge)
    return None if unread is None else unread.replies


async def test_a_reply_is_given_as_it_was_and_once(receipts: SqlReceipts) -> None:
    await receipts.keep_unread("f", (OK, OTHER), "Q1", trace_free="t")

    unread = await receipts.take_unread("f", merge)

    assert unread is not None
    assert (unread.replies, unread.queue_id, unread.held_id) == ((OK, OTHER), "Q1", None)
    assert await take(receipts) is None
    assert await take(receipts, "another") is None


async def test_a_reply_is_given_once_whoever_asks(
    receipts: SqlReceipts, url: str, children: Callable[[Callable[[], int]], int]
) -> None:
    async def ask() -> int:
        database = Database(url)
        mine = SqlReceipts(database, SCHOOL.name)
        found = await asyncio.gather(*(take(mine, f"f{i}") for i in range(20)))
        await database.close()
        return len([each for each in found if each])

    for i in range(20):
        await receipts.keep_unread(f"f{i}", (OK,), "Q1", trace_free="t")
    await receipts._database.close()
    start = time.monotonic() + 0.1
    pids = []
    for _ in range(2):

        def work() -> int:
            time.sleep(max(0.0, start - time.monotonic()))
            return asyncio.run(ask())

        pids.append(children(work))
    counts = [await asyncio.to_thread(_status, pid) for pid in pids]

    assert sum(counts) == 20


def _status(pid: int) -> int:
    import os

    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


async def test_after_24_counted_hours_it_is_forgotten(
    receipts: SqlReceipts, stopwatch: Any, query: Callable[[str], list[Any]]
) -> None:
    for name in ("a", "b"):
        await receipts.keep_unread(name, (OK,), "Q1", trace_free="t")
    stopwatch.advance(seconds=24 * 3600 - 1)

    assert await receipts.expire() == 0
    assert await take(receipts, "a") == (OK,)
    stopwatch.advance(seconds=61)
    assert await take(receipts, "b") is None
    assert await receipts.expire() == 2
    assert query("SELECT * FROM unread_replies") == []


async def test_a_restart_of_the_machine_expires_nothing_early(
    receipts: SqlReceipts, stopwatch: Any
) -> None:
    await receipts.keep_unread("f", (OK,), "Q1", trace_free="t")
    await receipts.note_delivered("t", ["ben@elmpark.example"])
    stopwatch.boot, stopwatch.seconds = "second", 10**9

    assert await receipts.expire() == 0
    assert await receipts.delivered("t") == {"ben@elmpark.example"}
    assert await take(receipts) == (OK,)


async def test_the_same_message_received_anew_is_remembered_anew(receipts: SqlReceipts) -> None:
    await receipts.keep_unread("f", (OK,), "Q1", trace_free="t")
    await receipts.take_unread("f", merge)
    await receipts.keep_unread("f", (), "Q2", trace_free="t")
    assert await take(receipts) == ()
    await receipts.keep_unread("f", (OTHER,), "Q2", trace_free="t")

    assert await take(receipts) == (OTHER,)
    assert await take(receipts) is None


async def test_another_reply_to_the_same_message_takes_the_place_of_the_first(
    receipts: SqlReceipts,
) -> None:
    await receipts.keep_unread("f", (OK,), "Q1", trace_free="t")
    await receipts.keep_unread("f", (OTHER,), "Q2", trace_free="t")

    unread = await receipts.take_unread("f", merge)

    assert unread is not None
    assert (unread.queue_id, unread.replies) == ("Q2", (OTHER,))
    assert await take(receipts) is None


async def test_a_reply_that_is_to_come_may_be_asked_for_until_it_is_there(
    receipts: SqlReceipts,
) -> None:
    await receipts.keep_unread("f", (), "Q1", trace_free="t")

    assert [await take(receipts), await take(receipts)] == [(), ()]
    await receipts.keep_unread("f", (OK,), "Q1", trace_free="t")
    assert [await take(receipts), await take(receipts)] == [(OK,), None]


async def test_a_reply_that_never_came_is_dropped_and_no_other_is(receipts: SqlReceipts) -> None:
    await receipts.keep_unread("f", (), "Q1", trace_free="t")
    await receipts.drop_unread("f", "Q2")

    assert await take(receipts) == ()
    await receipts.drop_unread("f", "Q1")
    assert await take(receipts) is None
    assert not await receipts.has_any_unread()


async def test_a_message_that_came_again_unnoticed_is_forgotten_but_not_its_own_trace(
    receipts: SqlReceipts,
) -> None:
    await receipts.keep_unread("f", (OK,), "Q1", trace_free="t")

    assert not await receipts.forget_unread("f", but="Q1")
    assert await receipts.forget_unread("f", but="Q2")
    assert not await receipts.forget_unread("f", but="Q2")
    assert await take(receipts) is None


@pytest.mark.parametrize(
    ("acts", "is_given", "is_merged"),
    [
        ((), True, True),
        ((Act.RELEASE,), False, False),
        ((Act.RELEASE, Act.SENT), False, False),
        ((Act.CONFIRM,), False, False),
    ],
    ids=["held", "releasing", "released", "confirmed"],
)
async def test_a_held_message_is_merged_only_while_it_is_held(
    receipts: SqlReceipts,
    store: SqlHeldStore,
    query: Callable[[str], list[Any]],
    acts: Sequence[Act],
    is_given: bool,
    is_merged: bool,
) -> None:
    held = held_message()
    await store.add(held, audit_entry())
    for act in acts:
        addresses = [recipient.address for recipient in held.recipients]
        await store.act(held.id, act, addresses, audit_entry())
    await receipts.keep_unread("f", (OK,), held.queue_id, trace_free="t")

    unread = await receipts.take_unread("f", merge)

    assert (unread is not None, bool(unread and unread.held_id)) == (is_given, is_merged)
    entries = query("SELECT subject FROM audit_entries WHERE action = 'merge'")
    assert entries == ([(held.id,)] if is_merged else [])
    assert await take(receipts) is None


@pytest.mark.parametrize("decided", [0, 1, None], ids=["first", "second", "none"])
async def test_where_a_message_left_two_items_a_decision_about_either_counts(
    receipts: SqlReceipts,
    store: SqlHeldStore,
    query: Callable[[str], list[Any]],
    decided: int | None,
) -> None:
    items = [
        replace(held_message(number, states=[state]), queue_id="Q1")
        for number, state in ((1, State.HELD), (2, State.UNDELIVERABLE))
    ]
    for item in items:
        await store.add(item, audit_entry())
    if decided is not None:
        item = items[decided]
        await store.act(item.id, Act.RELEASE, [item.recipients[0].address], audit_entry())
    await receipts.keep_unread("f", (OK,), "Q1", trace_free="t")

    unread = await receipts.take_unread("f", merge)

    entries = query("SELECT subject FROM audit_entries WHERE action = 'merge'")
    assert (unread is None) is (decided is not None)
    assert entries == ([(item.id,) for item in items] if unread else [])


async def test_the_entry_about_a_merger_is_part_of_the_chain(
    receipts: SqlReceipts, store: SqlHeldStore, log: SqlAuditLog
) -> None:
    held = held_message()
    await store.add(held, audit_entry())
    await receipts.keep_unread("f", (OK,), held.queue_id, trace_free="t")
    await receipts.take_unread("f", merge)

    assert (await log.verify()).count == 2


async def test_what_another_process_has_kept_is_seen_soon(receipts: SqlReceipts, url: str) -> None:
    other = Database(url)
    elsewhere = SqlReceipts(other, SCHOOL.name)
    assert not await receipts.has_any_unread()
    await elsewhere.keep_unread("f", (OK,), "Q1", trace_free="t")
    await elsewhere.note_delivered("t", ["ben@elmpark.example"])

    await asyncio.sleep(0.02)

    assert await receipts.has_unread("f")
    assert await receipts.has_similar("t")
    assert await receipts.has_any_delivered()
    assert not await receipts.has_unread("t")
    assert not await receipts.has_similar("f")
    await other.close()


async def test_what_another_school_has_kept_is_not(receipts: SqlReceipts, url: str) -> None:
    other = Database(url)
    elsewhere = SqlReceipts(other, "Oak Lane")
    await elsewhere.keep_unread("f", (OK,), "Q1", trace_free="t")
    await elsewhere.note_delivered("t", ["ben@elmpark.example"])

    assert not await receipts.has_any_unread()
    assert not await receipts.has_any_delivered()
    assert await take(receipts) is None
    assert await receipts.delivered("t") == frozenset()
    await receipts.forget_delivered("t", ["ben@elmpark.example"])
    assert await elsewhere.delivered("t") == {"ben@elmpark.example"}
    await other.close()


async def test_a_process_reads_only_what_is_new_and_does_not_miss_what_is_kept_again(
    database: Database, url: str
) -> None:
    now = 0.0
    receipts = SqlReceipts(database, SCHOOL.name, monotonic=lambda: now)
    other = Database(url)
    elsewhere = SqlReceipts(other, SCHOOL.name)
    await elsewhere.keep_unread("f", (OK,), "Q1", trace_free="t")
    assert await receipts.has_unread("f")
    await receipts.take_unread("f", merge)
    assert not await receipts.has_unread("f")

    await elsewhere.keep_unread("f", (OK,), "Q2", trace_free="t")
    assert not await receipts.has_unread("f")
    now = LOOK_EVERY_S

    assert await receipts.has_unread("f")
    await other.close()


async def test_a_locked_database_keeps_nobody_waiting(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_receipts, "LOOK_WITHIN_S", 0.05)
    database = Database(url, patience=0.3)
    receipts = SqlReceipts(database, SCHOOL.name)
    with locked(Path(url.removeprefix("sqlite:///") + ".lock"), patience=0):
        started = time.perf_counter()
        for _ in range(1000):
            assert not await receipts.has_any_unread()
        took = time.perf_counter() - started
        with pytest.raises(StoreUnavailable):
            await receipts.keep_unread("f", (OK,), "Q1", trace_free="t")

    assert took < 2
    await asyncio.sleep(0.02)
    await receipts.keep_unread("f", (OK,), "Q1", trace_free="t")
    assert await receipts.has_any_unread()
    await database.close()


async def test_a_client_that_vanishes_for_ever_fills_neither_disk_nor_memory(
    receipts: SqlReceipts, query: Callable[[str], list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CAPACITY", 5)
    for i in range(12):
        await receipts.keep_unread(f"f{i}", (OK,), "Q1", trace_free="t")
    await asyncio.sleep(0.02)
    await receipts.has_any_unread()

    kept = query("SELECT fingerprint FROM unread_replies ORDER BY id")

    assert CAPACITY > 5
    assert kept == [(f"f{i}",) for i in range(7, 12)]
    assert len(receipts._known.view.unread) == 5


async def test_who_has_a_message_is_known_for_7_counted_days(
    receipts: SqlReceipts, stopwatch: Any
) -> None:
    await receipts.note_delivered("t", ["ben@elmpark.example", "kim@elmpark.example"])
    stopwatch.advance(days=6)
    await receipts.note_delivered("t", ["kim@elmpark.example", "kim@elmpark.example"])
    stopwatch.advance(days=1, seconds=60)

    assert await receipts.delivered("t") == {"kim@elmpark.example"}
    assert await receipts.expire() == 1
    assert await receipts.delivered("t") == {"kim@elmpark.example"}
    assert timedelta(days=7) == module.DELIVERED_KEPT


async def test_of_who_has_a_message_only_those_named_are_forgotten(receipts: SqlReceipts) -> None:
    await receipts.note_delivered("t", ["ben@elmpark.example", "kim@elmpark.example"])
    await receipts.note_delivered("u", ["ben@elmpark.example"])
    await receipts.forget_delivered("t", ["ben@elmpark.example"])

    assert await receipts.delivered("t") == {"kim@elmpark.example"}
    assert await receipts.delivered("u") == {"ben@elmpark.example"}


async def test_on_return_it_is_durable(
    receipts: SqlReceipts, query: Callable[[str], list[Any]]
) -> None:
    await receipts.note_delivered("t", ["ben@elmpark.example"])

    assert query("SELECT address FROM delivered_recipients") == [("ben@elmpark.example",)]
