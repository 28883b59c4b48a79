"""One relay worker: the process that speaks SMTP, judges, and holds or passes on."""

import asyncio
import contextlib
import functools
import gc
import os
import signal
import socket
from collections import Counter
from collections.abc import Sequence

import uvloop

from mailguard import __version__, events
from mailguard.config import Config
from mailguard.errors import StoreUnavailable
from mailguard.extract.judging import ScanJudge
from mailguard.extract.pool import ScanPool
from mailguard.flow.again import receive_again, remember_unread
from mailguard.flow.receive import receive
from mailguard.flow.setting import Unkept, Unsettled
from mailguard.flow.settle import settle
from mailguard.flow.ticket import TicketPorts, advise_answer, receive_answer
from mailguard.jobs.scheduler import Job, make_scheduler
from mailguard.milter.server import MilterServer
from mailguard.policy.disposition import Policy
from mailguard.service.canary import CanaryEntrance
from mailguard.service.compose import (
    listener_settings,
    open_stores,
    own_domain_of,
    ports_of,
    setting_of,
)
from mailguard.service.leash import Leash, heartbeat
from mailguard.service.load import Loaded, school_of, unpacking_of
from mailguard.service.milter import advise_any, make_milter
from mailguard.service.next_hops import NextHops, named
from mailguard.service.own_mail import Recognition
from mailguard.smtp.server import RelayServer
from mailguard.store.ledger import SqlLedger

LEDGER_EVERY_S = 60.0
FIRST_RUSH_S = 2.0
"""After a start the mail that has waited for it goes first; then a judging process is made ready
for the first message that has an attachment, which takes a second of a core."""

SETTLE_EVERY_S = 2.0
"""A database that was locked for a moment is tried again before a reviewer would notice."""


def run_relay(
    config: Config, loaded: Loaded, policy: Policy, sockets: Sequence[socket.socket], leash: Leash
) -> int:
    """Serve all listeners until told to stop; `sockets` has one for each, in order."""
    # Rules and libraries live as long as the process: the collector need not walk through them
    # again and again. A message makes some two thousand short-lived objects and hardly a cycle.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    uvloop.run(_beat_and_serve(config, loaded, policy, sockets, leash))
    return 0


async def wait_for_end(leash: Leash) -> None:
    """Return on SIGTERM, SIGINT, or when the parent is gone."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_log_unhandled)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    loop.add_reader(leash.parent, ended.set)
    leash.tell_ready()
    await ended.wait()
    loop.remove_reader(leash.parent)


class _LedgerWatch:
    """Says when ledger rows were lost since the last look."""

    def __init__(self, ledger: SqlLedger) -> None:
        self._ledger = ledger
        self._known = 0

    async def look(self) -> None:
        lost = self._ledger.lost
        if lost > self._known:
            events.ledger_lost(lost - self._known)
        self._known = lost


def _log_unhandled(_loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    error = context.get("exception")
    if isinstance(error, BaseException):
        events.job_failed("loop", error)


async def _prepare(pool: ScanPool) -> None:
    await asyncio.sleep(FIRST_RUSH_S)
    await pool.start()


async def _beat_and_serve(
    config: Config, loaded: Loaded, policy: Policy, sockets: Sequence[socket.socket], leash: Leash
) -> None:
    servers: list[RelayServer | MilterServer] = []
    async with heartbeat(leash, lambda: sum(server.under_way for server in servers)):
        await _serve(config, loaded, policy, sockets, leash, servers)


async def _serve(
    config: Config,
    loaded: Loaded,
    policy: Policy,
    sockets: Sequence[socket.socket],
    leash: Leash,
    servers: list[RelayServer | MilterServer],
) -> None:
    stores = open_stores(config)
    hops = NextHops(config)
    pool = ScanPool(loaded.ruleset, loaded.setup, config.relay.scan_s, unpacking_of(config))
    judge = ScanJudge(loaded.ruleset, policy, pool, budget_s=config.relay.scan_s)
    setting = setting_of(config)
    tests = CanaryEntrance(stores, judge, setting)
    own = Recognition(config, stores, policy.directory, setting)
    unsettled: list[Unsettled] = []
    unkept: list[Unkept] = []
    connections: Counter[str] = Counter()
    answers = TicketPorts(
        tickets=stores.tickets,
        held=stores.held,
        clock=stores.clock,
        directory=policy.directory,
        domain=own_domain_of(config),
    )
    for listener in config.listeners:
        hop = hops.at(listener.next_hop)
        ports = ports_of(stores, judge, hop, unsettled, unkept)
        if listener.protocol == "milter":
            judged_any = advise_any(config, stores, judge, policy, ports, setting)
            answering = functools.partial(advise_answer, otherwise=judged_any, ports=answers)
            asked = tests.advise(listener.name, own.advise(answering), ports)
            asked = leash.once_done(asked)
            servers.append(make_milter(config, listener, asked, stores.clock))
            continue
        judged = functools.partial(receive, ports=ports, setting=setting)
        answered = functools.partial(receive_answer, otherwise=judged, ports=answers)
        # After our own mail and the tests: each of those is known by a key of its own.
        known = functools.partial(
            receive_again, otherwise=answered, receipts=stores.receipts, clock=stores.clock
        )
        server = RelayServer(
            listener_settings(config, listener, school_of(config)),
            receive=leash.once_done(tests.receive(own.receive(known), ports)),
            next_hop=hop,
            clock=stores.clock,
            has_room=stores.spool.has_room,
            logins=hop if listener.auth == "pass" else None,
            connections=connections,
            admit=tests.admit(listener.name),
            lost=functools.partial(remember_unread, receipts=stores.receipts),
            takes=answers.takes,
        )
        servers.append(server)
    await hops.probe()
    for listener, edge, sock in zip(config.listeners, servers, sockets, strict=True):
        await edge.start([sock])
        events.started(__version__, listener.name, listener.address, named(listener.next_hop))

    async def settle_all() -> None:
        await settle(ports)
        # After it: what has found its row by now is told by the jobs process.
        await own.owe_unkept(unkept)

    scheduler = make_scheduler(
        (
            Job(name="settle", every_s=SETTLE_EVERY_S, act=settle_all),
            Job(name="ledger", every_s=LEDGER_EVERY_S, act=_LedgerWatch(stores.ledger).look),
        )
    )
    scheduler.start()
    preparing = asyncio.create_task(_prepare(pool), name="prepare")
    await wait_for_end(leash)
    preparing.cancel()
    scheduler.shutdown(wait=False)
    grace = config.relay.answer_s + 5
    await asyncio.gather(*(edge.stop(grace) for edge in servers))
    await settle(ports)
    with contextlib.suppress(StoreUnavailable):
        await own.finish(unkept)
    await hops.close()
    await pool.close()
    await stores.close()
    events.stopped(f"relay {os.getpid()}")
