"""Compose the self-test: its messages leave the jobs process and come in at the relay's workers."""

import functools
import secrets
import time
from collections.abc import Callable
from dataclasses import replace

from mailguard import events, metrics
from mailguard.config import Config, ListenerSection, split_address
from mailguard.extract.judging import ScanJudge
from mailguard.flow.canary import Admission, CanarySink, CanaryTester, receive_test
from mailguard.flow.setting import Ports, Setting
from mailguard.mail.canary import NONCE_BYTES
from mailguard.mail.envelope import Transaction
from mailguard.mail.reply import Reply
from mailguard.policy.directory import build_directory
from mailguard.policy.disposition import Policy
from mailguard.ports import CanaryRun, Delivery
from mailguard.scan.school import School
from mailguard.service.compose import Stores, hostname_of
from mailguard.smtp.canary import send_test
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

        async def receive_any(transaction: Transaction, delivery: Delivery) -> Reply:
            if isinstance(delivery, CanarySink):
                return await receive_test(transaction, delivery, ports, self._setting)
            return await otherwise(transaction, delivery)

        return receive_any


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
        host, port = split_address(listener.address)
        return await self._tester.test(
            listener.name, functools.partial(send_test, host, port, self._hostname)
        )
