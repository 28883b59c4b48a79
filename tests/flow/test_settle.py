"""After a crash spool and rows agree again, and nothing that might be needed is thrown away."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from mailguard.errors import NextHopUnavailable, SpoolUnavailable
from mailguard.flow.receive import receive
from mailguard.flow.setting import Ports, Setting
from mailguard.flow.settle import reconcile, settle
from mailguard.mail.raw import Raw
from mailguard.mail.reply import Replies, Reply
from mailguard.policy.disposition import Action
from mailguard.ports import AuditEntry
from mailguard.quarantine.held import Act, HeldMessage, State
from mailguard.testing import NOON, mail, transaction
from mailguard.testing.fakes import FakeDelivery

Judging = Callable[..., Ports]


class PowerCut(BaseException):
    """Ends a task where a crash would have ended the process."""


class NoRow:
    """A store that dies before it commits."""

    def __init__(self, real: object) -> None:
        self.real = real

    async def add(self, *_: object) -> None:
        raise PowerCut


class DiesAtData(FakeDelivery):
    """A next hop during whose DATA our process dies."""

    async def data(self, head: bytes, raw: Raw) -> Replies:
        raise PowerCut


async def die(ports: Ports, setting: Setting, delivery: FakeDelivery, count: int = 1) -> None:
    to = [f"r{i}@elmpark.example" for i in range(count)]
    try:
        await receive(transaction(to=to), delivery, ports, setting)
    except PowerCut:
        return
    raise AssertionError("it lived")


async def rows(ports: Ports) -> list[HeldMessage]:
    return list(await ports.held.select())


async def test_file_without_a_row_is_adopted_as_held_and_marked(
    judging: Judging, setting: Setting
) -> None:
    ports = judging(Action.HOLD)
    await die(replace(ports, held=NoRow(ports.held)), setting, FakeDelivery())

    found = await reconcile(ports)

    (held,) = await rows(ports)
    assert (found.adopted, found.missing) == (1, ())
    assert held.state is State.HELD
    assert held.dup_risk
    assert (await ports.spool.read(held)).head(1 << 20) == mail()


async def test_an_orphan_of_a_sealed_message_stays_sealed(
    judging: Judging, setting: Setting
) -> None:
    ports = judging(Action.SEAL)
    await die(replace(ports, held=NoRow(ports.held)), setting, FakeDelivery())

    await reconcile(ports)

    (held,) = await rows(ports)
    assert held.state is State.SEALED


async def test_pending_row_at_start_becomes_held_and_is_marked(
    judging: Judging, setting: Setting, monkeypatch: object
) -> None:
    ports = judging(Action.HOLD, Action.RELAY)
    dead = replace(ports, held=OnlyAdds(ports.held))
    await die(dead, setting, DiesAtData(), 2)

    found = await reconcile(ports)

    (held,) = await rows(ports)
    assert found.settled == 1
    assert {r.state for r in held.recipients} == {State.HELD}
    assert held.dup_risk


class OnlyAdds:
    """A store whose process died before it could change or withdraw anything."""

    def __init__(self, real: object) -> None:
        self.add = real.add  # type: ignore[attr-defined]

    async def withdraw(self, *_: object) -> None:
        raise PowerCut


async def test_row_without_a_file_is_reported_and_kept(
    judging: Judging, setting: Setting, tmp_path: Path
) -> None:
    ports = judging(Action.HOLD)
    await receive(transaction(), FakeDelivery(), ports, setting)
    (held,) = await rows(ports)
    await ports.spool.remove(held.folder)

    found = await reconcile(ports)

    assert found.missing == (held.id,)
    assert len(await rows(ports)) == 1


async def test_poisoned_spool_item_is_set_aside_and_the_rest_goes_on(
    judging: Judging, setting: Setting, tmp_path: Path
) -> None:
    ports = judging(Action.HOLD)
    await die(replace(ports, held=NoRow(ports.held)), setting, FakeDelivery())
    (good,) = await ports.spool.folders()
    bad = tmp_path / "spool" / "2026" / "03" / "01" / ("0" * 26)
    bad.mkdir(parents=True)
    (bad / "message.eml").write_bytes(b"x")
    (bad / "evidence.json").write_bytes(b"{not json")

    found = await reconcile(ports)

    assert found.adopted == 1
    assert [held.folder for held in await rows(ports)] == [good]
    assert not bad.exists()
    aside = tmp_path / "spool" / "aside" / f"2026-03-01-{'0' * 26}"
    assert (aside / "message.eml").read_bytes() == b"x"
    assert (await reconcile(ports)).adopted == 0


async def test_a_set_aside_folder_that_was_mended_and_moved_back_is_taken_in(
    judging: Judging, setting: Setting, tmp_path: Path
) -> None:
    ports = judging(Action.HOLD)
    await die(replace(ports, held=NoRow(ports.held)), setting, FakeDelivery())
    (folder,) = await ports.spool.folders()
    file = tmp_path / "spool" / folder / "evidence.json"
    sound = file.read_bytes()
    file.write_bytes(sound[:-10])
    await reconcile(ports)
    (aside,) = (tmp_path / "spool" / "aside").iterdir()

    (aside / "evidence.json").write_bytes(sound)
    aside.rename(tmp_path / "spool" / folder)

    assert (await reconcile(ports)).adopted == 1


async def test_files_of_a_purged_message_are_deleted(judging: Judging, setting: Setting) -> None:
    ports = judging(Action.FLAG)
    await receive(transaction(), FakeDelivery(), ports, setting)
    (held,) = await rows(ports)
    entry = AuditEntry(at=NOON, actor="mailguard", action="purge", subject=held.id, detail={})
    await ports.held.act(held.id, Act.EXPIRE, [held.recipients[0].address], entry)

    found = await reconcile(ports)

    assert found.leftovers == 1
    assert await ports.spool.folders() == []


async def test_what_may_still_be_under_way_is_left_alone(
    judging: Judging, setting: Setting
) -> None:
    ports = judging(Action.HOLD)
    await die(replace(ports, held=NoRow(ports.held)), setting, FakeDelivery())

    early = await reconcile(ports, before=NOON - timedelta(minutes=3))
    late = await reconcile(ports, before=NOON + timedelta(minutes=3))

    assert (early.adopted, late.adopted) == (0, 1)


async def test_a_next_hop_lost_at_data_withdraws_the_flagged_copy(
    judging: Judging, setting: Setting
) -> None:
    ports = judging(Action.FLAG)
    delivery = FakeDelivery(
        replies={"DATA": [NextHopUnavailable("closed", may_have_accepted=True)]}
    )

    await receive(transaction(), delivery, ports, setting)

    assert await rows(ports) == []
    assert await ports.spool.folders() == []


async def test_what_was_withdrawn_leaves_no_files_though_they_could_not_be_deleted_at_first(
    judging: Judging, setting: Setting
) -> None:
    """Or the next start would take them for a message that nobody has."""

    class Stuck:
        store = staticmethod(judging(Action.FLAG).spool.store)

        async def remove(self, folder: str) -> None:
            raise SpoolUnavailable("input/output error")

    ports = judging(Action.FLAG)
    refusal = Reply.of(550, "5.1.1 No such user")
    delivery = FakeDelivery(replies={"DATA": [refusal]})
    await receive(transaction(), delivery, replace(ports, spool=Stuck()), setting)
    left = list(await ports.spool.folders())

    await settle(ports)

    assert len(left) == 1
    assert (await rows(ports), list(await ports.spool.folders())) == ([], [])
    assert ports.unsettled == []
