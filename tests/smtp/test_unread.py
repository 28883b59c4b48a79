"""A client that has gone without reading our reply, and tries again: by real sockets, on real
stores."""

import asyncio
import functools
import io
import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mailguard.flow.again import receive_again, remember_unread
from mailguard.flow.hold import entry_for
from mailguard.flow.receive import receive
from mailguard.flow.setting import Ports, Setting
from mailguard.mail.envelope import Transaction
from mailguard.mail.reply import Replies
from mailguard.policy.disposition import Action
from mailguard.ports import Delivery
from mailguard.quarantine.held import Act, State, new_held_id
from mailguard.smtp.nexthop import SmtpNextHop, Timeouts
from mailguard.store.engine import Database, migrate
from mailguard.store.held_store import SqlHeldStore
from mailguard.store.lock import locked
from mailguard.store.receipts import SqlReceipts
from mailguard.store.spool import DiskSpool
from mailguard.testing import mail
from mailguard.testing.fakes import FakeClock, FakeJudge, FakeLedger, judgement_of

SCHOOL = "Elm Park Primary"
MESSAGE = mail("See you at the fair.")

Connect = Callable[..., Awaitable[Any]]


@dataclass
class Site:
    """A relay, its stores, and a gate before which all mail can be made to wait."""

    relay: Any
    ports: Ports
    file: Path
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def query(self, sql: str) -> list[Any]:
        with closing(sqlite3.connect(self.file)) as connection:
            return connection.execute(sql).fetchall()

    @property
    def remembered(self) -> list[Any]:
        return self.query("SELECT queue_id FROM unread_replies WHERE NOT given")

    async def settle(self) -> None:
        """Wait until no client is connected and nothing is under way."""
        async with asyncio.timeout(10):
            while self.relay.server.is_busy:
                await asyncio.sleep(0.001)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("empty") / "mailguard.db"
    migrate(f"sqlite:///{file}")
    return file


@pytest.fixture
async def make_site(sink: Any, start_relay: Any, empty: Path, tmp_path: Path) -> AsyncIterator[Any]:
    async with AsyncExitStack() as stack:
        file = tmp_path / "mailguard.db"
        shutil.copy(empty, file)

        async def make(*actions: Action, **options: Any) -> Site:
            database = Database(f"sqlite:///{file}", patience=0.3)
            stack.push_async_callback(database.close)
            count = iter(range(1000))
            clock = FakeClock()
            hop = SmtpNextHop(
                "127.0.0.1",
                sink.port,
                hostname="mg.elmpark.example",
                timeouts=Timeouts(connect=5, command=5, final=5),
            )
            ports = Ports(
                judge=FakeJudge(judgement_of(*(actions or (Action.RELAY,)))),
                spool=DiskSpool(tmp_path / "spool", largest_message=1 << 20),
                held=SqlHeldStore(database, SCHOOL),
                ledger=FakeLedger(),
                clock=clock,
                next_hop=hop,
                receipts=SqlReceipts(database, SCHOOL),
                new_id=lambda: new_held_id(clock.now(), next(count).to_bytes(10, "big")),
            )
            setting = Setting(school=SCHOOL, hostname="mg.elmpark.example", adds_received=False)
            site = Site(relay=None, ports=ports, file=file)
            site.gate.set()

            async def judged(transaction: Transaction, delivery: Delivery) -> Replies:
                await site.gate.wait()
                return await receive(transaction, delivery, ports, setting)

            site.relay = await start_relay(
                next_hop=hop,
                receive=functools.partial(
                    receive_again, otherwise=judged, receipts=ports.receipts, clock=clock
                ),
                lost=functools.partial(remember_unread, receipts=ports.receipts),
                **options,
            )
            return site

        yield make


@pytest.fixture
async def site(make_site: Any) -> Site:
    made: Site = await make_site()
    return made


async def send(connect: Connect, site: Site, content: bytes = MESSAGE) -> tuple[Any, str]:
    """A client that has read the reply, and has said nothing more."""
    client = await connect(site.relay)
    await client.begin()
    return client, await client.data(content)


async def send_and_quit(connect: Connect, site: Site, content: bytes = MESSAGE) -> str:
    client, reply = await send(connect, site, content)
    assert (await client.ask(b"QUIT")).startswith("221")
    return reply


async def send_and_vanish(connect: Connect, site: Site, content: bytes = MESSAGE) -> str:
    client, reply = await send(connect, site, content)
    client.close()
    await site.settle()
    return reply


async def vanish_before_the_reply(connect: Connect, site: Site, how: str) -> None:
    site.gate.clear()
    before = len(site.relay.received)
    client = await connect(site.relay)
    await client.begin()
    await client.ask(b"DATA")
    await client.send(MESSAGE + b".\r\n")
    async with asyncio.timeout(10):
        while len(site.relay.received) == before:
            await asyncio.sleep(0.001)
    getattr(client, how)()


