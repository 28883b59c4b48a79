"""A list of hosts: who is asked when, and who is not asked any more."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from mailguard import metrics
from mailguard.errors import NextHopUnavailable
from mailguard.mail.raw import Raw
from mailguard.smtp.failover import Failover
from mailguard.smtp.nexthop import SmtpNextHop, Timeouts
from mailguard.smtp.tls import NextHopTls
from mailguard.testing.logged import capture_events

QUICK = Timeouts(connect=2, greeting=2, command=2, final=2)


@pytest.fixture
async def sinks(sink: Any) -> AsyncIterator[Callable[[int], Awaitable[list[Any]]]]:
    """So many mail servers."""
    running = [sink]

    async def start(number: int) -> list[Any]:
        while len(running) < number:
            running.append(type(sink)())
            await running[-1].start()
        return running

    yield start
    for each in running[1:]:
        await each.stop()


def list_of(sinks: list[Any], timeouts: Timeouts = QUICK, **options: Any) -> Failover:
    hosts = [
        SmtpNextHop("127.0.0.1", sink.port, hostname="mg.example", timeouts=timeouts, **options)
        for sink in sinks
    ]
    return Failover(hosts, timeouts)


async def deliver(hop: Failover) -> str:
    """One whole transaction: the reply to its final dot."""
    delivery = await hop.open()
    await delivery.mail(b"<a@b.example>")
    await delivery.rcpt(b"<c@d.example>")
    (reply,) = await delivery.data(b"", Raw.of(b"Hello\r\n"))
    await delivery.close()
    return str(reply)


def taken(sinks: list[Any]) -> list[int]:
    """How many messages each got."""
    return [len(sink.taken) for sink in sinks]


class TestWhoIsAsked:
    async def test_all_mail_goes_to_the_first_while_it_answers(self, sinks: Any) -> None:
        servers = await sinks(2)
        hop = list_of(servers)

        for _ in range(3):
            await deliver(hop)

        assert (taken(servers), servers[1].connections) == ([3, 0], 0)
        await hop.close()

    @pytest.mark.parametrize(
        ("verb", "answers"),
        [
            (b"greeting", [b"554 5.3.2 No\r\n"]),
            (b"greeting", [b"421 4.3.2 Not now\r\n"]),
            (b"greeting", [b"drop"]),
            (b"greeting", [b"nonsense\r\n"]),
            (b"EHLO", [b"drop"]),
            (b"MAIL", [b"drop"]),
            (b"MAIL", [b"421 4.3.2 Not now\r\n"]),
        ],
    )
    async def test_a_host_that_lets_nobody_in_is_passed_over(
        self, sinks: Any, verb: bytes, answers: list[bytes]
    ) -> None:
        servers = await sinks(2)
        servers[0].say(verb, *answers)
        hop = list_of(servers)

        reply = await deliver(hop)

        assert (reply, taken(servers)) == ("250 2.0.0 Taken", [0, 1])
        await hop.close()

    async def test_a_host_without_the_tls_that_must_be_is_passed_over(self, sinks: Any) -> None:
        servers = await sinks(2)
        strict = list_of(servers[:1], tls=NextHopTls.REQUIRE).routes
        hop = Failover((*strict, *list_of(servers[1:]).routes), QUICK)

        await deliver(hop)

        assert taken(servers) == [0, 1]
        await hop.close()

    async def test_a_host_that_is_down_is_left_aside_for_a_while(self, sinks: Any) -> None:
        servers = await sinks(2)
        hop = list_of(servers)
        await servers[0].stop()

        await deliver(hop)
        await servers[0].start()
        await deliver(hop)

        assert (taken(servers), servers[0].connections) == ([0, 2], 0)
        await hop.close()

    async def test_after_a_while_it_is_asked_again_and_both_changes_are_logged(
        self, sinks: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("mailguard.smtp.nexthop.ASIDE_S", 0.05)
        counted: list[int] = []
        monkeypatch.setattr(metrics, "next_hop_failed_over", lambda: counted.append(1))
        servers = await sinks(2)
        first, second = (f"127.0.0.1:{server.port}" for server in servers)
        hop = list_of(servers)
        await servers[0].stop()

        with capture_events() as logs:
            await deliver(hop)
            await deliver(hop)
            await servers[0].start()
            await asyncio.sleep(0.06)
            await deliver(hop)

        assert taken(servers) == [1, 2]
        assert [(each["event"], each["next_hop"]) for each in logs] == [
            ("next_hop_took_over", second),
            ("next_hop_back", first),
        ]
        assert logs[0]["instead_of"] == first
        assert f"{first} cannot be reached: connection refused" in logs[0]["error"]
        assert len(counted) == 2
        await hop.close()

    async def test_a_host_that_was_down_at_the_start_is_logged_with_the_first_message(
        self, sinks: Any
    ) -> None:
        servers = await sinks(2)
        hop = list_of(servers)
        await servers[0].stop()
        await hop.probe()

        with capture_events() as logs:
            await deliver(hop)

        assert [each["event"] for each in logs] == ["next_hop_took_over"]
        assert "connection refused" in logs[0]["error"]
        await hop.close()

    async def test_where_no_other_is_left_the_ones_aside_are_asked_at_once(
        self, sinks: Any
    ) -> None:
        servers = await sinks(2)
        hop = list_of(servers)
        for server in servers:
            await server.stop()
        with pytest.raises(NextHopUnavailable) as caught:
            await deliver(hop)
        await servers[1].start()

        reply = await deliver(hop)

        assert (reply, taken(servers)) == ("250 2.0.0 Taken", [0, 1])
        assert all(str(server.port) in str(caught.value) for server in servers)
        await hop.close()

    async def test_a_dead_pooled_connection_is_no_reason_to_go_elsewhere(self, sinks: Any) -> None:
        servers = await sinks(2)
        hop = list_of(servers)
        await deliver(hop)
        servers[0].say(b"MAIL", b"drop")

        await deliver(hop)

        assert (taken(servers), servers[0].connections) == ([2, 0], 2)
        await hop.close()

    async def test_a_host_that_restarts_amid_is_passed_over_at_the_next_mail(
        self, sinks: Any
    ) -> None:
        servers = await sinks(2)
        hop = list_of(servers)
        await deliver(hop)
        await servers[0].stop()

        await deliver(hop)

        assert taken(servers) == [1, 1]
        await hop.close()

    async def test_the_time_until_a_connection_is_had_is_bounded_over_all_hosts(
        self, sinks: Any
    ) -> None:
        servers = await sinks(3)
        for server in servers[:2]:
            server.say(b"greeting", b"hang")
        hop = list_of(servers, Timeouts(greeting=0.4, reach=0.6))

        async with asyncio.timeout(2):
            with pytest.raises(NextHopUnavailable, match="too long"):
                await hop.open()
        first = [server.connections for server in servers]
        reply = await deliver(hop)

        assert (first, reply, taken(servers)) == ([1, 1, 0], "250 2.0.0 Taken", [0, 0, 1])
        await hop.close()


class TestWhoIsNotAsked:
    @pytest.mark.parametrize("reply", ["450 4.7.1 Later", "550 5.1.0 No", "452 4.3.1 Full"])
    async def test_a_hosts_own_refusal_is_passed_on(self, sinks: Any, reply: str) -> None:
        servers = await sinks(2)
        servers[0].say(b"MAIL", reply.encode() + b"\r\n")
        hop = list_of(servers)
        delivery = await hop.open()

        assert str(await delivery.mail(b"<a@b.example>")) == reply
        assert servers[1].connections == 0
        await delivery.close()
        await hop.close()

    @pytest.mark.parametrize("verb", [b"RCPT", b"DATA", b"."])
    async def test_a_host_that_took_mail_is_the_only_one_for_this_message(
        self, sinks: Any, verb: bytes
    ) -> None:
        servers = await sinks(2)
        servers[0].say(verb, b"drop")
        hop = list_of(servers)

        with pytest.raises(NextHopUnavailable):
            await deliver(hop)

        assert servers[1].connections == 0
        await hop.close()

    async def test_after_a_reset_no_other_host_is_asked(self, sinks: Any) -> None:
        servers = await sinks(2)
        hop = list_of(servers)
        delivery = await hop.open()
        await delivery.mail(b"<a@b.example>")
        await delivery.rcpt(b"<c@d.example>")
        await delivery.reset()
        servers[0].say(b"MAIL", b"drop")

        with pytest.raises(NextHopUnavailable):
            await delivery.mail(b"<a@b.example>")

        assert [server.connections for server in servers] == [1, 0]
        await delivery.close()
        await hop.close()


class TestThroughTheRelay:
    async def test_a_client_notices_nothing_of_a_host_that_is_down(
        self, sinks: Any, start_relay: Any, connect: Any
    ) -> None:
        servers = await sinks(2)
        hop = list_of(servers)
        relay = await start_relay(next_hop=hop)
        client = await connect(relay)
        await servers[0].stop()

        replies = await client.begin()
        replies.append(await client.data(b"Hello\r\n"))

        assert [reply[:3] for reply in replies] == ["250", "250", "250"]
        assert taken(servers) == [0, 1]

    async def test_while_all_are_down_it_is_451(
        self, sinks: Any, start_relay: Any, connect: Any
    ) -> None:
        servers = await sinks(2)
        relay = await start_relay(next_hop=list_of(servers))
        for server in servers:
            await server.stop()
        client = await connect(relay)

        assert (await client.begin())[0].startswith("451 4.4.1")


class TestKeywords:
    async def test_what_all_hosts_offer_is_announced_with_the_smallest_size(
        self, sinks: Any
    ) -> None:
        servers = await sinks(3)
        servers[0].keywords = ("SIZE 0", "DSN", "8BITMIME", "MT-PRIORITY MIXER")
        servers[1].keywords = ("8BITMIME", "SIZE 2000", "DSN", "SMTPUTF8", "MT-PRIORITY NSEP")
        servers[2].keywords = ("SIZE 3000", "8BITMIME", "PIPELINING", "MT-PRIORITY MIXER")
        hop = list_of(servers)
        before = hop.keywords

        await hop.probe()

        assert (before, hop.keywords) == (("8BITMIME", "SIZE"), ("SIZE 2000", "8BITMIME"))
        await hop.close()

    async def test_a_host_that_is_down_takes_no_keyword_away(self, sinks: Any) -> None:
        servers = await sinks(2)
        await servers[1].stop()
        hop = list_of(servers)

        await hop.probe()

        assert "DSN" in hop.keywords
        await hop.close()

    async def test_where_none_answers_a_probe_says_so(self, sinks: Any) -> None:
        servers = await sinks(2)
        for server in servers:
            await server.stop()

        with pytest.raises(NextHopUnavailable) as caught:
            await list_of(servers).probe()

        assert all(str(server.port) in str(caught.value) for server in servers)


class TestLogins:
    async def test_the_mechanisms_are_those_of_all_hosts(self, sinks: Any) -> None:
        servers = await sinks(2)
        servers[0].keywords = ("AUTH PLAIN LOGIN",)
        servers[1].keywords = ("AUTH LOGIN CRAM-MD5",)
        hop = list_of(servers)
        before = hop.mechanisms

        await hop.probe()

        assert (before, hop.mechanisms) == ((), ("LOGIN",))
        await hop.close()

    async def test_a_client_logs_in_at_the_host_that_answers_and_on_a_connection_of_its_own(
        self, sinks: Any
    ) -> None:
        servers = await sinks(2)
        servers[0].keywords = servers[1].keywords = ("AUTH PLAIN",)
        hop = list_of(servers)
        await hop.probe()
        await servers[0].stop()

        dialogue = await hop.dial()
        reply = await dialogue.ask(b"AUTH PLAIN AGEAYg==")
        dialogue.close()

        assert str(reply) == "250 Ok"
        assert b"AUTH PLAIN AGEAYg==\r\n" in servers[1].commands
        assert servers[1].connections == 2
        await hop.close()

    async def test_a_host_that_would_get_passwords_in_the_clear_is_passed_over(
        self, sinks: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        servers = await sinks(2)
        hop = list_of(servers)
        monkeypatch.setattr(
            "mailguard.smtp.link.Link.is_private",
            property(lambda link: link.peer.endswith(str(servers[1].port))),
        )

        dialogue = await hop.dial()
        await dialogue.ask(b"NOOP")

        assert b"NOOP\r\n" in servers[1].commands
        dialogue.close()
        with contextlib.suppress(NextHopUnavailable):
            await deliver(hop)
        assert taken(servers) == [1, 0]
        await hop.close()


async def test_what_a_client_was_offered_and_is_gone_since_is_a_reason_to_come_again(
    sinks: Any, start_relay: Any, connect: Any
) -> None:
    servers = await sinks(2)
    servers[1].keywords = ("PIPELINING", "8BITMIME")
    hop = list_of(servers)
    await deliver(hop)
    relay = await start_relay(next_hop=hop)
    mail = "<zoë@elmpark.example> SMTPUTF8".encode()
    client = await connect(relay)
    await client.reply()
    before = await client.ask(b"EHLO client.example")
    # A client's own view is that of its EHLO; meanwhile we met a host that lacks it.
    await hop.routes[1].probe()  # type: ignore[attr-defined]

    deferred = await client.ask(b"MAIL FROM:" + mail)
    after = await client.ask(b"EHLO client.example")
    refused = await client.ask(b"MAIL FROM:" + mail)

    assert ("SMTPUTF8" in before, "SMTPUTF8" in after) == (True, False)
    assert (deferred[:9], refused[:9]) == ("451 4.3.5", "555 5.5.4")
    await hop.close()
