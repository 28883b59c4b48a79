"""The server between a real client and a real sink: who gets what answer, and where mail goes."""

import asyncio
import socket
from typing import Any

import pytest

from mailguard.mail.envelope import Origin, Path, Session, Transaction
from mailguard.mail.reply import Replies
from mailguard.ports import Delivery
from mailguard.smtp.limits import Limits
from mailguard.smtp.nexthop import SmtpNextHop, Timeouts
from mailguard.smtp.server import listen
from mailguard.testing import NOON, mail


def code(reply: str) -> str:
    """Code and enhanced code."""
    return " ".join(reply.split()[:2])


class TestAccepting:
    async def test_a_transaction_holds_all_that_is_known(
        self, start_relay: Any, connect: Any
    ) -> None:
        relay = await start_relay()
        client = await connect(relay)

        await client.reply()
        await client.ask(b"EHLO cl\xffent(x)")
        await client.ask(b"MAIL FROM:<> SIZE=5")
        await client.ask(b"RCPT TO:<ben@elmpark.example> NOTIFY=NEVER")
        await client.data(b"Hello\r\n")

        (transaction,) = relay.received
        port = client.writer.get_extra_info("sockname")[1]
        assert transaction.session == Session(
            listener="mail",
            origin=Origin.ANY,
            peer="127.0.0.1",
            peer_port=port,
            helo="cl\\xffent(x)",
            esmtp=True,
        )
        assert transaction.envelope.sender == Path(argument=b"<> SIZE=5", address="")
        assert transaction.envelope.recipients == (
            Path(argument=b"<ben@elmpark.example> NOTIFY=NEVER", address="ben@elmpark.example"),
        )
        assert (transaction.raw.buffer, transaction.received) == (b"Hello\r\n", NOON)
        assert len(transaction.queue_id) == 16

    async def test_a_whole_session_pipelined_in_two_packets_is_obeyed_in_order(
        self, start_relay: Any, connect: Any, sink: Any
    ) -> None:
        relay = await start_relay()
        client = await connect(relay)
        await client.reply()

        await client.send(
            b"EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n"
        )
        replies = [(await client.reply())[:3] for _ in range(4)]
        await client.send(b"One\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<e@f.example>\r\nDATA\r\n")
        replies += [(await client.reply())[:3] for _ in range(4)]
        await client.send(b"Two\r\n.\r\nQUIT\r\n")
        replies += [await client.reply() for _ in range(3)]

        codes = ["250", "250", "250", "354", "250", "250", "250", "354"]
        assert [*codes, "250 2.0.0 Taken", "221 2.0.0 Bye", "closed"] == replies
        assert [taken.data for taken in sink.taken] == [b"One\r\n", b"Two\r\n"]

    async def test_recipients_that_the_next_hop_refuses_are_not_in_the_envelope(
        self, start_relay: Any, connect: Any, sink: Any
    ) -> None:
        sink.say(b"RCPT", b"250 Ok\r\n", b"550 5.1.1 No such user\r\n", b"250 Ok\r\n")
        relay = await start_relay()
        client = await connect(relay)

        replies = await client.begin(b"<a@b.example>", b"<c@d.e>", b"<x@d.e>", b"<f@d.e>")
        await client.data(b"Hello\r\n")

        assert replies == ["250 Ok", "250 Ok", "550 5.1.1 No such user", "250 Ok"]
        addresses = [path.address for path in relay.received[0].envelope.recipients]
        assert addresses == ["c@d.e", "f@d.e"]
        assert sink.taken[0].rcpts == [b"<c@d.e>", b"<f@d.e>"]

    async def test_ipv6_clients_are_served(self, start_relay: Any, connect: Any, sink: Any) -> None:
        relay = await start_relay(host="::1", clients=("::1/128",))
        client = await connect(relay, "::1")

        await client.begin()
        reply = await client.data(b"Hello\r\n")

        assert reply == "250 2.0.0 Taken"
        assert relay.received[0].session.peer == "::1"

    async def test_an_ipv4_client_of_an_ipv6_socket_is_known_by_its_ipv4_address(
        self, start_relay: Any, connect: Any
    ) -> None:
        relay = await start_relay(host="::", clients=("127.0.0.0/8",))
        client = await connect(relay, "127.0.0.1")

        await client.begin()
        await client.data(b"Hello\r\n")

        assert relay.received[0].session.peer == "127.0.0.1"

    async def test_two_servers_may_share_a_port(self, start_relay: Any, connect: Any) -> None:
        first = listen("127.0.0.1", 0, shared=True)
        port = first.getsockname()[1]

        second = listen("127.0.0.1", port, shared=True)

        assert port == second.getsockname()[1]
        first.close()
        second.close()

    async def test_accepted_connections_do_not_wait_for_nagle(self) -> None:
        sock = listen("127.0.0.1", 0)

        assert sock.proto == socket.IPPROTO_TCP
        sock.close()


