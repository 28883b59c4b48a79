"""What all connections of one milter listener share."""

import asyncio
import ipaddress
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from mailguard.flow.advise import Advise
from mailguard.mail.reply import Reply
from mailguard.milter.settings import MilterSettings
from mailguard.ports import Clock

NOT_A_SERVER = Reply.of(554, "5.7.1 Access denied")
TOO_MANY_CONNECTIONS = Reply.of(421, "4.7.0 Too many connections, try again later")
"""The protocol has no way to say either; they are for the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MilterListener:
    """Settings, ports and tasks of one listener."""

    settings: MilterSettings
    advise: Advise
    clock: Clock
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once: connections end with their message under way."""

    underway: set[asyncio.Task[None]] = field(default_factory=set)
    """Work that outlives its connection. The loop itself keeps no strong reference to a task."""

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` to its end, whatever becomes of the connection that started it."""
        task = asyncio.get_running_loop().create_task(work)
        self.underway.add(task)
        task.add_done_callback(self.underway.discard)

    def refuse(self, via: str, connections: int) -> Reply | None:
        """Why a mail server at `via` (empty: a Unix socket) is not let in, beside so many others;
        None when it is."""
        if via and not any(_plain(via) in network for network in self.settings.servers):
            return NOT_A_SERVER
        return TOO_MANY_CONNECTIONS if connections >= self.settings.connections else None


def _plain(via: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(via)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
