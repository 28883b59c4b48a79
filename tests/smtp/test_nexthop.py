"""The pooled client against a scripted mail server."""

import asyncio
import hashlib
from typing import Any

import pytest

from mailguard.errors import NextHopUnavailable
from mailguard.mail.raw import Raw
from mailguard.smtp.nexthop import MESSAGES_EACH, SmtpNextHop, Timeouts

HELLO = Raw.of(b"Hello\r\n")


def hop_to(sink: Any, host: str = "127.0.0.1", **options: Any) -> SmtpNextHop:
    return SmtpNextHop(host, sink.port, hostname="mg.example", **options)


async def deliver(hop: SmtpNextHop, raw: Raw = HELLO, head: bytes = b"") -> str:
    """One whole transaction: the reply to its final dot."""
    delivery = await hop.open()
    await delivery.mail(b"<a@b.example>")
    await delivery.rcpt(b"<c@d.example>")
    (reply,) = await delivery.data(head, raw)
    await delivery.close()
    return str(reply)


class TestIntroduction:
    async def test_before_the_first_ehlo_8bitmime_and_size_are_announced(self, sink: Any) -> None:
        hop = hop_to(sink)

        assert hop.keywords == ("8BITMIME", "SIZE")

    async def test_a_probe_learns_the_keywords_that_can_be_passed_through(self, sink: Any) -> None:
        sink.keywords = ("STARTTLS", "size 1000", "DSN", "AUTH PLAIN", "CHUNKING", "8BITMIME")
        hop = hop_to(sink)

        await hop.probe()

        assert hop.keywords == ("SIZE 1000", "DSN", "8BITMIME")
        await hop.close()

    async def test_helo_is_said_where_ehlo_is_not_known(self, sink: Any) -> None:
        sink.say(b"EHLO", b"502 What\r\n")
        hop = hop_to(sink)

        await hop.probe()

        assert (
            sink.commands,
            hop.keywords,
        ) == ([b"EHLO mg.example\r\n", b"HELO mg.example\r\n"], ())
        await hop.close()

    @pytest.mark.parametrize(
        ("verb", "answer"),
        [(b"greeting", b"554 No\r\n"), (b"greeting", b"hang"), (b"EHLO", b"250-x\r\ngarbage\r\n")],
    )
    async def test_a_bad_beginning_is_unavailable(
        self, sink: Any, verb: bytes, answer: bytes
    ) -> None:
        sink.say(verb, answer)
        hop = hop_to(sink, timeouts=Timeouts(greeting=0.05))

        with pytest.raises(NextHopUnavailable):
            await hop.open()

    async def test_nobody_listening_is_unavailable(self, sink: Any) -> None:
        await sink.stop()

        with pytest.raises(NextHopUnavailable, match="cannot be reached"):
            await hop_to(sink).open()

    async def test_host_names_are_looked_up(self, sink: Any) -> None:
        hop = hop_to(sink, host="localhost")

        assert await deliver(hop) == "250 2.0.0 Taken"
        await hop.close()

    async def test_ipv6_is_spoken(self, sink: Any) -> None:
        await sink.stop()
        sink.port = 0
        await sink.start("::1")
        hop = hop_to(sink, host="::1")

        assert await deliver(hop) == "250 2.0.0 Taken"
        await hop.close()


