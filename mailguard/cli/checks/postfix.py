"""Where Postfix runs on this machine: does it hand us its mail, and take it back without a loop?

It is only asked; nothing of it is changed. A Postfix that has nothing to do with MailGuard is no
mistake.
"""

from collections.abc import AsyncIterator, Iterator

from mailguard.cli.checks.result import Result, Scene
from mailguard.cli.postfix_milter import is_asked
from mailguard.cli.postfix_text import (
    HANDOVERS,
    Postfix,
    SmtpService,
    filters,
    milters,
    read_postfix,
)
from mailguard.config import Config
from mailguard.errors import UserError
from mailguard.service.compose import MIB

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_LOCAL = {"", "localhost", "127.0.0.1", "::1", "0.0.0.0", "::"}  # noqa: S104 # only compared


async def check_postfix(scene: Scene) -> AsyncIterator[Result]:
    """Which of its services use MailGuard, and how?"""
    try:
        postfix = read_postfix()
    except UserError as error:
        yield _note(f"Its configuration cannot be read: {error}.", "`postconf -n` may say why.")
        return
    if postfix is None:
        return
    for result in judge_postfix(postfix, scene.config):
        yield result


def judge_postfix(postfix: Postfix, config: Config) -> Iterator[Result]:
    """What to say of this Postfix beside this configuration."""
    ours = {
        _place(listener.address) for listener in config.listeners if listener.protocol == "smtp"
    }
    hops = {_place(listener.next_hop.removeprefix("smtp://")) for listener in config.listeners}
    giving = [
        service
        for service in postfix.services
        if _place(_setting(service, "smtpd_proxy_filter", postfix)) in ours
        and _place(service.name) not in hops
    ]
    asking = [
        service
        for service in postfix.services
        if _asks(service, postfix, config) and _place(service.name) not in hops
    ]
    if not giving and not asking and (filters(config) or milters(config)):
        yield _note(
            "None of its services hands its mail to MailGuard.",
            "`mailguard config postfix` says what to write where, if one should.",
        )
    problems = [result for service in giving for result in _impatient(service, postfix, config)]
    for service in postfix.services:
        if service in giving or service in asking:
            problems += _too_large(service, postfix, config)
    problems += [result for service in asking for result in _lenient(service, postfix)]
    for service in (each for each in postfix.services if _place(each.name) in hops):
        for name in HANDOVERS:
            if _place(_setting(service, name, postfix)) in ours:
                problems.append(
                    Result(
                        name="postfix",
                        ok=False,
                        what=f"{service.name} takes what MailGuard passes on, and hands it to "
                        f"MailGuard again ({name}): mail would go round.",
                        do=f"Add -o {name}= to {service.name} in master.cf.",
                    )
                )
        if _asks(service, postfix, config):
            problems.append(
                Result(
                    name="postfix",
                    ok=False,
                    what=f"{service.name} takes what is released, and asks MailGuard about it "
                    "again (smtpd_milters): it would be held again.",
                    do=f"Add -o smtpd_milters= to {service.name} in master.cf.",
                )
            )
    yield from problems
    using = [service.name for service in postfix.services if service in (*giving, *asking)]
    if using and not problems:
        yield Result(
            name="postfix", ok=True, what=f"MailGuard gets the mail of {', '.join(using)}."
        )
    if asking and not _is_named(postfix.settings.get("non_smtpd_milters", ""), postfix, config):
        yield _note(
            "Mail that programs on this machine hand in is not checked.",
            "Set non_smtpd_milters as smtpd_milters in main.cf, if it should be.",
        )


def _asks(service: SmtpService, postfix: Postfix, config: Config) -> bool:
    """Whether it asks us what to do with a message."""
    return _is_named(_setting(service, "smtpd_milters", postfix), postfix, config)


def _is_named(value: str, postfix: Postfix, config: Config) -> bool:
    return any(is_asked(value, listener, postfix.queue) for listener in milters(config))


def _lenient(service: SmtpService, postfix: Postfix) -> Iterator[Result]:
    """What it does with mail while we are down."""
    action = _setting(service, "milter_default_action", postfix)
    if action != "tempfail":
        effect = "passes unread" if action == "accept" else "is not asked to come again"
        yield Result(
            name="postfix",
            ok=False,
            what=f"{service.name} has milter_default_action = {action}: mail {effect} whenever "
            "MailGuard does not answer.",
            do="postconf -e milter_default_action=tempfail",
        )
    protocol = _setting(service, "milter_protocol", postfix)
    if protocol != "6":
        yield Result(
            name="postfix",
            ok=False,
            what=f"{service.name} has milter_protocol = {protocol}: what is judged and kept may "
            "differ from the message in its spaces.",
            do="postconf -e milter_protocol=6",
        )


def _impatient(service: SmtpService, postfix: Postfix, config: Config) -> Iterator[Result]:
    patience = _seconds(_setting(service, "smtpd_proxy_timeout", postfix))
    if patience <= config.relay.answer_s:
        yield Result(
            name="postfix",
            ok=False,
            what=f"{service.name} waits {patience} s for MailGuard's answer, which may take "
            f"{config.relay.answer_s} s: a message might come twice.",
            do=f"Add -o smtpd_proxy_timeout={config.relay.answer_s + 20}s to {service.name} in "
            "master.cf, or lower relay.answer_s.",
        )


def _too_large(service: SmtpService, postfix: Postfix, config: Config) -> Iterator[Result]:
    largest, most = _setting(service, "message_size_limit", postfix), config.limits.message_mb * MIB
    size = int(largest) if largest.isdigit() else 0
    if not 0 < size <= most:
        yield Result(
            name="postfix",
            ok=False,
            what=f"{service.name} takes messages of "
            f"{f'{size:,} bytes' if size else 'any size'}, MailGuard {most:,} at most.",
            do=f"postconf -e message_size_limit={most}, or raise limits.message_mb.",
        )


def _setting(service: SmtpService, name: str, postfix: Postfix) -> str:
    """What holds for this service."""
    return service.options.get(name, postfix.settings.get(name, ""))


def _note(what: str, do: str) -> Result:
    return Result(name="postfix", ok=True, what=what, do=do)


def _place(address: str) -> tuple[str, str]:
    """Host and port of an address as Postfix or we write it; all that mean this machine alike."""
    host, _, port = address.removeprefix("inet:").rpartition(":")
    host = host.strip("[]").lower()
    return ("" if host in _LOCAL else host, port)


def _seconds(time: str) -> int:
    """A time of Postfix's: ``100s``, ``2m``, ``100``."""
    number, unit = (time[:-1], time[-1]) if time[-1:] in _UNITS else (time, "s")
    return int(number) * _UNITS[unit] if number.isdigit() else 0
