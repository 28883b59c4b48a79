"""The lines that a machine's Postfix needs to hand its mail to MailGuard; nothing is applied.

What Postfix has is asked of ``postconf``, which knows its own configuration best.
"""

import ipaddress
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mailguard.cli.postfix_milter import (
    ASKING,
    QUEUE,
    SETTINGS,
    compose_milter,
    is_asked,
    is_same,
    others,
)
from mailguard.config import Config, ListenerSection, split_address
from mailguard.errors import UserError
from mailguard.mail.envelope import Origin

POSTCONF_S = 20
"""``postconf`` answers in milliseconds, unless it asks a name server for the machine's name."""

PROGRAMS = "/usr/sbin:/usr/local/sbin:/usr/bin:/bin"
"""Where postconf may be: an ordinary user's PATH has no sbin."""

OUTSIDE = ("smtp", "25", "smtpd")
"""Services that take mail from the world; ``smtpd`` is the one behind postscreen."""

INSIDE = ("submission", "587", "submissions", "smtps", "465")
"""Services that take mail from the school's own people, who log in."""

SPARE_S = 20
"""Seconds by which Postfix waits longer than we may take to answer."""

HANDOVERS = ("smtpd_proxy_filter", "content_filter")
"""Parameters by which Postfix hands mail to another program."""

BACK = """\
    -o syslog_name=postfix/mailguard
    -o smtpd_proxy_filter=
    -o smtpd_authorized_xforward_hosts=127.0.0.0/8
    -o smtpd_tls_security_level=none
    -o smtpd_sasl_auth_enable=no
    -o smtpd_client_restrictions=
    -o smtpd_helo_restrictions=
    -o smtpd_sender_restrictions=
    -o smtpd_relay_restrictions=
    -o smtpd_recipient_restrictions=permit_mynetworks,reject
    -o smtpd_data_restrictions=
    -o smtpd_end_of_data_restrictions=
    -o mynetworks=127.0.0.0/8,[::1]/128
    -o smtpd_error_sleep_time=0
    -o smtpd_soft_error_limit=1001
    -o smtpd_hard_error_limit=1000"""
"""What the service that takes mail back must not do again, and must not ask of us.

Not ``no_unknown_recipient_checks``: our own mail comes in here only, and a headteacher's mistyped
address would be taken and bounce to nobody.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpService:
    """One line of ``master.cf`` that runs ``smtpd``."""

    name: str
    """As it stands there: ``smtp``, ``submission``, ``192.0.2.1:587``, …"""

    kind: str
    """``inet`` or ``pass``."""

    processes: str
    """The column ``maxproc``; ``-`` is the default."""

    options: dict[str, str]
    """Its ``-o`` options."""

    @property
    def port(self) -> str:
        """Its port or port's name."""
        return self.name.rpartition(":")[2]

    @property
    def is_way_back(self) -> bool:
        """Whether it takes from a filter what the filter lets through."""
        return self.options.get("smtpd_proxy_filter") == ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Postfix:
    """What this machine's Postfix is set to."""

    folder: str
    """Where ``master.cf`` is."""

    services: tuple[SmtpService, ...]
    settings: dict[str, str]
    """The parameters of ``main.cf`` that matter here."""

    handovers: tuple["Handover", ...]
    """Where it hands mail to another program, or asks one about it."""

    @property
    def queue(self) -> str:
        """Its queue's folder, which is the root of what runs in a chroot."""
        return self.settings.get("queue_directory") or QUEUE


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """One parameter that names another program."""

    words: str
    """As it stands in Postfix's files."""

    name: str
    value: str


