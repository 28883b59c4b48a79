"""Compose a milter listener: it runs in the relay's workers, with the same judge and stores."""

import functools
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

from mailguard.config import Config, ListenerSection
from mailguard.extract.judging import ScanJudge
from mailguard.flow.advise import Advise, advise
from mailguard.flow.released import advise_released
from mailguard.flow.setting import Ports, Setting
from mailguard.milter.server import MilterServer
from mailguard.milter.settings import MilterSettings
from mailguard.policy.disposition import Policy
from mailguard.ports import Clock
from mailguard.service.compose import MIB, Stores, keyring_of
from mailguard.smtp.limits import connections_within_descriptors


def comes_back(config: Config) -> bool:
    """Whether what is released goes through a mail server that asks one of our milters."""
    return any(listener.next_hop_asks for listener in config.listeners)


def advise_any(
    config: Config,
    stores: Stores,
    judge: ScanJudge,
    policy: Policy,
    ports: Ports,
    setting: Setting,
) -> Advise:
    """Judge all mail, but what was released only for what may not be released."""
    asked = functools.partial(advise, ports=ports, setting=setting)
    if not comes_back(config):
        return asked

    def released(symbols: Iterable[str]) -> Advise:
        strict = replace(ports, judge=judge.under(policy.for_released(symbols)))
        return functools.partial(advise, ports=strict, setting=setting)

    return functools.partial(
        advise_released,
        released=released,
        otherwise=asked,
        held=stores.held,
        keyring=keyring_of(stores),
        clock=stores.clock,
    )


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
        removes_keys=comes_back(config),
        message_bytes=limits.message_mb * MIB,
        recipients=limits.recipients,
        connections=connections_within_descriptors(limits.connections),
        temporary=Path(config.storage.spool),
    )
