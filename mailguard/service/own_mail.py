"""Compose MailGuard's own mail: making and sending it in the jobs process, knowing it again in the
relay's workers."""

import asyncio
import functools
from collections.abc import Awaitable
from datetime import date

from mailguard import events
from mailguard.config import Config
from mailguard.flow.advise import Advise
from mailguard.flow.alert import AlertPorts, AlertSetting, Known, owe_alerts, owe_unkept
from mailguard.flow.data_list import owe_data_lists
from mailguard.flow.digest import owe_digests
from mailguard.flow.give_back import GiveBackPorts, GiveBackSetting, owe_given_back
from mailguard.flow.notice import NoticePorts, NoticeSetting, owe_notices
from mailguard.flow.own_mail import OwnMailPorts, Progress, send_waiting
from mailguard.flow.returned import advise_own, receive_own
from mailguard.flow.setting import Setting, Unkept
from mailguard.policy.directory import Directory
from mailguard.quarantine.held import HeldId
from mailguard.report.alert import Place
from mailguard.report.own_mail import Kind
from mailguard.service.compose import Stores, chain_of, own_domain_of, own_sender_of, zone_of
from mailguard.service.digest import digest_ports, digest_setting
from mailguard.service.next_hops import NextHops
from mailguard.smtp.listener import Receive
from mailguard.smtp.timeouts import Timeouts

IMPATIENT = Timeouts(command=30)
"""For alerts and notices: one that waits for its reply holds up those that are made meanwhile, and
one that is taken twice does no harm."""

PATIENT = Timeouts(final=600)
"""For digests: the next hop gets all the time of RFC 5321 §4.5.3.2.6 to say whether it took one."""


class Sending:
    """The jobs process's side."""

    def __init__(self, config: Config, stores: Stores, directory: Directory) -> None:
        self._stores = stores
        self._hops = {
            Kind.ALERT: NextHops(config, IMPATIENT),
            Kind.DIGEST: NextHops(config, PATIENT),
            Kind.NOTICE: NextHops(config, IMPATIENT),
            Kind.RETURN: NextHops(config, IMPATIENT),
            Kind.DATA: NextHops(config, PATIENT),
        }
        self._locks = {
            Kind.ALERT: stores.alert_lock,
            Kind.DIGEST: stores.digest_lock,
            Kind.NOTICE: stores.notice_lock,
            Kind.RETURN: stores.return_lock,
            Kind.DATA: stores.data_lock,
        }
        self._progress = {kind: Progress() for kind in Kind}
        self._urls = own_next_hop_of(config)
        self._sender = own_sender_of(config)
        self._alert_ports = alert_ports(stores)
        self._alert_setting = alert_setting(config, directory)
        self._digest_ports = digest_ports(config, stores)
        self._digest_setting = digest_setting(config, directory)
        self._notice_ports = NoticePorts(
            mails=stores.own_mail, held=stores.held, clock=stores.clock
        )
        self._notice_setting = notice_setting(config)
        self._return_ports = give_back_ports(stores)
        self._return_setting = give_back_setting(config, directory)
        self._known = Known()
        self._told: set[HeldId] = set()
        self._given_back: set[HeldId] = set()
        self._empty: set[date] = set()
        self._under_way: set[asyncio.Task[None]] = set()

    async def owe_alerts(self) -> None:
        """Make the mails about what nobody was told of yet."""
        await owe_alerts(self._alert_ports, self._alert_setting, self._known)

    async def owe_digests(self) -> None:
        """Make the digests of the day, once it is time."""
        await owe_digests(self._stores.clock.now(), self._digest_ports, self._digest_setting)

    async def send_alerts(self) -> None:
        """Send the alerts that wait, unless another process of this store is doing so."""
        await self._shielded(self._send(Kind.ALERT))

    async def send_digests(self) -> None:
        """Send the digests that wait, likewise."""
        await self._shielded(self._send(Kind.DIGEST))

    async def send_notices(self) -> None:
        """Make and send the notices to technicians, likewise."""
        await self._shielded(self._notify())

    async def send_given_back(self) -> None:
        """Make and send what authors are told of messages that went back, likewise."""
        await self._shielded(self._give_back())

    async def send_data_lists(self) -> None:
        """Make and send the data lead's list, likewise."""
        await self._shielded(self._list_data())

    async def finish(self, grace_s: float) -> None:
        """Let the next hop have its last word on what is under way, for `grace_s` seconds."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=grace_s)
        for task in self._under_way:
            task.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way)
        for hops in self._hops.values():
            await hops.close()

    async def _send(self, kind: Kind) -> None:
        async with self._locks[kind].hold() as is_ours:
            if is_ours:
                await self._send_waiting(kind)

    async def _notify(self) -> None:
        async with self._locks[Kind.NOTICE].hold() as is_ours:
            if is_ours:
                await owe_notices(self._notice_ports, self._notice_setting, self._told)
                await self._send_waiting(Kind.NOTICE)

    async def _give_back(self) -> None:
        async with self._locks[Kind.RETURN].hold() as is_ours:
            if is_ours:
                await owe_given_back(self._return_ports, self._return_setting, self._given_back)
                await self._send_waiting(Kind.RETURN)

    async def _list_data(self) -> None:
        async with self._locks[Kind.DATA].hold() as is_ours:
            if is_ours:
                now = self._stores.clock.now()
                await owe_data_lists(now, self._digest_ports, self._digest_setting, self._empty)
                await self._send_waiting(Kind.DATA)

    async def _send_waiting(self, kind: Kind) -> None:
        await send_waiting(
            OwnMailPorts(
                mails=self._stores.own_mail,
                clock=self._stores.clock,
                next_hop=self._hops[kind].at(self._urls),
            ),
            kind,
            # Nobody may answer an author's notice but by its own address.
            sender="" if kind is Kind.RETURN else self._sender,
            progress=self._progress[kind],
        )

    async def _shielded(self, work: Awaitable[None]) -> None:
        """Do `work` so that the end of the scheduler does not cut it off amid a transaction: a
        digest that may have been taken is never sent again."""
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await asyncio.shield(task)


class Recognition:
    """The relay's side."""

    def __init__(
        self, config: Config, stores: Stores, directory: Directory, setting: Setting
    ) -> None:
        self._stores = stores
        self._setting = setting
        self._alert_ports = alert_ports(stores)
        self._alert_setting = alert_setting(config, directory)

    def receive(self, otherwise: Receive) -> Receive:
        """Receive our own mail unjudged, once, and all other as `otherwise` does."""
        return functools.partial(
            receive_own,
            otherwise=otherwise,
            mails=self._stores.own_mail,
            clock=self._stores.clock,
            setting=self._setting,
        )

    def advise(self, otherwise: Advise) -> Advise:
        """The same for a milter."""
        return functools.partial(
            advise_own,
            otherwise=otherwise,
            mails=self._stores.own_mail,
            clock=self._stores.clock,
        )

    async def owe_unkept(self, unkept: list[Unkept]) -> None:
        """Make the alerts about messages that have no row, once the database works."""
        await owe_unkept(unkept, self._alert_ports, self._alert_setting)

    async def finish(self, unkept: list[Unkept]) -> None:
        """Make them now, since this process ends; those that cannot be are in its log."""
        try:
            await owe_unkept(unkept, self._alert_ports, self._alert_setting, is_last=True)
        finally:
            for message in unkept:
                events.alert_unwritten(message.queue_id)


