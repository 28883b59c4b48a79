"""Compose the digest: what it needs of the stores, and the school's choices for it."""

from datetime import time
from pathlib import Path
from typing import get_args

from mailguard.config import Config, split_period
from mailguard.config.values import Weekday
from mailguard.errors import ConfigError
from mailguard.flow.collect import DigestPorts, DigestSetting
from mailguard.mail.envelope import Origin
from mailguard.policy.directory import Directory
from mailguard.report.digest import Rules
from mailguard.report.schedule import Schedule
from mailguard.service.compose import Stores, chain_of, own_sender_of, zone_of
from mailguard.service.coverage import blind_to
from mailguard.service.load import load_ruleset, school_of
from mailguard.store.figures import SqlFigures

WEEKDAYS = get_args(Weekday)
"""Monday first, as Python counts them."""


def digest_ports(config: Config, stores: Stores) -> DigestPorts:
    """What composing a digest needs."""
    return DigestPorts(
        held=stores.held,
        spool=stores.spool,
        mails=stores.own_mail,
        figures=SqlFigures(stores.database, config.school.id),
        canary=stores.canary,
        rules=lambda: read_rules(config),
    )


def digest_setting(config: Config, directory: Directory) -> DigestSetting:
    """The school's choices for its digest."""
    return DigestSetting(
        school=config.school.id,
        school_name=config.school.name,
        sender=own_sender_of(config),
        chain=chain_of(config),
        directory=directory,
        schedule=schedule_of(config),
        detail=config.digest.detail,
        helplines=config.digest.helplines,
        observes=config.mode == "observe",
        any_origin=tuple(
            listener.name
            for listener in config.listeners
            # A milter is told where each message comes from.
            if listener.origin is Origin.ANY and listener.protocol != "milter"
        ),
        blind_to=blind_to(config),
        technicians=config.people.technician,
        data_leads=config.people.data_lead,
        listeners=tuple(listener.name for listener in config.listeners),
    )


def schedule_of(config: Config) -> Schedule:
    """The school's days, and the time of its digest."""
    digest = config.digest
    return Schedule(
        zone=zone_of(config),
        time=time.fromisoformat(digest.time),
        days=frozenset(WEEKDAYS.index(day) for day in digest.days),
        holidays=tuple(split_period(period) for period in digest.holidays),
    )


def read_rules(config: Config) -> Rules:
    """How many rules are used, and their fingerprint; nothing where they do not load now, which
    keeps no digest from being sent."""
    try:
        ruleset = load_ruleset(
            school=school_of(config),
            local=Path(config.rules.local),
            disabled=config.rules.disable,
            cache=Path(config.storage.cache),
        ).ruleset
    except ConfigError:
        return Rules()
    count = len(ruleset.symbols.keys() - ruleset.silent)
    return Rules(count=count, fingerprint=ruleset.fingerprint)
