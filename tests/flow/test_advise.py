"""What a mail server is told about a message that it keeps in hand itself, and what is stored."""

import asyncio
import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from mailguard.errors import SpoolUnavailable, StoreUnavailable
from mailguard.flow.advise import Advice, advise
from mailguard.flow.setting import Mode, Ports, Setting
from mailguard.mail.envelope import Transaction
from mailguard.mail.reply import LOCAL_ERROR
from mailguard.policy.disposition import Action
from mailguard.quarantine.held import HeldMessage, State
from mailguard.store.spool import DiskSpool
from mailguard.testing import transaction
from mailguard.testing.fakes import FakeJudge, FakeNextHop, judgement_of

Judging = Callable[..., Ports]
OURS = LOCAL_ERROR.naming("TESTQUEUEID")


def sent_to(count: int) -> Transaction:
    return transaction(to=[f"r{i}@elmpark.example" for i in range(count)])


async def rows(ports: Ports) -> list[HeldMessage]:
    return list(await ports.held.select())


@dataclass
class MailServer:
    """Hears the answer, or has gone."""

    is_there: bool = True
    heard: list[Advice] = field(default_factory=list)

    def __call__(self, advice: Advice) -> bool:
        self.heard.append(advice)
        return self.is_there


async def test_clean_mail_is_left_to_the_mail_server(ports: Ports, setting: Setting) -> None:
    server = MailServer()

    await advise(sent_to(1), server, ports, setting)

    assert server.heard == [Advice()]
    assert await rows(ports) == []
    assert await ports.spool.folders() == []
    assert ports.ledger.rows[0].outcome == "relayed"


async def test_the_mail_servers_own_id_stands_beside_ours(
    ports: Ports, setting: Setting, log_lines: io.StringIO
) -> None:
    txn, start = sent_to(1), log_lines.tell()
    txn = replace(txn, session=replace(txn.session, ident="4F5XYZ"))

    await advise(txn, MailServer(), ports, setting)

    assert "event=concluded queue_id=TESTQUEUEID ident=4F5XYZ" in log_lines.getvalue()[start:]
    assert [row.ident for row in ports.ledger.rows] == ["4F5XYZ"]


async def test_the_next_hop_is_not_spoken_to(judging: Judging, setting: Setting) -> None:
    ports = judging(Action.HOLD, Action.FLAG)

    await advise(sent_to(2), MailServer(), ports, setting)

    assert isinstance(ports.next_hop, FakeNextHop)
    assert ports.next_hop.opened == []


async def test_what_is_held_for_all_is_durable_before_it_is_discarded(
    judging: Judging, setting: Setting, tmp_path: Path
) -> None:
    ports, txn = judging(Action.HOLD), sent_to(1)
    stored: list[Path] = []

    def give(advice: Advice) -> bool:
        stored.extend(tmp_path.glob("spool/2*/*/*/*/message.eml"))
        return advice.discard

    await advise(txn, give, ports, setting)

    (held,) = await rows(ports)
    assert len(stored) == 1
    assert held.state is State.HELD
    assert (await ports.spool.read(held)).sha256 == txn.raw.sha256
    assert ports.ledger.rows[0].outcome == "held"


async def test_mixed_recipients_are_delivered_without_the_held_ones(
    judging: Judging, setting: Setting
) -> None:
    ports, txn, server = judging(Action.HOLD, Action.RELAY, Action.REJECT), sent_to(3), MailServer()

    await advise(txn, server, ports, setting)

    (held,) = await rows(ports)
    (heard,) = server.heard
    assert [path.address for path in heard.without] == ["r0@elmpark.example", "r2@elmpark.example"]
    assert not heard.discard
    assert [r.state for r in held.recipients] == [State.HELD, State.DELIVERED, State.HELD]


async def test_a_flagged_message_is_delivered_and_kept(judging: Judging, setting: Setting) -> None:
    ports, server = judging(Action.FLAG), MailServer()

    await advise(sent_to(1), server, ports, setting)

    (held,) = await rows(ports)
    assert held.state is State.DELIVERED
    assert server.heard == [Advice(held_id=held.id)]


async def test_a_sealed_message_is_discarded_for_everyone(
    judging: Judging, setting: Setting
) -> None:
    ports, server = judging(Action.SEAL, Action.RELAY), MailServer()

    await advise(sent_to(2), server, ports, setting)

    (held,) = await rows(ports)
    assert [r.state for r in held.recipients] == [State.SEALED, State.SEALED]
    assert server.heard[0].discard


