"""The milter's listening sockets, and the life of one listener from start to graceful stop."""

import asyncio
import errno
import os
import socket
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mailguard.flow.advise import Advise
from mailguard.milter.connection import MilterProtocol
from mailguard.milter.listener import MilterListener
from mailguard.milter.settings import MilterSettings
from mailguard.ports import Clock

_BACKLOG = 128
MODE = 0o660
"""Of a Unix socket: the mail server's user is in the group of the folder."""


def listen_unix(path: Path) -> socket.socket:
    """Bind and listen on a Unix socket that belongs to the group of its folder.

    One that a stopped process left behind is replaced; raises OSError, with EADDRINUSE when
    somebody answers there or when something else has that name.
    """
    _clear(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Must: nobody can connect between bind and chmod.
        before = os.umask(0o777)
        try:
            sock.bind(str(path))
        finally:
            os.umask(before)
        group = path.parent.stat().st_gid
        # Equal where the folder is setgid; a service that sees no other groups (systemd's
        # PrivateUsers=) could not even name them.
        if path.stat().st_gid != group:
            with suppress(PermissionError):
                os.chown(path, -1, group)
        path.chmod(MODE)
        sock.listen(_BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def _clear(path: Path) -> None:
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_socket or _is_answered(path):
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
    path.unlink()


def _is_answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
        except OSError:
            return True
        return True


class MilterServer:
    """Serves one listener on listening sockets; several processes may share them."""

    def __init__(self, settings: MilterSettings, *, advise: Advise, clock: Clock) -> None:
        self._listener = MilterListener(settings=settings, advise=advise, clock=clock)
        self._servers: list[asyncio.Server] = []
        self._connections: set[MilterProtocol] = set()

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Accept connections on `sockets`, which now belong to the server."""
        loop = asyncio.get_running_loop()
        for sock in sockets:
            create: Any = loop.create_server
            if sock.family == socket.AF_UNIX:
                create = loop.create_unix_server
            self._servers.append(await create(self._make_protocol, sock=sock, backlog=_BACKLOG))

    async def stop(self, grace_s: float) -> int:
        """Take no new connections, close idle ones, let messages under way be answered.

        What is left after `grace_s` seconds is cut off. Returns how many tasks were left.
        """
        self._listener.stopping.set()
        for server in self._servers:
            server.close()
        for connection in tuple(self._connections):
            connection.retire()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace_s
        while self._connections or self._listener.underway:
            left = deadline - loop.time()
            if left <= 0:
                break
            await self._ease(left)
        for connection in tuple(self._connections):
            connection.abort()
        return len(self._listener.underway)

    @property
    def is_busy(self) -> bool:
        """A mail server is connected, or work without one is under way."""
        return bool(self._connections or self._listener.underway)

    @property
    def under_way(self) -> int:
        """Messages that are being judged or recorded."""
        return len(self._listener.underway)

    async def _ease(self, seconds: float) -> None:
        """Wait until something may have ended."""
        waiters = {connection.gone for connection in self._connections} | self._listener.underway
        await asyncio.wait(waiters, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

    def _make_protocol(self) -> MilterProtocol:
        return MilterProtocol(self._listener, self._connections)