class TestPool:
    async def test_one_connection_serves_one_message_after_the_other(self, sink: Any) -> None:
        hop = hop_to(sink)

        replies = [await deliver(hop) for _ in range(3)]

        assert (replies, sink.connections) == (["250 2.0.0 Taken"] * 3, 1)
        await hop.close()

    async def test_deliveries_at_one_time_have_connections_of_their_own(self, sink: Any) -> None:
        hop = hop_to(sink)

        first, second = await hop.open(), await hop.open()

        assert sink.connections == 2
        await first.close()
        await second.close()
        await hop.close()

    async def test_a_dead_pooled_connection_is_replaced_unseen(self, sink: Any, until: Any) -> None:
        hop = hop_to(sink)
        await deliver(hop)
        sink.say(b"MAIL", b"drop")

        reply = await deliver(hop)

        assert (reply, sink.connections) == ("250 2.0.0 Taken", 2)
        await hop.close()

    async def test_a_pooled_connection_that_says_421_is_replaced_unseen(self, sink: Any) -> None:
        hop = hop_to(sink)
        await deliver(hop)
        sink.say(b"MAIL", b"421 4.4.2 Bye\r\n")

        reply = await deliver(hop)

        assert (reply, sink.connections) == ("250 2.0.0 Taken", 2)
        await hop.close()

    async def test_a_new_connection_is_not_replaced(self, sink: Any) -> None:
        sink.say(b"MAIL", b"drop")
        delivery = await hop_to(sink).open()

        with pytest.raises(NextHopUnavailable):
            await delivery.mail(b"<>")

        assert sink.connections == 1

    async def test_a_next_hop_that_restarted_is_found_again(self, sink: Any) -> None:
        hop = hop_to(sink)
        await deliver(hop)
        await sink.stop()
        await sink.start()

        reply = await deliver(hop)

        assert reply == "250 2.0.0 Taken"
        await hop.close()

    async def test_an_idle_connection_is_closed_politely(self, sink: Any, until: Any) -> None:
        hop = hop_to(sink, timeouts=Timeouts(idle=0.02))
        await deliver(hop)

        await until(lambda: b"QUIT\r\n" in sink.commands)
        reply = await deliver(hop)

        assert (reply, sink.connections) == ("250 2.0.0 Taken", 2)
        await hop.close()

    async def test_a_connection_is_not_used_for_ever(self, sink: Any) -> None:
        hop = hop_to(sink)

        for _ in range(MESSAGES_EACH + 1):
            await deliver(hop)

        assert sink.connections == 2
        await hop.close()

    async def test_no_more_are_kept_than_wanted(self, sink: Any, until: Any) -> None:
        hop = hop_to(sink, pooled=1)
        first, second = await hop.open(), await hop.open()

        await first.close()
        await second.close()
        await until(lambda: b"QUIT\r\n" in sink.commands)

        assert sink.commands[2:] == [b"QUIT\r\n"]
        await hop.close()

    async def test_a_delivery_given_up_leaves_a_clean_connection(self, sink: Any) -> None:
        hop = hop_to(sink)
        delivery = await hop.open()
        await delivery.mail(b"<given@up.example>")
        await delivery.rcpt(b"<c@d.example>")

        await delivery.close()
        await delivery.close()
        await deliver(hop)

        assert (sink.connections, [t.mail for t in sink.taken]) == (1, [b"<a@b.example>"])
        assert sink.commands.count(b"RSET\r\n") == 1
        await hop.close()

    async def test_a_delivery_cancelled_while_asking_is_not_reused(self, sink: Any) -> None:
        sink.say(b"RCPT", b"hang")
        hop = hop_to(sink)
        delivery = await hop.open()
        await delivery.mail(b"<>")

        asking = asyncio.create_task(delivery.rcpt(b"<c@d.example>"))
        await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await delivery.close()
        await deliver(hop)

        assert sink.connections == 2
        await hop.close()

    async def test_after_reset_the_same_connection_begins_anew(self, sink: Any) -> None:
        hop = hop_to(sink)
        delivery = await hop.open()
        await delivery.mail(b"<a@b.example>")
        await delivery.rcpt(b"<held@d.example>")

        await delivery.reset()
        await delivery.mail(b"<a@b.example>")
        await delivery.rcpt(b"<c@d.example>")
        await delivery.data(b"", HELLO)
        await delivery.close()

        assert (sink.connections, [t.rcpts for t in sink.taken]) == (1, [[b"<c@d.example>"]])
        await hop.close()

    async def test_a_reset_that_is_refused_is_unavailable(self, sink: Any) -> None:
        sink.say(b"RSET", b"500 What\r\n")
        delivery = await hop_to(sink).open()
        await delivery.mail(b"<>")

        with pytest.raises(NextHopUnavailable):
            await delivery.reset()


