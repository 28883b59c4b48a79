"""Hosts named by MX and SRV records, asked of a small name server on a real socket."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from mailguard.errors import NextHopUnavailable
from mailguard.mail.raw import Raw
from mailguard.smtp.failover import Failover
from mailguard.smtp.host import Host, Query
from mailguard.smtp.nexthop import SmtpNextHop, Timeouts
from mailguard.smtp.records import RecordRoute, Target, in_order
from mailguard.testing.logged import capture_events

QUICK = Timeouts(connect=2, greeting=2, command=2, final=2)


class NameServer(asyncio.DatagramProtocol):
    """Answers from `zone`: no key is NXDOMAIN, no record is an empty answer."""

    def __init__(self) -> None:
        self.zone: dict[tuple[str, str], list[str]] = {}
        self.ttl = 300
        self.asked: list[str] = []
        self.is_silent = False
        self.rcode = dns.rcode.NOERROR

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, address: Any) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name, kind = question.name.to_text(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append(f"{kind} {name}")
        if self.is_silent:
            return
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA | dns.flags.RA
        response.set_rcode(self.rcode)
        if (name, kind) not in self.zone:
            response.set_rcode(self.rcode or dns.rcode.NXDOMAIN)
        elif records := self.zone[name, kind]:
            response.answer.append(dns.rrset.from_text(name, self.ttl, "IN", kind, *records))
        self.transport.sendto(response.to_wire(), address)

    @property
    def resolver(self) -> dns.asyncresolver.Resolver:
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
        resolver.port = self.port
        return resolver


@pytest.fixture
async def names() -> AsyncIterator[NameServer]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(NameServer, local_addr=("127.0.0.1", 0))
    yield server
    transport.close()


@pytest.fixture(autouse=True)
def _names_lead_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every host of a record is this machine."""

    async def find(name: str) -> tuple[str, ...]:
        return ("127.0.0.1",)

    monkeypatch.setattr("mailguard.smtp.host.find_addresses", find)


MX = "elmpark.example."
SRV = "_smtp._tcp.elmpark.example."


def route_for(names: NameServer, kind: str = "MX", port: int = 25, seed: int = 1) -> RecordRoute:
    query = (
        Query(name="elmpark.example", port=port)
        if kind == "MX"
        else Query(name="_smtp._tcp.elmpark.example")
    )
    return RecordRoute(
        query,
        lambda host: SmtpNextHop(host, hostname="mg.example", timeouts=QUICK),
        resolver=names.resolver,
        chance=random.Random(seed),
    )


async def hosts_of(route: RecordRoute) -> list[str]:
    return [str(host) for host in await route.hosts()]


async def deliver(hop: Failover) -> str:
    delivery = await hop.open()
    await delivery.mail(b"<a@b.example>")
    await delivery.rcpt(b"<c@d.example>")
    (reply,) = await delivery.data(b"", Raw.of(b"Hello\r\n"))
    await delivery.close()
    return str(reply)


class TestMx:
    async def test_the_lowest_preference_comes_first_and_equals_take_turns(
        self, names: NameServer
    ) -> None:
        names.zone[MX, "MX"] = ["20 last.example.", "10 One.example.", "10 two.example."]
        route = route_for(names)

        orders = Counter([tuple(await hosts_of(route)) for _ in range(100)])

        assert set(orders) == {
            ("one.example:25", "two.example:25", "last.example:25"),
            ("two.example:25", "one.example:25", "last.example:25"),
        }
        assert min(orders.values()) > 30
        assert names.asked == ["MX elmpark.example."]

    async def test_a_domain_without_mx_is_its_own_mail_server(self, names: NameServer) -> None:
        names.zone[MX, "MX"] = []

        assert await hosts_of(route_for(names, port=2525)) == ["elmpark.example:2525"]

    @pytest.mark.parametrize(
        ("zone", "reason"),
        [
            ({(MX, "MX"): ["0 ."]}, "takes no mail"),
            ({}, "there is no such name"),
        ],
        ids=["null MX", "no such domain"],
    )
    async def test_a_domain_that_takes_no_mail_is_unavailable(
        self, names: NameServer, zone: Any, reason: str
    ) -> None:
        names.zone = zone

        with pytest.raises(NextHopUnavailable, match=f"MX of elmpark.example .*{reason}"):
            await Failover([route_for(names)], QUICK).open()

    async def test_a_name_that_can_be_no_host_is_left_out(self, names: NameServer) -> None:
        names.zone[MX, "MX"] = [r"10 a\010b.example.", r"10 x\032y.example.", "20 mx.example."]

        assert await hosts_of(route_for(names)) == ["mx.example:25"]

    async def test_mail_goes_to_the_host_that_it_names(self, names: NameServer, sink: Any) -> None:
        names.zone[MX, "MX"] = ["10 mx.example."]
        hop = Failover([route_for(names, port=sink.port)], QUICK)

        assert [await deliver(hop) for _ in range(2)] == ["250 2.0.0 Taken"] * 2
        assert sink.connections == 1
        await hop.close()