@pytest.mark.parametrize(
    ("action", "code"), [(Action.REJECT, 554), (Action.DEFER, 451)], ids=["reject", "defer"]
)
async def test_a_refusal_is_the_clients_to_hear_and_nothing_is_kept(
    judging: Judging, setting: Setting, action: Action, code: int
) -> None:
    ports, server = judging(action), MailServer()

    await advise(sent_to(1), server, ports, setting)

    (heard,) = server.heard
    assert heard.refusal is not None
    assert heard.refusal.code == code
    assert "TESTQUEUEID" in str(heard.refusal)
    assert await rows(ports) == []


async def test_in_observe_mode_everything_is_left_to_the_mail_server(
    judging: Judging, setting: Setting
) -> None:
    ports, server = judging(Action.HOLD), MailServer()

    await advise(sent_to(1), server, ports, replace(setting, mode=Mode.OBSERVE))

    assert server.heard == [Advice()]
    assert await rows(ports) == []
    assert ports.ledger.rows[0].disposition == "hold"


async def test_a_mail_server_that_has_gone_leaves_no_copy_of_what_it_was_to_deliver(
    judging: Judging, setting: Setting
) -> None:
    ports = judging(Action.HOLD, Action.RELAY)

    await advise(sent_to(2), MailServer(is_there=False), ports, setting)

    assert await rows(ports) == []
    assert await ports.spool.folders() == []
    assert ports.ledger.rows[0].outcome == "deferred"


async def test_a_mail_server_that_has_gone_when_all_is_held_is_a_dup_risk(
    judging: Judging, setting: Setting, log_lines: io.StringIO
) -> None:
    ports, start = judging(Action.HOLD), log_lines.tell()

    await advise(sent_to(1), MailServer(is_there=False), ports, setting)

    (held,) = await rows(ports)
    assert held.state is State.HELD
    assert f"event=dup_risk queue_id=TESTQUEUEID held_id={held.id}" in log_lines.getvalue()[start:]


class _FullSpool(DiskSpool):
    async def store(self, *_: object) -> None:
        raise SpoolUnavailable("full")


async def test_a_milter_that_cannot_keep_what_it_must_defers(
    judging: Judging, setting: Setting, tmp_path: Path
) -> None:
    ports = replace(judging(Action.HOLD), spool=_FullSpool(tmp_path / "x", largest_message=1))
    server = MailServer()

    await advise(sent_to(1), server, ports, setting)

    assert server.heard == [Advice(refusal=OURS)]
    assert await rows(ports) == []


async def test_a_childs_call_for_help_is_delivered_even_when_no_copy_can_be_kept(
    judging: Judging, setting: Setting, tmp_path: Path
) -> None:
    ports = replace(
        judging(Action.FLAG, protected=True),
        spool=_FullSpool(tmp_path / "x", largest_message=1),
    )
    server = MailServer()

    await advise(sent_to(1), server, ports, setting)

    assert server.heard == [Advice()]


@pytest.mark.parametrize(
    "fault",
    [RuntimeError("unthought of"), StoreUnavailable("locked"), TimeoutError()],
    ids=["unknown", "temporary", "timeout"],
)
async def test_any_fault_while_judging_is_told_to_the_mail_server_as_451(
    ports: Ports, setting: Setting, fault: Exception
) -> None:
    server = MailServer()

    await advise(sent_to(1), server, replace(ports, judge=FakeJudge(fault)), setting)

    assert server.heard == [Advice(refusal=OURS)]


async def test_fewer_dispositions_than_recipients_defer(ports: Ports, setting: Setting) -> None:
    server = MailServer()
    judge = FakeJudge(judgement_of(Action.RELAY))

    await advise(sent_to(2), server, replace(ports, judge=judge), setting)

    assert server.heard == [Advice(refusal=OURS)]


class _SlowJudge:
    async def judge(self, transaction: Transaction):
        await asyncio.Event().wait()


async def test_a_judge_without_end_is_answered_within_the_budget(
    ports: Ports, setting: Setting
) -> None:
    server = MailServer()

    await advise(
        sent_to(1), server, replace(ports, judge=_SlowJudge()), replace(setting, answer_s=0.05)
    )

    assert server.heard == [Advice(refusal=OURS)]


async def test_a_row_that_cannot_be_settled_now_is_settled_later(
    judging: Judging, setting: Setting
) -> None:
    ports = judging(Action.HOLD, Action.RELAY)
    real = ports.held

    class Failing:
        def __getattr__(self, name: str):
            return getattr(real, name)

        async def act(self, *_: object, **__: object) -> None:
            raise StoreUnavailable("locked")

    failing = replace(ports, held=Failing())
    server = MailServer()

    await advise(sent_to(2), server, failing, setting)

    (held,) = await rows(ports)
    assert [path.address for path in server.heard[0].without] == ["r0@elmpark.example"]
    assert held.state is State.PENDING
    assert len(failing.unsettled) == 2
