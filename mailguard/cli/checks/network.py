"""Does each listener know where its mail comes from, and who may send it some?"""

from collections.abc import AsyncIterator, Iterator, Sequence
from ipaddress import ip_network

from mailguard.cli.checks.result import Result, Scene
from mailguard.cli.stores import is_serving
from mailguard.config import ListenerSection
from mailguard.mail.envelope import Origin
from mailguard.smtp.limits import Network

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
    if listener.next_hop.removeprefix("smtp://") in addresses:
        yield Result(
            name=name,
            ok=False,
            what="Its next hop is a listener of MailGuard: mail would go round for ever.",
            do="Set next_hop to the address of the mail server behind MailGuard.",
        )
    wide = [str(network) for network in _networks(listener) if _is_too_wide(network)]
    if wide:
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
    elif listener.origin is Origin.ANY:
        yield Result(
            name=name,
            ok=True,
            what="It does not know where its mail comes from, so a forged pupil's address cannot "
            "be told from a real one.",
            do='Use two listeners, one with origin = "inside" and one with "outside".',
        )


def _networks(listener: ListenerSection) -> Sequence[Network]:
    return [ip_network(network) for network in listener.clients]


def _is_too_wide(network: Network) -> bool:
    return not network.is_loopback and network.prefixlen < WIDEST[network.version]


def _who(listener: ListenerSection) -> str:
    networks = _networks(listener)
    named = [str(network) for network in networks if not network.is_loopback]
    if any(network.is_loopback for network in networks):
        named.insert(0, "this machine")
    may_relay = f"{' and '.join(named) or 'nobody'} may send to any domain"
    return f"anyone may connect, {may_relay}" if listener.public else f"only {may_relay}"
