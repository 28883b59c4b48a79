"""Retention: only what was decided goes, and its tombstone says that it was there."""

from collections.abc import Callable

from mailguard.flow.hold import entry_for
from mailguard.flow.purge import purge
from mailguard.flow.receive import receive
from mailguard.flow.review import confirm
from mailguard.flow.setting import Ports, ReviewPorts, Setting
from mailguard.policy.disposition import Action
from mailguard.quarantine.held import State
from mailguard.quarantine.retention import Retention
from mailguard.testing import transaction
from mailguard.testing.fakes import FakeDelivery

Judging = Callable[..., Ports]

AT_ONCE = Retention(flagged=0, dismissed=0, dismissed_flag=0, confirmed=0, ledger=0)


async def test_a_due_message_loses_its_files_and_keeps_its_tombstone(
    judging: Judging, setting: Setting
) -> None:
    ports = judging(Action.FLAG)
    await receive(transaction(), FakeDelivery(), ports, setting)

    count = await purge(ports, AT_ONCE)

    (held,) = await ports.held.select()
    assert count == 1
    assert held.state is State.PURGED
    assert held.symbols == ("ABUSE_TEST",)
    assert await ports.spool.folders() == []


async def test_what_nobody_has_reviewed_is_never_purged(judging: Judging, setting: Setting) -> None:
    ports = judging(Action.HOLD)
    await receive(transaction(), FakeDelivery(), ports, setting)

    count = await purge(ports, AT_ONCE)

    (held,) = await ports.held.select()
    assert count == 0
    assert held.state is State.HELD


async def test_what_is_decided_while_purging_is_kept(judging: Judging, setting: Setting) -> None:
    ports = judging(Action.FLAG)
    await receive(transaction(), FakeDelivery(), ports, setting)
    (listed,) = await ports.held.due(AT_ONCE)
    reviewing = ReviewPorts(held=ports.held, clock=ports.clock)
    await confirm(listed.id, by="J Smith", reason="third time", ports=reviewing)

    entry = entry_for("purge", listed, ports.clock)
    is_gone = await ports.held.expire(listed.id, AT_ONCE, entry)

    (held,) = await ports.held.select()
    assert not is_gone
    assert held.state is State.CONFIRMED