def alert_ports(stores: Stores) -> AlertPorts:
    """What making alerts needs."""
    return AlertPorts(
        mails=stores.own_mail, held=stores.held, spool=stores.spool, clock=stores.clock
    )


def alert_setting(config: Config, directory: Directory) -> AlertSetting:
    """Who is told, and from which address."""
    return AlertSetting(
        school=config.school.id,
        place=Place(
            name=config.school.name, zone=zone_of(config), helplines=config.digest.helplines
        ),
        sender=own_sender_of(config),
        chain=chain_of(config),
        directory=directory,
    )


def notice_setting(config: Config) -> NoticeSetting:
    """Which technicians are told, and from which address."""
    return NoticeSetting(
        school=config.school.id,
        school_name=config.school.name,
        zone=zone_of(config),
        sender=own_sender_of(config),
        technicians=config.people.technician,
    )


def give_back_ports(stores: Stores) -> GiveBackPorts:
    """What making the notices to authors needs."""
    return GiveBackPorts(
        mails=stores.own_mail,
        held=stores.held,
        spool=stores.spool,
        tickets=stores.tickets,
        clock=stores.clock,
    )


def give_back_setting(config: Config, directory: Directory) -> GiveBackSetting:
    """How the notices to authors look, and who is who."""
    return GiveBackSetting(
        school=config.school.id,
        school_name=config.school.name,
        zone=zone_of(config),
        sender=own_sender_of(config),
        domain=own_domain_of(config),
        directory=directory,
        has_data_lead=bool(config.people.data_lead),
        helplines=config.digest.helplines,
    )


def own_next_hop_of(config: Config) -> tuple[str, ...]:
    """Where our own mail leaves."""
    return config.mail.next_hop or config.listeners[0].next_hop
