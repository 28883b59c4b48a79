"""The jobs process: sends what was released, deletes what is due, mends what a crash left."""

import asyncio
import functools
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import uvloop

from mailguard import events
from mailguard.config import Config
from mailguard.errors import ScanFailed
from mailguard.flow.purge import purge
from mailguard.flow.release import Backoff, deliver_released
from mailguard.flow.setting import Ports
from mailguard.flow.settle import reconcile
from mailguard.jobs.scheduler import Job, make_scheduler
from mailguard.mail.envelope import Transaction
from mailguard.policy.judge import Judgement
from mailguard.quarantine.retention import Retention
from mailguard.service.canary import LOOK_EVERY_S, CanaryRounds
from mailguard.service.compose import (
    Stores,
    keyring_of,
    open_stores,
    ports_of,
    retention_of,
)
from mailguard.service.gauges import GAUGES_EVERY_S, Gauges
from mailguard.service.leash import Leash, heartbeat
from mailguard.service.load import load_directory
from mailguard.service.metrics import serve_figures
from mailguard.service.next_hops import NextHops
from mailguard.service.own_mail import Sending
from mailguard.service.relay import wait_for_end
from mailguard.smtp.timeouts import Timeouts

RELEASE_EVERY_S = 1.0
"""A reviewer who waits for a release should not notice it."""

PATIENT = Timeouts(final=600)
"""Nobody waits for a release, so the next hop gets all the time of RFC 5321 §4.5.3.2.6 to answer:
giving up earlier could deliver a message twice."""

ALERT_EVERY_S = 1.0
"""A child may be in danger."""

DIGEST_EVERY_S = 2.0
"""To ask whether it is time costs one small query."""

DIGEST_MAIL_EVERY_S = 1.0
DATA_LIST_EVERY_S = 10.0

RETURN_EVERY_S = 2.0
"""Who pressed "send" a moment ago is still at the desk."""

NOTICE_EVERY_S = 5.0
"""A technician is told within seconds; to ask costs a few small queries."""

RECONCILE_EVERY_S = 300.0
PURGE_EVERY_S = 3600.0


class NoJudge:
    """This process judges nothing: what it sends, a person has decided about."""

    async def judge(self, transaction: Transaction) -> Judgement:
        """Always raises ScanFailed."""
        raise ScanFailed("the jobs process does not judge")


def run_jobs(config: Config, leash: Leash, figures: socket.socket | None = None) -> int:
    """Do the jobs until told to stop, and serve figures on the socket `figures`, if any."""
    uvloop.run(_beat_and_work(config, leash, figures))
    return 0


async def _beat_and_work(config: Config, leash: Leash, figures: socket.socket | None) -> None:
    async with heartbeat(leash):
        serve_figures(config, figures)
        await _work(config, leash)


def run_reconcile(config: Config) -> None:
    """Make spool and rows agree, before anything else runs."""
    asyncio.run(_reconcile_all(config))


async def _release_alone(
    stores: Stores, ports: Ports, ports_for: Callable[[str], Ports], backoff: Backoff
) -> None:
    """Send what was released, unless another process of this store is doing so."""
    async with stores.release_lock.hold() as is_ours:
        if is_ours:
            await deliver_released(ports, ports_for, backoff)


async def _purge_all(stores: Stores, ports: Ports, retention: Retention) -> None:
    await purge(ports, retention)
    await stores.ledger.expire(retention)
    await stores.receipts.expire()
    await stores.tickets.expire()


async def _reconcile_all(config: Config) -> None:
    stores = open_stores(config)
    hops = NextHops(config)
    await reconcile(ports_of(stores, NoJudge(), hops.at(config.listeners[0].next_hop), []))
    await stores.close()


async def _work(config: Config, leash: Leash) -> None:
    stores = open_stores(config)
    hops = NextHops(config, PATIENT)
    # A listener that is no longer configured: its mail goes out by the first one's next hop.
    first = config.listeners[0].next_hop
    urls = {listener.name: listener.next_hop for listener in config.listeners}

    asked_again = {listener.name for listener in config.listeners if listener.next_hop_asks}

    def ports_for(listener: str) -> Ports:
        ports = ports_of(stores, NoJudge(), hops.at(urls.get(listener, first)), [])
        return replace(ports, keyring=keyring_of(stores)) if listener in asked_again else ports

    ports = ports_for(config.listeners[0].name)
    backoff = Backoff()
    retention = retention_of(config)
    patience = timedelta(seconds=2 * config.relay.answer_s)

    async def reconcile_old() -> None:
        await reconcile(ports, before=stores.clock.now() - patience)

    directory = load_directory(config)
    sending = Sending(config, stores, directory)
    scheduler = make_scheduler(
        (
            Job(
                name="release",
                every_s=RELEASE_EVERY_S,
                act=leash.once_done(
                    functools.partial(_release_alone, stores, ports, ports_for, backoff)
                ),
            ),
            Job(name="alert", every_s=ALERT_EVERY_S, act=sending.owe_alerts),
            Job(name="alert_mail", every_s=ALERT_EVERY_S, act=sending.send_alerts),
            Job(name="digest", every_s=DIGEST_EVERY_S, act=sending.owe_digests),
            Job(name="digest_mail", every_s=DIGEST_MAIL_EVERY_S, act=sending.send_digests),
            Job(name="notice", every_s=NOTICE_EVERY_S, act=sending.send_notices),
            Job(name="data_list", every_s=DATA_LIST_EVERY_S, act=sending.send_data_lists),
            Job(name="give_back", every_s=RETURN_EVERY_S, act=sending.send_given_back),
            Job(
                name="gauges",
                every_s=GAUGES_EVERY_S,
                act=Gauges(config, stores).read,
                at_once=True,
            ),
            Job(name="reconcile", every_s=RECONCILE_EVERY_S, act=reconcile_old),
            Job(name="canary", every_s=LOOK_EVERY_S, act=CanaryRounds(config, stores).look),
            Job(
                name="purge",
                every_s=PURGE_EVERY_S,
                act=functools.partial(_purge_all, stores, ports, retention),
            ),
        )
    )
    scheduler.start()
    await wait_for_end(leash)
    scheduler.shutdown(wait=False)
    await sending.finish(config.relay.answer_s)
    await hops.close()
    await stores.close()
    events.stopped("jobs")
