"""XFORWARD and XCLIENT between real sockets: who is believed about whom, and who is told."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from mailguard.errors import NextHopUnavailable
from mailguard.mail.envelope import Session
from mailguard.mail.raw import Raw
from mailguard.smtp.limits import LOOPBACK
from mailguard.smtp.nexthop import SmtpNextHop
from mailguard.testing import transaction

TOLD = b"XFORWARD NAME=spike.example ADDR=192.0.2.9 PORT=4711 HELO=spike.example PROTO=SMTP"
XFORWARD = "XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT"


def code(reply: str) -> str:
    return " ".join(reply.split()[:2])


async def one_message(client: Any) -> str:
    await client.ask(b"MAIL FROM:<ana@elmpark.example>")
    await client.ask(b"RCPT TO:<ben@elmpark.example>")
    reply: str = await client.data(b"Hello\r\n")
    return reply


def _session(**changes: Any) -> Session:
    return replace(transaction().session, **changes)


def told(sink: Any) -> list[bytes]:
    """What the next hop was told of clients, transaction by transaction."""
    return [line for line in sink.commands if line.startswith((b"XFORWARD", b"MAIL"))]


class TestXforwardIn:
    async def test_the_client_behind_the_peer_stands_in_the_session(
        self, start_relay: Any, connect: Any
    ) -> None:
        relay = await start_relay()
        client = await connect(relay)
        await client.reply()
        await client.ask(b"EHLO front.example")

        replies = [await client.ask(TOLD), await client.ask(b"XFORWARD IDENT=4DXYZ SOURCE=REMOTE")]
        await one_message(client)

        (transaction,) = relay.received
        session: Session = transaction.session
        assert [code(reply) for reply in replies] == ["250 2.0.0", "250 2.0.0"]
        assert (session.peer, session.peer_port, session.name, session.via) == (
            "192.0.2.9",
            4711,
            "spike.example",
            "127.0.0.1",
        )
        assert (session.helo, session.esmtp) == ("spike.example", False)
        assert (session.ident, session.source) == ("4DXYZ", "REMOTE")

    @pytest.mark.parametrize("end", ["DATA", "RSET", "EHLO front.example"])
    async def test_it_is_forgotten_when_the_transaction_ends(
        self, end: str, start_relay: Any, connect: Any
    ) -> None:
        relay = await start_relay()
        client = await connect(relay)
        await client.reply()
        await client.ask(b"EHLO front.example")
        await client.ask(TOLD)
        await (one_message(client) if end == "DATA" else client.ask(end.encode()))
        relay.received.clear()

        await one_message(client)

        session = relay.received[0].session
        assert (session.peer, session.helo, session.via) == ("127.0.0.1", "front.example", "")

    async def test_an_unknown_client_is_unknown(self, start_relay: Any, connect: Any) -> None:
        relay = await start_relay()
        client = await connect(relay)
        await client.reply()
        await client.ask(b"EHLO front.example")
        await client.ask(b"XFORWARD NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE] PORT=[UNAVAILABLE]")

        await one_message(client)

        session = relay.received[0].session
        assert (session.peer, session.peer_port, session.via) == ("", 0, "127.0.0.1")

    async def test_a_peer_that_is_not_listed_is_offered_nothing_and_550(
        self, start_relay: Any, connect: Any
    ) -> None:
        relay = await start_relay(xforward_from=())
        client = await connect(relay)
        await client.reply()
        ehlo = await client.ask(b"EHLO forger.example")

        replies = [await client.ask(TOLD), await client.ask(b"XCLIENT ADDR=192.0.2.9")]
        await one_message(client)

        session = relay.received[0].session
        assert [code(reply) for reply in replies] == ["550 5.7.0", "550 5.7.0"]
        assert (session.peer, session.helo) == ("127.0.0.1", "forger.example")
        assert "XFORWARD" not in ehlo
        assert "XCLIENT" not in ehlo

    async def test_amid_a_transaction_it_is_503(self, start_relay: Any, connect: Any) -> None:
        client = await connect(await start_relay())
        await client.begin()

        assert code(await client.ask(TOLD)) == "503 5.5.1"

    async def test_it_gives_no_right_to_relay(self, start_relay: Any, connect: Any) -> None:
        relay = await start_relay(clients=("192.0.2.0/24",), public=True)
        client = await connect(relay)
        await client.reply()
        await client.ask(b"EHLO forger.example")
        await client.ask(TOLD)

        await client.ask(b"MAIL FROM:<ana@elmpark.example>")

        assert code(await client.ask(b"RCPT TO:<x@other.example>")) == "550 5.7.1"


class TestXforwardOut:
    async def test_it_is_told_with_each_mail(
        self, start_relay: Any, connect: Any, sink: Any
    ) -> None:
        sink.keywords = ("PIPELINING", "8BITMIME", XFORWARD)
        relay = await start_relay()
        client = await connect(relay)
        await client.reply()
        await client.ask(b"EHLO front.example")

        for address in (b"192.0.2.9", b"192.0.2.10"):
            await client.ask(b"XFORWARD NAME=[UNAVAILABLE] IDENT=4DX ADDR=" + address)
            await one_message(client)

        port = client.writer.get_extra_info("sockname")[1]
        line = (
            b"XFORWARD NAME=[UNAVAILABLE] ADDR=%s PROTO=ESMTP HELO=front.example SOURCE=REMOTE"
            b" PORT=%d IDENT=4DX\r\n"
        )
        mail = b"MAIL FROM:<ana@elmpark.example>\r\n"
        assert told(sink) == [line % (b"192.0.2.9", port), mail, line % (b"192.0.2.10", port), mail]
        assert (len(sink.taken), sink.connections) == (2, 1)

    async def test_our_own_id_goes_with_a_client_of_our_own(
        self, start_relay: Any, connect: Any, sink: Any
    ) -> None:
        sink.keywords = (XFORWARD,)
        relay = await start_relay(xforward_from=())
        client = await connect(relay)
        await client.reply()
        await client.ask(b"HELO client.example")

        await one_message(client)

        line = told(sink)[0].decode()
        assert f"IDENT={relay.received[0].queue_id}" in line
        assert "ADDR=127.0.0.1 PROTO=SMTP HELO=client.example SOURCE=LOCAL" in line

    async def test_nothing_is_told_where_nothing_is_offered(
        self, start_relay: Any, connect: Any, sink: Any
    ) -> None:
        client = await connect(await start_relay())
        await client.begin()

        assert len(told(sink)) == 1

    @pytest.mark.parametrize("keywords", [(XFORWARD,), ("PIPELINING", XFORWARD)])
    async def test_long_attributes_go_in_two_commands(self, keywords: Any, sink: Any) -> None:
        sink.keywords = keywords
        hop = SmtpNextHop("127.0.0.1", sink.port, hostname="mg.example")
        delivery = await hop.open(_session(helo="h" * 255, name="n" * 255))

        reply = await delivery.mail(b"<a@b.example>")

        assert reply.code == 250
        assert [len(line) <= 512 for line in told(sink)] == [True, True, True]
        await delivery.close()
        await hop.close()

    @pytest.mark.parametrize("keywords", [(XFORWARD,), ("PIPELINING", XFORWARD)])
    async def test_a_next_hop_that_refuses_it_gets_the_mail_all_the_same(
        self, keywords: Any, sink: Any, capfd: pytest.CaptureFixture[str]
    ) -> None:
        sink.keywords = keywords
        sink.say(b"XFORWARD", b"550 5.7.0 No\r\n")
        hop = SmtpNextHop("127.0.0.1", sink.port, hostname="mg.example")
        replies = []

        for _ in range(2):
            delivery = await hop.open(_session())
            await delivery.mail(b"<a@b.example>")
            await delivery.rcpt(b"<c@d.example>")
            replies.extend(await delivery.data(b"", Raw.of(b"Hello\r\n")))
            await delivery.close()

        assert [reply.code for reply in replies] == [250, 250]
        assert [line[:4] for line in told(sink)] == [b"XFOR", b"MAIL", b"MAIL"]
        await hop.close()

    async def test_a_dead_pooled_connection_is_replaced_and_told_again(self, sink: Any) -> None:
        sink.keywords = ("PIPELINING", XFORWARD)
        hop = SmtpNextHop("127.0.0.1", sink.port, hostname="mg.example")
        await hop.probe()
        sink.say(b"XFORWARD", b"drop")

        delivery = await hop.open(_session())
        reply = await delivery.mail(b"<a@b.example>")

        assert (reply.code, sink.connections) == (250, 2)
        assert [line[:4] for line in told(sink)] == [b"XFOR", b"XFOR", b"MAIL"]
        await delivery.close()
        await hop.close()


class TestXclientIn:
    async def test_the_session_begins_anew_as_that_client(
        self, start_relay: Any, connect: Any
    ) -> None:
        relay = await start_relay(
            xclient_from=LOOPBACK, clients=("127.0.0.0/8", "192.0.2.0/24"), xforward_from=()
        )
        client = await connect(relay)
        await client.reply()
        ehlo = await client.ask(b"EHLO front.example")

        greeting = await client.ask(
            b"XCLIENT NAME=spike.example ADDR=192.0.2.9 PORT=4711 LOGIN=ann"
        )
        too_soon = await client.ask(b"MAIL FROM:<ana@elmpark.example>")
        again = await client.ask(b"EHLO spike.example")
        await one_message(client)

        session = relay.received[0].session
        assert "XCLIENT NAME ADDR PROTO HELO PORT LOGIN DESTADDR DESTPORT" in ehlo
        assert (greeting[:3], code(too_soon)) == ("220", "503 5.5.1")
        assert "XCLIENT" not in again
        assert (session.peer, session.peer_port, session.name) == (
            "192.0.2.9",
            4711,
            "spike.example",
        )
        assert (session.via, session.auth, session.origin) == ("127.0.0.1", "ann", "inside")

    async def test_the_new_clients_rights_count(self, start_relay: Any, connect: Any) -> None:
        relay = await start_relay(xclient_from=LOOPBACK, public=True)
        client = await connect(relay)
        await client.reply()
        await client.ask(b"XCLIENT ADDR=203.0.113.9")
        await client.ask(b"EHLO stranger.example")
        await client.ask(b"MAIL FROM:<ana@elmpark.example>")

        replies = [
            await client.ask(b"RCPT TO:<x@other.example>"),
            await client.ask(b"RCPT TO:<ben@elmpark.example>"),
        ]

        assert [code(reply) for reply in replies] == ["550 5.7.1", "250 Ok"]

    @pytest.mark.parametrize("address", [b"203.0.113.9", b"[UNAVAILABLE]"])
    async def test_a_client_that_may_not_connect_is_turned_away(
        self, address: bytes, start_relay: Any, connect: Any
    ) -> None:
        client = await connect(await start_relay(xclient_from=LOOPBACK))
        await client.reply()

        replies = [await client.ask(b"XCLIENT ADDR=" + address), await client.reply()]

        assert [code(reply) for reply in replies] == ["554 5.7.1", "closed"]

    async def test_amid_a_transaction_it_is_503(self, start_relay: Any, connect: Any) -> None:
        client = await connect(await start_relay(xclient_from=LOOPBACK))
        await client.begin()

        assert code(await client.ask(b"XCLIENT ADDR=192.0.2.9")) == "503 5.5.1"

    async def test_what_was_pipelined_behind_it_counts_for_the_new_client(
        self, start_relay: Any, connect: Any
    ) -> None:
        relay = await start_relay(xclient_from=LOOPBACK, public=True)
        client = await connect(relay)
        await client.reply()

        await client.send(
            b"XCLIENT ADDR=203.0.113.9\r\nHELO x\r\nMAIL FROM:<a@b.example>\r\n"
            b"RCPT TO:<x@other.example>\r\n"
        )
        replies = [code(await client.reply()) for _ in range(4)]

        assert replies[3] == "550 5.7.1"


async def test_a_command_that_is_too_long_is_500_and_tells_nothing(
    start_relay: Any, connect: Any
) -> None:
    relay = await start_relay()
    client = await connect(relay)
    await client.reply()
    await client.ask(b"EHLO client.example")

    reply = await client.ask(b"XFORWARD ADDR=192.0.2.9 HELO=" + b"h" * 5000)
    await one_message(client)

    assert (code(reply), relay.received[0].session.peer) == ("500 5.5.6", "127.0.0.1")


async def test_bytes_one_by_one_are_understood_as_well(start_relay: Any, connect: Any) -> None:
    relay = await start_relay(xclient_from=LOOPBACK, clients=("127.0.0.0/8", "192.0.2.0/24"))
    client = await connect(relay)
    await client.reply()

    for byte in b"XCLIENT ADDR=192.0.2.9\r\n" + b"EHLO c.example\r\n":
        await client.send(bytes([byte]))
        await asyncio.sleep(0)

    assert [(await client.reply())[:3], (await client.reply())[:3]] == ["220", "250"]


class TestXclientOut:
    KEYWORDS = ("PIPELINING", "XCLIENT NAME ADDR PROTO HELO PORT LOGIN DESTADDR")

    def hop(self, sink: Any) -> SmtpNextHop:
        return SmtpNextHop("127.0.0.1", sink.port, hostname="mg.example", xclient=True)

    async def deliver(self, hop: SmtpNextHop, session: Session | None) -> int:
        delivery = await hop.open(session)
        await delivery.mail(b"<a@b.example>")
        await delivery.rcpt(b"<c@d.example>")
        (reply,) = await delivery.data(b"", Raw.of(b"Hello\r\n"))
        await delivery.close()
        return reply.code

    async def test_the_next_hop_sees_the_client_and_each_message_has_its_own_connection(
        self, sink: Any
    ) -> None:
        sink.keywords = self.KEYWORDS
        sink.say(b"XCLIENT", b"220 Go on\r\n", b"220 Go on\r\n")
        hop = self.hop(sink)

        codes = [await self.deliver(hop, _session(auth="ana")) for _ in range(2)]

        assert (codes, sink.connections) == ([250, 250], 2)
        assert sink.commands[1:4] == [
            b"XCLIENT NAME=[UNAVAILABLE] PROTO=ESMTP HELO=client.example PORT=40000 LOGIN=ana"
            b" ADDR=192.0.2.10\r\n",
            b"EHLO client.example\r\n",
            b"MAIL FROM:<a@b.example>\r\n",
        ]
        await hop.close()

    async def test_mail_of_our_own_speaks_for_nobody(self, sink: Any) -> None:
        sink.keywords = self.KEYWORDS
        hop = self.hop(sink)

        codes = [await self.deliver(hop, None) for _ in range(2)]

        assert (codes, sink.connections) == ([250, 250], 1)
        assert not [line for line in sink.commands if line.startswith(b"XCLIENT")]
        await hop.close()

    async def test_xforward_is_preferred(self, sink: Any) -> None:
        sink.keywords = (*self.KEYWORDS, XFORWARD)
        hop = self.hop(sink)

        await self.deliver(hop, _session())

        assert not [line for line in sink.commands if line.startswith(b"XCLIENT")]
        await hop.close()

    async def test_a_pooled_connection_that_is_dead_is_replaced(self, sink: Any) -> None:
        sink.keywords = self.KEYWORDS
        sink.say(b"XCLIENT", b"drop", b"220 Go on\r\n")
        hop = self.hop(sink)
        await hop.probe()

        assert (await self.deliver(hop, _session()), sink.connections) == (250, 2)
        await hop.close()

    async def test_a_client_without_a_known_name_is_introduced_by_ours(self, sink: Any) -> None:
        sink.keywords = self.KEYWORDS
        sink.say(b"XCLIENT", b"220 Go on\r\n")
        hop = self.hop(sink)

        code = await self.deliver(hop, _session(helo=""))

        assert (code, sink.commands[2]) == (250, b"EHLO mg.example\r\n")
        await hop.close()

    async def test_where_it_is_refused_no_mail_goes_under_our_name(self, sink: Any) -> None:
        sink.keywords = self.KEYWORDS
        sink.say(b"XCLIENT", b"550 5.7.0 No\r\n")

        with pytest.raises(NextHopUnavailable, match="answered XCLIENT with 550"):
            await self.hop(sink).open(_session())