class TestReplies:
    @pytest.mark.parametrize(
        ("verb", "answer"),
        [
            (b"MAIL", b"450 4.7.1 Later\r\n"),
            (b"MAIL", b"550 5.7.1 Never\r\n"),
            (b"RCPT", b"450 4.2.0 Greylisted\r\n"),
            (b"RCPT", b"550 5.1.1 No such user\r\n"),
            (b"DATA", b"451 4.3.0 Not now\r\n"),
            (b".", b"452 4.3.1 Full\r\n"),
            (b".", b"554 5.6.0 Not like this\r\n"),
            (b".", b"250 2.6.0 <1@x.example> Queued\r\n"),
        ],
    )
    async def test_the_next_hops_reply_comes_back(
        self, start_relay: Any, connect: Any, sink: Any, verb: bytes, answer: bytes
    ) -> None:
        sink.say(verb, answer)
        relay = await start_relay()
        client = await connect(relay)

        replies = await client.begin()
        if verb in (b"DATA", b"."):
            replies.append(await client.data(b"Hello\r\n"))

        assert answer.decode().rstrip() in replies

    async def test_lines_of_a_reply_are_all_passed_and_nothing_is_injected(
        self, start_relay: Any, connect: Any, sink: Any
    ) -> None:
        sink.say(b"RCPT", b"550-5.1.1 Caf\xc3\xa9 \x1b[31m\r\n550 5.1.1 \x00end\r\n")
        relay = await start_relay()
        client = await connect(relay)

        replies = await client.begin()

        assert replies[1] == "550-5.1.1 Caf? ?[31m/550 5.1.1 ?end"

    async def test_a_next_hop_that_is_down_is_451_at_mail_with_the_queue_id(
        self, start_relay: Any, connect: Any, sink: Any
    ) -> None:
        relay = await start_relay()
        await sink.stop()
        client = await connect(relay)

        await client.reply()
        await client.ask(b"EHLO c.example")
        reply = await client.ask(b"MAIL FROM:<a@b.example>")

        assert code(reply) == "451 4.4.1"
        assert len(reply.rpartition("(")[2].rstrip(")")) == 16

    @pytest.mark.parametrize("verb", [b"greeting", b"EHLO", b"MAIL", b"RCPT", b"DATA", b"."])
    @pytest.mark.parametrize(
        "answer", [b"drop", b"Hello\r\n", b"334 What\r\n", b"421 4.3.2 Going down\r\n"]
    )
    async def test_a_next_hop_that_breaks_off_or_talks_nonsense_is_451(
        self, start_relay: Any, connect: Any, sink: Any, verb: bytes, answer: bytes
    ) -> None:
        sink.say(verb, answer)
        sink.say(b"HELO", b"drop")
        relay = await start_relay()
        client = await connect(relay)

        await client.begin()
        await client.ask(b"DATA")
        await client.send(b"Hello\r\n.\r\n")
        await client.reply()

        assert "451" in [reply[:3] for reply in client.heard]
        assert "250 2.0.0 Taken" not in client.heard

    async def test_a_next_hop_that_does_not_answer_is_451(
        self, start_relay: Any, connect: Any, sink: Any
    ) -> None:
        sink.say(b"RCPT", b"hang")
        hop = SmtpNextHop(
            "127.0.0.1", sink.port, hostname="mg.example", timeouts=Timeouts(command=0.05)
        )
        relay = await start_relay(next_hop=hop)
        client = await connect(relay)

        replies = await client.begin()

        assert [replies[0], code(replies[1])] == ["250 Ok", "451 4.4.1"]

    async def test_a_positive_reply_to_data_itself_is_not_taken_for_delivery(
        self, start_relay: Any, connect: Any, sink: Any
    ) -> None:
        sink.say(b"DATA", b"250 Ok\r\n")
        relay = await start_relay()
        client = await connect(relay)

        await client.begin()
        reply = await client.data(b"Hello\r\n")

        assert code(reply) == "451 4.3.0"

    async def test_a_fault_of_ours_is_451_and_says_nothing_about_itself(
        self, start_relay: Any, connect: Any, sink: Any
    ) -> None:
        async def break_(transaction: Transaction, delivery: Delivery) -> Replies:
            raise RuntimeError("secret")

        relay = await start_relay(receive=break_)
        client = await connect(relay)

        await client.begin()
        reply = await client.data(b"Hello\r\n")

        queue_id = relay.received[0].queue_id
        wanted = f"451 4.3.0 Temporary failure, please try again later ({queue_id})"
        assert (wanted, []) == (reply, sink.taken)

    async def test_even_a_cancelled_receive_is_451(self, start_relay: Any, connect: Any) -> None:
        async def cancel(transaction: Transaction, delivery: Delivery) -> Replies:
            raise asyncio.CancelledError

        relay = await start_relay(receive=cancel)
        client = await connect(relay)

        await client.begin()
        reply = await client.data(b"Hello\r\n")

        assert code(reply) == "451 4.3.0"

    async def test_without_room_a_large_message_is_452_and_the_session_goes_on(
        self, start_relay: Any, connect: Any
    ) -> None:
        room = iter([False, True])

        async def has_room() -> bool:
            return next(room)

        relay = await start_relay(has_room=has_room)
        client = await connect(relay)

        await client.begin(b"<ana@elmpark.example> SIZE=2000000")
        first = await client.ask(b"DATA")
        second = await client.data(b"Hello\r\n")

        assert (code(first), second) == ("452 4.3.1", "250 2.0.0 Taken")

    async def test_without_room_a_small_message_is_judged_all_the_same(
        self, start_relay: Any, connect: Any
    ) -> None:
        async def has_room() -> bool:
            return False

        relay = await start_relay(has_room=has_room)
        client = await connect(relay)

        await client.begin()

        assert await client.data(b"Please help me\r\n") == "250 2.0.0 Taken"

    async def test_a_broken_look_for_room_is_451(self, start_relay: Any, connect: Any) -> None:
        async def has_room() -> bool:
            raise OSError

        relay = await start_relay(has_room=has_room)
        client = await connect(relay)

        await client.begin(b"<ana@elmpark.example> SIZE=2000000")
        replies = [await client.ask(b"DATA"), await client.ask(b"NOOP")]

        assert [code(reply) for reply in replies] == ["451 4.3.0", "250 2.0.0"]

    async def test_a_disk_that_takes_no_large_message_is_452_after_the_data(
        self, start_relay: Any, connect: Any, tmp_path: Any, sink: Any
    ) -> None:
        relay = await start_relay()
        tmp_path.rmdir()
        client = await connect(relay)

        await client.begin()
        replies = [await client.data(b"x\r\n" * 500_000), await client.ask(b"NOOP")]

        assert [code(reply) for reply in replies] == ["452 4.3.1", "250 2.0.0"]
        assert sink.taken == []

    async def test_smtputf8_is_555_where_the_next_hop_lacks_it(
        self, start_relay: Any, connect: Any, sink: Any
    ) -> None:
        sink.keywords = ("8BITMIME",)
        relay = await start_relay()
        await relay.next_hop.probe()
        client = await connect(relay)

        replies = await client.begin("<zoë@b.example> SMTPUTF8".encode())

        assert code(replies[0]) == "555 5.5.4"


