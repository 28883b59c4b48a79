"""The SMTP server: listening sockets, and the life of one listener from start to graceful stop."""

import asyncio
import socket
from collections import Counter
from collections.abc import Sequence
from typing import Any

from mailguard.ports import Clock, NextHop
from mailguard.smtp.auth import Logins
from mailguard.smtp.connection import RelayProtocol
from mailguard.smtp.gate import Gate
from mailguard.smtp.limits import ListenerSettings
from mailguard.smtp.listener import (
    Admit,
    HasRoom,
    Listener,
    Lost,
    Receive,
    Takes,
    admit_nothing,
    forget,
    take_nothing,
)

_BACKLOG = 128
"""Connections the kernel completes before we accept them; within what
`connections_within_descriptors` reserves, since the loop accepts them in one go."""


def listen(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """Bind and listen on an IPv4 or IPv6 address or a host name. Raises OSError.

    With `shared`, several processes may each listen on the same port (SO_REUSEPORT).
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
    )[0]
    # Must: with the protocol named. asyncio sets TCP_NODELAY on what such a socket accepts;
    # otherwise each message waits 44 ms for Nagle's algorithm.
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(address)
        sock.listen(_BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


class RelayServer:
    """Serves one listener on sockets from :func:`listen`; several processes may share them."""

    def __init__(
        self,
        settings: ListenerSettings,
        *,
        receive: Receive,
        next_hop: NextHop,
        clock: Clock,
        has_room: HasRoom,
        logins: Logins | None = None,
        connections: Counter[str] | None = None,
        admit: Admit = admit_nothing,
        lost: Lost = forget,
        takes: Takes = take_nothing,
    ) -> None:
        """`connections` are counts by address; servers in one process share them, so that the
        limits hold for all of them together. `admit` recognises self-tests; `lost` is told of each
        message whose replies its client may not have read; `takes` knows the addresses that answers
        to us go to."""
        self._listener = Listener(
            settings=settings,
            receive=receive,
            next_hop=next_hop,
            clock=clock,
            has_room=has_room,
            logins=logins,
            gate=Gate(settings, Counter() if connections is None else connections),
            admit=admit,
            lost=lost,
            takes=takes,
        )
        self._servers: list[asyncio.Server] = []
        self._connections: set[RelayProtocol] = set()

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Accept connections on `sockets`, which now belong to the server."""
        loop = asyncio.get_running_loop()
        for sock in sockets:
            create: Any = loop.create_server
            if sock.family == socket.AF_UNIX:
                create = loop.create_unix_server
            self._servers.append(await create(self._make_protocol, sock=sock, backlog=_BACKLOG))

    async def stop(self, grace_s: float) -> int:
        """Take no new connections, say 421 to idle ones, let transactions under way finish.

        What is left after `grace_s` seconds is cut off from its client, and no 250 was given for
        it. Returns how many tasks were left.
        """
        self._listener.stopping.set()
        for server in self._servers:
            server.close()
        for connection in tuple(self._connections):
            connection.retire()
        deadline = asyncio.get_running_loop().time() + grace_s
        while (work := self._work()) and deadline > asyncio.get_running_loop().time():
            await asyncio.wait(work, timeout=deadline - asyncio.get_running_loop().time())
        for connection in tuple(self._connections):
            connection.abort()
        return len(work)

    @property
    def is_busy(self) -> bool:
        """A client is connected, or a transaction without one is under way."""
        return bool(self._work())

    @property
    def under_way(self) -> int:
        """Messages that are being judged, kept or passed on."""
        return len(self._listener.underway)

    def _work(self) -> set[asyncio.Task[Any]]:
        return {connection.handler for connection in self._connections} | self._listener.underway

    def _make_protocol(self) -> RelayProtocol:
        return RelayProtocol(self._listener, self._connections)
