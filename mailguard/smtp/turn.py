"""The connections that one transaction may try at its beginning, one after the other."""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from mailguard import events, metrics
from mailguard.errors import NextHopUnavailable
from mailguard.smtp.introduced import Introduced
from mailguard.smtp.link import Link
from mailguard.smtp.timeouts import Timeouts

if TYPE_CHECKING:
    from mailguard.smtp.nexthop import SmtpNextHop

TOLD = 5
"""Hosts whose trouble is told in one reason."""


class Route(Protocol):
    """What leads to one host or to several: an address, or a name in the DNS."""

    async def hosts(self) -> Sequence["SmtpNextHop"]:
        """In the order in which this transaction should ask them. Raises NextHopUnavailable when
        they cannot be found out."""
        ...

    @property
    def known(self) -> Sequence["SmtpNextHop"]:
        """Those that are known without asking anybody."""
        ...

    async def close(self) -> None:
        """Close the pooled connections."""
        ...


class Turn:
    """Goes from host to host; whoever was left aside is asked last.

    Of one host it is first a pooled connection, which may be dead, then a new one. A host that
    fails on a new one is left aside.
    """

    def __init__(
        self,
        routes: Iterable[Route],
        client: Introduced,
        timeouts: Timeouts,
        *,
        is_private: bool = False,
    ) -> None:
        """`is_private`: only new connections, since they are for one client alone."""
        self._routes = deque(routes)
        self._client = client
        self._timeouts = timeouts
        self._takes_pooled = not is_private
        self._hosts: deque[SmtpNextHop] = deque()
        self._later: list[SmtpNextHop] = []
        self._passed: list[SmtpNextHop] = []
        self._problems: list[str] = []
        self._host: SmtpNextHop | None = None
        self._is_pooled = False
        self._ends = 0.0

    async def start(self) -> tuple["SmtpNextHop", Link]:
        """The first connection. Raises NextHopUnavailable when there is none."""
        return await self._go_on(None)

    async def another(self, error: NextHopUnavailable) -> tuple["SmtpNextHop", Link]:
        """The next one, since the last failed with `error`. Raises NextHopUnavailable."""
        if self._is_pooled:
            return await self._go_on(self._host)
        self._leave_aside(error)
        return await self._go_on(None)

    async def elsewhere(self, error: NextHopUnavailable) -> tuple["SmtpNextHop", Link]:
        """The next one, at another host: the last will not do, though it works. Raises
        NextHopUnavailable."""
        self._problems.append(str(error))
        return await self._go_on(None)

    async def _go_on(self, host: "SmtpNextHop | None") -> tuple["SmtpNextHop", Link]:
        while host := host or await self._next_host():
            again, self._host = self._host is host, host
            self._is_pooled = False
            if self._takes_pooled and not again:
                link = host.pooled(self._client)
                if link is not None:
                    self._is_pooled = True
                    self._note(host)
                    return host, link
            try:
                link = await self._connect(host)
            except NextHopUnavailable as error:
                self._leave_aside(error)
                host = None
                continue
            self._note(host)
            return host, link
        raise NextHopUnavailable("; ".join(dict.fromkeys(self._problems[-TOLD:])))

    async def _connect(self, host: "SmtpNextHop") -> Link:
        self._ends = self._ends or asyncio.get_running_loop().time() + self._timeouts.reach
        try:
            async with asyncio.timeout_at(self._ends):
                return await host.connect_for(self._client)
        except TimeoutError as error:
            raise NextHopUnavailable(f"{host} took too long to let us in") from error

    async def _next_host(self) -> "SmtpNextHop | None":
        if self._ends and asyncio.get_running_loop().time() >= self._ends:
            return None
        while True:
            while self._hosts:
                host = self._hosts.popleft()
                if not host.is_aside:
                    return host
                self._later.append(host)
                self._passed.append(host)
            if not self._routes:
                return self._later.pop(0) if self._later else None
            try:
                self._hosts.extend(await self._routes.popleft().hosts())
            except NextHopUnavailable as error:
                self._problems.append(str(error))

    def _leave_aside(self, error: NextHopUnavailable) -> None:
        assert self._host is not None
        self._host.leave_aside(error)
        self._passed.append(self._host)
        self._problems.append(str(error))
        self._host = None

    def _note(self, host: "SmtpNextHop") -> None:
        """Tell who takes over, and who is back."""
        others = [each for each in self._passed if each is not host]
        if others:
            metrics.next_hop_failed_over()
            for each in others:
                if each.trouble is not None and not each.is_missed:
                    each.is_missed = True
                    events.next_hop_took_over(str(host), str(each), each.trouble)
        if host.is_missed and not self._is_pooled:
            host.is_missed = False
            events.next_hop_back(str(host))
