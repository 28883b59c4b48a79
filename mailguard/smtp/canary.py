"""Send a self-test through one of our own listeners, and say in plain words what went wrong."""

import asyncio

from mailguard.errors import NextHopUnavailable
from mailguard.flow.canary import RECOGNISED
from mailguard.mail.canary import SINK
from mailguard.mail.raw import Raw
from mailguard.mail.reply import Reply
from mailguard.smtp.dialog import command, stuff
from mailguard.smtp.link import Link

PATIENCE_S = 30.0
"""For one message; it normally takes some ten milliseconds."""

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 # not to listen there, but to call
"""Where a listener on all addresses can be reached."""


async def send_test(host: str, port: int, hostname: str, sender: str, raw: bytes) -> str:
    """Send `raw` to the sink through the listener at `host` and `port`.

    Returns a sentence about what went wrong; nothing when it was taken. It never gets as far as
    RCPT where the listener does not know its own test, so that no next hop is asked to take it.
    """
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await _send(_ANY.get(host, host), port, hostname, sender, raw)
    except TimeoutError:
        return f"No reply within {PATIENCE_S:.0f} s."
    except NextHopUnavailable as error:
        return f"The listener at {error}."
    except OSError:
        return f"Nothing accepts connections on {host}:{port}."


async def _send(host: str, port: int, hostname: str, sender: str, raw: bytes) -> str:
    loop = asyncio.get_running_loop()
    transport, link = await loop.create_connection(lambda: Link(loop, f"{host}:{port}"), host, port)
    try:
        greeting = await link.reply(PATIENCE_S)
        if greeting.code == 554:
            own = transport.get_extra_info("sockname")[0]
            return f"The listener refuses connections from this machine: add {own} to its clients."
        return _unexpected("a connection", greeting, 220) or await _converse(
            link, hostname.encode("ascii"), sender.encode("ascii"), raw
        )
    finally:
        link.quit()


async def _converse(link: Link, hostname: bytes, sender: bytes, raw: bytes) -> str:
    reply = await link.ask(command(b"EHLO ", hostname), PATIENCE_S)
    if problem := _unexpected("EHLO", reply, 250):
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


def _unexpected(step: str, reply: Reply, code: int) -> str:
    if reply.code == code:
        return ""
    return f"It answered {step} of the self-test with {reply}."