class TestSrv:
    async def test_priority_comes_first_and_weight_is_a_share(self, names: NameServer) -> None:
        names.zone[SRV, "SRV"] = [
            "10 75 2501 big.example.",
            "10 25 2502 small.example.",
            "20 0 2503 last.example.",
        ]
        route = route_for(names, "SRV")

        orders = [await hosts_of(route) for _ in range(400)]
        firsts = Counter(order[0] for order in orders)

        assert {order[2] for order in orders} == {"last.example:2503"}
        assert set(firsts) == {"big.example:2501", "small.example:2502"}
        assert 260 < firsts["big.example:2501"] < 340

    async def test_a_service_that_is_not_offered_is_unavailable(self, names: NameServer) -> None:
        names.zone[SRV, "SRV"] = ["0 0 0 ."]

        with pytest.raises(NextHopUnavailable, match="not offered"):
            await route_for(names, "SRV").hosts()

    async def test_no_record_is_unavailable(self, names: NameServer) -> None:
        names.zone[SRV, "SRV"] = []

        with pytest.raises(NextHopUnavailable, match="not offered"):
            await route_for(names, "SRV").hosts()

    async def test_where_one_host_is_down_the_next_gets_the_mail(
        self, names: NameServer, sink: Any
    ) -> None:
        names.zone[SRV, "SRV"] = ["10 0 9 down.example.", f"20 0 {sink.port} up.example."]
        hop = Failover([route_for(names, "SRV")], QUICK)

        assert await deliver(hop) == "250 2.0.0 Taken"
        await hop.close()

    async def test_submissions_begin_with_tls(self, names: NameServer) -> None:
        names.zone["_submissions._tcp.elmpark.example.", "SRV"] = ["0 0 465 mail.example."]
        made: list[Host] = []

        def make(host: Host) -> SmtpNextHop:
            made.append(host)
            return SmtpNextHop(host, hostname="mg.example")

        query = Query(name="_submissions._tcp.elmpark.example")
        await RecordRoute(query, make, resolver=names.resolver).hosts()

        assert made == [Host(name="mail.example", port=465, is_wrapped=True)]


class TestTime:
    async def test_an_answer_is_asked_for_again_when_its_time_is_over_and_hosts_change(
        self, names: NameServer, monkeypatch: pytest.MonkeyPatch, sink: Any, until: Any
    ) -> None:
        monkeypatch.setattr("mailguard.smtp.records.SHORTEST_S", 0.01)
        names.ttl = 0
        names.zone[MX, "MX"] = ["10 old.example."]
        route = route_for(names, port=sink.port)
        await deliver(Failover([route], QUICK))
        names.zone[MX, "MX"] = ["10 new.example."]
        await asyncio.sleep(0.02)

        found = await hosts_of(route)
        await until(lambda: b"QUIT\r\n" in sink.commands)

        assert found == [f"new.example:{sink.port}"]
        await route.close()

    @pytest.mark.parametrize("trouble", ["silent", "SERVFAIL"])
    async def test_while_no_name_server_answers_the_last_hosts_are_used(
        self, names: NameServer, monkeypatch: pytest.MonkeyPatch, trouble: str
    ) -> None:
        monkeypatch.setattr("mailguard.smtp.records.SHORTEST_S", 0.01)
        names.ttl = 0
        names.zone[MX, "MX"] = ["10 mx.example."]
        route = route_for(names)
        await route.hosts()
        monkeypatch.setattr("mailguard.smtp.records.ANSWER_S", 0.05)
        self.break_off(names, trouble)
        await asyncio.sleep(0.02)

        with capture_events() as logs:
            found = [await hosts_of(route) for _ in range(2)]

        assert found == [["mx.example:25"]] * 2
        assert [(each["event"], each["name"]) for each in logs] == [
            ("records_unavailable", "MX of elmpark.example")
        ]

    @pytest.mark.parametrize("trouble", ["silent", "SERVFAIL"])
    async def test_where_no_name_server_ever_answered_it_is_unavailable_and_not_asked_each_time(
        self, names: NameServer, monkeypatch: pytest.MonkeyPatch, trouble: str
    ) -> None:
        monkeypatch.setattr("mailguard.smtp.records.ANSWER_S", 0.05)
        self.break_off(names, trouble)
        route = route_for(names)
        loop = asyncio.get_running_loop()
        started = loop.time()

        with pytest.raises(NextHopUnavailable, match="no name server answers"):
            await route.hosts()
        asked = len(names.asked)
        with pytest.raises(NextHopUnavailable, match="no name server answers"):
            await route.hosts()

        assert loop.time() - started < 1
        assert len(names.asked) == asked

    async def test_many_at_a_time_ask_once(self, names: NameServer) -> None:
        names.zone[MX, "MX"] = ["10 mx.example."]
        route = route_for(names)

        await asyncio.gather(*(route.hosts() for _ in range(20)))

        assert len(names.asked) == 1

    def break_off(self, names: NameServer, trouble: str) -> None:
        names.is_silent = trouble == "silent"
        names.rcode = dns.rcode.SERVFAIL


async def test_another_entry_of_the_list_is_asked_where_the_records_cannot_be_had(
    names: NameServer, sink: Any
) -> None:
    fixed = SmtpNextHop("127.0.0.1", sink.port, hostname="mg.example", timeouts=QUICK)
    hop = Failover([route_for(names), fixed], QUICK)

    assert await deliver(hop) == "250 2.0.0 Taken"
    await hop.close()


def test_every_host_is_named_once_in_every_order() -> None:
    targets = [
        Target(host=Host(name=f"mx{number}.example", port=25), preference=number % 3, weight=weight)
        for number, weight in enumerate((0, 5, 0, 65535, 1, 0))
    ]

    for seed in range(200):
        hosts = in_order(targets, random.Random(seed))

        assert set(hosts) == {target.host for target in targets}
        assert [int(host.name[2]) % 3 for host in hosts] == [0, 0, 1, 1, 2, 2]
