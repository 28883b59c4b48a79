"""The hosts that a domain's MX or SRV records name (RFC 5321 §5.1, RFC 2782).

Records are asked for again when their time is over, and the last ones are used for as long as no
name server answers. What is not signed can be forged by whoever can forge DNS: then it is they who
name the host that a certificate must be for.
"""

import asyncio
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdtypes.ANY.MX
import dns.rdtypes.IN.SRV
import dns.resolver

from mailguard import events
from mailguard.errors import NextHopUnavailable
from mailguard.smtp.host import Host, Query
from mailguard.smtp.nexthop import SmtpNextHop

ANSWER_S = 5.0
"""For an answer, from whichever name server."""

SHORTEST_S, LONGEST_S = 5.0, 86400.0
"""An answer is kept for its own time, within these bounds: busy listeners would else ask for a
record without any once for each message."""

AGAIN_S = 30.0
"""Until the name servers are asked again that did not answer, while older records are used."""

RECORDS = 20
"""Of one name that are looked at; a large provider has five."""

_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")

_WRAPPED = ("_submissions.", "_smtps.")
"""Services that begin with TLS (RFC 8314 §5.1; the second was never registered, and is used)."""


class NoHost(NextHopUnavailable):
    """The name servers say that there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One record."""

    host: Host
    preference: int
    """The lowest comes first."""

    weight: int = 0
    """Its share among those of equal preference; only SRV has one."""


class RecordRoute:
    """Hosts by name. See turn.Route."""

    def __init__(
        self,
        query: Query,
        make: Callable[[Host], SmtpNextHop],
        *,
        resolver: dns.asyncresolver.Resolver | None = None,
        chance: random.Random | None = None,
    ) -> None:
        """`make` makes the next hop at a host; without a `resolver` the machine's own is asked."""
        self._query = query
        self._make = make
        self._resolver = resolver
        self._chance = chance or random.Random()  # noqa: S311  it shares out work, and hides nothing
        self._hops: dict[Host, SmtpNextHop] = {}
        self._targets: tuple[Target, ...] = ()
        self._problem = ""
        self._asks_at = 0.0
        self._asking = asyncio.Lock()

    def __str__(self) -> str:
        """For people."""
        return str(self._query)

    @property
    def known(self) -> Sequence[SmtpNextHop]:
        """See turn.Route."""
        return tuple(self._hops.values())

    async def hosts(self) -> Sequence[SmtpNextHop]:
        """See turn.Route. Equal ones are shuffled, or shared out by weight, anew each time."""
        loop = asyncio.get_running_loop()
        if loop.time() >= self._asks_at:
            async with self._asking:
                # Whoever waited for the lock has the answer of who held it.
                if loop.time() >= self._asks_at:
                    self._asks_at = loop.time() + await self._ask()
        if self._problem:
            raise NextHopUnavailable(self._problem)
        return [self._hops[host] for host in in_order(self._targets, self._chance)]

    async def close(self) -> None:
        """See turn.Route."""
        for hop in self._hops.values():
            await hop.close()

    async def _ask(self) -> float:
        """Ask the name servers; after how many seconds to ask again."""
        try:
            targets, seconds = await find_targets(self._query, self._resolver)
        except NoHost as error:
            self._targets, self._problem = (), str(error)
            await self._know(())
            return SHORTEST_S
        except NextHopUnavailable as error:
            if self._targets:
                events.records_unavailable(str(self._query), error)
                return AGAIN_S
            self._problem = str(error)
            return SHORTEST_S
        self._targets, self._problem = targets, ""
        await self._know([target.host for target in targets])
        return min(max(seconds, SHORTEST_S), LONGEST_S)

    async def _know(self, hosts: Sequence[Host]) -> None:
        before = self._hops
        self._hops = {host: before.get(host) or self._make(host) for host in hosts}
        for host, hop in before.items():
            if host not in self._hops:
                await hop.close()


async def find_targets(
    query: Query, resolver: dns.asyncresolver.Resolver | None = None
) -> tuple[tuple[Target, ...], float]:
    """The hosts by their records, and for how many seconds that holds. Raises NoHost when there are
    none, and NextHopUnavailable when nobody says."""
    try:
        # The machine's settings are read anew: they change with the network that it is in.
        resolver = resolver or dns.asyncresolver.Resolver()
        answer = await resolver.resolve(
            dns.name.from_text(query.name),
            query.kind,
            raise_on_no_answer=False,
            lifetime=ANSWER_S,
            search=False,
        )
    except dns.resolver.NXDOMAIN:
        raise NoHost(f"{query} cannot be had: there is no such name") from None
    except (dns.exception.DNSException, OSError, UnicodeError) as error:
        reason = type(error).__name__
        raise NextHopUnavailable(f"{query} cannot be had: no name server answers ({reason})") from (
            error
        )
    seconds = float(answer.chaining_result.minimum_ttl)
    records = list(answer.rrset or ())[:RECORDS]
    if query.port:
        mxs = cast("list[dns.rdtypes.ANY.MX.MX]", records)
        return _by_mx(query, mxs), seconds
    srvs = cast("list[dns.rdtypes.IN.SRV.SRV]", records)
    return _by_srv(query, srvs), seconds


def _by_mx(query: Query, records: Sequence["dns.rdtypes.ANY.MX.MX"]) -> tuple[Target, ...]:
    if not records:
        # RFC 5321 §5.1: the domain is then its own mail server.
        return (Target(host=Host(name=query.name, port=query.port), preference=0),)
    found = [
        Target(host=Host(name=name, port=query.port), preference=record.preference)
        for record in records
        if (name := _host_name(record.exchange))
    ]
    if not found:
        raise NoHost(f"{query} names no host: the domain takes no mail (RFC 7505)")
    return tuple(found)


def _by_srv(query: Query, records: Sequence["dns.rdtypes.IN.SRV.SRV"]) -> tuple[Target, ...]:
    is_wrapped = query.name.startswith(_WRAPPED)
    found = [
        Target(
            host=Host(name=name, port=record.port, is_wrapped=is_wrapped),
            preference=record.priority,
            weight=record.weight,
        )
        for record in records
        if (name := _host_name(record.target))
    ]
    if not found:
        raise NoHost(f"{query} names no host: the service is not offered there (RFC 2782)")
    return tuple(found)


def _host_name(name: dns.name.Name) -> str:
    """A record's name; empty for the root, which means none, and for what can be no host."""
    text = name.to_text(omit_final_dot=True).lower()
    return text if _NAME.fullmatch(text) else ""


def in_order(targets: Sequence[Target], chance: random.Random) -> list[Host]:
    """The hosts in the order in which to ask them; equal ones as RFC 2782 draws lots."""
    hosts: list[Host] = []
    left = list(targets)
    chance.shuffle(left)
    # Within a preference those without a weight stand first, so that they too have a small chance.
    left.sort(key=lambda target: (target.preference, target.weight > 0))
    while left:
        equals = [target for target in left if target.preference == left[0].preference]
        mark = chance.randint(0, sum(target.weight for target in equals))
        for target in equals:
            mark -= target.weight
            if mark <= 0:
                break
        left.remove(target)
        hosts.append(target.host)
    return list(dict.fromkeys(hosts))
