"""Where a mail server behind us is, and a connection to it by whichever address takes one."""

import asyncio
import ipaddress
import os
import socket
from dataclasses import dataclass

from mailguard.errors import NextHopUnavailable
from mailguard.smtp.link import Link

ASIDE_S = 30.0
"""For so long whoever could not be reached is asked last: long enough that a dead host does not
slow down every message, short enough that nobody waits for one that is back."""

LOOKUP_S = 5.0
"""For the addresses of a name."""

ADDRESSES = 8
"""Of one name that are tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One mail server, and how it is spoken to."""

    name: str = ""
    """A name, IPv4 or IPv6 address, which its certificate must name as well; empty where it is a
    Unix socket."""

    port: int = 0
    path: str = ""
    """Of its Unix socket."""

    is_lmtp: bool = False
    """It speaks LMTP, and answers for each recipient (RFC 2033)."""

    is_wrapped: bool = False
    """TLS comes before its greeting (RFC 8314 §3)."""

    def __str__(self) -> str:
        """For people: ``mail.example:25``, ``[::1]:25`` or the socket's path."""
        if self.path:
            return self.path
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What names the hosts."""

    name: str
    """A domain; for SRV with service and protocol in front: ``_smtp._tcp.elmpark.example``."""

    port: int = 0
    """Of the hosts that MX records name; 0 where SRV records are meant, which have their own."""

    @property
    def kind(self) -> str:
        """The type of record."""
        return "MX" if self.port else "SRV"

    def __str__(self) -> str:
        """For people."""
        return f"{self.kind} of {self.name}"


class Dialer:
    """Connects to one host. A name's addresses are tried in the resolver's order, those that did
    not answer of late last; while it resolves no more, by the addresses that it had."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._known: tuple[str, ...] = ()
        self._silent: dict[str, float] = {}

    async def dial(self, seconds: float) -> Link:
        """A new connection, on which nothing was said yet. Raises NextHopUnavailable."""
        host, loop = self._host, asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                if host.path:
                    _, link = await loop.create_unix_connection(
                        lambda: Link(loop, host.path, is_local=True), host.path
                    )
                    return link
                return await self._dial_any(loop, loop.time() + seconds)
        except (OSError, UnicodeError) as error:  # TimeoutError is an OSError
            raise NextHopUnavailable(f"{host} cannot be reached: {_reason(error)}") from error

    async def _dial_any(self, loop: asyncio.AbstractEventLoop, ends: float) -> Link:
        host = self._host
        addresses = await self._look_up(loop)
        problem: OSError = OSError()
        for tried, address in enumerate(addresses):
            # Each gets its share of what is left: one that swallows packets leaves time for others.
            share = (ends - loop.time()) / (len(addresses) - tried)
            try:
                async with asyncio.timeout(share):
                    _, link = await loop.create_connection(
                        lambda: Link(loop, str(host)), address, host.port
                    )
            except OSError as error:
                problem = error
                self._silent[address] = loop.time() + ASIDE_S
            else:
                self._silent.pop(address, None)
                return link
        raise problem

    async def _look_up(self, loop: asyncio.AbstractEventLoop) -> tuple[str, ...]:
        name = self._host.name
        if _is_literal(name):
            return (name,)
        try:
            async with asyncio.timeout(LOOKUP_S):
                self._known = (await find_addresses(name))[:ADDRESSES]
        except OSError:
            if not self._known:
                raise
        now = loop.time()
        self._silent = {
            address: until
            for address, until in self._silent.items()
            if until > now and address in self._known
        }
        return tuple(sorted(self._known, key=lambda address: address in self._silent))


async def find_addresses(name: str) -> tuple[str, ...]:
    """The addresses of a name, of both families, as this machine resolves names. Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


def _reason(error: OSError | UnicodeError) -> str:
    """What is wrong, in the system's words where it has some."""
    if isinstance(error, socket.gaierror):
        return "its name has no address, or no name server answers"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return type(error).__name__


def _is_literal(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True
