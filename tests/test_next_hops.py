"""The next hops of a configuration, as the service makes them."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mailguard.config import Config, parse_config, read_next_hop
from mailguard.errors import NextHopUnavailable
from mailguard.mail.raw import Raw
from mailguard.service.next_hops import NextHops
from mailguard.service.own_mail import own_next_hop_of
from mailguard.smtp.host import Host, Query

FOLDER = Path("/etc/mailguard")


def configured(text: str) -> Config:
    return parse_config(text, folder=FOLDER)


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("smtp://mail.example:25", Host(name="mail.example", port=25)),
        ("smtp://[2001:db8::25]:2525", Host(name="2001:db8::25", port=2525)),
        ("smtps://192.0.2.1:465", Host(name="192.0.2.1", port=465, is_wrapped=True)),
        ("lmtp://127.0.0.1:24", Host(name="127.0.0.1", port=24, is_lmtp=True)),
        ("smtp+unix:/run/mail/smtp", Host(path="/run/mail/smtp")),
        ("lmtp+unix:/run/mail/lmtp", Host(path="/run/mail/lmtp", is_lmtp=True)),
        ("smtp+mx://Elmpark.example", Query(name="elmpark.example", port=25)),
        ("smtp+mx://elmpark.example:2525", Query(name="elmpark.example", port=2525)),
        (
            "smtp+srv://_SMTP._tcp.elmpark.example",
            Query(name="_smtp._tcp.elmpark.example"),
        ),
    ],
)
def test_every_form_says_where_it_is(url: str, where: Host | Query) -> None:
    assert read_next_hop(url) == where
    assert configured(f'[[listeners]]\nnext_hop = "{url}"').listeners[0].next_hop == (url,)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "smtp:127.0.0.1:25",
        "smtp://127.0.0.1",
        "smtp://127.0.0.1:66000",
        "smtp://::1:25",
        "smtp+mx://elmpark.example:0",
        "smtp+mx://elmpark.example:66000",
        "smtp+mx://elmpark.example:25:25",
        "smtp+srv://_smtp._udp.elmpark.example",
        "smtp+srv://_smtp._tcp.elmpark.example:25",
        "smtps+unix:/run/mail",
        "smtp+unix:/run/",
        "smtp+unix:/" + "x" * 107,
        "lmtp://mail.example:25",
    ],
)
def test_any_other_form_is_refused_with_what_would_be_right(url: str) -> None:
    with pytest.raises(ValueError, match="write"):
        read_next_hop(url)


def test_our_own_mail_takes_the_way_of_the_first_listener_unless_it_has_its_own() -> None:
    one = '[[listeners]]\nnext_hop = ["smtp://a.example:25", "smtp://b.example:25"]\n'

    assert own_next_hop_of(configured(one)) == ("smtp://a.example:25", "smtp://b.example:25")
    assert own_next_hop_of(configured(f'{one}[mail]\nnext_hop = "lmtp://c.example:24"')) == (
        "lmtp://c.example:24",
    )


class Server:
    """Greets, says yes to all, and notes what it heard."""

    def __init__(self, reply: bytes = b"250 Ok\r\n") -> None:
        self.heard: list[bytes] = []
        self.reply = reply

    async def start(self) -> str:
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        return f"smtp://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 next.example\r\n")
        while line := await reader.readline():
            self.heard.append(line)
            writer.write(b"354 Go\r\n" if line == b"DATA\r\n" else self.reply)
            if line == b"DATA\r\n":
                await reader.readuntil(b"\r\n.\r\n")
                writer.write(b"250 Taken\r\n")
        writer.close()


async def deliver(hops: NextHops, urls: tuple[str, ...]) -> int:
    delivery = await hops.at(urls).open()
    await delivery.mail(b"<a@b.example>")
    await delivery.rcpt(b"<c@d.example>")
    (reply,) = await delivery.data(b"", Raw.of(b"Hello\r\n"))
    await delivery.close()
    return reply.code


async def test_a_host_has_one_pool_whichever_lists_it_stands_in() -> None:
    server = Server()
    url = await server.start()
    lists = ((url,), ("smtp://127.0.0.1:9", url))
    hops = NextHops(
        configured(
            f'[[listeners]]\nnext_hop = "{url}"\n'
            f'[[listeners]]\nname = "b"\naddress = "127.0.0.1:2"\nnext_hop = {[*lists[1]]}'
        )
    )

    codes = [await deliver(hops, each) for each in lists]

    assert codes == [250, 250]
    assert len([line for line in server.heard if line.startswith(b"EHLO")]) == 1
    await hops.close()
    server.server.close()


async def test_the_stricter_policy_about_tls_holds_for_every_list_with_that_host() -> None:
    server = Server()
    url = await server.start()
    hops = NextHops(
        configured(
            f'[[listeners]]\nnext_hop = ["{url}", "smtp://127.0.0.1:9"]\n'
            'next_hop_tls = "require"\n'
            f'[[listeners]]\nname = "b"\naddress = "127.0.0.1:2"\nnext_hop = "{url}"\n'
            f'[mail]\nnext_hop = "{url}"'
        )
    )

    with pytest.raises(NextHopUnavailable, match="does not offer TLS"):
        await deliver(hops, (url,))

    assert not [line for line in server.heard if line.startswith(b"MAIL")]
    await hops.close()
    server.server.close()


async def test_hosts_are_probed_at_the_same_time_and_one_that_is_down_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[Any] = []
    monkeypatch.setattr("mailguard.events.next_hop_down", lambda *about: told.append(about))
    server = Server()
    url = await server.start()
    dead = ("smtp://127.0.0.1:9", "smtp+unix:/nowhere/smtp")
    hops = NextHops(configured(""))
    hops.at((url, dead[0]))
    hops.at(dead)

    await hops.probe()

    ((named, error),) = told
    assert named == "smtp://127.0.0.1:9, smtp+unix:/nowhere/smtp"
    assert "127.0.0.1:9 cannot be reached" in str(error)
    assert "/nowhere/smtp cannot be reached" in str(error)
    await hops.close()
    server.server.close()


async def test_records_are_asked_of_this_machines_name_servers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mailguard.smtp import records

    asked: list[Query] = []

    async def find(query: Query, resolver: object) -> Any:
        asked.append(query)
        target = records.Target(host=Host(name="127.0.0.1", port=9), preference=0)
        return (target,), 60.0

    monkeypatch.setattr(records, "find_targets", find)
    hops = NextHops(configured(""))

    with pytest.raises(NextHopUnavailable, match=r"127.0.0.1:9 cannot be reached"):
        await hops.at(("smtp+mx://elmpark.example",)).open()

    assert asked == [Query(name="elmpark.example", port=25)]
