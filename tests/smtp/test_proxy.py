"""The PROXY header: read without a socket, and believed from listed load balancers only."""

import asyncio
import contextlib
import ipaddress
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.smtp.limits import LOOPBACK
from mailguard.smtp.proxy import BadHeader, Proxied, read_header
from mailguard.smtp.tls import Certificate, ListenerTls, NextHopTls, client_context
from mailguard.testing.certificate import make_certificate

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
V1 = b"PROXY TCP4 192.0.2.9 198.51.100.1 4711 25\r\n"


def v2(
    source: str = "192.0.2.9", port: int = 4711, *, command: int = 0x21, tlvs: bytes = b""
) -> bytes:
    address = ipaddress.ip_address(source).packed
    body = address + address + struct.pack("!HH", port, 25) + tlvs
    return (
        SIGNATURE
        + struct.pack("!BBH", command, 0x11 if len(address) == 4 else 0x21, len(body))
        + body
    )


HEADERS = {
    "v1": (V1, "192.0.2.9", 4711),
    "v1 IPv6": (b"PROXY TCP6 2001:DB8::9 2001:db8::1 4711 25\r\n", "2001:db8::9", 4711),
    "v1 unknown": (b"PROXY UNKNOWN\r\n", "", 0),
    "v1 unknown, with more": (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "", 0),
    "v2": (v2(), "192.0.2.9", 4711),
    "v2 IPv6": (v2("2001:db8::9"), "2001:db8::9", 4711),
    "v2 with TLVs": (v2(tlvs=b"\x04\x00\x02xx"), "192.0.2.9", 4711),
    "v2 local": (v2(command=0x20), "", 0),
    "v2 of a unix socket": (SIGNATURE + b"\x21\x31\x00\xd8" + bytes(216), "", 0),
}


@pytest.mark.parametrize(("header", "address", "port"), HEADERS.values(), ids=HEADERS.keys())
def test_a_header_is_read_however_much_follows(header: bytes, address: str, port: int) -> None:
    wanted = Proxied(address=address, port=port, length=len(header))

    assert wanted == read_header(header) == read_header(header + b"EHLO client.example\r\n")


@pytest.mark.parametrize("header", [each[0] for each in HEADERS.values()], ids=HEADERS.keys())
def test_a_header_that_is_not_complete_is_waited_for(header: bytes) -> None:
    assert [read_header(header[:length]) for length in range(len(header))] == [None] * len(header)


@pytest.mark.parametrize(
    "data",
    [
        b"EHLO client.example\r\n",
        b"P\r\n",
        b"PROXY TCP4 192.0.2.9 198.51.100.1 4711\r\n",
        b"PROXY TCP4 192.0.2.999 198.51.100.1 4711 25\r\n",
        b"PROXY TCP4 2001:db8::9 198.51.100.1 4711 25\r\n",
        b"PROXY TCP6 192.0.2.9 198.51.100.1 4711 25\r\n",
        b"PROXY TCP4 192.0.2.9 198.51.100.1 65536 25\r\n",
        b"PROXY TCP4 192.0.2.9  198.51.100.1 4711 25\r\n",
        b"PROXY TCP4 192.0.2.9 198.51.100.1 4711 25\n\r\n",
        b"PROXY UNKNOWN\x00\r\n",
        b"PROXY " + b"x" * 101,
        b"\r\n\r\nEHLO",
        SIGNATURE + b"\x11\x11\x00\x0c" + bytes(12),
        SIGNATURE + b"\x22\x11\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x11\x00\x04" + bytes(4),
        SIGNATURE + b"\x21\x11\xff\xff",
    ],
)
def test_what_is_no_header_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(BadHeader):
        read_header(data)


@given(data=st.binary(max_size=120) | st.binary(max_size=60).map(lambda b: SIGNATURE + b))
def test_whatever_is_fed_is_a_header_or_none_or_not_yet(data: bytes) -> None:
    with contextlib.suppress(BadHeader):
        header = read_header(data)
        assert header is None or header.length <= len(data)


@given(data=st.binary(max_size=120), start=st.sampled_from([V1, v2(), v2("2001:db8::9")]))
def test_what_is_read_does_not_depend_on_what_follows(data: bytes, start: bytes) -> None:
    assert read_header(start) == read_header(start + data)


class TestListener:
    async def start(self, start_relay: Any, **options: Any) -> Any:
        return await start_relay(
            proxy_from=LOOPBACK, clients=("192.0.2.0/24",), xforward_from=(), **options
        )

    @pytest.mark.parametrize("header", [V1, v2()])
    @pytest.mark.parametrize("cut", [1, 1000])
    async def test_the_client_behind_the_load_balancer_counts(
        self, header: bytes, cut: int, start_relay: Any, connect: Any
    ) -> None:
        relay = await self.start(start_relay)
        client = await connect(relay)
        for start in range(0, len(header), cut):
            await client.send(header[start : start + cut])
            await asyncio.sleep(0)

        replies = await client.begin()
        await client.data(b"Hello\r\n")

        session = relay.received[0].session
        assert [reply[:3] for reply in replies] == ["250", "250"]
        assert (session.peer, session.peer_port, session.via) == ("192.0.2.9", 4711, "127.0.0.1")

    @pytest.mark.parametrize(
        ("header", "reply"),
        [
            (b"PROXY TCP4 203.0.113.9 198.51.100.1 4711 25\r\n", "554 5.7.1 Access denied"),
            (b"PROXY UNKNOWN\r\n", "554 5.7.1 Access denied"),
            (b"EHLO client.example\r\n", "554 5.5.0 No PROXY header"),
            (V1 + b"EHLO client.example\r\n", "554 5.5.0 Client spoke before the greeting"),
        ],
    )
    async def test_what_may_not_come_in_is_turned_away(
        self, header: bytes, reply: str, start_relay: Any, connect: Any
    ) -> None:
        client = await connect(await self.start(start_relay))

        await client.send(header)

        assert [await client.reply(), await client.reply()] == [reply, "closed"]

    async def test_a_header_that_does_not_come_is_not_waited_for(
        self, start_relay: Any, connect: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("mailguard.smtp.wire.HEADER_S", 0.05)
        client = await connect(await self.start(start_relay))
        await client.send(b"PROXY ")

        assert (await client.reply()).startswith("421 4.4.2")

    async def test_a_header_from_anybody_else_is_an_early_talker_or_no_command(
        self, start_relay: Any, connect: Any
    ) -> None:
        relay = await start_relay()
        client = await connect(relay)
        await client.reply()

        assert (await client.ask(V1.removesuffix(b"\r\n"))).startswith("502")

    async def test_implicit_tls_begins_behind_the_header(
        self, start_relay: Any, connect: Any, tmp_path: Path
    ) -> None:
        pem = make_certificate(tmp_path / "mg.pem")
        relay = await self.start(
            start_relay, tls=ListenerTls.IMPLICIT, certificate=Certificate(pem, pem)
        )
        client = await connect(relay)
        await client.send(V1)
        await client.writer.start_tls(client_context(NextHopTls.MAY))

        await client.begin()
        await client.data(b"Hello\r\n")

        session = relay.received[0].session
        assert (session.peer, session.tls[:7]) == ("192.0.2.9", "TLSv1.3")
