"""Build the adapters from the configuration: the one place where ports meet their makers."""

import secrets
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from zoneinfo import ZoneInfo

from mailguard import events
from mailguard.config import Config, ListenerSection, split_address
from mailguard.errors import ConfigError, NextHopUnavailable
from mailguard.flow.setting import Mode, Ports, ReviewPorts, Setting, Unkept, Unsettled
from mailguard.policy.visibility import Chain
from mailguard.ports import Judge, NextHop
from mailguard.quarantine.held import HeldId, new_held_id
from mailguard.quarantine.retention import Retention
from mailguard.scan.school import School
from mailguard.smtp.limits import BareNewline, Limits, ListenerSettings, Network
from mailguard.smtp.nexthop import SmtpNextHop, Timeouts
from mailguard.smtp.tls import Certificate, ListenerTls, NextHopTls
from mailguard.store.audit_log import SqlAuditLog
from mailguard.store.canary import SqlCanaryStore
from mailguard.store.engine import Database, migrate
from mailguard.store.held_store import SqlHeldStore
from mailguard.store.ledger import SqlLedger
from mailguard.store.lock import FileLock
from mailguard.store.own_mail import SqlOwnMailStore
from mailguard.store.spool import DiskSpool

MIB = 1 << 20


class SystemClock:
    """The machine's clock, as :class:`mailguard.ports.Clock`."""

    def now(self) -> datetime:
        """The current time, in UTC."""
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """Everything that lasts. Nothing is opened before it is first used."""

    database: Database
    held: SqlHeldStore
    audit: SqlAuditLog
    ledger: SqlLedger
    canary: SqlCanaryStore
    own_mail: SqlOwnMailStore
    spool: DiskSpool
    release_lock: FileLock
    alert_lock: FileLock
    """Held by who sends alerts."""

    digest_lock: FileLock
    """Held by who sends digests."""

    clock: SystemClock

    async def close(self) -> None:
        """Write what is queued, and close the database."""
        await self.ledger.close()
        await self.spool.close()
        await self.database.close()


def migrate_database(config: Config) -> str:
    """Create the database or bring it up to date; return its revision."""
    return migrate(config.storage.database)


def open_stores(config: Config) -> Stores:
    """The stores of this configuration."""
    database = Database(config.storage.database)
    spool = Path(config.storage.spool)
    school = config.school.id
    return Stores(
        database=database,
        held=SqlHeldStore(database, school),
        audit=SqlAuditLog(database, school),
        ledger=SqlLedger(database),
        own_mail=SqlOwnMailStore(database, school),
        canary=SqlCanaryStore(database, school, SystemClock()),
        spool=DiskSpool(spool, largest_message=config.limits.message_mb * MIB),
        release_lock=FileLock(spool / "release.lock"),
        alert_lock=FileLock(spool / "alert.lock"),
        digest_lock=FileLock(spool / "digest.lock"),
        clock=SystemClock(),
    )


def review_ports(stores: Stores) -> ReviewPorts:
    """What a reviewer's decision needs."""
    return ReviewPorts(held=stores.held, clock=stores.clock)


def setting_of(config: Config) -> Setting:
    """How flow is to do things."""
    return Setting(
        school=config.school.id,
        mode=Mode(config.mode),
        hostname=hostname_of(config),
        adds_received=config.relay.received_line,
        answer_s=config.relay.answer_s,
    )


def hostname_of(config: Config) -> str:
    """The name in greetings: configured, else the machine's own."""
    return config.relay.hostname or socket.gethostname()


def zone_of(config: Config) -> ZoneInfo:
    """The school's time zone, in which people are told times."""
    return ZoneInfo(config.school.timezone)


def chain_of(config: Config) -> Chain:
    """Who reviews and is told, by office."""
    people = config.people
    return Chain(
        headteacher=people.headteacher, dsl=people.dsl, deputy=people.deputy, chair=people.chair
    )


def own_sender_of(config: Config) -> str:
    """The address that our own mail comes from."""
    domain = config.school.domains[0] if config.school.domains else hostname_of(config)
    return config.mail.sender or f"mailguard@{domain}"