class TestData:
    async def test_head_comes_before_the_message_and_both_arrive_exactly(self, sink: Any) -> None:
        hop = hop_to(sink)
        content = b".a\r\n..\r\n\x00\xff" + b"x" * 200_000 + b"\r\n.\r\n"

        await deliver(hop, Raw.of(content), head=b"Received: from a\r\n")

        digest = hashlib.sha256(b"Received: from a\r\n" + content).hexdigest()
        assert digest == hashlib.sha256(sink.taken[0].data).hexdigest()
        await hop.close()

    async def test_a_refused_data_is_returned_and_the_connection_reused(self, sink: Any) -> None:
        sink.say(b"DATA", b"452 4.3.1 Full\r\n")
        hop = hop_to(sink)

        replies = [await deliver(hop), await deliver(hop)]

        assert replies == ["452 4.3.1 Full", "250 2.0.0 Taken"]
        assert sink.connections == 1
        await hop.close()

    async def test_421_to_the_final_dot_means_that_it_was_not_accepted(self, sink: Any) -> None:
        sink.say(b".", b"421 4.3.2 Going down\r\n")
        hop = hop_to(sink)
        delivery = await hop.open()
        await delivery.mail(b"<>")
        await delivery.rcpt(b"<c@d.example>")

        with pytest.raises(NextHopUnavailable, match="closed with 421") as caught:
            await delivery.data(b"", HELLO)
        await delivery.close()

        assert not caught.value.may_have_accepted
        assert (await deliver(hop), sink.connections) == ("250 2.0.0 Taken", 2)
        await hop.close()

    @pytest.mark.parametrize("answer", [b"drop", b"hang", b"nonsense\r\n"])
    async def test_no_reply_to_the_final_dot_may_mean_that_it_was_accepted(
        self, sink: Any, answer: bytes
    ) -> None:
        sink.say(b".", answer)
        delivery = await hop_to(sink, timeouts=Timeouts(final=0.05)).open()
        await delivery.mail(b"<>")
        await delivery.rcpt(b"<c@d.example>")

        with pytest.raises(NextHopUnavailable) as caught:
            await delivery.data(b"", HELLO)

        assert caught.value.may_have_accepted

    async def test_a_connection_lost_before_the_final_dot_means_that_it_was_not(
        self, sink: Any
    ) -> None:
        sink.say(b"DATA", b"drop")
        delivery = await hop_to(sink).open()
        await delivery.mail(b"<>")
        await delivery.rcpt(b"<c@d.example>")

        with pytest.raises(NextHopUnavailable) as caught:
            await delivery.data(b"", HELLO)

        assert not caught.value.may_have_accepted

    async def test_a_next_hop_that_reads_no_data_times_out_without_taking_memory(
        self, sink: Any
    ) -> None:
        sink.reads_data = False
        delivery = await hop_to(sink, timeouts=Timeouts(command=0.1, final=0.1)).open()
        await delivery.mail(b"<>")
        await delivery.rcpt(b"<c@d.example>")

        with pytest.raises(NextHopUnavailable) as caught:
            await delivery.data(b"", Raw.of(b"x" * (64 << 20)))

        assert not caught.value.may_have_accepted

    async def test_data_given_up_halfway_leaves_no_connection_and_no_message(
        self, sink: Any, until: Any
    ) -> None:
        sink.reads_data = False
        hop = hop_to(sink)
        delivery = await hop.open()
        await delivery.mail(b"<>")
        await delivery.rcpt(b"<c@d.example>")

        sending = asyncio.create_task(delivery.data(b"", Raw.of(b"x" * (32 << 20))))
        await until(lambda: b"DATA\r\n" in sink.commands)
        await asyncio.sleep(0.02)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await delivery.close()
        sink.reads_data = True
        await deliver(hop)

        assert (sink.connections, [taken.data for taken in sink.taken]) == (2, [b"Hello\r\n"])
        await hop.close()

    async def test_a_reply_before_it_is_due_is_not_taken_for_the_answer(self, sink: Any) -> None:
        sink.say(b"RCPT", b"250 Ok\r\n250 And one more\r\n")
        delivery = await hop_to(sink).open()
        await delivery.mail(b"<>")
        await delivery.rcpt(b"<c@d.example>")

        with pytest.raises(NextHopUnavailable):
            await delivery.data(b"", HELLO)

        assert sink.taken == []

    async def test_an_argument_with_a_line_end_is_never_sent(self, sink: Any) -> None:
        delivery = await hop_to(sink).open()

        with pytest.raises(ValueError, match="line end"):
            await delivery.mail(b"<a@b.example>\r\nRCPT TO:<x@y.example>")

        assert sink.commands == [b"EHLO mg.example\r\n"]


async def test_one_that_goes_on_talking_unasked_is_let_go() -> None:
    gone = asyncio.Event()

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(b"220 sink.example\r\n")
            await reader.readline()
            writer.write(b"250 sink.example\r\n")
            while True:
                writer.write(b"250 2.0.0 Ok\r\n" * 1000)
                await writer.drain()
        except ConnectionError:
            gone.set()
        finally:
            writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    hop = SmtpNextHop("127.0.0.1", server.sockets[0].getsockname()[1], hostname="mg.example")

    await hop.probe()
    async with asyncio.timeout(3):
        await gone.wait()

    await hop.close()
    server.close()
