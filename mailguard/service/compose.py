"""Build the adapters from the configuration: the one place where ports meet their makers."""

import secrets
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from zoneinfo import ZoneInfo

from mailguard.config import Config, ListenerSection
from mailguard.errors import ConfigError
from mailguard.flow.setting import Keyring, Mode, Ports, ReviewPorts, Setting, Unkept, Unsettled
from mailguard.policy.visibility import Chain
from mailguard.ports import Judge, NextHop
from mailguard.quarantine.held import HeldId, new_held_id
from mailguard.quarantine.retention import Retention
from mailguard.scan.school import School
from mailguard.smtp.limits import BareNewline, Limits, ListenerSettings, Network
from mailguard.smtp.tls import Certificate, ListenerTls
from mailguard.store.audit_log import SqlAuditLog
from mailguard.store.canary import SqlCanaryStore
from mailguard.store.engine import Database, migrate
from mailguard.store.held_store import SqlHeldStore
from mailguard.store.ledger import SqlLedger
from mailguard.store.lock import FileLock
from mailguard.store.own_mail import SqlOwnMailStore
from mailguard.store.receipts import SqlReceipts
from mailguard.store.release_keys import SqlReleaseKeys
from mailguard.store.spool import DiskSpool
from mailguard.store.tickets import SqlTickets

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
    receipts: SqlReceipts
    release_keys: SqlReleaseKeys
    tickets: SqlTickets
    spool: DiskSpool
    release_lock: FileLock
    alert_lock: FileLock
    """Held by who sends alerts."""

    digest_lock: FileLock
    """Held by who sends digests."""

    notice_lock: FileLock
    """Held by who makes and sends notices."""

    return_lock: FileLock
    """Held by who makes and sends what authors are told."""

    data_lock: FileLock
    """Held by who sends the data lead's list."""

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
        receipts=SqlReceipts(database, school),
        release_keys=SqlReleaseKeys(database, school, SystemClock()),
        tickets=SqlTickets(database, school),
        canary=SqlCanaryStore(database, school, SystemClock()),
        spool=DiskSpool(spool, largest_message=config.limits.message_mb * MIB),
        release_lock=FileLock(spool / "release.lock"),
        alert_lock=FileLock(spool / "alert.lock"),
        digest_lock=FileLock(spool / "digest.lock"),
        notice_lock=FileLock(spool / "notice.lock"),
        return_lock=FileLock(spool / "return.lock"),
        data_lock=FileLock(spool / "data.lock"),
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


def own_domain_of(config: Config) -> str:
    """The domain of the addresses that authors answer to; ``""`` where the school has none."""
    return config.school.domains[0] if config.school.domains else ""


def retention_of(config: Config) -> Retention:
    """How long what is kept."""
    days = config.retention
    return Retention(
        flagged=days.flagged_days,
        dismissed=days.dismissed_days,
        dismissed_flag=days.dismissed_flag_days,
        confirmed=days.confirmed_days,
        returned=days.returned_days,
        ledger=days.ledger_days,
    )


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
        receipts=stores.receipts,
        new_id=new_id,
        unsettled=unsettled,
        unkept=[] if unkept is None else unkept,
    )


def keyring_of(stores: Stores) -> Keyring:
    """What makes a released message known again."""
    return Keyring(keys=stores.release_keys, secret=stores.own_mail.secret)


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
        is_lmtp=listener.protocol == "lmtp",
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
