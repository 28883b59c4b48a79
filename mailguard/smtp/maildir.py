"""A next hop for trying out and for tests: a real SMTP server that puts mail into a Maildir."""

import asyncio
import ipaddress
import itertools
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mailguard.mail import envelope
from mailguard.mail.envelope import Origin, Session, Transaction
from mailguard.mail.raw import Raw
from mailguard.mail.reply import Replies, Reply
from mailguard.ports import Clock, Delivery
from mailguard.scan.school import School
from mailguard.smtp.limits import ListenerSettings
from mailguard.smtp.replies import OK
from mailguard.smtp.server import RelayServer

KEYWORDS = ("PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """One message as it arrived."""

    sender: envelope.Path
    recipients: tuple[envelope.Path, ...]
    file: Path
    """In the Maildir's ``new``: the exact bytes received, nothing added."""


class MaildirServer:
    """Takes all mail from this machine, whatever the envelope and its parameters say."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        """Use `folder` as the Maildir; it is made if need be. Raises OSError."""
        for name in ("tmp", "new", "cur"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._numbers = itertools.count(1)
        self.delivered: list[Delivered] = []
        """All since the start, oldest first."""

        loopback = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
        self._server = RelayServer(
            ListenerSettings(
                name="maildir",
                origin=Origin.INSIDE,
                hostname="localhost",
                school=School(name="", domains=frozenset()),
                clients=loopback,
            ),
            receive=self._receive,
            next_hop=_Nowhere(),
            clock=clock,
            has_room=_always,
        )

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Accept connections on `sockets`."""
        await self._server.start(sockets)

    async def stop(self) -> None:
        """Close the sockets and let deliveries under way finish."""
        await self._server.stop(grace_s=5)

    @property
    def is_busy(self) -> bool:
        """A client is connected, or a message is being stored."""
        return self._server.is_busy

    async def _receive(self, transaction: Transaction, _: Delivery) -> Replies:
        file = await asyncio.to_thread(self._store, transaction.raw)
        self.delivered.append(
            Delivered(
                sender=transaction.envelope.sender,
                recipients=transaction.envelope.recipients,
                file=file,
            )
        )
        return (Reply.of(250, f"2.0.0 Ok: delivered as {file.name}"),)

    def _store(self, raw: Raw) -> Path:
        """Write, then rename: who reads ``new`` never sees half a message."""
        name = f"{time.time():.6f}.{os.getpid()}_{next(self._numbers)}.localhost"
        temporary, final = self._folder / "tmp" / name, self._folder / "new" / name
        with temporary.open("xb") as file:
            for chunk in raw.chunks():
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        return temporary.rename(final)


async def _always() -> bool:
    return True


class _Nowhere:
    """The next hop of a server that has none: says yes to every envelope."""

    keywords = KEYWORDS

    async def open(self, session: Session | None = None, ident: str = "") -> Delivery:
        return _Agreeable()


class _Agreeable:
    async def mail(self, argument: bytes) -> Reply:
        return OK

    async def rcpt(self, argument: bytes) -> Reply:
        return OK

    async def data(self, head: bytes, raw: Raw) -> Replies:
        return (OK,)

    async def reset(self) -> None:
        return None

    async def close(self) -> None:
        return None
