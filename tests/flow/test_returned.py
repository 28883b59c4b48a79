"""Our own mail on its way back through a listener: passed once; any other is judged."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from mailguard.errors import NextHopUnavailable, StoreUnavailable
from mailguard.flow.advise import Advice, Give, advise
from mailguard.flow.receive import receive
from mailguard.flow.returned import advise_own, receive_own
from mailguard.flow.setting import Ports, Setting
from mailguard.mail.envelope import Envelope, Transaction
from mailguard.mail.reply import NEXT_HOP_DOWN, Replies, Reply
from mailguard.mail.signature import sign
from mailguard.policy.disposition import Action
from mailguard.report.own_mail import Kind, OwnMail
from mailguard.store.engine import Database
from mailguard.store.own_mail import SqlOwnMailStore
from mailguard.testing import NOON, mail, path, transaction
from mailguard.testing.fakes import GONE, GONE_AFTER_DOT, OK, FakeDelivery

Judging = Callable[..., Ports]
SENDER, HEAD = "mailguard@elmpark.example", "head@elmpark.example"
OURS = OwnMail(
    school="Elm Park Primary",
    kind=Kind.DIGEST,
    about="2026-03-02",
    recipient=HEAD,
    message_id="<1@elmpark.example>",
    created=NOON,
    raw=mail(),
)


@pytest.fixture
async def mails(database: Database) -> SqlOwnMailStore:
    mails = SqlOwnMailStore(database, "Elm Park Primary")
    await mails.owe([OURS])
    return mails


async def signed(mails: SqlOwnMailStore) -> Transaction:
    envelope = Envelope(sender=path(SENDER), recipients=(path(HEAD),))
    key = sign(OURS.raw, envelope, await mails.secret(), NOON)
    return transaction(key + OURS.raw, sender=SENDER, to=[HEAD])


@dataclass
class Entrance:
    """A listener behind which everything is judged as something to hold."""

    ports: Ports
    setting: Setting
    mails: SqlOwnMailStore

    async def take(self, message: Transaction, delivery: FakeDelivery | None = None) -> Reply:
        async def judged(transaction: Transaction, delivery: FakeDelivery) -> Replies:
            return await receive(transaction, delivery, self.ports, self.setting)

        (reply,) = await receive_own(
            message,
            delivery or FakeDelivery(),
            otherwise=judged,
            mails=self.mails,
            clock=self.ports.clock,
            setting=self.setting,
        )
        return reply

    async def ask(self, message: Transaction, *, is_there: bool = True) -> list[Advice]:
        heard: list[Advice] = []

        def give(advice: Advice) -> bool:
            heard.append(advice)
            return is_there

        async def judged(transaction: Transaction, give: Give) -> None:
            await advise(transaction, give, self.ports, self.setting)

        await advise_own(message, give, otherwise=judged, mails=self.mails, clock=self.ports.clock)
        return heard

    async def held(self) -> int:
        return len(await self.ports.held.select())


@pytest.fixture
def entrance(judging: Judging, setting: Setting, mails: SqlOwnMailStore) -> Entrance:
    return Entrance(judging(Action.HOLD), setting, mails)


async def test_our_own_mail_passes_unjudged_and_unlisted(
    entrance: Entrance, mails: SqlOwnMailStore
) -> None:
    delivery = FakeDelivery()
    message = await signed(mails)

    reply = await entrance.take(message, delivery)

    assert reply == OK.naming("TESTQUEUEID")
    assert delivery.taken[0].endswith(message.raw.head(1 << 20))
    assert delivery.taken[0].startswith(b"Received: from client.example")
    assert await entrance.held() == 0
    assert entrance.ports.ledger.rows == []


async def test_its_second_coming_is_judged(entrance: Entrance, mails: SqlOwnMailStore) -> None:
    await entrance.take(await signed(mails))

    await entrance.take(await signed(mails))

    assert await entrance.held() == 1


@pytest.mark.parametrize(
    "delivery",
    [
        FakeDelivery(replies={"DATA": [Reply.of(451, "4.3.0 Later")]}),
        FakeDelivery(replies={"DATA": [Reply.of(550, "5.7.1 No")]}),
        FakeDelivery(replies={"DATA": [GONE]}),
        FakeDelivery(replies={"DATA": [GONE_AFTER_DOT]}),
    ],
    ids=["4xx", "5xx", "gone", "gone after the dot"],
)
async def test_the_key_is_good_again_unless_the_next_hop_took_it(
    entrance: Entrance, mails: SqlOwnMailStore, delivery: FakeDelivery
) -> None:
    refused = await entrance.take(await signed(mails), delivery)
    passed = await entrance.take(await signed(mails))

    assert not refused.is_positive
    assert passed == OK.naming("TESTQUEUEID")
    assert await entrance.held() == 0


async def test_a_next_hop_that_is_gone_is_a_temporary_failure(
    entrance: Entrance, mails: SqlOwnMailStore
) -> None:
    reply = await entrance.take(await signed(mails), FakeDelivery(replies={"DATA": [GONE]}))

    assert reply == NEXT_HOP_DOWN.naming("TESTQUEUEID")


async def test_an_old_key_is_judged(entrance: Entrance, mails: SqlOwnMailStore) -> None:
    entrance.ports.clock.at += timedelta(days=2)

    await entrance.take(await signed(mails))

    assert await entrance.held() == 1


async def test_another_envelope_is_judged(entrance: Entrance, mails: SqlOwnMailStore) -> None:
    message = await signed(mails)
    other = replace(message.envelope, recipients=(path("ben@elmpark.example"),))

    await entrance.take(replace(message, envelope=other))

    assert await entrance.held() == 1


async def test_forged_headers_of_ours_mean_nothing_and_are_left_alone(
    judging: Judging, setting: Setting, mails: SqlOwnMailStore
) -> None:
    forged = (
        b"X-MailGuard-Key: v=1; t=1772452800; m=" + b"0" * 64 + b"\r\n"
        b"X-MailGuard-Verdict: clean\r\n" + mail()
    )
    holding = Entrance(judging(Action.HOLD), setting, mails)
    relaying = Entrance(judging(Action.RELAY), setting, mails)
    delivery = FakeDelivery()

    await holding.take(transaction(forged))
    await relaying.take(transaction(forged), delivery)

    assert await holding.held() == 1
    assert delivery.taken[0].endswith(forged)


@dataclass
class Broken:
    """A database that is away, for all or for one question."""

    real: SqlOwnMailStore
    question: str

    def __getattr__(self, name: str) -> object:
        if name == self.question:
            raise StoreUnavailable("the disk is gone")
        return getattr(self.real, name)


@pytest.mark.parametrize("question", ["secret", "spend"])
async def test_a_broken_database_has_our_own_mail_judged_like_any_other(
    judging: Judging, setting: Setting, mails: SqlOwnMailStore, question: str
) -> None:
    message = await signed(mails)
    delivery = FakeDelivery()
    entrance = Entrance(judging(Action.RELAY), setting, Broken(mails, question))

    reply = await entrance.take(message, delivery)

    assert reply == OK.naming("TESTQUEUEID")
    assert len(delivery.taken) == 1
    assert len(entrance.ports.ledger.rows) == 1


async def test_a_next_hop_that_breaks_while_the_database_is_away_is_still_temporary(
    judging: Judging, setting: Setting, mails: SqlOwnMailStore
) -> None:
    entrance = Entrance(judging(Action.RELAY), setting, Broken(mails, "give_back"))
    delivery = FakeDelivery(replies={"DATA": [NextHopUnavailable("closed")]})

    reply = await entrance.take(await signed(mails), delivery)

    assert reply == NEXT_HOP_DOWN.naming("TESTQUEUEID")


async def test_a_mail_server_that_asks_may_deliver_our_own_mail_once(
    entrance: Entrance, mails: SqlOwnMailStore
) -> None:
    first = await entrance.ask(await signed(mails))
    rows = list(entrance.ports.ledger.rows)

    second = await entrance.ask(await signed(mails))

    assert first == [Advice()]
    assert rows == []
    assert [advice.discard for advice in second] == [True]
    assert await entrance.held() == 1


async def test_a_mail_server_that_has_gone_may_ask_about_it_again(
    entrance: Entrance, mails: SqlOwnMailStore
) -> None:
    await entrance.ask(await signed(mails), is_there=False)

    again = await entrance.ask(await signed(mails))

    assert again == [Advice()]
    assert await entrance.held() == 0
