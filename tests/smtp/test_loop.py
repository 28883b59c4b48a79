"""A message that comes back is let go round a few times, and then refused."""

from typing import Any

import pytest

from mailguard.mail.envelope import Transaction
from mailguard.mail.headers import HOPS, OWN_HOPS, is_looping, received_line
from mailguard.mail.reply import Replies
from mailguard.ports import Delivery

HOST = "mg.elmpark.example"


def line_of(host: str = HOST, *, fold: bytes = b"\r\n\t") -> bytes:
    return (
        b"Received: from a.example ([192.0.2.1])%sby %s (MailGuard) with ESMTP id 1;%sdate\r\n"
        % (
            fold,
            host.encode(),
            fold,
        )
    )


async def pass_on(transaction: Transaction, delivery: Delivery) -> Replies:
    """As the relay does it: with its own line in front."""
    head = received_line(
        transaction.session,
        transaction.queue_id,
        transaction.envelope.recipients,
        hostname=HOST,
        now=transaction.received,
    )
    return (await delivery.data(head, transaction.raw))[:1]


async def go_round(start_relay: Any, connect: Any, sink: Any, added: int) -> tuple[int, str]:
    """Send what comes out in again, with `added` lines of the mail server that does so, until it
    is refused: how often it came out, and the refusal."""
    relay = await start_relay(receive=pass_on)
    content = b"Subject: round\r\n\r\nand round\r\n"
    while True:
        client = await connect(relay)
        await client.begin()
        reply = await client.data(content)
        if not reply.startswith("250"):
            return len(sink.taken), reply
        assert len(sink.taken) < HOPS
        content = b"Received: by mx.provider.example\r\n" * added + sink.taken[-1].data


async def test_a_message_that_comes_back_through_this_host_is_refused_after_ten_times(
    start_relay: Any, connect: Any, sink: Any
) -> None:
    times, reply = await go_round(start_relay, connect, sink, added=1)

    assert OWN_HOPS == times == 10
    assert reply.startswith("554 5.4.6 ")


async def test_a_longer_way_round_is_refused_sooner(
    start_relay: Any, connect: Any, sink: Any
) -> None:
    times, reply = await go_round(start_relay, connect, sink, added=9)

    # Ten lines each time, and more than fifty are too many.
    assert times == 6
    assert reply.startswith("554 5.4.6 ")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        pytest.param(line_of() * OWN_HOPS, True, id="as written"),
        pytest.param(line_of(fold=b" ") * OWN_HOPS, True, id="unfolded"),
        pytest.param(line_of(fold=b"\r\n   ") * OWN_HOPS, True, id="folded anew"),
        pytest.param(line_of(HOST.upper()) * OWN_HOPS, True, id="in capitals"),
        pytest.param(line_of() * (OWN_HOPS - 1), False, id="one less"),
        pytest.param(line_of("other.example") * OWN_HOPS, False, id="of another MailGuard"),
        pytest.param(line_of("x" + HOST) * OWN_HOPS, False, id="of a longer name"),
        pytest.param(
            line_of().replace(b" (MailGuard)", b" (Postfix)") * OWN_HOPS, False, id="of Postfix"
        ),
        pytest.param(b"Subject: a\r\n\r\n" + line_of() * OWN_HOPS, False, id="in the body"),
        pytest.param(b"Received: a\r\n" * HOPS, False, id="as many as may be"),
        pytest.param(b"Received: a\r\n" * (HOPS + 1), True, id="one too many"),
    ],
)
def test_a_loop_is_told_by_its_lines(head: bytes, expected: bool) -> None:
    assert expected == is_looping(head + b"\r\n", HOST)
