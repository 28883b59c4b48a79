"""Sending our own mail: a digest at most once, an alert until it is taken, both recorded."""

import asyncio
import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from mailguard.errors import NextHopUnavailable, StoreUnavailable
from mailguard.flow.own_mail import Attempt, OwnMailPorts, Progress, send_waiting
from mailguard.mail.envelope import Envelope
from mailguard.mail.raw import Raw
from mailguard.mail.reply import Replies, Reply
from mailguard.mail.signature import read_key, verify
from mailguard.ports import AuditEntry
from mailguard.report.own_mail import Kind, OwnMail, Standing
from mailguard.store.audit_log import SqlAuditLog
from mailguard.store.engine import Database
from mailguard.store.own_mail import SqlOwnMailStore
from mailguard.testing import CANARY, NOON, mail, path
from mailguard.testing.fakes import GONE, GONE_AFTER_DOT, FakeClock, FakeDelivery, FakeNextHop

SCHOOL = "Elm Park Primary"
SENDER = "mailguard@elmpark.example"
HEAD, DSL = "head@elmpark.example", "dsl@elmpark.example"
REFUSAL = Reply.of(550, "5.1.1 No such user")
BUSY = Reply.of(452, "4.2.2 Mailbox full")


@pytest.fixture
def mails(database: Database) -> SqlOwnMailStore:
    return SqlOwnMailStore(database, SCHOOL)


@pytest.fixture
def own(mails: SqlOwnMailStore) -> OwnMailPorts:
    return OwnMailPorts(mails=mails, clock=FakeClock(), next_hop=FakeNextHop())


def digest(about: str = "2026-03-02", recipient: str = HEAD, kind: Kind = Kind.DIGEST) -> OwnMail:
    message_id = f"<{kind}.{about}.{recipient.partition('@')[0].encode().hex()}@elmpark.example>"
    raw = mail(headers=()).replace(b"<1@elmpark.example>", message_id.encode())
    return OwnMail(
        school=SCHOOL,
        kind=kind,
        about=about,
        recipient=recipient,
        message_id=message_id,
        created=NOON,
        raw=raw,
    )


def alert(about: str = "01HELD", recipient: str = DSL) -> OwnMail:
    return digest(about, recipient, Kind.ALERT)


def answering(own: OwnMailPorts, *deliveries: FakeDelivery | Exception) -> OwnMailPorts:
    return replace(own, next_hop=FakeNextHop(deliveries=list(deliveries)))


async def send(
    own: OwnMailPorts, kind: Kind = Kind.DIGEST, progress: Progress | None = None
) -> Sequence[Attempt]:
    return await send_waiting(own, kind, sender=SENDER, progress=progress or Progress())


async def standing(own: OwnMailPorts, sent: OwnMail) -> Standing:
    (found,) = await own.mails.of(sent.kind, sent.about)
    return found.standing


async def test_one_mail_goes_to_one_person_under_a_good_key(own: OwnMailPorts) -> None:
    await own.mails.owe([digest()])

    await send(own)

    (delivery,) = own.next_hop.opened
    (taken,) = delivery.taken
    key = read_key(Raw.of(taken))
    envelope = Envelope(sender=path(SENDER), recipients=(path(HEAD),))
    assert delivery.commands == [f"MAIL <{SENDER}>", f"RCPT <{HEAD}>", "DATA", "close"]
    assert taken.endswith(digest().raw)
    assert key is not None
    assert verify(key, envelope, await own.mails.secret(), NOON)


async def test_what_was_taken_is_recorded_and_not_sent_again(
    own: OwnMailPorts, database: Database
) -> None:
    await own.mails.owe([digest()])

    await send(own)
    again = await send(own)

    (entry,) = await SqlAuditLog(database, SCHOOL).entries()
    assert again == []
    assert await standing(own, digest()) is Standing.ACCEPTED
    assert (entry.action, entry.subject) == ("digest", "2026-03-02")
    assert entry.detail["standing"] == "accepted"


