"""Does each listener know where its mail comes from, and who may send it some?"""

from collections.abc import AsyncIterator, Iterator, Sequence
from ipaddress import ip_network

from mailguard.cli.checks.result import Result, Scene
from mailguard.cli.stores import is_serving
from mailguard.config import ListenerSection, read_next_hop, socket_path, split_address
from mailguard.errors import ConfigError
from mailguard.mail.envelope import Origin
from mailguard.service.compose import certificate_of
from mailguard.smtp.host import Query
from mailguard.smtp.limits import Network

EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104  only compared
"""A listener on all addresses of the machine."""

HERE = {"127.0.0.1", "::1", "localhost"}
"""Loopback, in the words that people use."""

WIDEST = {4: 16, 6: 48}
"""Bits of the widest network of clients that is no mistake: what one site has at most. Whoever is
in it may send to any domain."""


async def check_listeners(scene: Scene) -> AsyncIterator[Result]:
    """Do the listeners' settings fit together?"""
    listeners = scene.config.listeners
    addresses = {listener.address for listener in listeners}
    for listener in listeners:
        problems = list(_problems(listener, addresses))
        if all(problem.ok for problem in problems):
            yield Result(
                name=f"listener {listener.name}",
                ok=True,
                what=f"{listener.address}, mail from {listener.origin}; {_who(listener)}.",
            )
        for problem in problems:
            yield problem


async def check_service(scene: Scene) -> AsyncIterator[Result]:
    """Is anything listening where we would?"""
    is_running = is_serving(scene.config)
    address = scene.config.listeners[0].address
    yield Result(
        name="service",
        ok=True,
        what=f"{'Something' if is_running else 'Nothing'} accepts mail on {address}.",
        do=""
        if is_running
        else "Start it: `systemctl start mailguard.target`, or "
        "`mailguard serve` where systemd does not run it.",
    )


def _problems(listener: ListenerSection, addresses: set[str]) -> Iterator[Result]:
    name = f"listener {listener.name}"
    if any(_leads_to(url, address) for url in listener.next_hop for address in addresses):
        yield Result(
            name=name,
            ok=False,
            what="Its next hop is a listener of MailGuard: mail would go round for ever.",
            do="Set next_hop to the address of the mail server behind MailGuard.",
        )
    try:
        certificate_of(listener)
    except ConfigError as error:
        yield Result(
            name=name,
            ok=False,
            what=f"{error}.",
            do="Name a PEM file that MailGuard's user may read, and its key.",
        )
    if listener.auth == "pass" and listener.tls == "none":
        yield Result(
            name=name,
            ok=True,
            what="People can log in from this machine only: it has no TLS.",
            do='Set tls = "require" and tls_certificate.',
        )
    wide = [str(network) for network in _networks(listener) if _is_too_wide(network)]
    if wide and listener.protocol != "milter":
        yield Result(
            name=name,
            ok=False,
            what=f"All of {', '.join(wide)} may send mail to any domain through it.",
            do="Name in `clients` only the machines that hand it mail, as 192.0.2.25/32.",
        )
    if listener.public and listener.origin is not Origin.OUTSIDE:
        yield Result(
            name=name,
            ok=False,
            what="Anyone may connect, and is believed to be who they say they are.",
            do='Set origin = "outside" where public = true.',
        )
    elif listener.origin is Origin.ANY and listener.protocol != "milter":
        yield Result(
            name=name,
            ok=True,
            what="It does not know where its mail comes from, so a forged pupil's address cannot "
            "be told from a real one.",
            do='Use two listeners, one with origin = "inside" and one with "outside".'
            if listener.protocol == "smtp"
            else "Have the mail server in front refuse such addresses: docs/deployment.md, "
            '"Between Postfix and Dovecot".',
        )


def _leads_to(url: str, address: str) -> bool:
    """Whether a next hop is the listener at `address`. What is named by DNS only is not looked up:
    a message that comes round is known by its Received lines."""
    host, path = read_next_hop(url), socket_path(address)
    if isinstance(host, Query):
        return False
    if path or host.path:
        return path == host.path
    name, port = split_address(address)
    if port != host.port:
        return False
    is_everywhere = name in EVERYWHERE and host.name in HERE
    is_named_else = "localhost" in (name, host.name) and {name, host.name} <= HERE
    return name == host.name or is_everywhere or is_named_else


def _networks(listener: ListenerSection) -> Sequence[Network]:
    return [ip_network(network) for network in listener.clients]


def _is_too_wide(network: Network) -> bool:
    return not network.is_loopback and network.prefixlen < WIDEST[network.version]


def _who(listener: ListenerSection) -> str:
    path = socket_path(listener.address)
    if listener.protocol == "milter":
        if path:
            return f"mail servers that may use {path} may ask"
        return f"mail servers on {_named(listener.milter_from)} may ask"
    prefix = f"who may use {path} counts as this machine; " if path else ""
    return prefix + _who_may_send(listener)


def _who_may_send(listener: ListenerSection) -> str:
    may_relay = f"{_named(listener.clients)} may send to any domain"
    if listener.auth == "pass":
        named = _named(listener.clients)
        also = f", and {named}," if named != NOBODY else ""
        return f"anyone may connect; who logs in{also} may send to any domain"
    return f"anyone may connect, {may_relay}" if listener.public else f"only {may_relay}"


NOBODY = "nobody"


def _named(networks: Sequence[str]) -> str:
    """Networks in words."""
    found = [ip_network(network) for network in networks]
    named = [str(network) for network in found if not network.is_loopback]
    if any(network.is_loopback for network in found):
        named.insert(0, "this machine")
    return " and ".join(named) or NOBODY