class TestLimits:
    async def test_a_message_over_the_size_limit_is_552_and_the_next_one_passes(
        self, start_relay: Any, connect: Any, sink: Any
    ) -> None:
        relay = await start_relay(limits=Limits(message_bytes=1000))
        client = await connect(relay)

        await client.begin()
        replies = [await client.data(b"x" * 999 + b"\r\n")]
        await client.ask(b"MAIL FROM:<>")
        await client.ask(b"RCPT TO:<b@c.example>")
        replies.append(await client.data(b"x" * 998 + b"\r\n"))

        assert [code(reply) for reply in replies] == ["552 5.3.4", "250 2.0.0"]
        assert [len(taken.data) for taken in sink.taken] == [1000]

    async def test_recipients_beyond_the_limit_are_452(
        self, start_relay: Any, connect: Any
    ) -> None:
        relay = await start_relay(limits=Limits(recipients=2))
        client = await connect(relay)

        replies = await client.begin(b"<>", b"<a@b.c>", b"<b@b.c>", b"<c@b.c>")

        assert [code(reply) for reply in replies[1:]] == ["250 Ok", "250 Ok", "452 4.5.3"]

    async def test_names_that_are_tried_out_count_too_and_come_to_an_end(
        self, start_relay: Any, connect: Any, sink: Any
    ) -> None:
        sink.say(b"RCPT", *[b"550 5.1.1 No such user\r\n"] * 30)
        relay = await start_relay(limits=Limits(recipients=3))
        client = await connect(relay)

        replies = await client.begin(b"<>", *[b"<guess@elmpark.example>"] * 31)

        codes = [reply[:3] for reply in replies[1:]]
        assert codes == ["550"] * 3 + ["452"] * 27 + ["421"]
        assert await client.reply() == "closed"
        assert sum(command.startswith(b"RCPT") for command in sink.commands) == 3

    async def test_a_message_in_a_loop_is_554(
        self, start_relay: Any, connect: Any, sink: Any
    ) -> None:
        relay = await start_relay(limits=Limits(hops=3))
        client = await connect(relay)
        hop = b"Received: from a by b;\r\n\tdate\r\n"

        await client.begin()
        first = await client.data(hop * 4 + b"\r\nHello\r\n")
        await client.ask(b"MAIL FROM:<>")
        await client.ask(b"RCPT TO:<b@c.example>")
        second = await client.data(hop * 3 + b"\r\n" + hop + b"\r\n")

        assert [code(first), code(second)] == ["554 5.4.6", "250 2.0.0"]

    async def test_a_command_line_may_be_4096_bytes_and_no_more(
        self, start_relay: Any, connect: Any
    ) -> None:
        relay = await start_relay()
        client = await connect(relay)
        await client.reply()

        longest = await client.ask(b"NOOP " + b"x" * 4089)
        longer = await client.ask(b"NOOP " + b"x" * 4090)
        endless = await client.ask(b"NOOP " + b"x" * 500_000)
        after = await client.ask(b"NOOP")

        assert [code(reply) for reply in (longest, longer, endless, after)] == [
            "250 2.0.0",
            "500 5.5.6",
            "500 5.5.6",
            "250 2.0.0",
        ]

    async def test_a_command_that_ends_in_a_bare_line_feed_is_500_and_the_end(
        self, start_relay: Any, connect: Any
    ) -> None:
        relay = await start_relay()
        client = await connect(relay)
        await client.reply()

        await client.send(b"NOOP\nMAIL FROM:<a@b.example>\r\n")

        assert code(await client.reply()) == "500 5.5.2"
        assert await client.reply() == "closed"

    async def test_commands_without_a_message_come_to_an_end(
        self, start_relay: Any, connect: Any
    ) -> None:
        relay = await start_relay(limits=Limits(idle_commands=3))
        client = await connect(relay)
        await client.reply()

        replies = [await client.ask(b"RSET") for _ in range(4)]

        assert [code(reply) for reply in replies] == ["250 2.0.0"] * 3 + ["421 4.7.0"]
        assert await client.reply() == "closed"

    async def test_a_message_makes_good_for_errors_and_idle_commands(
        self, start_relay: Any, connect: Any
    ) -> None:
        relay = await start_relay(limits=Limits(idle_commands=4, errors=2))
        client = await connect(relay)

        await client.begin()
        await client.ask(b"WHAT")
        await client.data(b"Hello\r\n")
        replies = [await client.ask(b"WHAT")] + [await client.ask(b"NOOP") for _ in range(4)]

        assert [code(reply) for reply in replies] == ["502 5.5.1"] + ["250 2.0.0"] * 4

    async def test_strangers_are_554_at_the_greeting(self, start_relay: Any, connect: Any) -> None:
        relay = await start_relay(clients=("192.0.2.0/24",))

        client = await connect(relay)

        assert code(await client.reply()) == "554 5.7.1"
        assert await client.reply() == "closed"

    @pytest.mark.parametrize(
        "limits",
        [Limits(connections=2), Limits(connections_per_address=2)],
        ids=["in all", "from one address"],
    )
    async def test_connections_beyond_the_limit_are_421_until_one_ends(
        self, start_relay: Any, connect: Any, until: Any, limits: Limits
    ) -> None:
        relay = await start_relay(limits=limits)
        first, second, third = [await connect(relay) for _ in range(3)]

        greetings = [code(await client.reply()) for client in (first, second, third)]
        await first.ask(b"QUIT")
        await first.reply()
        fourth = await connect(relay)
        greetings.append(code(await fourth.reply()))

        assert greetings == ["220 mg.elmpark.example"] * 2 + ["421 4.7.0", "220 mg.elmpark.example"]

    async def test_who_speaks_before_the_greeting_is_554(self, start_relay: Any) -> None:
        relay = await start_relay()

        # The loop does not run before both calls are done, so the server cannot have greeted.
        with socket.create_connection(("127.0.0.1", relay.port)) as sock:
            sock.sendall(b"EHLO spam.example\r\n")
            sock.setblocking(False)
            reply = await asyncio.get_running_loop().sock_recv(sock, 100)

        assert reply.startswith(b"554 5.5.0 ")

    async def test_a_client_that_says_nothing_gets_421(
        self, start_relay: Any, connect: Any
    ) -> None:
        relay = await start_relay(limits=Limits(idle_s=0.05))
        client = await connect(relay)

        replies = [await client.reply() for _ in range(3)]

        assert [code(replies[1]), replies[2]] == ["421 4.4.2", "closed"]

    async def test_a_command_that_drips_for_ever_comes_to_an_end(
        self, start_relay: Any, connect: Any
    ) -> None:
        relay = await start_relay(limits=Limits(idle_s=0.1))
        client = await connect(relay)
        await client.reply()

        async def drip() -> None:
            while True:
                await client.send(b"N")
                await asyncio.sleep(0.01)

        dripping = asyncio.create_task(drip())
        try:
            assert code(await client.reply()) == "421 4.4.2"
        finally:
            dripping.cancel()

    async def test_data_that_drips_for_ever_comes_to_an_end(
        self, start_relay: Any, connect: Any, sink: Any
    ) -> None:
        relay = await start_relay(limits=Limits(data_s=0.1))
        client = await connect(relay)
        await client.begin()
        await client.ask(b"DATA")

        reply = asyncio.create_task(client.reply())
        while not reply.done():
            await client.send(b"x")
            await asyncio.sleep(0.005)

        assert (code(await reply), sink.taken) == ("421 4.4.2", [])

    async def test_the_time_for_judging_is_not_the_clients(
        self, start_relay: Any, connect: Any
    ) -> None:
        async def think(transaction: Transaction, delivery: Delivery) -> Replies:
            await asyncio.sleep(0.2)
            return (await delivery.data(b"", transaction.raw))[:1]

        relay = await start_relay(receive=think, limits=Limits(idle_s=0.1, data_s=0.1))
        client = await connect(relay)

        await client.begin()
        reply = await client.data(b"Hello\r\n")

        assert reply == "250 2.0.0 Taken"