def read_postfix() -> Postfix | None:
    """Ask ``postconf``; None where there is no Postfix. Raises UserError when it cannot answer."""
    if shutil.which("postconf", path=PROGRAMS) is None:
        return None
    names = (
        "config_directory",
        "default_process_limit",
        "message_size_limit",
        "smtpd_proxy_timeout",
        *SETTINGS,
        *HANDOVERS,
    )
    settings = dict(_pairs(_postconf("-x", *names)))
    options = [_option(line) for line in _postconf("-P")]
    services = []
    for line in _postconf("-M"):
        name, kind, *columns, command = line.split(None, 7)
        if command.split()[0] != "smtpd":
            continue
        own = {key: value for place, key, value in options if place == f"{name}/{kind}"}
        services.append(SmtpService(name=name, kind=kind, processes=columns[4], options=own))
    ways = (*HANDOVERS, *ASKING)
    handovers = [
        Handover(words=f"{name} = {settings[name]}", name=name, value=settings[name])
        for name in ways
        if settings.get(name)
    ]
    handovers += [
        Handover(words=f"{place}: -o {key}={value}", name=key, value=value)
        for place, key, value in options
        if key in ways and value
    ]
    return Postfix(
        folder=settings.get("config_directory", "/etc/postfix"),
        services=tuple(services),
        settings=settings,
        handovers=tuple(handovers),
    )


def find_handovers(config: Config, postfix: Postfix) -> list[str]:
    """Where Postfix hands mail to one of our listeners, in the words of its files."""
    ours = [split_address(listener.address) for listener in _passing(config)]
    return [
        each.words
        for each in postfix.handovers
        if (
            any(is_asked(each.value, listener, postfix.queue) for listener in milters(config))
            if each.name in ASKING
            else any(is_same(each.value, host, port) for host, port in ours)
        )
    ]


def milters(config: Config) -> tuple[ListenerSection, ...]:
    """The listeners that mail servers ask."""
    return tuple(each for each in config.listeners if each.protocol == "milter")


def filters(config: Config) -> tuple[ListenerSection, ...]:
    """The listeners that Postfix can hand mail to: by plain SMTP, and without a login."""
    return tuple(
        each for each in _passing(config) if each.auth == "none" and each.tls in {"none", "may"}
    )


def _passing(config: Config) -> tuple[ListenerSection, ...]:
    return tuple(each for each in config.listeners if each.protocol == "smtp")


def compose_lines(config: Config, postfix: Postfix | None) -> str:
    """Say in plain words, and in Postfix's, what is to be written where."""
    blocks = [*_way_back(config, postfix), *_logins(config)]
    folder = postfix.folder if postfix else "/etc/postfix"
    settings = postfix.settings if postfix else {}
    blocks += [compose_milter(each, settings, folder) for each in milters(config)]
    inbound = _listener_for(config, Origin.OUTSIDE)
    own = _listener_for(config, Origin.INSIDE)
    services = postfix.services if postfix else _usual()
    for service in services if filters(config) else ():
        if service.is_way_back:
            continue
        if service.port in OUTSIDE and inbound:
            blocks.append(_hand_over(config, service, inbound, "mail from the world"))
        elif service.port in INSIDE and own:
            blocks.append(_hand_over(config, service, own, "mail from the school's own people"))
    has_own = any(service.port in INSIDE for service in services)
    if own and own.origin is Origin.INSIDE and not has_own:
        blocks.append(
            f"Nothing is handed to the listener {own.name}: no service for the school's own\n"
            "people is switched on. Mail that they send through the services above counts as\n"
            "from the world. Switch on `submission` or `submissions` (they stand there with a #\n"
            "in front), have people send through it, and ask for these lines again.\n"
        )
    for listener, wanted in ((inbound, "outside"), (own, "inside")):
        if listener is None and not _covers(config, wanted):
            blocks.append(
                f'No listener has origin = "{wanted}" (or "any"): that mail is not checked.\n'
            )
    asked = postfix.settings.get("smtpd_milters", "") if postfix else ""
    if postfix and filters(config) and others(asked, milters(config), postfix.queue):
        blocks.append(
            "smtpd_milters is set. With a proxy filter, milters at the services above see no\n"
            "content; at the service that takes mail back they do. See MILTER_README.\n"
        )
    head = f"For {folder}/master.cf. Nothing is changed for you.\n"
    if postfix is None:
        head += "There is no Postfix on this machine; its usual services are assumed.\n"
    ways = [*(["smtpd_proxy_filter"] if filters(config) else [])]
    ways += [*(ASKING if milters(config) else [])]
    tail = "Then: postfix check && postfix reload"
    if ways:
        tail += (
            "\nTo take MailGuard out of the path again: remove it from the "
            f"{' and '.join(ways)} lines and reload."
        )
    numbered = [f"{number}. {block}" for number, block in enumerate(blocks, 1)]
    return "\n".join([head, *numbered, tail])


