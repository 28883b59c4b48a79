"""Compose the self-test: its messages leave the jobs process and come in at the relay's workers."""

import functools
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network

from mailguard import events, metrics
from mailguard.config import Config, ListenerSection, socket_path, split_address
from mailguard.extract.judging import ScanJudge
from mailguard.flow.advise import Advice, Advise, Give
from mailguard.flow.canary import (
    NOT_OURS,
    Admission,
    CanarySink,
    CanaryTester,
    Send,
    advise_test,
    is_test,
    receive_test,
)
from mailguard.flow.setting import Ports, Setting
from mailguard.mail.canary import NONCE_BYTES
from mailguard.mail.envelope import Transaction
from mailguard.mail.reply import Replies
from mailguard.milter.canary import ask_test
from mailguard.policy.directory import build_directory
from mailguard.policy.disposition import Policy
from mailguard.ports import CanaryRun, Delivery
from mailguard.scan.school import School
from mailguard.service.compose import Stores, hostname_of
from mailguard.smtp.canary import Entrance, send_test
from mailguard.smtp.listener import Admit, Receive

LOOK_EVERY_S = 2.0
START_S = 10.0
"""After the start of this process a relay may still be on its way: a failure is tried again before
anybody is told."""

RETRY_S = 60.0
"""After a failure the next test comes sooner, so that a passing trouble is seen to have passed."""


def default_policy() -> Policy:
    """What findings lead to where no school has said anything, between two strangers."""
    return Policy(directory=build_directory(School(name="", domains=frozenset())))


class CanaryEntrance:
    """The relay's side: lets in the self-tests of this installation, and brings them to an end."""

    def __init__(self, stores: Stores, judge: ScanJudge, setting: Setting) -> None:
        self._judge = judge.under(default_policy())
        self._setting = setting
        self._admission = Admission(
            key=stores.own_mail.secret, clock=stores.clock, store=stores.canary
        )

    def admit(self, listener: str) -> Admit:
        """Recognise the senders of tests of `listener`."""

        async def admit(sender: str) -> Delivery | None:
            return await self._admission.admit(listener, sender)

        return admit

    def receive(self, otherwise: Receive, ports: Ports) -> Receive:
        """Receive tests, and all other mail as `otherwise` does."""
        ports = replace(ports, judge=self._judge)

        async def receive_any(transaction: Transaction, delivery: Delivery) -> Replies:
            if isinstance(delivery, CanarySink):
                return await receive_test(transaction, delivery, ports, self._setting)
            return await otherwise(transaction, delivery)

        return receive_any

    def advise(self, listener: str, otherwise: Advise, ports: Ports) -> Advise:
        """Recognise the tests of a milter `listener`; all other mail is for `otherwise`.

        One that is not ours or not good any more is refused: it would be held, and somebody told.
        """
        ports = replace(ports, judge=self._judge)

        async def advise_any(transaction: Transaction, give: Give) -> None:
            if not is_test(transaction):
                await otherwise(transaction, give)
                return
            sender = transaction.envelope.sender.address
            sink = await self._admission.admit(listener, sender)
            if sink is None:
                give(Advice(refusal=NOT_OURS.naming(transaction.queue_id)))
            else:
                await advise_test(transaction, sink, give, ports, self._setting)

        return advise_any


class CanaryRounds:
    """The jobs process's side: tests every listener when it is time to."""

    def __init__(
        self, config: Config, stores: Stores, *, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock_s` never goes back; what the wall clock says is no matter."""
        self._listeners = config.listeners
        self._every_s = config.canary.minutes * 60.0
        self._hostname = hostname_of(config)
        self._stores = stores
        self._clock_s = clock_s
        self._started = clock_s()
        self._due = self._started
        self._tester = CanaryTester(
            store=stores.canary,
            clock=stores.clock,
            key=stores.own_mail.secret,
            make_nonce=functools.partial(secrets.token_bytes, NONCE_BYTES),
            disabled=frozenset(config.rules.disable),
        )

    async def look(self) -> None:
        """Test every listener if it is time. Raises StoreUnavailable; it is then tried again."""
        now = self._clock_s()
        if not self._every_s or now < self._due:
            return
        # Now, not afterwards: while the database is away this breaks off each time.
        self._due = now + min(RETRY_S, self._every_s)
        runs = [await self._test(listener) for listener in self._listeners]
        has_failed = any(run.failure for run in runs)
        if has_failed and now - self._started < START_S:
            self._due = now
            return
        for run in runs:
            await self._stores.canary.note(run)
            events.canary(run.listener, run.failure)
            metrics.canary_ran(run.listener, run.at.timestamp(), ok=not run.failure)
        if not has_failed:
            self._due = now + self._every_s

    async def _test(self, listener: ListenerSection) -> CanaryRun:
        return await self._tester.test(listener.name, self._way_to(listener))

    def _way_to(self, listener: ListenerSection) -> Send:
        path = socket_path(listener.address)
        host, port = ("", 0) if path else split_address(listener.address)
        if listener.protocol == "milter":
            return functools.partial(ask_test, path or (host, port), self._hostname)
        entrance = Entrance(
            host=host,
            port=port,
            path=path,
            is_lmtp=listener.protocol == "lmtp",
            is_implicit=listener.tls == "implicit",
            proxy_from=tuple(ip_network(network) for network in listener.proxy_from),
        )
        return functools.partial(send_test, entrance, self._hostname)
