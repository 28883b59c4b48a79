"""Logging in at the next hop through us: whose connection it is, and what is never kept."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.errors import NextHopUnavailable
from mailguard.smtp.auth import LINE_LENGTH, Login
from mailguard.smtp.limits import LOOPBACK
from mailguard.smtp.nexthop import SmtpNextHop, Timeouts
from mailguard.smtp.tls import Certificate, ListenerTls, NextHopTls, client_context
from mailguard.testing.certificate import make_certificate

PASSWORD = "xyzzy-secret"


def b64(text: str) -> bytes:
    return base64.b64encode(text.encode())


PLAIN = b64(f"\0ana\0{PASSWORD}")


def code(reply: str) -> str:
    return " ".join(reply.split()[:2])


@pytest.mark.parametrize(
    ("argument", "responses", "name"),
    [
        (b"PLAIN " + PLAIN, [], "ana"),
        (b"plain", [PLAIN], "ana"),
        (b"PLAIN " + b64("boss\0ana\0pw"), [], "ana"),
        (b"LOGIN", [b64("ana@elmpark.example"), b64(PASSWORD)], "ana@elmpark.example"),
        (b"LOGIN " + b64("ana"), [b64(PASSWORD)], "ana"),
        (b"CRAM-MD5", [b64("ana b 3fb3ad5b")], "ana b"),
        (b"SCRAM-SHA-256 " + b64("n,,n=a=2Cb=3D,r=nonce"), [b64("c=biws,r=nonce,p=x")], "a,b="),
        (b"XOAUTH2 " + b64("user=ana@x.example\x01auth=Bearer t\x01\x01"), [], "ana@x.example"),
        (b"OAUTHBEARER " + b64("n,a=ana@x.example,\x01auth=Bearer t"), [], "ana@x.example"),
        (b"PLAIN " + b64("\0zo\xeb\0pw"), [], "zo\\xc3\\xab"),
        (b"PLAIN " + b64("no nuls"), [], "?"),
        (b"PLAIN ====", [], None),
        (b"PLAIN =", [], "?"),
        (b"PLAIN QQ", [], "?"),
        (b"PLAIN a b", [], None),
        (b"", [], None),
    ],
)
def test_the_name_is_read_out_of_the_first_response(
    argument: bytes, responses: list[bytes], name: str | None
) -> None:
    login = Login.read(argument)

    heard = [login.hear(response) for response in responses] if login else []

    assert all(heard)
    assert name == (login.name if login else None)


def test_nothing_but_the_name_is_kept() -> None:
    login = Login.read(b"LOGIN")
    assert login is not None
    login.hear(b64("ana"))
    login.hear(b64(PASSWORD))

    assert set(vars(login).values()) == {"LOGIN", "ana", True}


@given(argument=st.binary(max_size=60), responses=st.lists(st.binary(max_size=60), max_size=3))
def test_whatever_is_said_is_a_response_or_none(argument: bytes, responses: list[bytes]) -> None:
    login = Login.read(argument) or Login("PLAIN", None)

    heard = [login.hear(response) for response in responses]

    assert all(isinstance(each, bool) for each in heard)
    assert login.name.isascii() and login.name.isprintable() and login.name


@pytest.fixture
async def submission(start_relay: Any, sink: Any) -> AsyncIterator[Callable[..., Any]]:
    sink.keywords = ("PIPELINING", "AUTH PLAIN LOGIN GSSAPI XOAUTH2 SCRAM-SHA-1-PLUS", "DSN")
    hops = []

    async def start(**options: Any) -> Any:
        hop = SmtpNextHop(
            "127.0.0.1",
            sink.port,
            hostname="mg.example",
            timeouts=Timeouts(connect=5, command=5, final=5),
        )
        await hop.probe()
        hops.append(hop)
        options = {"clients": ("192.0.2.0/24",), "passes_auth": True, **options}
        return await start_relay(next_hop=hop, logins=hop, **options)

    yield start
    for hop in hops:
        await hop.close()


async def greet(client: Any) -> str:
    await client.reply()
    ehlo: str = await client.ask(b"EHLO client.example")
    return ehlo


async def one_message(client: Any, to: bytes = b"<x@other.example>") -> list[str]:
    replies = [await client.ask(b"MAIL FROM:<ana@elmpark.example>")]
    replies.append(await client.ask(b"RCPT TO:" + to))
    return [*(code(reply) for reply in replies), code(await client.data(b"Hello\r\n"))]


class TestPassing:
    async def test_who_logs_in_may_send_anywhere_and_counts_as_inside(
        self, submission: Any, connect: Any, sink: Any
    ) -> None:
        relay = await submission()
        client = await connect(relay)
        ehlo = await greet(client)
        sink.say(b"AUTH", b"235 2.7.0 Welcome\r\n")

        replies = [await client.ask(b"AUTH PLAIN " + PLAIN), await one_message(client)]

        session = relay.received[0].session
        assert "AUTH PLAIN LOGIN XOAUTH2/" in ehlo + "/"
        assert replies == ["235 2.7.0 Welcome", ["250 Ok", "250 Ok", "250 2.0.0"]]
        assert (session.auth, session.origin) == ("ana", "inside")
        assert b"AUTH PLAIN " + PLAIN + b"\r\n" in sink.commands

    async def test_the_dialogue_is_relayed_line_by_line(
        self, submission: Any, connect: Any, sink: Any
    ) -> None:
        relay = await submission()
        client = await connect(relay)
        await greet(client)
        sink.say(b"AUTH", b"334 VXNlcm5hbWU6\r\n")
        sink.say(b64("ana").upper(), b"334 UGFzc3dvcmQ6\r\n")
        sink.say(b64(PASSWORD).upper(), b"235 2.7.0 Welcome\r\n")

        replies = [await client.ask(li) for li in (b"AUTH LOGIN", b64("ana"), b64(PASSWORD))]
        await one_message(client)

        assert replies == ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 2.7.0 Welcome"]
        assert relay.received[0].session.auth == "ana"

    async def test_all_mail_of_the_session_goes_by_its_connection_and_nobody_elses_does(
        self, submission: Any, connect: Any, sink: Any, until: Any
    ) -> None:
        relay = await submission(clients=("127.0.0.0/8",))
        client, other = await connect(relay), await connect(relay)
        await greet(client)
        await greet(other)
        sink.say(b"AUTH", b"235 2.7.0 Welcome\r\n")
        connections = sink.connections

        await client.ask(b"AUTH PLAIN " + PLAIN)
        await one_message(client)
        await one_message(other)
        await one_message(client)
        client.close()
        await until(lambda: sink.commands[-1] == b"QUIT\r\n")
        await one_message(other)

        assert (len(sink.taken), sink.connections - connections) == (4, 1)
        assert [each.session.auth for each in relay.received] == ["ana", "", "ana", ""]

    async def test_a_refusal_comes_back_and_there_is_another_try(
        self, submission: Any, connect: Any, sink: Any
    ) -> None:
        client = await connect(await submission())
        await greet(client)
        sink.say(b"AUTH", b"535 5.7.8 No\r\n", b"235 2.7.0 Welcome\r\n")

        replies = [
            await client.ask(b"AUTH PLAIN " + PLAIN),
            await client.ask(b"MAIL FROM:<ana@elmpark.example>"),
            await client.ask(b"AUTH PLAIN " + PLAIN),
            await client.ask(b"AUTH PLAIN " + PLAIN),
        ]

        assert [code(reply) for reply in replies] == [
            "535 5.7.8",
            "530 5.7.0",
            "235 2.7.0",
            "503 5.5.1",
        ]

    async def test_no_password_gets_into_log_or_evidence(
        self, submission: Any, connect: Any, sink: Any, capfd: pytest.CaptureFixture[str]
    ) -> None:
        relay = await submission()
        client = await connect(relay)
        await greet(client)
        sink.say(b"AUTH", b"535 5.7.8 No\r\n", b"drop", b"235 2.7.0 Welcome\r\n")
        for _ in range(3):
            await client.ask(b"AUTH PLAIN " + PLAIN)
        await one_message(client)

        said = "".join(capfd.readouterr()) + repr(relay.received)
        assert relay.received[0].session.auth == "ana"
        assert PASSWORD not in said
        assert PLAIN.decode() not in said


class TestRefusing:
    @pytest.mark.parametrize("listener", [{}, {"public": True}])
    async def test_without_a_login_a_stranger_sends_nothing(
        self, listener: Any, submission: Any, connect: Any
    ) -> None:
        client = await connect(await submission(**listener))
        await greet(client)

        assert code(await client.ask(b"MAIL FROM:<ana@elmpark.example>")) == "530 5.7.0"

    @pytest.mark.parametrize(
        ("line", "refusal"),
        [
            (b"AUTH", "501 5.5.4"),
            (b"AUTH GSSAPI", "504 5.5.4"),
            (b"AUTH SCRAM-SHA-1-PLUS", "504 5.5.4"),
            (b"AUTH PLAIN \x00\x01", "501 5.5.4"),
            (b"AUTH PLAIN " + b"A" * 20_000, "500 5.5.6"),
        ],
    )
    async def test_what_is_no_login_never_reaches_the_next_hop(
        self, line: bytes, refusal: str, submission: Any, connect: Any, sink: Any
    ) -> None:
        client = await connect(await submission())
        await greet(client)

        assert code(await client.ask(line)) == refusal
        assert not [line for line in sink.commands if line.startswith(b"AUTH")]

    @pytest.mark.parametrize(
        ("response", "refusal"),
        [
            (b"MAIL FROM:<ana@elmpark.example>", "501 5.5.2"),
            (b"\xff\x00", "501 5.5.2"),
            (b"A" * (LINE_LENGTH + 1), "500 5.5.6"),
        ],
    )
    async def test_what_is_no_response_breaks_the_dialogue_off(
        self, response: bytes, refusal: str, submission: Any, connect: Any, sink: Any
    ) -> None:
        client = await connect(await submission())
        await greet(client)
        sink.say(b"AUTH", b"334 \r\n")
        await client.ask(b"AUTH PLAIN")
        before = len(sink.commands)

        assert code(await client.ask(response)) == refusal
        assert set(sink.commands[before:]) <= {b"QUIT\r\n"}
        assert code(await client.ask(b"NOOP")) == "250 2.0.0"

    async def test_a_dialogue_without_end_is_broken_off(
        self, submission: Any, connect: Any, sink: Any
    ) -> None:
        client = await connect(await submission())
        await greet(client)
        sink.say(b"AUTH", b"334 \r\n")
        sink.say(b"AAAA", *[b"334 \r\n"] * 50)

        reply = await client.ask(b"AUTH PLAIN")
        while reply.startswith("334"):
            reply = await client.ask(b"AAAA")

        assert code(reply) == "501 5.5.2"

    @pytest.mark.parametrize("answer", [b"drop", b"421 4.3.2 Bye\r\n"])
    async def test_a_next_hop_that_breaks_off_is_451(
        self, answer: bytes, submission: Any, connect: Any, sink: Any
    ) -> None:
        client = await connect(await submission())
        await greet(client)
        sink.say(b"AUTH", answer)

        assert code(await client.ask(b"AUTH PLAIN " + PLAIN)) == "451 4.4.1"
        assert code(await client.ask(b"MAIL FROM:<>")) == "530 5.7.0"

    async def test_mail_after_a_broken_login_connection_is_451_and_takes_no_other(
        self, submission: Any, connect: Any, sink: Any
    ) -> None:
        client = await connect(await submission())
        await greet(client)
        sink.say(b"AUTH", b"235 2.7.0 Welcome\r\n")
        await client.ask(b"AUTH PLAIN " + PLAIN)
        connections = sink.connections
        sink.say(b"MAIL", b"drop")

        replies = [code(await client.ask(b"MAIL FROM:<ana@elmpark.example>")) for _ in range(2)]

        assert replies == ["451 4.4.1", "451 4.4.1"]
        assert sink.connections == connections

    async def test_a_listener_that_does_not_pass_it_on_has_no_auth(
        self, start_relay: Any, connect: Any, sink: Any
    ) -> None:
        sink.keywords = ("AUTH PLAIN",)
        client = await connect(await start_relay())
        ehlo = await greet(client)

        assert "AUTH" not in ehlo
        assert code(await client.ask(b"AUTH PLAIN " + PLAIN)) == "502 5.5.1"


class TestInTheClear:
    async def test_who_is_not_on_this_machine_needs_tls_first(
        self, submission: Any, connect: Any, sink: Any, tmp_path: Path
    ) -> None:
        pem = make_certificate(tmp_path / "mg.pem")
        relay = await submission(
            tls=ListenerTls.MAY, certificate=Certificate(pem, pem), xclient_from=LOOPBACK
        )
        client = await connect(relay)
        await client.reply()
        await client.ask(b"XCLIENT ADDR=203.0.113.9")
        ehlo = await client.ask(b"EHLO client.example")
        refused = await client.ask(b"AUTH PLAIN " + PLAIN)

        await client.ask(b"STARTTLS")
        await client.writer.start_tls(client_context(NextHopTls.MAY))
        within = await client.ask(b"EHLO client.example")
        sink.say(b"AUTH", b"235 2.7.0 Welcome\r\n")

        assert "AUTH" not in ehlo
        assert code(refused) == "530 5.7.0"
        assert "AUTH PLAIN" in within
        assert code(await client.ask(b"AUTH PLAIN " + PLAIN)) == "235 2.7.0"

    async def test_a_next_hop_across_the_network_gets_no_password_in_the_clear(
        self, sink: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("mailguard.smtp.link.Link.is_private", False)
        sink.keywords = ("AUTH PLAIN",)
        hop = SmtpNextHop("127.0.0.1", sink.port, hostname="mg.example")
        await hop.probe()

        with pytest.raises(NextHopUnavailable, match="in the clear"):
            await hop.dial()

        assert hop.mechanisms == ()
        await hop.close()


async def test_bytes_one_by_one_are_understood_as_well(
    submission: Any, connect: Any, sink: Any
) -> None:
    client = await connect(await submission())
    await greet(client)
    sink.say(b"AUTH", b"334 \r\n")
    sink.say(PLAIN.upper(), b"235 2.7.0 Welcome\r\n")

    for byte in b"AUTH PLAIN\r\n" + PLAIN + b"\r\n":
        await client.send(bytes([byte]))
        await asyncio.sleep(0)

    assert [await client.reply(), await client.reply()] == ["334 ", "235 2.7.0 Welcome"]


async def test_a_next_hop_that_was_down_at_the_start_is_asked_at_ehlo(
    start_relay: Any, connect: Any, sink: Any
) -> None:
    sink.keywords = ("AUTH PLAIN",)
    hop = SmtpNextHop("127.0.0.1", sink.port, hostname="mg.example")
    relay = await start_relay(next_hop=hop, logins=hop, passes_auth=True)
    sink.say(b"greeting", b"drop")
    client = await connect(relay)

    ehlos = [await greet(client), await client.ask(b"EHLO client.example")]

    assert ["AUTH PLAIN" in ehlo for ehlo in ehlos] == [False, True]
