"""What this machine's Postfix is set to, as ``postconf`` says, which knows it best."""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from mailguard.config import Config, ListenerSection, read_next_hop, socket_path, split_address
from mailguard.errors import UserError
from mailguard.smtp.host import Host

POSTCONF_S = 20
"""``postconf`` answers in milliseconds, unless it asks a name server for the machine's name."""

PROGRAMS = "/usr/sbin:/usr/local/sbin:/usr/bin:/bin"
"""Where postconf may be: an ordinary user's PATH has no sbin."""

HANDOVERS = ("smtpd_proxy_filter", "content_filter")
"""Parameters by which a service that takes mail hands it to another program."""

ASKING = ("smtpd_milters", "non_smtpd_milters")
"""Parameters that name milters."""

ROUTES = (
    "virtual_transport",
    "mailbox_transport",
    "local_transport",
    "relay_transport",
    "default_transport",
    "relayhost",
)
"""Parameters by which Postfix delivers through another program, by SMTP or LMTP."""

SETTINGS = (
    "config_directory",
    "lmtp_data_done_timeout",
    "message_size_limit",
    "milter_command_timeout",
    "milter_connect_timeout",
    "milter_content_timeout",
    "milter_default_action",
    "milter_protocol",
    "queue_directory",
    "smtpd_authorized_xforward_hosts",
    "smtpd_discard_ehlo_keywords",
    "smtpd_forbid_bare_newline",
    "smtpd_proxy_options",
    "smtpd_proxy_timeout",
    "smtputf8_enable",
)
"""All others that are looked at. One that this Postfix is too old for is simply not there."""

QUEUE = "/var/spool/postfix"
"""Postfix's own default."""

OUTSIDE = ("smtp", "25", "smtpd")
"""Services that take mail from the world; ``smtpd`` is the one behind postscreen."""

INSIDE = ("submission", "587", "submissions", "smtps", "465")
"""Services that take mail from the school's own people, who log in."""

_PORTS = {"smtp": "25", "submission": "587", "submissions": "465", "smtps": "465"}
"""Ports by the names that Postfix's files have for them."""

_HERE = {"localhost", "127.0.0.1", "", "inet"}
"""This machine, or no host, before the port."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


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
    def is_entrance(self) -> bool:
        """Whether mail from the world or from the school's own people comes in by it."""
        return self.port in (*OUTSIDE, *INSIDE)

    @property
    def is_way_back(self) -> bool:
        """Whether it takes from a filter what the filter lets through."""
        return self.options.get("smtpd_proxy_filter") == ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """One parameter that names another program."""

    words: str
    """As it stands in Postfix's files."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Postfix:
    """What this machine's Postfix is set to."""

    folder: str
    """Where ``master.cf`` is."""

    services: tuple[SmtpService, ...]
    settings: dict[str, str]
    """The parameters of ``main.cf`` that matter here."""

    handovers: tuple[Handover, ...]
    """Where it hands mail to another program, or asks one about it."""

    @property
    def queue(self) -> str:
        """Its queue's folder, which is the root of what runs in a chroot."""
        return self.settings.get("queue_directory") or QUEUE

    def setting(self, service: SmtpService, name: str) -> str:
        """What holds for `service`: its own option, or else that of ``main.cf``."""
        return service.options.get(name, self.settings.get(name, ""))

    def seconds(self, service: SmtpService, name: str) -> int:
        """A time: ``100s``, ``2m``, ``100``; 0 where it cannot be read."""
        return seconds_of(self.setting(service, name))


