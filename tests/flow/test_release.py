"""Sending what was released: once, as it was, until the next hop has answered."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from mailguard.errors import NextHopUnavailable
from mailguard.flow.receive import receive
from mailguard.flow.release import Backoff, deliver_released
from mailguard.flow.review import release
from mailguard.flow.setting import Ports, ReviewPorts, Setting
from mailguard.mail.raw import Raw
from mailguard.mail.reply import NO_LAST_WORD, Replies, Reply
from mailguard.policy.disposition import Action
from mailguard.quarantine.held import HeldMessage, State
from mailguard.testing import NOON, mail, transaction
from mailguard.testing.fakes import FakeDelivery, FakeNextHop
from mailguard.testing.logged import capture_events

Judging = Callable[..., Ports]

GONE = NextHopUnavailable("closed")
GONE_AFTER_DOT = NextHopUnavailable("closed", may_have_accepted=True)
REFUSAL = Reply.of(550, "5.1.1 No such user")
BUSY = Reply.of(452, "4.2.2 Mailbox full")


async def released(ports: Ports, setting: Setting, count: int = 1) -> None:
    to = [f"r{i}@elmpark.example" for i in range(count)]
    await receive(transaction(to=to), FakeDelivery(), ports, setting)
    (held,) = await ports.held.select()
    await release(
        held.id,
        by="J Smith",
        reason="homework",
        ports=ReviewPorts(held=ports.held, clock=ports.clock),
    )


async def the_row(ports: Ports) -> HeldMessage:
    (held,) = await ports.held.select()
    return held


async def deliver(ports: Ports, backoff: Backoff | None = None) -> int:
    return await deliver_released(ports, lambda _: ports, backoff or Backoff())


def with_next_hop(ports: Ports, *deliveries: FakeDelivery | Exception) -> Ports:
    return replace(ports, next_hop=FakeNextHop(deliveries=list(deliveries)))


async def test_original_envelope_and_bytes_are_sent_and_evidence_is_kept(
    judging: Judging, setting: Setting
) -> None:
    delivery = FakeDelivery()
    ports = with_next_hop(judging(Action.HOLD), delivery)
    await released(ports, setting)

    await deliver(ports)

    held = await the_row(ports)
    assert delivery.taken == [mail()]
    assert delivery.commands == [
        "MAIL <ana@elmpark.example>",
        "RCPT <r0@elmpark.example>",
        "DATA",
        "close",
    ]
    assert held.state is State.RELEASED
    assert held.recipients[0].reply.startswith("250")
    assert (await ports.spool.read(held)).head(1 << 20) == mail()


async def test_a_released_message_is_sent_once(judging: Judging, setting: Setting) -> None:
    ports = with_next_hop(judging(Action.HOLD))
    await released(ports, setting)

    await deliver(ports)
    tried = await deliver(ports)

    assert tried == 0
    assert len(ports.next_hop.opened) == 1


async def test_release_while_next_hop_is_down_is_tried_again(
    judging: Judging, setting: Setting
) -> None:
    ports = with_next_hop(judging(Action.HOLD), FakeDelivery(replies={"DATA": [GONE]}))
    await released(ports, setting)
    backoff = Backoff()

    await deliver(ports, backoff)
    too_soon = await deliver(ports, backoff)
    ports.clock.advance(seconds=6)
    await deliver(ports, backoff)

    assert too_soon == 0
    assert (await the_row(ports)).state is State.RELEASED


async def test_a_release_without_a_last_word_is_never_sent_again_by_itself(
    judging: Judging, setting: Setting
) -> None:
    ports = with_next_hop(judging(Action.HOLD), FakeDelivery(replies={"DATA": [GONE_AFTER_DOT]}))
    await released(ports, setting)

    await deliver(ports)
    tried = await deliver(ports)

    held = await the_row(ports)
    assert tried == 0
    assert held.state is State.HELD
    assert held.dup_risk
    assert "no last word" in held.recipients[0].reply


async def test_one_unreadable_item_stops_no_other_release(
    judging: Judging, setting: Setting, tmp_path: Path
) -> None:
    ports = with_next_hop(judging(Action.HOLD))
    reviewing = ReviewPorts(held=ports.held, clock=ports.clock)
    for _ in range(2):
        await receive(transaction(to=["r0@elmpark.example"]), FakeDelivery(), ports, setting)
    for held in await ports.held.select():
        await release(held.id, by="J Smith", reason="homework", ports=reviewing)
    first = sorted(tmp_path.glob("spool/*/*/*/*/message.eml"))[0]
    first.unlink()
    first.mkdir()

    await deliver(ports)

    states = [held.state for held in await ports.held.select()]
    assert states == [State.RELEASING, State.RELEASED]


async def test_an_address_twice_in_the_envelope_gets_one_copy(
    judging: Judging, setting: Setting
) -> None:
    twice = ("r0@elmpark.example", "r0@elmpark.example")
    delivery = FakeDelivery()
    ports = with_next_hop(judging(Action.HOLD, Action.HOLD, to=twice), delivery)
    await receive(transaction(to=twice), FakeDelivery(), ports, setting)
    (held,) = await ports.held.select()
    reviewing = ReviewPorts(held=ports.held, clock=ports.clock)
    await release(held.id, by="J Smith", reason="homework", ports=reviewing)

    await deliver(ports)

    assert delivery.commands.count("RCPT <r0@elmpark.example>") == 1
    assert [r.state for r in (await the_row(ports)).recipients] == [State.RELEASED] * 2


async def test_a_clock_that_jumps_back_does_not_delay_a_release(
    judging: Judging, setting: Setting
) -> None:
    ports = with_next_hop(judging(Action.HOLD), GONE)
    await released(ports, setting)
    backoff = Backoff()
    await deliver(ports, backoff)

    ports.clock.advance(days=-30)
    await deliver(ports, backoff)

    assert (await the_row(ports)).state is State.RELEASED


async def test_a_permanent_refusal_is_held_again_with_the_reply(
    judging: Judging, setting: Setting
) -> None:
    ports = with_next_hop(judging(Action.HOLD), FakeDelivery(replies={"DATA": [REFUSAL]}))
    await released(ports, setting)

    await deliver(ports)

    held = await the_row(ports)
    assert held.state is State.HELD
    assert held.recipients[0].reply == "550 5.1.1 No such user"


async def test_each_recipient_has_its_own_end(judging: Judging, setting: Setting) -> None:
    first = FakeDelivery(replies={"RCPT": [Reply.of(250, "ok"), REFUSAL, BUSY]})
    second = FakeDelivery()
    ports = with_next_hop(judging(Action.HOLD, Action.HOLD, Action.HOLD), first, second)
    await released(ports, setting, 3)
    backoff = Backoff()

    await deliver(ports, backoff)
    after_first = [r.state for r in (await the_row(ports)).recipients]
    ports.clock.advance(seconds=6)
    await deliver(ports, backoff)

    assert after_first == [State.RELEASED, State.HELD, State.RELEASING]
    assert second.commands == [
        "MAIL <ana@elmpark.example>",
        "RCPT <r2@elmpark.example>",
        "DATA",
        "close",
    ]
    assert [r.state for r in (await the_row(ports)).recipients] == [
        State.RELEASED,
        State.HELD,
        State.RELEASED,
    ]


async def test_damaged_evidence_is_never_sent_and_is_held_again(
    judging: Judging, setting: Setting, tmp_path: Path
) -> None:
    ports = with_next_hop(judging(Action.HOLD))
    await released(ports, setting)
    held = await the_row(ports)
    (file,) = tmp_path.glob("spool/*/*/*/*/message.eml")
    file.chmod(0o600)
    file.write_bytes(b"X" + file.read_bytes()[1:])

    await deliver(ports)

    after = await the_row(ports)
    assert ports.next_hop.opened == []
    assert after.state is State.HELD
    assert after.recipients[0].reply.startswith("554")
    assert held.sha256 == after.sha256


async def test_the_wait_doubles_up_to_five_minutes() -> None:
    backoff = Backoff()

    delays = [backoff.push_back("01ITEM", NOON) for _ in range(9)]  # type: ignore[arg-type]

    assert delays == [5, 10, 20, 40, 80, 160, 300, 300, 300]


@dataclass
class RepliesForEach(FakeDelivery):
    """A next hop that has a reply for each recipient (RFC 2033)."""

    each: Replies = ()

    async def data(self, head: bytes, raw: Raw) -> Replies:
        await super().data(head, raw)
        return self.each


async def test_each_recipient_stands_as_the_next_hop_said_of_it(
    judging: Judging, setting: Setting
) -> None:
    each = (Reply.of(250, "2.0.0 Ok"), REFUSAL, Reply.of(552, "5.2.2 Full"), BUSY)
    ports = with_next_hop(judging(*[Action.HOLD] * 4), RepliesForEach(each=each))
    await released(ports, setting, 4)

    await deliver(ports)

    held = await the_row(ports)
    assert [(r.state, r.reply) for r in held.recipients] == [
        (State.RELEASED, "250 2.0.0 Ok"),
        (State.HELD, "550 5.1.1 No such user"),
        (State.HELD, "552 5.2.2 Full"),
        (State.RELEASING, "452 4.2.2 Mailbox full"),
    ]


async def test_a_recipient_without_a_reply_is_never_sent_to_again_by_itself(
    judging: Judging, setting: Setting
) -> None:
    each = (Reply.of(250, "2.0.0 Ok"), NO_LAST_WORD)
    ports = with_next_hop(judging(*[Action.HOLD] * 2), RepliesForEach(each=each))
    await released(ports, setting, 2)

    with capture_events() as logged:
        await deliver(ports)
    tried = await deliver(ports)

    held = await the_row(ports)
    assert [line["event"] for line in logged] == ["released", "dup_risk", "release_refused"]
    assert (tried, held.dup_risk) == (0, True)
    assert [r.state for r in held.recipients] == [State.RELEASED, State.HELD]
