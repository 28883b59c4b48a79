"""A next hop that is a list of hosts: the first that lets us in gets the message."""

import asyncio
import functools
import itertools
from collections.abc import Sequence

from mailguard.errors import NextHopUnavailable
from mailguard.mail.envelope import Session
from mailguard.smtp.delivery import SmtpDelivery
from mailguard.smtp.dialog import BEFORE_FIRST_EHLO
from mailguard.smtp.introduced import Introduced
from mailguard.smtp.nexthop import NO_SESSION, SmtpNextHop
from mailguard.smtp.private import PrivateHop, dial_private
from mailguard.smtp.timeouts import Timeouts
from mailguard.smtp.turn import Route, Turn


class Failover:
    """Hosts in order of preference. See ports.NextHop and auth.Logins.

    Another host is asked at the beginning of a transaction only: where a connection cannot be had,
    breaks or is ended by 421 before MAIL has its reply. A host's own refusals are passed on.
    """

    def __init__(self, routes: Sequence[Route], timeouts: Timeouts | None = None) -> None:
        self.routes = tuple(routes)
        self._timeouts = timeouts or Timeouts()

    @property
    def keywords(self) -> tuple[str, ...]:
        """See ports.NextHop. Those that all hosts have which ever said EHLO: a parameter that is
        good at one is good at the next."""
        met = tuple(host.keywords for host in self._met())
        return _in_common(met) if met else BEFORE_FIRST_EHLO

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """See auth.Logins. Those of all hosts likewise."""
        first, *others = [host.mechanisms for host in self._met()] or [()]
        return tuple(word for word in first if all(word in other for other in others))

    def _met(self) -> list[SmtpNextHop]:
        return [host for route in self.routes for host in route.known if host.is_met]

    async def open(self, session: Session | None = None, ident: str = "") -> SmtpDelivery:
        """See ports.NextHop."""
        client = Introduced(session=session, ident=ident)
        turn = Turn(self.routes, client, self._timeouts)
        host, link = await turn.start()
        return SmtpDelivery(host, link, self._timeouts, client, turn.another)

    async def dial(self) -> PrivateHop:
        """See auth.Logins."""
        turn = Turn(self.routes, NO_SESSION, self._timeouts, is_private=True)
        return await dial_private(turn, self._timeouts)

    async def probe(self) -> None:
        """Learn the keywords of all hosts now. Raises NextHopUnavailable when none answers."""
        tried = await asyncio.gather(*map(_probe, self.routes))
        problems = list(itertools.chain.from_iterable(tried))
        if all(problems):
            raise NextHopUnavailable("; ".join(problems))

    async def close(self) -> None:
        """Close the pooled connections; those in use are closed after use."""
        for route in self.routes:
            await route.close()


async def _probe(route: Route) -> list[str]:
    """Ask each host; what is wrong with each, nothing where all is well."""
    try:
        hosts = await route.hosts()
    except NextHopUnavailable as error:
        return [str(error)]
    return await asyncio.gather(*map(_probe_host, hosts))


async def _probe_host(host: SmtpNextHop) -> str:
    try:
        await host.probe()
    except NextHopUnavailable as error:
        host.leave_aside(error)
        return str(error)
    return ""


@functools.lru_cache(maxsize=64)
def _in_common(offered: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """The EHLO lines that stand in all of them; SIZE with the smallest number (RFC 1870 §4: 0 and
    none at all mean that there is no limit)."""
    first, *others = [{line.partition(" ")[0]: line for line in lines} for lines in offered]
    common = []
    for keyword, line in first.items():
        lines = [line, *(other.get(keyword, "") for other in others)]
        if not all(lines):
            continue
        if keyword == "SIZE":
            sizes = [int(each.partition(" ")[2] or 0) for each in lines]
            smallest = min(filter(None, sizes), default=0)
            common.append(f"SIZE {smallest}" if smallest else line)
        elif len(set(lines)) == 1:
            common.append(line)
    return tuple(common)
