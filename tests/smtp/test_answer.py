"""The address that answers of authors go to: what is said to its RCPT, and who is asked."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mailguard.mail.envelope import Origin
from mailguard.mail.reply import Replies, Reply
from mailguard.quarantine.ticket import read_token

Start = Callable[..., Awaitable[Any]]
ANSWER = b"<release+" + b"a" * 32 + b"@elmpark.example>"
OTHER = b"<ben@elmpark.example>"


def takes(address: str) -> bool:
    return bool(read_token(address, "elmpark.example"))


async def take(transaction: Any, delivery: Any) -> Replies:
    return (Reply.of(250, "2.0.0 Ok"),)


async def test_the_next_hop_is_asked_neither_about_it_nor_to_take_it(
    start_relay: Start, connect: Start, sink: Any
) -> None:
    relay = await start_relay(takes=takes, origin=Origin.INSIDE, receive=take)
    client = await connect(relay)

    replies = await client.begin(b"<ana@elmpark.example>", ANSWER.upper())
    final = await client.data(b"Subject: Re: x\r\n\r\nFor a reason.\r\n")
    await client.ask(b"QUIT")

    (transaction,) = relay.received
    assert ["250", "250", "250"] == [reply[:3] for reply in (*replies, final)]
    assert [f"release+{'a' * 32}"] == [
        path.address.lower().partition("@")[0] for path in transaction.envelope.recipients
    ]
    assert not [line for line in sink.commands if line.startswith((b"RCPT", b"DATA"))]


@pytest.mark.parametrize(
    ("rcpts", "codes"),
    [
        pytest.param((ANSWER, OTHER), ["250", "550"], id="another beside it"),
        pytest.param((OTHER, ANSWER), ["250", "550"], id="it beside another"),
        pytest.param((ANSWER, ANSWER), ["250", "550"], id="it twice"),
    ],
)
async def test_it_is_taken_alone(
    start_relay: Start, connect: Start, rcpts: tuple[bytes, ...], codes: list[str]
) -> None:
    client = await connect(await start_relay(takes=takes, origin=Origin.INSIDE))

    _, *replies = await client.begin(b"<ana@elmpark.example>", *rcpts)

    assert codes == [reply[:3] for reply in replies]
    assert "alone" in replies[1]


@pytest.mark.parametrize("origin", [Origin.OUTSIDE, Origin.ANY])
async def test_it_is_for_mail_from_inside_only(
    start_relay: Start, connect: Start, sink: Any, origin: Origin
) -> None:
    client = await connect(await start_relay(takes=takes, origin=origin))

    _, reply = await client.begin(b"<ana@elmpark.example>", ANSWER)

    assert reply.startswith("550 5.7.1")
    assert not [line for line in sink.commands if line.startswith(b"RCPT")]


async def test_what_only_looks_like_it_is_the_next_hops(
    start_relay: Start, connect: Start, sink: Any
) -> None:
    client = await connect(await start_relay(takes=takes, origin=Origin.INSIDE))

    replies = await client.begin(b"<ana@elmpark.example>", b"<release+party@elmpark.example>")

    assert replies[1].startswith("250")
    assert [line for line in sink.commands if line.startswith(b"RCPT")]
