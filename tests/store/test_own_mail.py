import asyncio
import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from mailguard.quarantine.held import Act, HeldMessage, State
from mailguard.report.own_mail import Coverage, Kind, Mark, OwnMail, Standing
from mailguard.store.audit_log import SqlAuditLog
from mailguard.store.engine import Database
from mailguard.store.held_store import SqlHeldStore
from mailguard.store.own_mail import SqlOwnMailStore
from mailguard.testing import NOON, SCHOOL
from mailguard.testing.quarantine import audit_entry, held_message

HEAD, DSL = "head@elmpark.example", "dsl@elmpark.example"
MARK = Mark(ledger=10, audit=4, canary=2)


@pytest.fixture
def mails(database: Database) -> SqlOwnMailStore:
    return SqlOwnMailStore(database, SCHOOL.name)


def digest(day: str = "2026-03-02", recipient: str = HEAD, **fields: object) -> OwnMail:
    mail = OwnMail(
        school=SCHOOL.name,
        kind=Kind.DIGEST,
        about=day,
        recipient=recipient,
        message_id=f"<{day}.{recipient}>",
        created=NOON,
        raw=b"Subject: digest\r\n\r\nbody\r\n",
        covers=Coverage(since=NOON - timedelta(days=1), until=NOON, upto=MARK),
    )
    return replace(mail, **fields)


def alert(about: str = "01HELD", recipient: str = DSL) -> OwnMail:
    return replace(
        digest(about, recipient), kind=Kind.ALERT, covers=None, message_id=f"<{about}.{recipient}>"
    )


def with_alert(number: int = 1, *states: State) -> HeldMessage:
    return replace(held_message(number, states=states or [State.HELD]), alert=True)


async def test_the_secret_is_made_once_and_for_all_processes(database: Database) -> None:
    first = await SqlOwnMailStore(database, SCHOOL.name).secret()
    second = await SqlOwnMailStore(database, SCHOOL.name).secret()

    assert first == second
    assert len(first) == 32


async def test_two_schools_have_different_secrets(database: Database) -> None:
    one = await SqlOwnMailStore(database, "elm-park").secret()
    two = await SqlOwnMailStore(database, "oak-lane").secret()

    assert one != two


async def test_what_is_owed_is_read_back_as_it_was(mails: SqlOwnMailStore) -> None:
    assert await mails.owe([digest(), alert()]) == 2

    assert await mails.latest(Kind.DIGEST, HEAD) == digest()
    assert await mails.of(Kind.ALERT, "01HELD") == [alert()]


async def test_nobody_is_owed_the_same_thing_twice(mails: SqlOwnMailStore) -> None:
    await mails.owe([digest()])

    again = replace(digest(), message_id="<another@elmpark.example>", raw=b"another")
    assert await mails.owe([again, digest(recipient=DSL)]) == 1

    assert await mails.of(Kind.DIGEST, "2026-03-02") == [digest(), digest(recipient=DSL)]


async def test_four_at_once_owe_one_mail(mails: SqlOwnMailStore, url: str) -> None:
    made: list[int] = []

    async def owe() -> int:
        database = Database(url)
        try:
            return await SqlOwnMailStore(database, SCHOOL.name).owe([digest()])
        finally:
            await database.close()

    def run() -> None:
        made.append(asyncio.run(owe()))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(made) == [0, 0, 0, 1]
    assert len(await mails.waiting()) == 1


async def test_alerts_wait_before_digests_and_older_before_newer(mails: SqlOwnMailStore) -> None:
    await mails.owe([digest()])
    await mails.owe([alert("01B"), alert("01A")])

    assert [mail.about for mail in await mails.waiting()] == ["01B", "01A", "2026-03-02"]


async def test_a_newer_digest_supersedes_the_one_that_still_waits(mails: SqlOwnMailStore) -> None:
    await mails.owe([digest("2026-03-02"), digest("2026-03-02", DSL)])

    await mails.owe([digest("2026-03-03", created=NOON + timedelta(days=1))])

    (old,) = [m for m in await mails.of(Kind.DIGEST, "2026-03-02") if m.recipient == HEAD]
    assert (old.standing, old.raw) == (Standing.SUPERSEDED, b"")
    assert {(m.about, m.recipient) for m in await mails.waiting()} == {
        ("2026-03-02", DSL),
        ("2026-03-03", HEAD),
    }


async def test_an_alert_is_never_superseded(mails: SqlOwnMailStore) -> None:
    await mails.owe([alert("01A")])

    await mails.owe([alert("01B")])

    assert [mail.about for mail in await mails.waiting()] == ["01A", "01B"]


async def test_a_mail_that_ended_is_recorded_and_its_content_forgotten(
    mails: SqlOwnMailStore, log: SqlAuditLog
) -> None:
    await mails.owe([digest()])

    await mails.end(digest(), Standing.ACCEPTED, "250 2.0.0 Ok", audit_entry("digest"))

    ended = await mails.latest(Kind.DIGEST, HEAD, Standing.ACCEPTED)
    assert ended == digest(standing=Standing.ACCEPTED, reply="250 2.0.0 Ok", ended=NOON, raw=b"")
    assert await mails.waiting() == []
    assert [entry.action for entry in await log.entries()] == ["digest"]


