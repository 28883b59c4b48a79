"""What was released and comes back through a milter: known once, and judged for the worst only."""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import pytest

from mailguard.errors import StoreUnavailable, UnknownItem
from mailguard.flow.advise import Advice, Advise, Give, advise
from mailguard.flow.receive import receive
from mailguard.flow.release import Backoff, deliver_released
from mailguard.flow.released import advise_released
from mailguard.flow.review import release
from mailguard.flow.setting import Keyring, Ports, ReviewPorts, Setting
from mailguard.mail.envelope import Transaction
from mailguard.mail.reply import REFUSED, Reply
from mailguard.policy.disposition import Action
from mailguard.quarantine.held import HeldMessage, State
from mailguard.store.engine import Database
from mailguard.store.release_keys import SqlReleaseKeys
from mailguard.testing import mail, transaction
from mailguard.testing.fakes import FakeDelivery, FakeJudge, FakeNextHop, judgement_of

SENDER = "ana@elmpark.example"
R0, R1 = "r0@elmpark.example", "r1@elmpark.example"
TWO = (R0, R1)


async def secret() -> bytes:
    return b"k" * 32


@dataclass
class MailServer:
    """Asks about what it gets; `judged` is what would become of it without a key."""

    ports: Ports
    setting: Setting
    still_found: tuple[Action, ...] = (Action.RELAY,)
    is_there: bool = True
    heard: list[Advice] = field(default_factory=list)
    decided: tuple[str, ...] = ()
    """Symbols by which what was released last was not judged anew."""

    async def ask(self, raw: bytes, to: tuple[str, ...] = (R0,), sender: str = SENDER) -> Advice:
        assert self.ports.keyring is not None
        holds = replace(self.ports, judge=FakeJudge(judgement_of(*(Action.HOLD for _ in to))))
        found = self.still_found if len(self.still_found) > 1 else self.still_found * len(to)
        judge = FakeJudge(judgement_of(*found, to=to))
        strict = replace(self.ports, judge=judge)

        def give(advice: Advice) -> bool:
            self.heard.append(advice)
            return self.is_there

        async def judged(transaction: Transaction, give: Give) -> None:
            await advise(transaction, give, holds, self.setting)

        def released(symbols: Iterable[str]) -> Advise:
            self.decided = tuple(symbols)
            return functools.partial(advise, ports=strict, setting=self.setting)

        await advise_released(
            transaction(raw, sender=sender, to=to),
            give,
            released=released,
            otherwise=judged,
            held=self.ports.held,
            keyring=self.ports.keyring,
            clock=self.ports.clock,
        )
        return self.heard[-1]


@pytest.fixture
def keyed(ports: Ports, database: Database) -> Ports:
    keys = SqlReleaseKeys(database, "Elm Park Primary", ports.clock)
    return replace(ports, keyring=Keyring(keys=keys, secret=secret))


@pytest.fixture
def server(keyed: Ports, setting: Setting) -> MailServer:
    return MailServer(keyed, setting)


@pytest.fixture
def send(keyed: Ports, setting: Setting) -> Callable[..., object]:
    """Hold a message for some, release it, send it; what the next hop got."""

    async def sent(*to: str, delivery: FakeDelivery | None = None) -> bytes:
        to = to or (R0,)
        delivery = delivery or FakeDelivery()
        judge = FakeJudge(judgement_of(*(Action.HOLD for _ in to), to=to))
        ports = replace(keyed, judge=judge, next_hop=FakeNextHop(deliveries=[delivery]))
        await receive(transaction(to=to), FakeDelivery(), ports, setting)
        held = (await ports.held.select())[-1]
        reviewing = ReviewPorts(held=ports.held, clock=ports.clock)
        await release(held.id, by="J Smith", reason="homework", ports=reviewing)
        await deliver_released(ports, lambda _: ports, Backoff())
        return delivery.taken[0] if delivery.taken else b""

    return sent


DELIVER = Advice(removes_key=True)


async def test_what_was_released_is_delivered_without_its_key(server: MailServer, send) -> None:
    raw = await send()

    advice = await server.ask(raw)

    assert raw.startswith(b"X-MailGuard-Release: v=1; ")
    assert raw.endswith(b"\r\n" + mail())
    assert advice == DELIVER
    assert len(await server.ports.held.select()) == 1


async def test_its_second_coming_is_judged(server: MailServer, send) -> None:
    raw = await send()
    await server.ask(raw)

    assert (await server.ask(raw)).discard


async def test_only_those_whom_the_next_hop_accepted_are_signed_for(
    server: MailServer, send
) -> None:
    refusal = Reply.of(550, "5.1.1 No such user")
    raw = await send(*TWO, delivery=FakeDelivery(replies={"RCPT": [refusal]}))

    assert (await server.ask(raw, to=TWO)).discard
    assert await server.ask(raw, to=(R1,)) == DELIVER