def retention_of(config: Config) -> Retention:
    """How long what is kept."""
    days = config.retention
    return Retention(
        flagged=days.flagged_days,
        dismissed=days.dismissed_days,
        dismissed_flag=days.dismissed_flag_days,
        confirmed=days.confirmed_days,
        ledger=days.ledger_days,
    )


class NextHops:
    """One pool of connections for each next hop of a process, however many listeners name it."""

    def __init__(self, config: Config, timeouts: Timeouts | None = None) -> None:
        self._hostname = hostname_of(config)
        self._timeouts = timeouts
        self._hops: dict[str, SmtpNextHop] = {}
        self._tls: dict[str, NextHopTls] = {}
        self._xclient = {each.next_hop for each in config.listeners if each.next_hop_xclient}
        for listener in config.listeners:
            wanted = (NextHopTls(listener.next_hop_tls), self._tls.get(listener.next_hop))
            # Of two listeners with one next hop the stricter has its way.
            self._tls[listener.next_hop] = max(filter(None, wanted), key=list(NextHopTls).index)

    def at(self, url: str) -> SmtpNextHop:
        """The next hop at ``smtp://host:port``."""
        if url not in self._hops:
            host, port = split_address(url.partition("://")[2])
            self._hops[url] = SmtpNextHop(
                host,
                port,
                hostname=self._hostname,
                tls=self._tls.get(url, NextHopTls.NONE),
                xclient=url in self._xclient,
                timeouts=self._timeouts,
            )
        return self._hops[url]

    async def probe(self) -> None:
        """Learn what each next hop announces; one that is down is asked again at its first mail."""
        for url, hop in self._hops.items():
            try:
                await hop.probe()
            except NextHopUnavailable as error:
                events.next_hop_down(url, error)

    async def close(self) -> None:
        """Say QUIT on all idle connections."""
        for hop in self._hops.values():
            await hop.close()


def ports_of(
    stores: Stores,
    judge: Judge,
    next_hop: NextHop,
    unsettled: list[Unsettled],
    unkept: list[Unkept] | None = None,
) -> Ports:
    """The world of one listener."""

    def new_id() -> HeldId:
        return new_held_id(stores.clock.now(), secrets.token_bytes(10))

    return Ports(
        judge=judge,
        spool=stores.spool,
        held=stores.held,
        ledger=stores.ledger,
        clock=stores.clock,
        next_hop=next_hop,
        new_id=new_id,
        unsettled=unsettled,
        unkept=[] if unkept is None else unkept,
    )


def certificate_of(listener: ListenerSection) -> Certificate | None:
    """What a listener shows its clients; None without TLS. Raises ConfigError."""
    if listener.tls == "none":
        return None
    file = Path(listener.tls_certificate)
    try:
        return Certificate(file, Path(listener.tls_key or file))
    except OSError as error:
        reason = getattr(error, "reason", "") or error.strerror
        raise ConfigError(
            [
                f"listeners.tls_certificate: {file} cannot be used for {listener.name!r}: "
                f"{reason}; both must be PEM, belong together, and have no passphrase"
            ]
        ) from None


def _networks(networks: Iterable[str]) -> tuple[Network, ...]:
    return tuple(ip_network(network) for network in networks)


def listener_settings(
    config: Config, listener: ListenerSection, school: School
) -> ListenerSettings:
    """How one listener treats its clients."""
    limits = config.limits
    return ListenerSettings(
        name=listener.name,
        origin=listener.origin,
        hostname=hostname_of(config),
        school=school,
        clients=_networks(listener.clients),
        public=listener.public,
        xforward_from=_networks(listener.xforward_from),
        xclient_from=_networks(listener.xclient_from),
        proxy_from=_networks(listener.proxy_from),
        tls=ListenerTls(listener.tls),
        certificate=certificate_of(listener),
        passes_auth=listener.auth == "pass",
        bare_newline=BareNewline(listener.bare_newline),
        temporary=Path(config.storage.spool),
        limits=Limits(
            message_bytes=limits.message_mb * MIB,
            recipients=limits.recipients,
            connections=limits.connections,
            connections_per_address=limits.connections_per_address,
            idle_s=limits.idle_s,
        ),
    )