class TestVanishedClients:
    async def test_a_client_gone_before_the_final_dot_leaves_nothing_and_frees_the_next_hop(
        self, start_relay: Any, connect: Any, sink: Any, until: Any
    ) -> None:
        relay = await start_relay()
        client = await connect(relay)
        await client.begin()
        await client.ask(b"DATA")

        await client.send(b"Hello\r\n")
        client.close()
        await until(lambda: b"RSET\r\n" in sink.commands)

        assert (sink.taken, relay.received) == ([], [])

    async def test_a_client_that_closes_its_half_after_the_dot_gets_its_reply(
        self, start_relay: Any, connect: Any
    ) -> None:
        relay = await start_relay()
        client = await connect(relay)
        await client.begin()
        await client.ask(b"DATA")

        await client.send(b"Hello\r\n.\r\n")
        await client.half_close()
        replies = [await client.reply() for _ in range(2)]

        assert replies == ["250 2.0.0 Taken", "closed"]

    @pytest.mark.parametrize("leave", ["reset", "close"])
    async def test_a_transaction_outlives_its_socket(
        self, start_relay: Any, connect: Any, sink: Any, until: Any, leave: str
    ) -> None:
        may_go_on = asyncio.Event()

        async def wait(transaction: Transaction, delivery: Delivery) -> Replies:
            await may_go_on.wait()
            return (await delivery.data(b"", transaction.raw))[:1]

        relay = await start_relay(receive=wait)
        client = await connect(relay)
        await client.begin()
        await client.ask(b"DATA")

        await client.send(b"Hello\r\n.\r\n")
        await until(lambda: len(relay.received) == 1)
        getattr(client, leave)()
        another = await connect(relay)
        await another.reply()
        may_go_on.set()
        await until(lambda: len(sink.taken) == 1)

        assert [taken.data for taken in sink.taken] == [b"Hello\r\n"]

    async def test_a_client_that_resets_while_the_next_hop_is_asked_frees_it(
        self, start_relay: Any, connect: Any, sink: Any, until: Any
    ) -> None:
        sink.say(b"RCPT", b"hang")
        relay = await start_relay()
        client = await connect(relay)
        await client.reply()
        await client.ask(b"EHLO c.example")
        await client.ask(b"MAIL FROM:<>")

        await client.send(b"RCPT TO:<a@b.example>\r\n")
        await until(lambda: b"RCPT TO:<a@b.example>\r\n" in sink.commands)
        client.reset()
        await until(lambda: not relay.server.is_busy)

        assert not relay.server.is_busy


