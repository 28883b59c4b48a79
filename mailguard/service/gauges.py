"""The figures that are read from the database, set again and again by the jobs process."""

from datetime import timedelta

from mailguard import metrics
from mailguard.config import Config
from mailguard.errors import StoreUnavailable
from mailguard.flow.alarm import Trouble, alarms
from mailguard.quarantine.held import State
from mailguard.report.own_mail import Kind
from mailguard.report.schedule import latest_due
from mailguard.scan.finding import Level
from mailguard.service.compose import Stores, chain_of
from mailguard.service.digest import schedule_of
from mailguard.store.held_counts import count_held

GAUGES_EVERY_S = 10.0
"""Prometheus asks every 15 s or less often."""


_OF_NO_CHILD = frozenset(
    {Trouble.NOTICE_LATE, Trouble.RETURN_LATE, Trouble.LIST_LATE, Trouble.LIST_LOST}
)


class Gauges:
    """Sets them; without figures does nothing."""

    def __init__(self, config: Config, stores: Stores) -> None:
        chain = chain_of(config)
        self._config = config
        self._schedule = schedule_of(config)
        self._daily = chain.headteacher or chain.dsl or chain.deputy or chain.chair
        self._stores = stores

    async def read(self) -> None:
        """Look at the database now. Never raises StoreUnavailable: that is a figure too."""
        if not metrics.is_on():
            return
        is_up = True
        try:
            await self._read_held()
            await self._read_own_mail()
            await self._read_canary()
        except StoreUnavailable:
            is_up = False
        metrics.database_is_up(is_up)

    async def _read_held(self) -> None:
        counts = await count_held(self._stores.database, self._config.school.id)
        for state in State:
            for level in Level:
                if state is not State.PURGED:
                    metrics.held(state, level, counts.get((state, level), 0))

    async def _read_own_mail(self) -> None:
        now = self._stores.clock.now()
        waiting = await self._stores.own_mail.waiting()
        for kind in Kind:
            ages = [now - mail.created for mail in waiting if mail.kind is kind]
            oldest = max(ages, default=timedelta(0))
            metrics.own_mail_waits(kind, len(ages), max(0.0, oldest.total_seconds()))
        late = await alarms(
            self._stores.own_mail,
            now=now,
            zone=self._schedule.zone,
            due=latest_due(now, self._schedule),
            recipients=self._daily,
        )
        # Other mail has its own figures by kind: it keeps nobody from being told of a child.
        is_alert = [
            alarm.trouble in (Trouble.ALERT_LATE, Trouble.ALERT_UNTOLD)
            for alarm in late
            if alarm.trouble not in _OF_NO_CHILD
        ]
        metrics.overdue(digests=is_alert.count(False), alerts=is_alert.count(True))

    async def _read_canary(self) -> None:
        listeners = {listener.name for listener in self._config.listeners}
        for name, run in (await self._stores.canary.latest()).items():
            if name in listeners:
                metrics.canary_ran(name, run.at.timestamp(), ok=not run.failure)