async def test_only_the_kind_that_was_asked_for_is_sent(own: OwnMailPorts) -> None:
    await own.mails.owe([digest(), alert()])

    await send(own, Kind.ALERT)

    assert await standing(own, alert()) is Standing.ACCEPTED
    assert await standing(own, digest()) is Standing.WAITING


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(
    "failure",
    [
        NextHopUnavailable("refused"),
        FakeDelivery(replies={"MAIL": [BUSY]}),
        FakeDelivery(replies={"RCPT": [BUSY]}),
        FakeDelivery(replies={"DATA": [BUSY]}),
        FakeDelivery(replies={"DATA": [GONE]}),
    ],
    ids=["down", "4xx to MAIL", "4xx to RCPT", "4xx to DATA", "gone before the dot"],
)
async def test_own_mail_while_next_hop_is_down_is_tried_again(
    own: OwnMailPorts, failure: FakeDelivery | Exception, kind: Kind
) -> None:
    own = answering(own, failure)
    progress = Progress()
    await own.mails.owe([digest(kind=kind)])

    await send(own, kind, progress)
    too_soon = await send(own, kind, progress)
    own.clock.advance(seconds=6)
    await send(own, kind, progress)

    assert too_soon == []
    assert await standing(own, digest(kind=kind)) is Standing.ACCEPTED


async def test_a_digest_that_is_refused_for_good_ends_so(own: OwnMailPorts) -> None:
    own = answering(own, FakeDelivery(replies={"RCPT": [REFUSAL]}))
    await own.mails.owe([digest()])

    await send(own)

    (found,) = await own.mails.of(Kind.DIGEST, "2026-03-02")
    assert (found.standing, found.reply) == (Standing.REFUSED, "550 5.1.1 No such user")
    assert await send(own) == []


async def test_an_alert_goes_on_whatever_the_next_hop_says(own: OwnMailPorts) -> None:
    refusing = FakeDelivery(replies={"RCPT": [REFUSAL]})
    own = answering(own, refusing, FakeDelivery(replies={"DATA": [REFUSAL]}))
    progress = Progress()
    await own.mails.owe([alert()])

    for _ in range(3):
        await send(own, Kind.ALERT, progress)
        own.clock.advance(minutes=6)

    assert await standing(own, alert()) is Standing.ACCEPTED


async def test_a_digest_without_a_last_word_is_never_sent_again(own: OwnMailPorts) -> None:
    own = answering(own, FakeDelivery(replies={"DATA": [GONE_AFTER_DOT]}))
    await own.mails.owe([digest()])

    await send(own)
    own.clock.advance(hours=1)

    assert await send(own) == []
    assert await standing(own, digest()) is Standing.UNKNOWN


async def test_an_alert_without_a_last_word_is_sent_again_under_the_same_message_id(
    own: OwnMailPorts,
) -> None:
    own = answering(own, FakeDelivery(replies={"DATA": [GONE_AFTER_DOT]}))
    progress = Progress()
    await own.mails.owe([alert()])

    await send(own, Kind.ALERT, progress)
    own.clock.advance(minutes=1)
    (attempt,) = await send(own, Kind.ALERT, progress)

    assert attempt.standing is Standing.ACCEPTED
    assert alert().message_id.encode() in own.next_hop.opened[1].taken[0]


async def test_one_refused_recipient_keeps_no_other_from_theirs(own: OwnMailPorts) -> None:
    own = answering(own, FakeDelivery(replies={"RCPT": [REFUSAL]}))
    await own.mails.owe([digest(), digest(recipient=DSL)])

    attempts = await send(own)

    assert {each.standing for each in attempts} == {Standing.REFUSED, Standing.ACCEPTED}