@pytest.mark.parametrize("how", ["reset", "close"])
async def test_a_message_whose_client_vanished_before_the_reply_arrives_once(
    site: Site, sink: Any, connect: Connect, how: str
) -> None:
    await vanish_before_the_reply(connect, site, how)
    site.gate.set()
    await site.settle()
    (first,) = site.relay.received

    again = await send_and_quit(connect, site)

    assert again == f"250 2.0.0 Taken ({first.queue_id})"
    assert len(sink.taken) == 1
    third = await send_and_quit(connect, site)
    assert third == f"250 2.0.0 Taken ({site.relay.received[2].queue_id})"
    assert len(sink.taken) == 2


@pytest.mark.parametrize("how", ["reset", "close"])
async def test_a_message_whose_client_tries_again_before_the_reply_arrives_once(
    site: Site, sink: Any, connect: Connect, how: str
) -> None:
    await vanish_before_the_reply(connect, site, how)
    async with asyncio.timeout(10):
        while not site.remembered:
            await asyncio.sleep(0.001)
    retry = asyncio.create_task(send_and_quit(connect, site))
    async with asyncio.timeout(10):
        while len(site.relay.received) < 2:
            await asyncio.sleep(0.001)
    await asyncio.sleep(0.02)
    site.gate.set()

    assert await retry == f"250 2.0.0 Taken ({site.relay.received[0].queue_id})"
    assert len(sink.taken) == 1


async def test_a_message_whose_client_vanished_after_the_reply_arrives_once(
    site: Site, sink: Any, connect: Connect
) -> None:
    first = await send_and_vanish(connect, site)

    assert await send_and_quit(connect, site) == first
    assert len(sink.taken) == 1


async def test_a_reply_is_given_again_once_though_its_client_never_says_quit(
    site: Site, sink: Any, connect: Connect
) -> None:
    replies = [await send_and_vanish(connect, site) for _ in range(4)]

    assert replies[1] == replies[0] != replies[2] == replies[3]
    assert len(sink.taken) == 2
    assert site.remembered == []


@pytest.mark.parametrize("command", [b"QUIT", b"NOOP", b"RSET", b"NONSENSE"])
async def test_nothing_is_remembered_for_a_client_that_goes_on_talking(
    site: Site, sink: Any, connect: Connect, command: bytes
) -> None:
    for _ in range(2):
        client, _ = await send(connect, site)
        await client.ask(command)
        client.close()
        await site.settle()

    assert len(sink.taken) == 2
    assert site.query("SELECT * FROM unread_replies") == []


async def test_nothing_is_remembered_where_quit_came_right_behind_the_message(
    site: Site, sink: Any, connect: Connect
) -> None:
    for _ in range(2):
        client = await connect(site.relay)
        await client.begin()
        await client.ask(b"DATA")
        await client.send(MESSAGE + b".\r\nQUIT\r\n")
        await client.half_close()
        assert (await client.reply()).startswith("250")
        assert (await client.reply()).startswith("221")
        await site.settle()

    assert len(sink.taken) == 2
    assert site.query("SELECT * FROM unread_replies") == []


async def test_a_message_without_a_message_id_is_delivered_each_time(
    site: Site, sink: Any, connect: Connect
) -> None:
    content = MESSAGE.replace(b"Message-ID:", b"X-ID:")

    await send_and_vanish(connect, site, content)
    await send_and_quit(connect, site, content)

    assert len(sink.taken) == 2
    assert site.query("SELECT * FROM unread_replies") == []


async def test_a_message_that_was_not_taken_is_not_remembered(
    site: Site, sink: Any, connect: Connect
) -> None:
    sink.say(b".", b"451 4.3.0 Later\r\n", b"451 4.3.0 Later\r\n")
    await vanish_before_the_reply(connect, site, "reset")
    await asyncio.sleep(0.02)
    site.gate.set()
    await site.settle()
    await send_and_vanish(connect, site)

    assert site.query("SELECT * FROM unread_replies") == []
    assert (await send_and_quit(connect, site)).startswith("250 2.0.0 Taken")


async def test_a_message_that_came_by_another_way_is_delivered_and_flagged(
    site: Site, sink: Any, connect: Connect, log_lines: io.StringIO
) -> None:
    start = log_lines.tell()
    trace = b"Received: from %d.example by b.example; Mon, 02 Mar 2026 12:00:00 +0000\r\n"
    await send_and_vanish(connect, site, trace % 1 + MESSAGE)
    await send_and_quit(connect, site, mail("Something else", headers=[("X-A", "b")]))
    assert "dup_risk" not in log_lines.getvalue()[start:]

    await send_and_quit(connect, site, trace % 2 + MESSAGE)

    assert len(sink.taken) == 3
    lines = [line for line in log_lines.getvalue()[start:].splitlines() if "dup_risk" in line]
    assert len(lines) == 1
    assert "looks like one whose reply was not read" in lines[0]
    assert site.relay.received[2].queue_id in lines[0]


