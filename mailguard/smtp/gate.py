"""Who may connect, how many at a time, and to whom a stranger may send."""

import functools
import ipaddress
from collections import Counter
from collections.abc import Callable

from mailguard import metrics
from mailguard.mail.address import ParsedPath
from mailguard.mail.reply import Reply
from mailguard.scan.school import School
from mailguard.smtp.limits import (
    LOOPBACK,
    ListenerSettings,
    Network,
    connections_within_descriptors,
)
from mailguard.smtp.replies import NOT_A_CLIENT, TOO_MANY_CONNECTIONS


@functools.lru_cache(maxsize=1024)
def plain_address(peer: str) -> str:
    """`peer` without a zone, and as IPv4 where it is IPv4 mapped into IPv6 (RFC 4291 §2.5.5.2)."""
    address = ipaddress.ip_address(peer.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def is_for_school(parsed: ParsedPath, school: School) -> bool:
    """Whether this recipient is the school's, read so that no next hop can read another's.

    Source routes, ``%``, ``!`` and a quoted ``@`` are old ways to name a further stop; whatever
    domain stands at the end, they are refused. So is what stands where a parameter should and may
    be taken for a second path. Without a domain only the postmaster is ours (RFC 5321 §4.5.1).
    """
    if not all(word[:1].isalnum() for word in parsed.parameters.split()):
        return False
    address = parsed.path.address
    if "@" not in address:
        return address.lower() == "postmaster" and not parsed.has_route
    local, _, domain = address.rpartition("@")
    if parsed.has_route or any(mark in local for mark in "%!@"):
        return False
    return school.owns(domain.lower().removesuffix("."))


class Gate:
    """Counts the connections of one listener and turns away those it must not take."""

    def __init__(self, settings: ListenerSettings, connections: Counter[str]) -> None:
        """Count in `connections`, by address, which listeners of one process share."""
        self._name = settings.name
        self._public = settings.public
        self._passes_auth = settings.passes_auth
        self._total = connections_within_descriptors(settings.limits.connections)
        self._each = settings.limits.connections_per_address
        self._open = connections
        # The same few servers connect all day, and each answer costs as much as reading a command.
        self.trusts = _lookup(settings.clients)
        """Whether an address is one of the clients that may send to any domain."""

        self.may_forward = _lookup(settings.xforward_from)
        self.may_impersonate = _lookup(settings.xclient_from)
        self.may_proxy = _lookup(settings.proxy_from)
        self.is_loopback = _lookup(LOOPBACK)

    def welcomes(self, peer: str) -> bool:
        """Whether `peer` may connect at all."""
        return self._public or self._passes_auth or self.trusts(peer)

    def enter(self, peer: str) -> Reply | None:
        """Count a connection, or return the reply that refuses it; the latter is not counted."""
        if not self.welcomes(peer):
            return NOT_A_CLIENT
        if self._open.total() >= self._total or self._open[peer] >= self._each:
            return TOO_MANY_CONNECTIONS
        self._open[peer] += 1
        metrics.connection_opened(self._name)
        return None

    def leave(self, peer: str) -> None:
        """Forget a connection that was let in."""
        self._open[peer] -= 1
        metrics.connection_closed(self._name)
        if not self._open[peer]:
            del self._open[peer]


def _lookup(networks: tuple[Network, ...]) -> Callable[[str], bool]:
    """Whether an address is in one of `networks`; one that is not known, ``""``, is in none."""

    @functools.lru_cache(maxsize=1024)
    def contains(peer: str) -> bool:
        if not peer:
            return False
        address = ipaddress.ip_address(peer)
        return any(address in network for network in networks)

    return contains