async def test_a_mail_ends_once(mails: SqlOwnMailStore, log: SqlAuditLog) -> None:
    await mails.owe([digest()])
    await mails.end(digest(), Standing.ACCEPTED, "250 Ok", audit_entry("digest"))

    await mails.end(digest(), Standing.REFUSED, "550 No", audit_entry("digest"))

    assert (await mails.of(Kind.DIGEST, "2026-03-02"))[0].standing is Standing.ACCEPTED
    assert len(await log.entries()) == 1


async def test_a_digest_superseded_while_it_was_sent_ends_as_the_next_hop_said(
    mails: SqlOwnMailStore,
) -> None:
    await mails.owe([digest("2026-03-02")])
    await mails.owe([digest("2026-03-03")])

    await mails.end(digest("2026-03-02"), Standing.ACCEPTED, "250 Ok", audit_entry("digest"))

    (first,) = await mails.of(Kind.DIGEST, "2026-03-02")
    assert first.standing is Standing.ACCEPTED


async def test_a_failure_leaves_it_waiting_with_the_reply(mails: SqlOwnMailStore) -> None:
    await mails.owe([digest()])

    await mails.note_failure(digest(), "451 4.4.1 Later")

    assert await mails.waiting() == [digest(reply="451 4.4.1 Later")]


async def test_an_alert_waits_to_be_told_until_a_mail_about_it_is_owed(
    mails: SqlOwnMailStore, store: SqlHeldStore
) -> None:
    held = with_alert()
    await store.add(held, audit_entry())
    assert await mails.untold() == [held]

    assert await mails.owe([alert(held.id)], told=[held.id]) == 1

    assert await mails.untold() == []


async def test_who_comes_second_with_an_alert_makes_nothing(
    mails: SqlOwnMailStore, store: SqlHeldStore
) -> None:
    one, two = with_alert(1), with_alert(2)
    await store.add(one, audit_entry())
    await store.add(two, audit_entry())
    await mails.owe([alert(one.id)], told=[one.id])

    assert await mails.owe([alert(two.id)], told=[one.id, two.id]) == 0

    assert await mails.untold() == [two]
    assert len(await mails.waiting()) == 1


@pytest.mark.parametrize(
    "held",
    [
        held_message(),
        with_alert(1, State.PENDING),
        with_alert(1, State.HELD, State.PENDING),
        with_alert(1, State.PURGED),
    ],
    ids=["no alert", "pending", "partly pending", "purged"],
)
async def test_it_is_not_told_of(
    mails: SqlOwnMailStore, store: SqlHeldStore, held: HeldMessage
) -> None:
    await store.add(held, audit_entry())

    assert await mails.untold() == []


async def test_it_is_told_of_once_it_is_no_longer_pending(
    mails: SqlOwnMailStore, store: SqlHeldStore
) -> None:
    held = with_alert(1, State.PENDING)
    await store.add(held, audit_entry())

    await store.act(held.id, Act.DELIVER, ["r0@elmpark.example"], audit_entry("deliver"))

    assert [each.id for each in await mails.untold()] == [held.id]


async def test_an_alert_settled_without_a_mail_says_why_in_the_audit_log(
    mails: SqlOwnMailStore, store: SqlHeldStore, log: SqlAuditLog
) -> None:
    held = with_alert()
    await store.add(held, audit_entry())

    await mails.settle_alert(held.id, audit_entry("alert", reason="why"))
    await mails.settle_alert(held.id, audit_entry("alert", reason="why"))

    assert await mails.untold() == []
    assert [entry.action for entry in await log.entries()] == ["hold", "alert"]


async def test_a_key_is_good_once(mails: SqlOwnMailStore) -> None:
    await mails.owe([digest()])

    spent = [await mails.spend(digest().message_id) for _ in range(2)]

    assert spent == [True, False]


async def test_a_key_given_back_is_good_once_more(mails: SqlOwnMailStore) -> None:
    await mails.owe([digest()])
    await mails.spend(digest().message_id)

    await mails.give_back(digest().message_id)

    assert [await mails.spend(digest().message_id) for _ in range(2)] == [True, False]


async def test_the_key_of_no_mail_of_ours_is_never_good(mails: SqlOwnMailStore) -> None:
    assert not await mails.spend("<nobody@elmpark.example>")


async def test_it_knows_which_message_ids_are_ours(mails: SqlOwnMailStore) -> None:
    await mails.owe([digest()])

    assert await mails.exists(["<1@x.example>", digest().message_id])
    assert not await mails.exists(["<1@x.example>"])
    assert not await mails.exists([])


async def test_another_schools_mail_is_not_seen(database: Database) -> None:
    ours, theirs = SqlOwnMailStore(database, "elm-park"), SqlOwnMailStore(database, "oak-lane")
    await ours.owe([digest()])

    assert await theirs.waiting() == []
    assert not await theirs.spend(digest().message_id)
    assert not await theirs.exists([digest().message_id])


async def test_the_newest_are_listed_oldest_first(mails: SqlOwnMailStore) -> None:
    await mails.owe([alert("01A"), alert("01B"), alert("01C"), digest()])

    assert [mail.about for mail in await mails.recent(Kind.ALERT, 2)] == ["01B", "01C"]