async def test_a_message_that_is_still_held_is_not_kept_twice(
    make_site: Any, sink: Any, connect: Connect, log_lines: io.StringIO
) -> None:
    start = log_lines.tell()
    site = await make_site(Action.HOLD)
    first = await send_and_vanish(connect, site)

    assert await send_and_quit(connect, site) == first
    (held,) = await site.ports.held.select(states=[State.HELD])
    assert site.query("SELECT action, subject FROM audit_entries ORDER BY seq") == [
        ("hold", held.id),
        ("merge", held.id),
    ]
    (line,) = [li for li in log_lines.getvalue()[start:].splitlines() if "answered_again" in li]
    for part in (held.id, held.queue_id, site.relay.received[1].queue_id):
        assert part in line


async def test_what_comes_after_a_decision_is_kept_anew(
    make_site: Any, sink: Any, connect: Connect
) -> None:
    site = await make_site(Action.HOLD)
    first = await send_and_vanish(connect, site)
    (held,) = await site.ports.held.select()
    released = entry_for("release", held, site.ports.clock)
    await site.ports.held.act(held.id, Act.RELEASE, [held.recipients[0].address], released)

    assert await send_and_quit(connect, site) != first
    assert len(await site.ports.held.select(states=[State.HELD])) == 1


async def test_what_was_delivered_with_a_flag_is_not_delivered_twice(
    make_site: Any, sink: Any, connect: Connect
) -> None:
    site = await make_site(Action.FLAG)
    first = await send_and_vanish(connect, site)

    assert await send_and_quit(connect, site) == first
    assert len(sink.taken) == len(await site.ports.held.select()) == 1
    assert site.query("SELECT * FROM audit_entries WHERE action = 'merge'") == []


async def test_the_retry_may_come_to_another_process(
    make_site: Any, sink: Any, connect: Connect
) -> None:
    one, other = await make_site(), await make_site()
    assert (await send_and_quit(connect, other, mail("Warm up"))).startswith("250")
    first = await send_and_vanish(connect, one)
    await asyncio.sleep(0.02)

    assert await send_and_quit(connect, other) == first
    assert len(sink.taken) == 2


async def test_mail_goes_on_while_nothing_can_be_looked_up(
    site: Site, sink: Any, connect: Connect, log_lines: io.StringIO
) -> None:
    start = log_lines.tell()
    await send_and_vanish(connect, site)
    with locked(Path(f"{site.file}.lock"), patience=0):
        reply = await send_and_quit(connect, site)
        harmless = await send_and_quit(connect, site, mail("Something else", subject="Other"))

    assert reply.startswith("250")
    assert harmless.startswith("250")
    assert len(sink.taken) == 3
    assert "the reply to it could not be looked up" in log_lines.getvalue()[start:]


async def test_what_cannot_be_remembered_now_is_remembered_later(
    site: Site, sink: Any, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailguard.flow.again.ATTEMPTS", (0.0, 0.1, 0.2))
    client, first = await send(connect, site)
    with locked(Path(f"{site.file}.lock"), patience=0):
        client.close()
        await asyncio.sleep(0.35)
    await site.settle()

    assert await send_and_quit(connect, site) == first


async def test_stopping_waits_until_it_is_remembered(
    site: Site, sink: Any, connect: Connect
) -> None:
    await vanish_before_the_reply(connect, site, "reset")
    stopping = asyncio.create_task(site.relay.server.stop(grace_s=10))
    await asyncio.sleep(0.02)
    site.gate.set()

    assert await stopping == 0
    assert site.remembered == [(site.relay.received[0].queue_id,)]


async def test_over_lmtp_each_recipient_gets_its_reply_again(
    make_site: Any, sink: Any, connect: Connect
) -> None:
    site = await make_site(Action.HOLD, Action.HOLD, is_lmtp=True)
    said = []
    for ending in (b"", b"QUIT"):
        client = await connect(site.relay)
        await client.reply()
        await client.ask(b"LHLO client.example")
        await client.ask(b"MAIL FROM:<ana@elmpark.example>")
        for name in (b"ben", b"kim"):
            await client.ask(b"RCPT TO:<" + name + b"@elmpark.example>")
        said.append([await client.data(MESSAGE), await client.reply()])
        if ending:
            await client.ask(ending)
        client.close()
        await site.settle()

    assert said[0] == said[1]
    assert len(await site.ports.held.select()) == len(
        {h.queue_id for h in await site.ports.held.select()}
    )
