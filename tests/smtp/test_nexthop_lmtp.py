"""LMTP to the next hop (RFC 2033): a reply for each recipient, and what becomes of missing ones."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from mailguard.errors import NextHopUnavailable
from mailguard.mail.envelope import Origin, Session
from mailguard.mail.raw import Raw
from mailguard.mail.reply import NO_LAST_WORD, Replies
from mailguard.ports import Delivery
from mailguard.smtp.host import Host
from mailguard.smtp.nexthop import SmtpNextHop, Timeouts
from mailguard.testing.dovecot import LMTP, Dovecot

QUICK = Timeouts(connect=2, greeting=2, command=2, final=2)
KEYWORDS = ("PIPELINING", "8BITMIME", "XFORWARD NAME ADDR PROTO HELO")


@pytest.fixture
async def lmtp(sink: Any) -> AsyncIterator[Any]:
    """The scripted sink, which speaks LMTP after LHLO."""
    sink.keywords = KEYWORDS
    yield sink


def hop_to(sink: Any, timeouts: Timeouts = QUICK) -> SmtpNextHop:
    host = Host(name="127.0.0.1", port=sink.port, is_lmtp=True)
    return SmtpNextHop(host, hostname="mg.example", timeouts=timeouts)


async def begin(hop: SmtpNextHop, recipients: int, session: Session | None = None) -> Delivery:
    delivery = await hop.open(session, "ident")
    await delivery.mail(b"<a@b.example>")
    for number in range(recipients):
        await delivery.rcpt(b"<r%d@d.example>" % number)
    return delivery


def told(replies: Replies) -> list[str]:
    return [str(reply) for reply in replies]


class TestReplies:
    async def test_each_accepted_recipient_has_its_own_in_order(self, lmtp: Any) -> None:
        lmtp.say(b"RCPT", b"250 Ok\r\n", b"550 5.1.1 No\r\n", b"250 Ok\r\n", b"250 Ok\r\n")
        lmtp.say(
            b".", b"250 2.0.0 A\r\n", b"452 4.2.2 Full\r\n", b"550-5.7.1 Not\r\n550 5.7.1 so\r\n"
        )
        hop = hop_to(lmtp)
        delivery = await begin(hop, 4)

        replies = await delivery.data(b"", Raw.of(b"Hello\r\n"))
        await delivery.close()
        await (await begin(hop, 1)).close()

        assert told(replies) == [
            "250 2.0.0 A",
            "452 4.2.2 Full",
            "550 5.7.1 Not / 5.7.1 so",
        ]
        assert lmtp.connections == 1
        await hop.close()

    async def test_a_refused_data_is_the_word_for_all(self, lmtp: Any) -> None:
        lmtp.say(b"DATA", b"451 4.3.0 Later\r\n")
        hop = hop_to(lmtp)
        delivery = await begin(hop, 2)

        assert told(await delivery.data(b"", Raw.of(b"Hello\r\n"))) == ["451 4.3.0 Later"] * 2
        await delivery.close()
        await hop.close()

    @pytest.mark.parametrize(
        "end",
        [b"drop", b"421 4.3.2 Bye\r\n", b"354 What\r\n250 Ok\r\n", b"nonsense\r\n"],
        ids=["closed", "421", "out of turn", "no reply"],
    )
    async def test_a_connection_that_breaks_amid_them_leaves_no_last_word_for_the_rest(
        self, lmtp: Any, end: bytes
    ) -> None:
        lmtp.say(b".", b"250 2.0.0 A\r\n", end)
        hop = hop_to(lmtp)
        delivery = await begin(hop, 3)

        replies = await delivery.data(b"", Raw.of(b"Hello\r\n"))
        await delivery.close()

        assert told(replies) == ["250 2.0.0 A", *told((NO_LAST_WORD, NO_LAST_WORD))]
        await (await begin(hop, 1)).close()
        assert lmtp.connections == 2
        await hop.close()

    async def test_those_that_do_not_come_in_time_are_no_last_word(self, lmtp: Any) -> None:
        lmtp.say(b".", b"250 2.0.0 A\r\n", b"hang")
        hop = hop_to(lmtp, Timeouts(final=0.3))
        delivery = await begin(hop, 3)

        async with asyncio.timeout(3):
            replies = await delivery.data(b"", Raw.of(b"Hello\r\n"))

        assert replies[1:] == (NO_LAST_WORD, NO_LAST_WORD)
        await delivery.close()
        await hop.close()

    @pytest.mark.parametrize("end", [b"drop", b"354 What\r\n", b"421 Bye\r\n"])
    async def test_where_none_came_it_may_have_been_accepted(self, lmtp: Any, end: bytes) -> None:
        lmtp.say(b".", end)
        delivery = await begin(hop_to(lmtp), 2)

        with pytest.raises(NextHopUnavailable) as caught:
            await delivery.data(b"", Raw.of(b"Hello\r\n"))

        assert caught.value.may_have_accepted

    async def test_more_than_are_due_spoil_the_connection_for_the_next_message(
        self, lmtp: Any
    ) -> None:
        lmtp.say(b".", b"250 2.0.0 A\r\n250 2.0.0 Whose\r\n")
        hop = hop_to(lmtp)
        delivery = await begin(hop, 1)

        replies = await delivery.data(b"", Raw.of(b"Hello\r\n"))
        await delivery.close()
        await (await begin(hop, 1)).close()

        assert (told(replies), lmtp.connections) == (["250 2.0.0 A"], 2)
        await hop.close()

    async def test_without_a_recipient_no_dot_is_sent(self, lmtp: Any) -> None:
        delivery = await begin(hop_to(lmtp), 0)

        with pytest.raises(NextHopUnavailable) as caught:
            await delivery.data(b"", Raw.of(b"Hello\r\n"))

        assert (caught.value.may_have_accepted, lmtp.taken) == (False, [])


class TestIntroduction:
    async def test_it_is_lhlo_and_xforward_is_told(self, lmtp: Any) -> None:
        session = Session(
            listener="mail",
            origin=Origin.ANY,
            peer="192.0.2.10",
            peer_port=40000,
            helo="client.example",
            esmtp=True,
        )
        hop = hop_to(lmtp)

        await (await begin(hop, 1, session)).close()

        assert lmtp.commands[0] == b"LHLO mg.example\r\n"
        assert lmtp.commands[1].startswith(b"XFORWARD ")
        assert b"ADDR=192.0.2.10" in lmtp.commands[1]
        assert hop.keywords == ("PIPELINING", "8BITMIME")
        await hop.close()

    async def test_where_lhlo_is_not_known_there_is_no_helo(self, lmtp: Any) -> None:
        lmtp.say(b"LHLO", b"502 What\r\n")

        with pytest.raises(NextHopUnavailable, match="answered LHLO with 502"):
            await hop_to(lmtp).open()

        assert lmtp.commands == [b"LHLO mg.example\r\n"]


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    if not LMTP.exists():
        pytest.skip("Dovecot's LMTP server is not installed")
    dovecot = Dovecot(users={"ana@elmpark.example": 0, "ben@elmpark.example": 10_000})
    try:
        dovecot.start()
        yield dovecot
    finally:
        dovecot.stop()


@pytest.mark.parametrize("by", ["tcp", "unix"])
async def test_dovecot_answers_for_each_recipient_and_gets_the_message_byte_for_byte(
    by: str, dovecot: Dovecot
) -> None:
    host = (
        Host(name="127.0.0.1", port=dovecot.port, is_lmtp=True)
        if by == "tcp"
        else Host(path=str(dovecot.socket), is_lmtp=True)
    )
    hop = SmtpNextHop(host, hostname="mg.example", timeouts=Timeouts())
    content = b"Subject: %s\r\n\r\n.Hello\r\n..\r\n" % os.urandom(8).hex().encode()
    content += b"A line\r\n" * 2000

    for _ in range(2):
        delivery = await hop.open()
        await delivery.mail(b"<a@b.example>")
        accepted = [
            (await delivery.rcpt(rcpt)).code
            for rcpt in (
                b"<ana@elmpark.example>",
                b"<eve@elmpark.example>",
                b"<ben@elmpark.example>",
            )
        ]
        replies = await delivery.data(b"", Raw.of(content))
        await delivery.close()

        assert accepted == [250, 550, 250]
        assert [reply.code for reply in replies] == [250, 552]
        assert replies[1].lines[0].startswith("5.2.2")
    arrived = [each for each in dovecot.arrived() if content in each.raw]
    assert [each.to for each in arrived] == ["ana", "ana"]
    await hop.close()
