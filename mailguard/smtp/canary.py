"""Send a self-test through one of our own listeners, and say in plain words what went wrong."""

import asyncio
import functools
import ssl
from dataclasses import dataclass
from ipaddress import ip_address

from mailguard.errors import NextHopUnavailable
from mailguard.flow.canary import RECOGNISED
from mailguard.mail.canary import SINK
from mailguard.mail.raw import Raw
from mailguard.mail.reply import Reply
from mailguard.smtp.dialog import command, offers, stuff
from mailguard.smtp.limits import LOCAL, Network
from mailguard.smtp.link import Link
from mailguard.smtp.tls import NextHopTls, client_context

PATIENCE_S = 30.0
"""For one message; it normally takes some ten milliseconds."""

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 # not to listen there, but to call
"""Where a listener on all addresses can be reached."""

_SPEAKS_FOR_ITSELF = b"PROXY UNKNOWN\r\n"
"""A load balancer's own connection, e.g. to see whether the server is well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """How to come in at one listener."""

    host: str = ""
    port: int = 0
    path: str = ""
    """Of a Unix socket, instead of host and port."""

    is_lmtp: bool = False
    is_implicit: bool = False
    """It begins with TLS."""

    proxy_from: tuple[Network, ...] = ()
    """Who must begin with a PROXY header there; perhaps this machine too."""

    @property
    def place(self) -> str:
        """As people write it."""
        return self.path or f"{self.host}:{self.port}"

    @property
    def verb(self) -> bytes:
        """What a client says first."""
        return b"LHLO" if self.is_lmtp else b"EHLO"


async def send_test(entrance: Entrance, hostname: str, sender: str, raw: bytes) -> str:
    """Send `raw` to the sink through a listener, by TLS where it has that.

    Returns a sentence about what went wrong; nothing when it was taken. It never gets as far as
    RCPT where the listener does not know its own test, so that no next hop is asked to take it.
    """
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await _send(entrance, hostname, sender, raw)
    except TimeoutError:
        return f"No reply within {PATIENCE_S:.0f} s."
    except NextHopUnavailable as error:
        return f"The listener at {error}."
    except OSError:
        return f"Nothing accepts connections on {entrance.place}."


async def _send(entrance: Entrance, hostname: str, sender: str, raw: bytes) -> str:
    link, own = await _connect(entrance)
    try:
        if any(ip_address(own) in network for network in entrance.proxy_from):
            link.write(_SPEAKS_FOR_ITSELF)
        if entrance.is_implicit:
            await _encrypt(link, entrance)
        greeting = await link.reply(PATIENCE_S)
        if greeting.code == 554:
            return f"The listener refuses connections from this machine: add {own} to its clients."
        return _unexpected("a connection", greeting, 220) or await _converse(
            link, entrance, hostname.encode("ascii"), sender.encode("ascii"), raw
        )
    finally:
        link.quit()


async def _connect(entrance: Entrance) -> tuple[Link, str]:
    """A connection, and the address by which the listener knows us."""
    loop = asyncio.get_running_loop()
    if entrance.path:
        _, link = await loop.create_unix_connection(
            lambda: Link(loop, entrance.path), entrance.path
        )
        return link, LOCAL
    host, port = _ANY.get(entrance.host, entrance.host), entrance.port
    transport, link = await loop.create_connection(lambda: Link(loop, f"{host}:{port}"), host, port)
    return link, transport.get_extra_info("sockname")[0]


async def _encrypt(link: Link, entrance: Entrance) -> None:
    await link.start_tls(_context(), entrance.host or "localhost", PATIENCE_S)


async def _converse(
    link: Link, entrance: Entrance, hostname: bytes, sender: bytes, raw: bytes
) -> str:
    hello, step = command(entrance.verb + b" ", hostname), entrance.verb.decode("ascii")
    reply = await link.ask(hello, PATIENCE_S)
    if problem := _unexpected(step, reply, 250):
        return problem
    if "STARTTLS" in offers(reply):
        reply = await link.ask(command(b"STARTTLS"), PATIENCE_S)
        if problem := _unexpected("STARTTLS", reply, 220):
            return problem
        await _encrypt(link, entrance)
        reply = await link.ask(hello, PATIENCE_S)
        if problem := _unexpected(step, reply, 250):
            return problem
    reply = await link.ask(command(b"MAIL FROM:", b"<" + sender + b">"), PATIENCE_S)
    if problem := _unexpected("MAIL", reply, 250):
        return problem
    if reply != RECOGNISED:
        return (
            "The listener took a message of the self-test for ordinary mail, so it was not sent: "
            "is something else listening there, or was the clock set?"
        )
    for step, line, code in (
        ("RCPT", command(b"RCPT TO:", b"<" + SINK.encode() + b">"), 250),
        ("DATA", command(b"DATA"), 354),
    ):
        if problem := _unexpected(step, await link.ask(line, PATIENCE_S), code):
            return problem
    for block in stuff(Raw.of(raw).chunks()):
        link.write(block)
    return _unexpected("a message", await link.reply(PATIENCE_S), 250)


@functools.cache
def _context() -> ssl.SSLContext:
    """Any certificate will do: it is our own, and has no name for 127.0.0.1."""
    return client_context(NextHopTls.REQUIRE)


def _unexpected(step: str, reply: Reply, code: int) -> str:
    if reply.code == code:
        return ""
    return f"It answered {step} of the self-test with {reply}."
