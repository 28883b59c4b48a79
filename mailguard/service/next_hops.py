"""The next hops of a process: every host once, whichever lists it stands in."""

import asyncio
from collections.abc import Sequence

from mailguard import events
from mailguard.config import Config, ListenerSection, read_next_hop
from mailguard.errors import NextHopUnavailable
from mailguard.service.compose import hostname_of
from mailguard.smtp.failover import Failover
from mailguard.smtp.host import Host
from mailguard.smtp.nexthop import SmtpNextHop
from mailguard.smtp.timeouts import Timeouts
from mailguard.smtp.tls import NextHopTls
from mailguard.smtp.turn import Route


class NextHops:
    """One pool of connections for each host, and one set of records for each name."""

    def __init__(self, config: Config, timeouts: Timeouts | None = None) -> None:
        self._listeners = config.listeners
        self._hostname = hostname_of(config)
        self._timeouts = timeouts
        self._routes: dict[str, Route] = {}
        self._hops: dict[tuple[str, ...], Failover] = {}

    def at(self, urls: Sequence[str]) -> Failover:
        """The next hop that is this list."""
        key = tuple(urls)
        if key not in self._hops:
            self._hops[key] = Failover([self.route(url) for url in key], self._timeouts)
        return self._hops[key]

    async def probe(self) -> None:
        """Learn what each next hop announces; one that is down is asked again at its first mail."""
        await asyncio.gather(*(_probe(urls, hop) for urls, hop in self._hops.items()))

    async def close(self) -> None:
        """Say QUIT on all idle connections."""
        for route in self._routes.values():
            await route.close()

    def route(self, url: str) -> Route:
        """What leads to the hosts of one entry of a list."""
        if url not in self._routes:
            self._routes[url] = self._make_route(url)
        return self._routes[url]

    def _make_route(self, url: str) -> Route:
        naming = [listener for listener in self._listeners if url in listener.next_hop]
        where = read_next_hop(url)
        if isinstance(where, Host):
            return self._make_hop(where, naming)
        # What knows DNS takes a while to import, and few need it.
        from mailguard.smtp.records import RecordRoute

        return RecordRoute(where, lambda host: self._make_hop(host, naming))

    def _make_hop(self, host: Host, naming: Sequence[ListenerSection]) -> SmtpNextHop:
        # Of two listeners with one next hop the stricter has its way.
        policies = [NextHopTls(listener.next_hop_tls) for listener in naming]
        return SmtpNextHop(
            host,
            hostname=self._hostname,
            tls=max(policies, key=list(NextHopTls).index, default=NextHopTls.NONE),
            xclient=any(listener.next_hop_xclient for listener in naming),
            timeouts=self._timeouts,
        )


async def _probe(urls: Sequence[str], hop: Failover) -> None:
    try:
        await hop.probe()
    except NextHopUnavailable as error:
        events.next_hop_down(named(urls), error)


def named(urls: Sequence[str]) -> str:
    """A list of next hops in a log or a sentence."""
    return ", ".join(urls)
