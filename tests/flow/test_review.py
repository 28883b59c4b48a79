"""Decisions: a reason each, only for envelope recipients, and of two at a time one wins."""

import asyncio
from collections.abc import Callable

import pytest

from mailguard.errors import IllegalTransition, UnknownItem, UserError
from mailguard.flow.receive import receive
from mailguard.flow.review import close, confirm, release
from mailguard.flow.setting import Ports, ReviewPorts, Setting
from mailguard.policy.disposition import Action
from mailguard.quarantine.held import HeldMessage, State
from mailguard.testing import transaction
from mailguard.testing.fakes import FakeDelivery

Judging = Callable[..., Ports]


async def held_by(ports: Ports, setting: Setting, count: int = 1) -> HeldMessage:
    to = [f"r{i}@elmpark.example" for i in range(count)]
    await receive(transaction(to=to), FakeDelivery(), ports, setting)
    (held,) = await ports.held.select()
    return held


def reviewing(ports: Ports) -> ReviewPorts:
    return ReviewPorts(held=ports.held, clock=ports.clock)


async def test_release_marks_every_held_recipient_as_releasing(
    judging: Judging, setting: Setting
) -> None:
    ports = judging(Action.HOLD, Action.HOLD)
    held = await held_by(ports, setting, 2)

    after = await release(held.id, by="J Smith", reason="homework", ports=reviewing(ports))

    assert [r.state for r in after.recipients] == [State.RELEASING, State.RELEASING]


async def test_release_to_one_recipient_leaves_the_other_held(
    judging: Judging, setting: Setting
) -> None:
    ports = judging(Action.HOLD, Action.HOLD)
    held = await held_by(ports, setting, 2)

    after = await release(
        held.id,
        by="J Smith",
        reason="homework",
        recipients=["R1@ELMPARK.example"],
        ports=reviewing(ports),
    )

    assert [r.state for r in after.recipients] == [State.HELD, State.RELEASING]


async def test_nobody_outside_the_envelope_can_be_released_to(
    judging: Judging, setting: Setting
) -> None:
    ports = judging(Action.HOLD)
    held = await held_by(ports, setting)

    with pytest.raises(UserError, match=r"was not addressed to eve@outside\.example"):
        await release(
            held.id,
            by="J Smith",
            reason="homework",
            recipients=["eve@outside.example"],
            ports=reviewing(ports),
        )


@pytest.mark.parametrize("reason", ["", "   "])
async def test_a_decision_without_a_reason_is_refused(
    judging: Judging, setting: Setting, reason: str
) -> None:
    ports = judging(Action.HOLD)
    held = await held_by(ports, setting)

    with pytest.raises(UserError, match="a reason is needed"):
        await confirm(held.id, by="J Smith", reason=reason, ports=reviewing(ports))


async def test_a_sealed_message_cannot_be_released_or_confirmed(
    judging: Judging, setting: Setting
) -> None:
    ports = judging(Action.SEAL)
    held = await held_by(ports, setting)

    for decide in (release, confirm):
        with pytest.raises(IllegalTransition, match="is sealed"):
            await decide(held.id, by="J Smith", reason="homework", ports=reviewing(ports))


async def test_of_two_reviewers_at_once_one_wins_and_the_other_is_told_who_did(
    judging: Judging, setting: Setting
) -> None:
    ports = judging(Action.HOLD)
    held = await held_by(ports, setting)

    results = await asyncio.gather(
        release(held.id, by="J Smith", reason="homework", ports=reviewing(ports)),
        confirm(held.id, by="A Patel", reason="bullying", ports=reviewing(ports)),
        return_exceptions=True,
    )

    (error,) = [result for result in results if isinstance(result, BaseException)]
    assert isinstance(error, IllegalTransition)
    assert "J Smith" in str(error) or "A Patel" in str(error)


async def test_a_delivered_flag_can_be_confirmed_but_not_released(
    judging: Judging, setting: Setting
) -> None:
    ports = judging(Action.FLAG)
    held = await held_by(ports, setting)

    with pytest.raises(IllegalTransition, match="was delivered"):
        await release(held.id, by="J Smith", reason="homework", ports=reviewing(ports))
    after = await confirm(held.id, by="J Smith", reason="third time", ports=reviewing(ports))

    assert after.state is State.CONFIRMED


async def test_an_unknown_id_is_said_to_be_unknown(ports: Ports) -> None:
    with pytest.raises(UnknownItem):
        await release("01NOSUCH", by="J Smith", reason="x", ports=reviewing(ports))


async def test_closing_what_was_delivered_leaves_it_delivered_and_says_who(
    judging: Judging, setting: Setting
) -> None:
    ports = judging(Action.FLAG, Action.FLAG)
    held = await held_by(ports, setting, 2)

    after = await close(held.id, by="J Smith", reason=" seen ", ports=reviewing(ports))

    assert after.state is State.DELIVERED
    assert after.closed is not None
    assert (after.closed.by, after.closed.reason) == ("J Smith", "seen")


async def test_closing_a_message_of_which_a_copy_is_held_closes_none_of_it(
    judging: Judging, setting: Setting
) -> None:
    ports = judging(Action.FLAG, Action.HOLD)
    held = await held_by(ports, setting, 2)

    with pytest.raises(IllegalTransition, match="Release or confirm it"):
        await close(held.id, by="J Smith", reason="seen", ports=reviewing(ports))

    after = await ports.held.by_id(held.id)
    assert [r.decision for r in after.recipients] == [None, None]


async def test_the_rest_is_closed_where_one_copy_was_closed_already(
    judging: Judging, setting: Setting
) -> None:
    ports = judging(Action.FLAG, Action.FLAG)
    held = await held_by(ports, setting, 2)
    first, second = (r.address for r in held.recipients)

    await close(held.id, by="J", reason="seen", recipients=[first], ports=reviewing(ports))
    after = await close(held.id, by="P", reason="seen", ports=reviewing(ports))

    assert [r.closed.by for r in after.recipients if r.closed] == ["J", "P"]
    assert second in {r.address for r in after.recipients}