class TestStopping:
    async def test_idle_connections_get_421(self, start_relay: Any, connect: Any) -> None:
        relay = await start_relay()
        client = await connect(relay)
        await client.reply()
        await client.ask(b"EHLO c.example")

        left = await relay.server.stop(grace_s=5)

        assert (code(await client.reply()), left) == ("421 4.3.2", 0)

    async def test_a_transaction_under_way_finishes_and_then_its_session_ends(
        self, start_relay: Any, connect: Any, sink: Any
    ) -> None:
        relay = await start_relay()
        client = await connect(relay)
        await client.begin()
        await client.ask(b"DATA")

        stopping = asyncio.create_task(relay.server.stop(grace_s=5))
        await asyncio.sleep(0)
        await client.send(b"Hello\r\n.\r\n")
        replies = [await client.reply() for _ in range(3)]

        assert [code(reply) for reply in replies] == ["250 2.0.0", "421 4.3.2", "closed"]
        assert (await stopping, len(sink.taken)) == (0, 1)

    async def test_nobody_new_is_let_in(self, start_relay: Any, connect: Any) -> None:
        relay = await start_relay()
        await relay.server.stop(grace_s=5)

        with pytest.raises(ConnectionRefusedError):
            await connect(relay)

    async def test_what_outlasts_the_grace_is_cut_off(self, start_relay: Any, connect: Any) -> None:
        relay = await start_relay()
        client = await connect(relay)
        await client.begin()

        left = await relay.server.stop(grace_s=0.05)

        assert (left, await client.reply()) == (1, "closed")


async def test_a_message_of_the_largest_size_is_relayed(
    start_relay: Any, connect: Any, sink: Any
) -> None:
    size = 4 << 20
    sink.keywords = ("SIZE", "8BITMIME")
    relay = await start_relay(limits=Limits(message_bytes=size))
    client = await connect(relay)
    content = mail() + b"x" * (size - len(mail()) - 2) + b"\r\n"

    await client.begin()
    reply = await client.data(content)

    assert ("250 2.0.0 Taken", content) == (reply, sink.taken[0].data)
