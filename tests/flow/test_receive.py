"""From the final dot to the reply: what is sent where, in which order, and what is answered."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from mailguard.errors import NextHopUnavailable, ScanFailed, SpoolUnavailable, StoreUnavailable
from mailguard.flow.receive import receive
from mailguard.flow.setting import Mode, Ports, Setting
from mailguard.flow.settle import settle
from mailguard.mail.envelope import Transaction
from mailguard.mail.reply import LOCAL_ERROR, NEXT_HOP_DOWN, REFUSED, Replies, Reply
from mailguard.policy.disposition import Action
from mailguard.quarantine.held import HeldMessage, State
from mailguard.testing import transaction
from mailguard.testing.fakes import OK, FakeDelivery, FakeJudge, FakeNextHop, judgement_of

Judging = Callable[..., Ports]

GONE = NextHopUnavailable("closed")
GONE_AFTER_DOT = NextHopUnavailable("closed", may_have_accepted=True)
REFUSAL = Reply.of(550, "5.1.1 No such user")
BUSY = Reply.of(452, "4.2.2 Mailbox full")


def sent_to(count: int) -> Transaction:
    return transaction(to=[f"r{i}@elmpark.example" for i in range(count)])


async def rows(ports: Ports) -> list[HeldMessage]:
    return list(await ports.held.select())


async def test_a_clean_message_is_relayed_with_one_received_line(
    ports: Ports, setting: Setting
) -> None:
    txn, delivery = sent_to(1), FakeDelivery()

    (reply,) = await receive(txn, delivery, ports, setting)

    assert reply == OK.naming("TESTQUEUEID")
    (taken,) = delivery.taken
    head = taken.removesuffix(txn.raw.head(txn.raw.size))
    assert head.startswith(b"Received: from client.example")
    assert head.count(b"Received:") == 1
    assert await rows(ports) == []
    assert await ports.spool.folders() == []


async def test_without_the_received_line_nothing_is_changed(ports: Ports, setting: Setting) -> None:
    txn, delivery = sent_to(1), FakeDelivery()

    await receive(txn, delivery, ports, replace(setting, adds_received=False))

    assert delivery.taken == [txn.raw.head(txn.raw.size)]


async def test_the_next_hops_own_reply_is_passed_back(ports: Ports, setting: Setting) -> None:
    delivery = FakeDelivery(replies={"DATA": [REFUSAL]})

    (reply,) = await receive(sent_to(1), delivery, ports, setting)

    assert reply == REFUSAL.naming("TESTQUEUEID")


async def test_a_held_message_is_durable_and_never_sent(judging: Judging, setting: Setting) -> None:
    ports, txn, delivery = judging(Action.HOLD), sent_to(1), FakeDelivery()

    (reply,) = await receive(txn, delivery, ports, setting)

    (held,) = await rows(ports)
    assert str(reply) == "250 2.0.0 Ok: queued as TESTQUEUEID"
    assert held.state is State.HELD
    assert (await ports.spool.read(held)).head(txn.raw.size) == txn.raw.head(txn.raw.size)
    assert delivery.commands == []


async def test_a_sealed_message_is_sealed_for_everyone(judging: Judging, setting: Setting) -> None:
    ports, delivery = judging(Action.SEAL, Action.SEAL), FakeDelivery()

    await receive(sent_to(2), delivery, ports, setting)

    (held,) = await rows(ports)
    assert [r.state for r in held.recipients] == [State.SEALED, State.SEALED]
    assert held.sealed
    assert delivery.commands == []


async def test_mixed_recipients_are_introduced_anew_and_the_rest_is_held(
    judging: Judging, setting: Setting
) -> None:
    ports, delivery = judging(Action.HOLD, Action.RELAY), FakeDelivery()

    (reply,) = await receive(sent_to(2), delivery, ports, setting)

    (held,) = await rows(ports)
    assert reply == OK.naming("TESTQUEUEID")
    assert [r.state for r in held.recipients] == [State.HELD, State.DELIVERED]
    assert delivery.commands == [
        "RSET",
        "MAIL <ana@elmpark.example>",
        "RCPT <r1@elmpark.example>",
        "DATA",
    ]


async def test_a_recipient_refused_the_second_time_defers_all_and_withdraws_the_item(
    judging: Judging, setting: Setting
) -> None:
    ports = judging(Action.HOLD, Action.RELAY)
    delivery = FakeDelivery(replies={"RCPT": [BUSY]})

    (reply,) = await receive(sent_to(2), delivery, ports, setting)

    assert reply == NEXT_HOP_DOWN.naming("TESTQUEUEID")
    assert await rows(ports) == []
    assert await ports.spool.folders() == []


async def test_mixed_recipients_with_a_refusal_at_the_dot_withdraw_the_item(
    judging: Judging, setting: Setting
) -> None:
    ports = judging(Action.HOLD, Action.RELAY)
    delivery = FakeDelivery(replies={"DATA": [REFUSAL]})

    (reply,) = await receive(sent_to(2), delivery, ports, setting)

    assert reply == REFUSAL.naming("TESTQUEUEID")
    assert await rows(ports) == []
    assert await ports.spool.folders() == []


async def test_a_flagged_message_is_relayed_and_kept_as_delivered(
    judging: Judging, setting: Setting
) -> None:
    ports, delivery = judging(Action.FLAG), FakeDelivery()

    (reply,) = await receive(sent_to(1), delivery, ports, setting)

    (held,) = await rows(ports)
    assert reply == OK.naming("TESTQUEUEID")
    assert held.state is State.DELIVERED
    assert delivery.commands == ["DATA"]


async def test_a_flagged_message_is_stored_before_the_next_hop_gets_it(
    judging: Judging, setting: Setting
) -> None:
    ports = judging(Action.FLAG)
    seen: list[State] = []

    class Watching(FakeDelivery):
        async def data(self, head: bytes, raw: object) -> Replies:
            seen.extend(held.state for held in await rows(ports))
            return (OK,)

    await receive(sent_to(1), Watching(), ports, setting)

    assert seen == [State.PENDING]


async def test_reject_for_all_refuses_and_keeps_nothing(judging: Judging, setting: Setting) -> None:
    ports, delivery = judging(Action.REJECT, Action.REJECT), FakeDelivery()

    (reply,) = await receive(sent_to(2), delivery, ports, setting)

    assert reply == REFUSED.naming("TESTQUEUEID")
    assert await rows(ports) == []
    assert delivery.commands == []


async def test_reject_beside_others_holds(judging: Judging, setting: Setting) -> None:
    ports = judging(Action.REJECT, Action.RELAY)

    (reply,) = await receive(sent_to(2), FakeDelivery(), ports, setting)

    (held,) = await rows(ports)
    assert reply == OK.naming("TESTQUEUEID")
    assert [r.state for r in held.recipients] == [State.HELD, State.DELIVERED]


async def test_defer_for_one_defers_all(judging: Judging, setting: Setting) -> None:
    ports, delivery = judging(Action.DEFER, Action.RELAY), FakeDelivery()

    (reply,) = await receive(sent_to(2), delivery, ports, setting)

    assert reply.code == 451
    assert delivery.commands == []


async def test_observe_relays_what_enforce_would_hold_and_keeps_nothing(
    judging: Judging, setting: Setting
) -> None:
    ports, delivery = judging(Action.HOLD), FakeDelivery()

    (reply,) = await receive(sent_to(1), delivery, ports, replace(setting, mode=Mode.OBSERVE))

    assert reply == OK.naming("TESTQUEUEID")
    assert await rows(ports) == []
    assert await ports.spool.folders() == []
    (row,) = ports.ledger.rows
    assert (row.disposition, row.outcome) == ("hold", "relayed")


async def test_next_hop_closed_before_data_is_asked_anew_once(
    judging: Judging, setting: Setting
) -> None:
    ports = judging(Action.RELAY, Action.RELAY)
    delivery = FakeDelivery(replies={"DATA": [GONE]})

    (reply,) = await receive(sent_to(2), delivery, ports, setting)

    (fresh,) = ports.next_hop.opened
    assert reply == OK.naming("TESTQUEUEID")
    assert fresh.commands == [
        "MAIL <ana@elmpark.example>",
        "RCPT <r0@elmpark.example>",
        "RCPT <r1@elmpark.example>",
        "DATA",
        "close",
    ]


async def test_mail_of_a_client_that_logged_in_takes_no_other_connection(
    judging: Judging, setting: Setting
) -> None:
    ports = judging(Action.RELAY)
    arrived = sent_to(1)
    arrived = replace(arrived, session=replace(arrived.session, auth="ana"))

    (reply,) = await receive(arrived, FakeDelivery(replies={"DATA": [GONE]}), ports, setting)

    assert reply.code == 451
    assert ports.next_hop.opened == []


async def test_next_hop_drops_before_accept_twice_defers(ports: Ports, setting: Setting) -> None:
    second = FakeDelivery(replies={"DATA": [GONE]})
    ports = replace(ports, next_hop=FakeNextHop(deliveries=[second]))

    (reply,) = await receive(sent_to(1), FakeDelivery(replies={"DATA": [GONE]}), ports, setting)

    assert reply == NEXT_HOP_DOWN.naming("TESTQUEUEID")
    assert second.commands[-1] == "close"


async def test_next_hop_drops_after_the_dot_defers_and_is_not_asked_again(
    ports: Ports, setting: Setting
) -> None:
    delivery = FakeDelivery(replies={"DATA": [GONE_AFTER_DOT]})

    (reply,) = await receive(sent_to(1), delivery, ports, setting)

    assert reply == NEXT_HOP_DOWN.naming("TESTQUEUEID")
    assert ports.next_hop.opened == []


async def test_a_judge_that_breaks_defers(ports: Ports, setting: Setting) -> None:
    ports = replace(ports, judge=FakeJudge(ScanFailed("broken")))
    delivery = FakeDelivery()

    (reply,) = await receive(sent_to(1), delivery, ports, setting)

    assert reply == LOCAL_ERROR.naming("TESTQUEUEID")
    assert delivery.commands == []


async def test_any_unknown_exception_defers_and_sends_nothing(
    ports: Ports, setting: Setting
) -> None:
    ports = replace(ports, judge=FakeJudge(ZeroDivisionError("of a kind nobody thought of")))
    delivery = FakeDelivery()

    (reply,) = await receive(sent_to(1), delivery, ports, setting)

    assert reply == LOCAL_ERROR.naming("TESTQUEUEID")
    assert delivery.commands == []


async def test_answer_budget_spent_defers(ports: Ports, setting: Setting) -> None:
    class Slow:
        async def judge(self, _: Transaction) -> object:
            await asyncio.Event().wait()
            raise AssertionError

    ports = replace(ports, judge=Slow())

    (reply,) = await receive(sent_to(1), FakeDelivery(), ports, replace(setting, answer_s=0.05))

    assert reply == LOCAL_ERROR.naming("TESTQUEUEID")


async def test_a_judgement_that_leaves_a_recipient_out_defers(
    ports: Ports, setting: Setting
) -> None:
    delivery = FakeDelivery()

    (reply,) = await receive(sent_to(2), delivery, ports, setting)

    assert reply == LOCAL_ERROR.naming("TESTQUEUEID")
    assert delivery.commands == []


class BrokenSpool:
    """Cannot store, as on a full disk."""

    async def store(self, *_: object) -> None:
        raise SpoolUnavailable("no space left on device")


class BrokenStore:
    """Cannot commit, as when another process keeps the lock."""

    async def add(self, *_: object) -> None:
        raise StoreUnavailable("locked")


async def test_spool_unavailable_defers_what_must_be_held(
    judging: Judging, setting: Setting
) -> None:
    ports, delivery = replace(judging(Action.HOLD), spool=BrokenSpool()), FakeDelivery()

    (reply,) = await receive(sent_to(1), delivery, ports, setting)

    assert reply == LOCAL_ERROR.naming("TESTQUEUEID")
    assert delivery.commands == []


async def test_spool_unavailable_defers_what_is_flagged(judging: Judging, setting: Setting) -> None:
    ports, delivery = replace(judging(Action.FLAG), spool=BrokenSpool()), FakeDelivery()

    (reply,) = await receive(sent_to(1), delivery, ports, setting)

    assert reply == LOCAL_ERROR.naming("TESTQUEUEID")
    assert delivery.commands == []


async def test_a_childs_call_for_help_goes_out_even_when_no_copy_can_be_kept(
    judging: Judging, setting: Setting
) -> None:
    ports = replace(judging(Action.FLAG, protected=True), spool=BrokenSpool())
    delivery = FakeDelivery()

    (reply,) = await receive(sent_to(1), delivery, ports, setting)

    assert reply == OK.naming("TESTQUEUEID")
    assert delivery.commands == ["DATA"]


async def test_store_unavailable_defers_and_leaves_no_evidence_behind(
    judging: Judging, setting: Setting
) -> None:
    ports = replace(judging(Action.HOLD), held=BrokenStore())

    (reply,) = await receive(sent_to(1), FakeDelivery(), ports, setting)

    assert reply == LOCAL_ERROR.naming("TESTQUEUEID")
    assert await ports.spool.folders() == []


async def test_helpline_mail_leaves_no_address_in_the_ledger(
    judging: Judging, setting: Setting
) -> None:
    ports = judging(Action.RELAY, unlisted=True)

    txn = sent_to(1)
    txn = replace(txn, session=replace(txn.session, ident="4F5XYZ"))
    await receive(txn, FakeDelivery(), ports, setting)

    (row,) = ports.ledger.rows
    assert (row.sender, row.recipients, row.symbols) == ("", (), ())
    assert row.ident == "", "the log of who gave it has addresses"


async def test_a_helpline_beside_a_held_recipient_is_in_no_row_and_no_evidence(
    judging: Judging, setting: Setting
) -> None:
    judgement = judgement_of(Action.HOLD, Action.RELAY)
    helpline = replace(judgement.dispositions[1], unlisted=True)
    judgement = replace(judgement, dispositions=(judgement.dispositions[0], helpline))
    ports = replace(judging(Action.RELAY), judge=FakeJudge(judgement))

    (reply,) = await receive(sent_to(2), FakeDelivery(), ports, setting)

    (held,) = await rows(ports)
    assert reply == OK.naming("TESTQUEUEID")
    assert [r.address for r in held.recipients] == ["r0@elmpark.example"]
    assert held.state is State.HELD
    assert b"r1@elmpark.example" not in await ports.spool.evidence(held)


async def test_store_failing_after_delivery_still_answers_250_and_is_settled_later(
    judging: Judging, setting: Setting
) -> None:
    ports = judging(Action.HOLD, Action.RELAY)
    real = ports.held

    class Failing:
        add = staticmethod(real.add)

        async def act(self, *_: object, **__: object) -> None:
            raise StoreUnavailable("locked")

    (reply,) = await receive(sent_to(2), FakeDelivery(), replace(ports, held=Failing()), setting)

    await settle(ports)
    (held,) = await rows(ports)
    assert reply == OK.naming("TESTQUEUEID")
    assert [r.state for r in held.recipients] == [State.HELD, State.DELIVERED]


async def test_budget_spent_after_the_next_hop_accepted_still_answers_250(
    judging: Judging, setting: Setting
) -> None:
    ports = judging(Action.FLAG)
    real = ports.held

    class Stuck:
        school = real.school
        add = staticmethod(real.add)

        async def act(self, *_: object, **__: object) -> None:
            await asyncio.sleep(0.7)
            raise StoreUnavailable("locked")

    stuck = replace(ports, held=Stuck())
    (reply,) = await receive(sent_to(1), FakeDelivery(), stuck, replace(setting, answer_s=0.5))

    assert reply == OK.naming("TESTQUEUEID")
    assert len(ports.unsettled) == 1


async def test_a_childs_call_for_help_does_not_wait_for_a_stuck_disk(
    judging: Judging, setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hanging:
        async def store(self, *_: object) -> None:
            await asyncio.Event().wait()

        async def remove(self, *_: object) -> None:
            return None

    monkeypatch.setattr("mailguard.flow.protected.PROTECTED_S", 0.05)
    ports = replace(judging(Action.FLAG, protected=True), spool=Hanging())

    (reply,) = await receive(sent_to(1), FakeDelivery(), ports, setting)

    assert reply == OK.naming("TESTQUEUEID")


async def test_a_failing_removal_does_not_change_the_next_hops_answer(
    judging: Judging, setting: Setting
) -> None:
    ports = judging(Action.FLAG)
    real = ports.spool

    class Sticky:
        store = staticmethod(real.store)

        async def remove(self, *_: object) -> None:
            raise SpoolUnavailable("read-only file system")

    delivery = FakeDelivery(replies={"DATA": [REFUSAL]})

    (reply,) = await receive(sent_to(1), delivery, replace(ports, spool=Sticky()), setting)

    assert reply == REFUSAL.naming("TESTQUEUEID")
    assert len(ports.unsettled) == 1