@dataclass
class Forgetful:
    """A store that cannot record an end as often as told."""

    real: SqlOwnMailStore
    failures: int
    ended: list[Standing] = field(default_factory=list)

    def __getattr__(self, name: str) -> object:
        return getattr(self.real, name)

    async def end(self, sent: OwnMail, standing: Standing, reply: str, entry: AuditEntry) -> None:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("the disk is full")
        self.ended.append(standing)
        await self.real.end(sent, standing, reply, entry)


async def test_a_database_that_fails_after_the_250_makes_no_second_copy(
    own: OwnMailPorts, mails: SqlOwnMailStore
) -> None:
    store = Forgetful(mails, failures=3)
    own = replace(own, mails=store)
    progress = Progress()
    await mails.owe([digest()])

    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await send(own, progress=progress)
        own.clock.advance(hours=1)
    await send(own, progress=progress)

    assert len(own.next_hop.opened) == 1
    assert store.ended == [Standing.ACCEPTED]
    assert await standing(own, digest()) is Standing.ACCEPTED


class Silent(FakeDelivery):
    """Takes the message and never says so."""

    async def data(self, head: bytes, raw: Raw) -> Replies:
        self.taken.append(head + b"".join(raw.chunks()))
        await asyncio.Event().wait()
        raise AssertionError


@pytest.mark.parametrize(
    ("kind", "expected"), [(Kind.DIGEST, Standing.UNKNOWN), (Kind.ALERT, Standing.WAITING)]
)
async def test_a_stop_before_the_last_word_is_recorded_as_such(
    own: OwnMailPorts, kind: Kind, expected: Standing
) -> None:
    silent = Silent()
    own = answering(own, silent)
    await own.mails.owe([digest(kind=kind)])
    task = asyncio.create_task(send(own, kind))
    async with asyncio.timeout(5):
        while not silent.taken:
            await asyncio.sleep(0)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await standing(own, digest(kind=kind)) is expected


async def test_one_alert_that_hangs_holds_up_no_other(own: OwnMailPorts) -> None:
    own = answering(own, Silent())
    await own.mails.owe([alert("01A"), alert("01B")])
    task = asyncio.create_task(send(own, Kind.ALERT))

    async with asyncio.timeout(5):
        while await standing(own, alert("01B")) is Standing.WAITING:
            await asyncio.sleep(0.001)

    assert await standing(own, alert("01A")) is Standing.WAITING
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_clock_that_jumps_back_delays_no_retry(own: OwnMailPorts) -> None:
    own = answering(own, NextHopUnavailable("down"))
    progress = Progress()
    await own.mails.owe([alert()])
    await send(own, Kind.ALERT, progress)

    own.clock.at -= timedelta(days=30)
    await send(own, Kind.ALERT, progress)

    assert await standing(own, alert()) is Standing.ACCEPTED


async def test_an_address_beyond_ascii_asks_for_smtputf8(own: OwnMailPorts) -> None:
    await own.mails.owe([digest(recipient="zoë@elmpark.example")])

    await send(own)

    assert own.next_hop.opened[0].commands[:2] == [
        f"MAIL <{SENDER}> SMTPUTF8",
        "RCPT <zoë@elmpark.example>",
    ]


async def test_a_domain_beyond_ascii_needs_no_smtputf8(own: OwnMailPorts) -> None:
    await own.mails.owe([digest(recipient="head@schüle.example")])

    await send(own)

    assert own.next_hop.opened[0].commands[1] == "RCPT <head@xn--schle-mva.example>"
    assert own.next_hop.opened[0].commands[0] == f"MAIL <{SENDER}>"


async def test_the_log_names_nobody(own: OwnMailPorts, log_lines: io.StringIO) -> None:
    start = log_lines.tell()
    own = answering(own, FakeDelivery(replies={"RCPT": [REFUSAL]}))
    await own.mails.owe([digest()])

    await send(own)

    written = log_lines.getvalue()[start:]
    assert "event=own_mail_refused" in written
    assert f" {HEAD}" not in written
    assert CANARY not in written
