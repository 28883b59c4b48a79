"""kill -9 at every await between the final dot and the reply: nothing is lost, whatever died when.

A forked process receives a message with a real spool, a real database and real SMTP behind it, and
kills itself when its coroutines have been resumed for the n-th time, for n = 1, 2, 3, … until it
survives. Then the service starts again, and a client that has not read 250 sends again.
"""

import asyncio
import os
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from mailguard.flow.receive import receive
from mailguard.flow.setting import Ports, Setting
from mailguard.flow.settle import reconcile
from mailguard.mail.envelope import Transaction
from mailguard.policy.disposition import Action
from mailguard.quarantine.held import State, new_held_id
from mailguard.smtp.nexthop import SmtpNextHop
from mailguard.store.engine import Database
from mailguard.store.held_store import SqlHeldStore
from mailguard.store.spool import DiskSpool
from mailguard.testing import mail, transaction
from mailguard.testing.fakes import (
    FakeClock,
    FakeJudge,
    FakeLedger,
    FakeReceipts,
    judgement_of,
)
from mailguard.testing.fork import fork
from mailguard.testing.service import wait_until
from mailguard.testing.sink import Sink

from .test_own_mail_killed import MOST, Counted, Steps

Work = Callable[[Ports], Coroutine[Any, Any, None]]


@dataclass
class Gateway:
    """Spool, database and sink of one school, and processes that receive for it."""

    folder: Path
    sink: Sink
    actions: tuple[Action, ...]

    def receive(self, number: int, *, die_at: int = 0) -> tuple[bool, bool]:
        """Whether the process died of it, and whether its client had read 250 by then."""
        read_end, write_end = os.pipe()

        async def work(ports: Ports) -> None:
            steps = Steps(deadly=die_at)
            asyncio.get_running_loop().set_task_factory(
                lambda loop, coroutine, **options: asyncio.Task(
                    Counted(coroutine, steps), loop=loop, **options
                )
            )
            await asyncio.create_task(
                self._transact(sent(number, len(self.actions)), ports, write_end)
            )

        status = self._in_child(work)
        os.close(write_end)
        with os.fdopen(read_end, "rb") as client:
            return os.WIFSIGNALED(status), client.read() == b"250"

    def restart(self) -> None:
        """What the service does at its start, before it listens."""

        async def work(ports: Ports) -> None:
            found = await reconcile(ports)
            assert not found.missing

        assert self._in_child(work) == 0

    def kept(self) -> dict[bytes, list[list[State]]]:
        """For each message the states of its items; every file is whole."""
        found: dict[bytes, list[list[State]]] = defaultdict(list)

        async def look(ports: Ports) -> None:
            for held in await ports.held.select():
                content = b"".join((await ports.spool.read(held)).chunks())
                (name,) = re.findall(rb"step-\d+-end", content)
                found[name].append([recipient.state for recipient in held.recipients])

        asyncio.run(self._with_ports(look))
        return found

    def arrived(self, number: int) -> int:
        """Copies at the next hop."""
        wait_until(lambda: not self.sink.is_busy)
        return sum(marker(number) in message for message in self.sink.messages())

    async def _transact(self, transaction: Transaction, ports: Ports, client: int) -> None:
        delivery = await ports.next_hop.open()
        await delivery.mail(transaction.envelope.sender.argument)
        for recipient in transaction.envelope.recipients:
            await delivery.rcpt(recipient.argument)
        setting = Setting(school="Elm Park Primary", hostname="mg.elmpark.example", answer_s=30)
        reply, *_ = await receive(transaction, delivery, ports, setting)
        os.write(client, b"%d" % reply.code)
        await delivery.close()

    async def _with_ports(self, work: Work) -> None:
        database = Database(f"sqlite:///{self.folder}/mailguard.db")
        clock = FakeClock()
        next_hop = SmtpNextHop("127.0.0.1", self.sink.port, hostname="mg.elmpark.example")
        ports = Ports(
            judge=FakeJudge(judgement_of(*self.actions)),
            spool=DiskSpool(self.folder / "spool", largest_message=1 << 20),
            held=SqlHeldStore(database, "Elm Park Primary"),
            ledger=FakeLedger(),
            clock=clock,
            next_hop=next_hop,
            receipts=FakeReceipts(),
            new_id=lambda: new_held_id(clock.now(), os.urandom(10)),
        )
        await work(ports)
        await next_hop.close()
        await ports.spool.close()
        await database.close()

    def _in_child(self, work: Work) -> int:
        pid = fork()
        if pid == 0:
            status = 99
            try:
                asyncio.run(self._with_ports(work))
                status = 0
            finally:
                os._exit(status)
        _, status = os.waitpid(pid, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
        return status


def marker(number: int) -> bytes:
    return b"step-%d-end" % number


def sent(number: int, recipients: int) -> Transaction:
    return transaction(
        raw=mail(marker(number).decode()), to=[f"r{i}@elmpark.example" for i in range(recipients)]
    )


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    sink = Sink(tmp_path / "maildir")
    sink.start()
    yield sink
    sink.stop()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("actions", "copies_held", "copies_sent"),
    [
        pytest.param((Action.HOLD,), 1, 0, id="held"),
        pytest.param((Action.RELAY,), 0, 1, id="passed"),
        pytest.param((Action.HOLD, Action.RELAY), 1, 1, id="mixed"),
    ],
)
def test_kill_at_any_await_between_dot_and_reply_loses_nothing(
    tmp_path: Path,
    empty_database: Path,
    sink: Sink,
    actions: tuple[Action, ...],
    copies_held: int,
    copies_sent: int,
) -> None:
    shutil.copy(empty_database, tmp_path / "mailguard.db")
    gateway = Gateway(folder=tmp_path, sink=sink, actions=actions)

    def attack(step: int) -> bool:
        """Whether it died; a client that has not read 250 then sends again."""
        died, taken = gateway.receive(step, die_at=step)
        gateway.restart()
        if taken:
            early[step] = len(gateway.kept()[marker(step)]), gateway.arrived(step)
        else:
            assert gateway.receive(step) == (False, True)
        return died

    early: dict[int, tuple[int, int]] = {}
    deaths = len(list(takewhile(bool, map(attack, range(1, MOST)))))

    kept = gateway.kept()
    assert deaths >= 8
    assert set(early.values()) == {(copies_held, copies_sent)}
    for step in range(1, deaths + 2):
        states = kept[marker(step)]
        assert copies_held <= len(states) <= 2 * copies_held
        assert copies_sent <= gateway.arrived(step) <= 2 * copies_sent
        assert not any(State.PENDING in each for each in states)