def _way_back(config: Config, postfix: Postfix | None) -> Iterator[str]:
    """The services behind us: each next hop on this machine, once."""
    asking = {listener.next_hop for listener in milters(config)}
    private = {each.next_hop for each in config.listeners if each.auth == "pass"}
    for url in dict.fromkeys(listener.next_hop for listener in config.listeners):
        if url in private:
            continue
        address = url.removeprefix("smtp://")
        host, port = split_address(address)
        if not _is_local(host):
            yield f"What passes goes to another machine, {address}: see that it takes mail.\n"
            continue
        known = postfix.services if postfix else ()
        there = next((each for each in known if is_same(each.name, host, port)), None)
        asks_nobody = url not in asking or (there and there.options.get("smtpd_milters") == "")
        if there is not None and asks_nobody and (there.is_way_back or not filters(config)):
            yield f"{there.name} takes mail back already.\n"
            continue
        name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        yield (
            "Add this service, which takes back what MailGuard lets through:\n\n"
            f"{name} inet n - n - - smtpd\n{BACK}\n"
            + ("    -o smtpd_milters=\n" if url in asking else "")
        )


def _logins(config: Config) -> Iterator[str]:
    """The services at which people log in through us."""
    for listener in config.listeners:
        if listener.auth == "pass":
            address = listener.next_hop.removeprefix("smtp://")
            yield (
                f"People's mail programs come to the listener {listener.name} "
                f"({listener.address}), and log in\nthrough it at {address}: a service with "
                "smtpd_sasl_auth_enable=yes that takes mail from\nthis machine without a login too "
                "(permit_mynetworks), for what is released later.\n"
            )


def _covers(config: Config, wanted: str) -> bool:
    """Whether a listener that Postfix hands nothing to sees this mail."""
    return any(
        listener not in filters(config)
        and (
            listener.origin in {wanted, Origin.ANY}
            or (listener.auth == "pass" and wanted == Origin.INSIDE)
        )
        for listener in config.listeners
    )


def _hand_over(config: Config, service: SmtpService, listener: ListenerSection, which: str) -> str:
    address = listener.address
    timeout = config.relay.answer_s + SPARE_S
    wanted = {"smtpd_proxy_filter": address, "smtpd_proxy_timeout": f"{timeout}s"}
    line = f"{service.name} {service.kind} … smtpd"
    if all(service.options.get(key) == value for key, value in wanted.items()):
        return f"`{line}` ({which}) hands its mail to {address} already.\n"
    lines = "".join(f"    -o {key}={value}\n" for key, value in wanted.items())
    text = f"Below the line `{line}` ({which}), add:\n\n{lines}"
    limit = config.limits.connections_per_address
    if not service.processes.isdigit() or not 0 < int(service.processes) <= limit:
        text += (
            f"\n   and write {min(20, limit)} in its column maxproc (the seventh), which has "
            f"`{service.processes}`:\n   each of these processes keeps a connection to MailGuard.\n"
        )
    return text


def _listener_for(config: Config, origin: Origin) -> ListenerSection | None:
    """The listener for this mail: one that says so, else one for any."""
    for wanted in (origin, Origin.ANY):
        for listener in filters(config):
            if listener.origin is wanted:
                return listener
    return None


def _usual() -> tuple[SmtpService, ...]:
    return tuple(
        SmtpService(name=name, kind="inet", processes="-", options={})
        for name in ("smtp", "submission")
    )


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _option(line: str) -> tuple[str, str, str]:
    """One line of ``postconf -P``: ``submission/inet/smtpd_sasl_auth_enable = yes``."""
    name, _, value = line.partition("=")
    place, _, key = name.strip().rpartition("/")
    return place, key, value.strip()


def _pairs(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        name, _, value = line.partition("=")
        yield name.strip(), value.strip()


def _postconf(*words: str) -> list[str]:
    command = shutil.which("postconf", path=PROGRAMS)
    assert command is not None
    try:
        done = subprocess.run(  # noqa: S603  fixed words, nothing of a person's
            [command, *words], capture_output=True, text=True, timeout=POSTCONF_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"postconf does not answer: {error}") from None
    if done.returncode:
        raise UserError(f"postconf: {done.stderr.strip()}")
    return [line for line in done.stdout.splitlines() if line.strip()]