@pytest.mark.parametrize(
    "forge",
    [
        lambda raw: raw.replace(b"m=", b"m=0", 1),
        lambda raw: raw.replace(b"Hello", b"Hallo"),
        lambda raw: b"X-Odd: 1\r\n" + raw,
    ],
    ids=["key", "content", "header"],
)
async def test_what_was_altered_is_judged_and_kept_as_it_came(
    server: MailServer, send, forge: Callable[[bytes], bytes]
) -> None:
    raw = forge(await send())

    advice = await server.ask(raw)

    _, again = await server.ports.held.select()
    assert advice.discard
    assert not advice.removes_key
    assert (await server.ports.spool.read(again)).head(1 << 20) == raw


async def test_an_old_key_is_judged(server: MailServer, send) -> None:
    raw = await send()
    server.ports.clock.advance(hours=25)

    assert (await server.ask(raw)).discard


async def test_another_sender_is_judged_and_uses_nothing_up(server: MailServer, send) -> None:
    raw = await send()

    assert (await server.ask(raw, sender="cy@elmpark.example")).discard
    assert await server.ask(raw) == DELIVER


async def test_malware_is_held_again_as_it_was_and_the_key_is_used_up(
    server: MailServer, send
) -> None:
    raw = await send()
    server.still_found = (Action.HOLD,)

    advice = await server.ask(raw)

    first, again = await server.ports.held.select()
    assert advice.discard
    assert (first.state, again.state) == (State.RELEASED, State.HELD)
    assert first.sha256 == again.sha256
    server.still_found = (Action.RELAY,)
    assert (await server.ask(raw)).discard


async def test_it_is_judged_by_what_the_reviewer_was_not_shown(server: MailServer, send) -> None:
    await server.ask(await send())

    assert server.decided == ("ABUSE_TEST",)


@pytest.mark.parametrize("error", [StoreUnavailable("the disk is gone"), UnknownItem("none")])
async def test_where_nobody_can_say_what_that_was_it_is_judged_by_all(
    server: MailServer, send, error: Exception
) -> None:
    raw = await send()

    class Forgetful:
        async def by_id(self, held_id: str) -> HeldMessage:
            raise error

    server.ports = replace(server.ports, held=Forgetful())  # type: ignore[arg-type]

    assert await server.ask(raw) == DELIVER
    assert server.decided == ()


async def test_malware_for_one_is_deleted_for_that_one(server: MailServer, send) -> None:
    raw = await send(*TWO)
    server.still_found = (Action.HOLD, Action.RELAY)

    advice = await server.ask(raw, to=TWO)

    assert [path.address for path in advice.without] == [R0]
    assert advice.removes_key


@pytest.mark.parametrize("is_there", [True, False], ids=["refused", "gone"])
async def test_a_key_is_good_again_if_the_message_was_not_taken(
    server: MailServer, send, is_there: bool
) -> None:
    raw = await send()
    server.is_there = is_there
    server.still_found = (Action.REJECT,) if is_there else (Action.RELAY,)

    first = await server.ask(raw)
    server.is_there, server.still_found = True, (Action.RELAY,)

    assert (first.refusal == REFUSED.naming("TESTQUEUEID")) is is_there
    assert await server.ask(raw) == DELIVER


@dataclass
class Broken:
    """A database that is away for one question."""

    real: SqlReleaseKeys
    question: str

    def __getattr__(self, name: str) -> object:
        if name == self.question:
            raise StoreUnavailable("the disk is gone")
        return getattr(self.real, name)


@pytest.mark.parametrize("question", ["is_good", "spend"])
async def test_a_key_that_cannot_be_looked_up_is_judged_like_any_other(
    server: MailServer, send, question: str
) -> None:
    raw = await send()
    keyring = server.ports.keyring
    assert keyring is not None
    broken = replace(keyring, keys=Broken(keyring.keys, question))  # type: ignore[arg-type]
    server.ports = replace(server.ports, keyring=broken)

    assert (await server.ask(raw)).discard


async def test_without_a_keyring_the_bytes_go_out_as_they_are(
    keyed: Ports, setting: Setting, ports: Ports
) -> None:
    delivery = FakeDelivery()
    plain = replace(
        ports,
        judge=FakeJudge(judgement_of(Action.HOLD)),
        next_hop=FakeNextHop(deliveries=[delivery]),
    )
    await receive(transaction(to=[R0]), FakeDelivery(), plain, setting)
    (held,) = await plain.held.select()
    reviewing = ReviewPorts(held=plain.held, clock=plain.clock)
    await release(held.id, by="J Smith", reason="homework", ports=reviewing)

    await deliver_released(plain, lambda _: plain, Backoff())

    assert delivery.taken == [mail()]


async def test_a_retry_has_a_key_of_its_own(server: MailServer, send, keyed: Ports) -> None:
    busy = Reply.of(451, "4.3.0 Later")
    await send(delivery=FakeDelivery(replies={"DATA": [busy]}))
    delivery = FakeDelivery()
    ports = replace(keyed, next_hop=FakeNextHop(deliveries=[delivery]))
    ports.clock.advance(hours=30)

    await deliver_released(ports, lambda _: ports, Backoff())

    assert await server.ask(delivery.taken[0]) == DELIVER
