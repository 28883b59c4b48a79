"""kill -9 at every step of sending: a repeat has the same Message-ID, and only the window between
the next hop's 250 and its record makes one.

A forked process sends over real SMTP from a real database and kills itself when its coroutines have
been resumed for the n-th time, for n = 1, 2, 3, … until it survives.
"""

import asyncio
import email
import os
import signal
import sqlite3
from collections.abc import Callable, Coroutine, Generator, Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from mailguard.flow.own_mail import OwnMailPorts, Progress, send_waiting
from mailguard.report.own_mail import Kind, OwnMail
from mailguard.smtp.nexthop import SmtpNextHop
from mailguard.store.engine import Database, migrate
from mailguard.store.own_mail import SqlOwnMailStore
from mailguard.testing import NOON, mail
from mailguard.testing.fakes import FakeClock
from mailguard.testing.fork import fork
from mailguard.testing.service import wait_until
from mailguard.testing.sink import Sink

MOST = 200
"""Steps of sending one mail, more than were ever seen: the loop ends."""


@dataclass
class Steps:
    """Counts how often coroutines are resumed, and dies at one of them."""

    deadly: int = 0
    taken: int = 0

    def take(self) -> None:
        self.taken += 1
        if self.taken == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Counted(Coroutine[Any, Any, Any]):
    """A coroutine each of whose steps is counted."""

    inner: Coroutine[Any, Any, Any]
    steps: Steps

    def send(self, value: Any) -> Any:
        self.steps.take()
        return self.inner.send(value)

    def throw(self, *error: Any) -> Any:
        return self.inner.throw(*error)

    def close(self) -> None:
        self.inner.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """How one attempt ended."""

    was_deadly: bool
    in_window: bool
    """At the death the next hop had the mail, and the row did not say so."""

    copies: int
    """That arrived in the end."""


@dataclass
class Sender:
    """A database in which mails wait, and processes that send them to a sink."""

    url: str
    sink: Sink
    kind: Kind
    owed: list[str] = field(default_factory=list)

    def owe(self, number: int) -> str:
        message_id = f"<{number}.{self.kind}@elmpark.example>"
        waiting = OwnMail(
            school="main",
            kind=self.kind,
            about=str(number),
            recipient="head@elmpark.example",
            message_id=message_id,
            created=NOON,
            raw=mail().replace(b"<1@elmpark.example>", message_id.encode()),
        )
        self._in_child(lambda: self._with_store(lambda mails: mails.owe([waiting])))
        self.owed.append(message_id)
        return message_id

    def send(self, *, die_at: int = 0) -> bool:
        """Send what waits in a process of its own; True when that died of it."""
        steps = Steps(deadly=die_at)

        async def work(mails: SqlOwnMailStore) -> None:
            loop = asyncio.get_running_loop()
            loop.set_task_factory(
                lambda loop, coroutine, **options: asyncio.Task(
                    Counted(coroutine, steps), loop=loop, **options
                )
            )
            next_hop = SmtpNextHop("127.0.0.1", self.sink.port, hostname="mg.example")
            ports = OwnMailPorts(mails=mails, clock=FakeClock(), next_hop=next_hop)
            await asyncio.create_task(
                send_waiting(
                    ports, self.kind, sender="mailguard@elmpark.example", progress=Progress()
                )
            )
            await next_hop.close()

        status = self._in_child(lambda: self._with_store(work))
        return os.WIFSIGNALED(status)

    def attack(self, step: int) -> Attack:
        """Owe one more mail, die at this step of sending it, and send again what waits then."""
        message_id = self.owe(step)
        was_deadly = self.send(die_at=step)
        wait_until(lambda: not self.sink.is_busy)
        in_window = bool(self.copies(message_id)) and self.is_waiting(message_id)
        self.send()
        return Attack(was_deadly=was_deadly, in_window=in_window, copies=self.copies(message_id))

    def copies(self, message_id: str) -> int:
        arrived = (email.message_from_bytes(raw) for raw in self.sink.messages())
        return sum(message["Message-ID"] == message_id for message in arrived)

    def is_waiting(self, message_id: str) -> bool:
        path = self.url.removeprefix("sqlite:///")
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            (standing,) = connection.execute(
                "SELECT standing FROM own_mails WHERE message_id = ?", (message_id,)
            ).fetchone()
        return bool(standing == "waiting")

    def _with_store(self, work: Callable[[SqlOwnMailStore], Coroutine[Any, Any, Any]]) -> None:
        async def run() -> None:
            database = Database(self.url)
            await work(SqlOwnMailStore(database, "main"))
            await database.close()

        asyncio.run(run())

    def _in_child(self, work: Callable[[], None]) -> int:
        pid = fork()
        if pid == 0:
            status = 99
            try:
                work()
                status = 0
            finally:
                os._exit(status)
        _, status = os.waitpid(pid, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
        return status


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    sink = Sink(tmp_path / "mailbox")
    sink.start()
    yield sink
    sink.stop()


@pytest.mark.slow
@pytest.mark.parametrize("kind", Kind)
def test_kill_at_any_step_of_sending_repeats_only_what_was_taken_and_not_recorded(
    tmp_path: Path, sink: Sink, kind: Kind
) -> None:
    url = f"sqlite:///{tmp_path}/mailguard.db"
    migrate(url)
    sender = Sender(url=url, sink=sink, kind=kind)

    attacks = list(takewhile(lambda attack: attack.was_deadly, map(sender.attack, range(1, MOST))))

    windows = [attack.in_window for attack in attacks]
    assert [attack.copies for attack in attacks] == [2 if window else 1 for window in windows]
    assert len(attacks) >= 10
    assert 1 <= sum(windows) < len(windows)
    assert not any(sender.is_waiting(message_id) for message_id in sender.owed)
