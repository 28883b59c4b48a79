"""Compose a milter listener: it runs in the relay's workers, with the same judge and stores."""

from ipaddress import ip_network
from pathlib import Path

from mailguard.config import Config, ListenerSection
from mailguard.flow.advise import Advise
from mailguard.milter.server import MilterServer
from mailguard.milter.settings import MilterSettings
from mailguard.ports import Clock
from mailguard.service.compose import MIB
from mailguard.smtp.limits import connections_within_descriptors


def make_milter(
    config: Config, listener: ListenerSection, advise: Advise, clock: Clock
) -> MilterServer:
    """The server of one listener with ``protocol = "milter"``."""
    return MilterServer(milter_settings(config, listener), advise=advise, clock=clock)


def milter_settings(config: Config, listener: ListenerSection) -> MilterSettings:
    """How one milter listener treats the mail servers that ask it."""
    limits = config.limits
    return MilterSettings(
        name=listener.name,
        origin=listener.origin,
        inside=tuple(ip_network(network) for network in listener.clients),
        servers=tuple(ip_network(network) for network in listener.milter_from),
        message_bytes=limits.message_mb * MIB,
        recipients=limits.recipients,
        connections=connections_within_descriptors(limits.connections),
        temporary=Path(config.storage.spool),
    )