def read_postfix() -> Postfix | None:
    """Ask ``postconf``; None where there is no Postfix. Raises UserError when it cannot answer."""
    if shutil.which("postconf", path=PROGRAMS) is None:
        return None
    ways = (*HANDOVERS, *ASKING, *ROUTES)
    settings = dict(_pairs(_postconf("-x", *SETTINGS, *ways)))
    options = [_option(line) for line in _postconf("-P")]
    services = []
    for line in _postconf("-M"):
        name, kind, *columns, command = line.split(None, 7)
        if command.split()[0] != "smtpd":
            continue
        own = {key: value for place, key, value in options if place == f"{name}/{kind}"}
        services.append(SmtpService(name=name, kind=kind, processes=columns[4], options=own))
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


def milters(config: Config) -> tuple[ListenerSection, ...]:
    """The listeners that mail servers ask."""
    return tuple(each for each in config.listeners if each.protocol == "milter")


def filters(config: Config) -> tuple[ListenerSection, ...]:
    """The listeners that Postfix can hand mail to: by plain SMTP, and without a login."""
    return tuple(
        each
        for each in config.listeners
        if each.protocol == "smtp"
        and each.auth == "none"
        and each.tls in {"none", "may"}
        and not each.public
    )


def fronts(config: Config) -> tuple[ListenerSection, ...]:
    """The listeners that the world connects to, in front of the mail server."""
    return tuple(each for each in config.listeners if each.protocol == "smtp" and each.public)


def mailboxes(config: Config) -> tuple[ListenerSection, ...]:
    """The listeners through which Postfix delivers to mailboxes."""
    return tuple(each for each in config.listeners if each.protocol == "lmtp")


def hosts_behind(listeners: Sequence[ListenerSection]) -> tuple[Host, ...]:
    """The next hops of these that have a place of their own, each once; not those that records of
    the domain name system name."""
    hops = (read_next_hop(url) for listener in listeners for url in listener.next_hop)
    return tuple(dict.fromkeys(hop for hop in hops if isinstance(hop, Host)))


def is_at(service: SmtpService, hosts: Sequence[Host]) -> bool:
    """Whether `service` is one of `hosts`."""
    return any(not host.path and is_same(service.name, host.name, host.port) for host in hosts)


def leads_to(target: str, listener: ListenerSection, queue: str) -> bool:
    """Whether what Postfix calls `target` (``inet:host:port``, ``lmtp:unix:private/x`` and the
    like) is this listener."""
    path = socket_path(listener.address)
    if path:
        _, is_socket, rest = target.rpartition("unix:")
        # An absolute path is one in the queue for a service in a chroot.
        places = (PurePosixPath(queue, rest), PurePosixPath(queue, rest.lstrip("/")))
        return bool(is_socket) and PurePosixPath(path) in places
    return is_same(target, *split_address(listener.address))


def written(listener: ListenerSection, queue: str) -> str:
    """The listener as Postfix writes it; a path in its queue is seen from a chroot too."""
    path = PurePosixPath(socket_path(listener.address))
    if not path.is_absolute():
        return f"inet:{listener.address}"
    return f"unix:{path.relative_to(queue) if path.is_relative_to(queue) else path}"


def is_same(target: str, host: str, port: int) -> bool:
    """Whether Postfix's `target` (``[smtp:][host]:port`` and the like) is this address."""
    words = target.replace("[", "").replace("]", "").split(":")
    if _PORTS.get(words[-1], words[-1]) != str(port):
        return False
    named = ":".join(words[:-1])
    if ":" in host and host != "::":
        return named.endswith((host, "localhost"))
    there = words[-2] if len(words) > 1 else ""
    if host in {"0.0.0.0", "::"}:  # noqa: S104  comparing, not binding
        # Any address may be this machine's; the name of another one is not.
        return there in _HERE or "::" in named or there.replace(".", "").isdigit()
    return there == host or {there, host} <= _HERE


def seconds_of(time: str) -> int:
    """A time of Postfix's: ``100s``, ``2m``, ``100``; 0 where it cannot be read."""
    number, unit = (time[:-1], time[-1]) if time[-1:] in _UNITS else (time, "s")
    return int(number) * _UNITS[unit] if number.isdigit() else 0


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
