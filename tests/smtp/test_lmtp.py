"""LMTP clients (RFC 2033): one reply for each recipient, in the order of their RCPTs."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mailguard.flow.handover import head_for
from mailguard.flow.setting import Setting
from mailguard.mail.envelope import Transaction
from mailguard.mail.reply import Replies, Reply
from mailguard.ports import Delivery
from mailguard.smtp.canary import Entrance, send_test
from mailguard.smtp.host import Host
from mailguard.smtp.limits import Limits
from mailguard.smtp.nexthop import SmtpNextHop
from mailguard.smtp.tls import Certificate, ListenerTls
from mailguard.testing.certificate import make_certificate

Start = Callable[..., Awaitable[Any]]

BEN, CY, DEE = b"<ben@elmpark.example>", b"<cy@elmpark.example>", b"<dee@elmpark.example>"


def answering(*texts: str) -> Callable[[Transaction, Delivery], Awaitable[Replies]]:
    """Take a message with these replies."""

    async def receive(transaction: Transaction, delivery: Delivery) -> Replies:
        return tuple(Reply.of(int(text[:3]), text[4:]) for text in texts)

    return receive


async def begin(client: Any, *rcpts: bytes) -> list[str]:
    await client.reply()
    await client.ask(b"LHLO client.example")
    replies = [await client.ask(b"MAIL FROM:<ana@elmpark.example>")]
    return replies + [await client.ask(b"RCPT TO:" + rcpt) for rcpt in rcpts]


async def last_words(client: Any, content: bytes, count: int) -> list[str]:
    return [await client.data(content), *[await client.reply() for _ in range(count - 1)]]


async def test_each_recipient_has_its_own_reply_in_order(
    start_relay: Start, connect: Start
) -> None:
    words = ["250 2.1.5 Taken", "452 4.2.2 Full", "550 5.1.1 Unknown"]
    relay = await start_relay(is_lmtp=True, receive=answering(*words))
    client = await connect(relay)

    await begin(client, BEN, CY, DEE)
    said = await last_words(client, b"Hello\r\n", 3)

    assert said == words
    assert (await client.ask(b"NOOP"))[:3] == "250"


async def test_a_recipient_that_was_refused_gets_no_last_word(
    start_relay: Start, connect: Start, sink: Any
) -> None:
    sink.say(b"RCPT", b"250 Ok\r\n", b"550 5.1.1 No such user\r\n", b"250 Ok\r\n")
    relay = await start_relay(is_lmtp=True)
    client = await connect(relay)

    replies = await begin(client, BEN, CY, DEE)
    said = await last_words(client, b"Hello\r\n", 2)

    assert [reply[:3] for reply in replies] == ["250", "250", "550", "250"]
    assert said == ["250 2.0.0 Taken"] * 2
    assert (await client.ask(b"QUIT"))[:3] == "221"


async def test_the_words_of_an_lmtp_next_hop_come_out_as_they_went_in(
    start_relay: Start, connect: Start, sink: Any
) -> None:
    sink.say(b".", b"250 2.1.5 Taken\r\n", b"452 4.2.2 Full\r\n", b"550 5.1.1 Unknown\r\n")
    hop = SmtpNextHop(
        Host(name="127.0.0.1", port=sink.port, is_lmtp=True), hostname="mg.elmpark.example"
    )
    relay = await start_relay(is_lmtp=True, next_hop=hop)
    client = await connect(relay)

    await begin(client, BEN, CY, DEE)
    said = await last_words(client, b"Hello\r\n", 3)

    assert [word[:3] for word in said] == ["250", "452", "550"]
    assert sink.taken[0].data == b"Hello\r\n"


async def test_a_receiver_that_breaks_is_451_for_each(start_relay: Start, connect: Start) -> None:
    async def broken(*_: object) -> Replies:
        raise ZeroDivisionError

    relay = await start_relay(is_lmtp=True, receive=broken)
    client = await connect(relay)

    await begin(client, BEN, CY)

    assert [word[:9] for word in await last_words(client, b"Hello\r\n", 2)] == ["451 4.3.0"] * 2


@pytest.mark.parametrize("words", [(), ("250 Ok",), ("250 Ok",) * 3])
async def test_a_wrong_number_of_replies_never_reaches_the_client(
    start_relay: Start, connect: Start, words: tuple[str, ...]
) -> None:
    """It would take the reply to its next command for one about a recipient."""
    relay = await start_relay(is_lmtp=True, receive=answering(*words))
    client = await connect(relay)

    await begin(client, BEN, CY)

    assert [word[:3] for word in await last_words(client, b"Hello\r\n", 2)] == ["451", "451"]
    assert (await client.ask(b"QUIT"))[:3] == "221"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"x" * 3000 + b"\r\n", "552 5.3.4"),
        (b"a bare\none\r\n", "550 5.5.2"),
        (b"Received: by x\r\n" * 4 + b"\r\n", "554 5.4.6"),
    ],
    ids=["too big", "bare newline", "too many hops"],
)
async def test_what_is_refused_before_it_is_judged_is_refused_for_each(
    start_relay: Start, connect: Start, sink: Any, content: bytes, code: str
) -> None:
    relay = await start_relay(is_lmtp=True, limits=Limits(message_bytes=2000, hops=3))
    client = await connect(relay)

    await begin(client, BEN, CY, DEE)
    said = await last_words(client, content, 3)

    assert [word[:9] for word in said] == [code] * 3
    assert sink.taken == []
    assert (await client.ask(b"MAIL FROM:<>"))[:3] == "250"


SESSION = (
    b"LHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n"
    b"RCPT TO:<e@f.example>\r\nDATA\r\nOne\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<g@h.example>\r\n"
    b"DATA\r\n..Two\r\n.\r\nQUIT\r\n"
)
SAID = ["220", "250", "250", "250", "250", "354", "250", "250", "250", "250", "354", "250", "221"]


@pytest.mark.parametrize("cut", [1, 7, len(SESSION)], ids=["bytes", "pieces", "one packet"])
async def test_a_whole_session_is_understood_however_it_is_cut(
    start_relay: Start, connect: Start, sink: Any, cut: int
) -> None:
    relay = await start_relay(is_lmtp=True)
    client = await connect(relay)

    for start in range(0, len(SESSION), cut):
        await client.send(SESSION[start : start + cut])
    said = [await client.reply() for _ in SAID]

    assert [reply[:3] for reply in said] == SAID
    assert await client.reply() == "closed"
    assert [taken.data for taken in sink.taken] == [b"One\r\n", b".Two\r\n"]


async def test_pipelining_is_ours_whatever_the_next_hop_has(
    start_relay: Start, connect: Start, sink: Any
) -> None:
    """RFC 2033 §5 wants it of every LMTP server."""
    sink.keywords = ("SIZE 1000",)
    relay = await start_relay(is_lmtp=True)
    await relay.next_hop.probe()
    client = await connect(relay)
    await client.reply()

    reply = await client.ask(b"LHLO client.example")

    assert reply.split("/")[1:3] == ["250-PIPELINING", "250-SIZE 1000"]


async def test_xforward_names_the_client_behind_an_lmtp_client(
    start_relay: Start, connect: Start
) -> None:
    relay = await start_relay(is_lmtp=True)
    client = await connect(relay)
    await client.reply()
    await client.ask(b"LHLO client.example")
    told = await client.ask(b"XFORWARD ADDR=192.0.2.9 PROTO=ESMTP HELO=far.example")
    await client.ask(b"MAIL FROM:<>")
    await client.ask(b"RCPT TO:" + BEN)
    await client.data(b"Hello\r\n")

    (transaction,) = relay.received
    session = transaction.session
    assert told[:3] == "250"
    assert (session.peer, session.helo, session.protocol) == ("192.0.2.9", "far.example", "lmtp")


@pytest.mark.parametrize(
    ("tls", "login", "word"),
    [
        ("", "", b" with LMTP id "),
        ("TLSv1.3 X", "", b" with LMTPS id "),
        ("", "ana", b" with LMTPA id "),
        ("TLSv1.3 X", "ana", b" with LMTPSA id "),
    ],
)
async def test_the_received_line_names_the_protocol(
    start_relay: Start, connect: Start, tls: str, login: str, word: bytes
) -> None:
    """RFC 3848."""
    relay = await start_relay(is_lmtp=True)
    client = await connect(relay)
    await begin(client, BEN)
    await client.data(b"Hello\r\n")
    (transaction,) = relay.received

    session = replace(transaction.session, tls=tls, auth=login)
    line = head_for(replace(transaction, session=session), (), Setting(school="x"))

    assert word in line


async def test_starttls_and_what_is_said_inside_it(
    start_relay: Start, connect: Start, tmp_path: Path
) -> None:
    pem = make_certificate(tmp_path / "mg.pem")
    relay = await start_relay(
        is_lmtp=True, tls=ListenerTls.REQUIRE, certificate=Certificate(pem, pem)
    )
    client = await connect(relay)
    refused = await begin(client)
    entrance = Entrance(host="127.0.0.1", port=relay.port, is_lmtp=True)

    # It goes over to TLS, and stops where its sender is taken for an ordinary one.
    problem = await send_test(entrance, "mg.example", "a@canary.mailguard.invalid", b"x\r\n")

    assert refused == ["530 5.7.0 Must issue a STARTTLS command first"]
    assert "took a message of the self-test for ordinary mail" in problem
