"""Undeliverable mail from its refusal to its end: real stores, next hops on real sockets."""

import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailguard.config import Config, load_config
from mailguard.flow.receive import receive
from mailguard.flow.release import Backoff, deliver_released
from mailguard.flow.review import release
from mailguard.flow.undeliverable import keep_undeliverable
from mailguard.mail.reply import Reply
from mailguard.policy.disposition import Action
from mailguard.quarantine.held import HeldMessage, State
from mailguard.report.own_mail import Kind, Standing
from mailguard.report.reference import reference_of
from mailguard.service.compose import (
    Stores,
    migrate_database,
    open_stores,
    ports_of,
    review_ports,
    setting_of,
)
from mailguard.service.jobs import NoJudge
from mailguard.service.load import load_directory
from mailguard.service.next_hops import NextHops
from mailguard.service.own_mail import Sending
from mailguard.testing import CANARY, mail, transaction
from mailguard.testing.fakes import FakeJudge, FakeNextHop, judgement_of
from mailguard.testing.service import free_port
from mailguard.testing.sink import Sink

CONFIG = """
[school]
name = "Elm Park Primary"
domains = ["elmpark.example"]
[people]
technician = ["pat@it.example", "sam@it.example"]
[mail]
next_hop = "smtp://127.0.0.1:{port}"
[storage]
database = "sqlite:///{folder}/mailguard.db"
spool = "{folder}/spool"
"""
TO = ("ben@elmpark.example", "cara@elmpark.example")


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def config(tmp_path: Path, port: int) -> Config:
    file = tmp_path / "mailguard.toml"
    file.write_text(CONFIG.format(folder=tmp_path, port=port))
    config = load_config(file)
    migrate_database(config)
    return config


@pytest.fixture
def mailbox(tmp_path: Path, port: int) -> Iterator[Sink]:
    sink = Sink(tmp_path / "mailbox", port)
    sink.start()
    yield sink
    sink.stop()


async def undeliver(stores: Stores, config: Config) -> str:
    """Keep a message that the next hop took for Ben and refused for Cara."""
    ports = ports_of(stores, NoJudge(), FakeNextHop(), [])
    refused = {1: Reply.of(552, f"5.2.2 <cara@elmpark.example> is full {CANARY}")}
    judgement = judgement_of(Action.RELAY, Action.RELAY, to=TO)
    return await keep_undeliverable(
        transaction(to=TO), judgement, refused, ports, setting_of(config)
    )


async def test_each_technician_gets_one_mail_by_reference_only(
    config: Config, mailbox: Sink
) -> None:
    stores = open_stores(config)
    held_id = await undeliver(stores, config)
    sending = Sending(config, stores, load_directory(config))

    for _ in range(3):
        await sending.send_notices()
    await sending.finish(5)

    notices = await stores.own_mail.of(Kind.NOTICE, held_id)
    await stores.close()
    arrived = mailbox.messages()
    assert {notice.standing for notice in notices} == {Standing.ACCEPTED}
    assert sorted(m.recipients[0].address for m in mailbox.delivered) == [
        "pat@it.example",
        "sam@it.example",
    ]
    assert all(reference_of(held_id).encode() in raw for raw in arrived)
    assert all(b"552 5.2.2" in raw for raw in arrived)
    for secret in (CANARY, "ben@", "cara@", "ana@", "is full"):
        assert all(secret.encode() not in raw for raw in arrived)


async def test_a_notice_waits_for_a_next_hop_that_is_down(config: Config) -> None:
    stores = open_stores(config)
    held_id = await undeliver(stores, config)
    sending = Sending(config, stores, load_directory(config))

    await sending.send_notices()
    await sending.finish(5)

    notices = await stores.own_mail.of(Kind.NOTICE, held_id)
    await stores.close()
    assert [notice.standing for notice in notices] == [Standing.WAITING] * 2
    assert all(notice.reply.startswith("451") for notice in notices)


LISTENER = """
[[listeners]]
name = "mail"
origin = "inside"
next_hop = "lmtp://127.0.0.1:{port}"
"""


class Mailboxes(socketserver.ThreadingTCPServer):
    """A server of mailboxes of which some are full, as it says once it has the message."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Lmtp)
        self.full = {TO[1]}
        self.taken: list[tuple[str, bytes]] = []

    def word_for(self, recipient: str, data: bytes) -> bytes:
        if recipient in self.full:
            return b"552 5.2.2 <%s> is full\r\n" % recipient.encode()
        self.taken.append((recipient, data))
        return b"250 2.1.5 Taken\r\n"


class _Lmtp(socketserver.StreamRequestHandler):
    server: Mailboxes

    def handle(self) -> None:
        recipients: list[str] = []
        self.wfile.write(b"220 mailboxes.example LMTP\r\n")
        for line in self.rfile:
            verb, reply = line[:4].upper(), b"250 Ok\r\n"
            if verb == b"RCPT":
                recipients.append(line.partition(b"<")[2].partition(b">")[0].decode())
            elif verb in (b"MAIL", b"RSET"):
                recipients.clear()
            elif verb == b"DATA":
                self.wfile.write(b"354 Go on\r\n")
                data = b"".join(iter(self.rfile.readline, b".\r\n"))
                reply = b"".join(self.server.word_for(each, data) for each in recipients)
            elif verb == b"QUIT":
                return
            self.wfile.write(reply)


@pytest.fixture
def mailboxes() -> Iterator[Mailboxes]:
    with Mailboxes() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


async def test_from_the_refusal_of_one_mailbox_to_its_delivery(
    config: Config, tmp_path: Path, mailbox: Sink, mailboxes: Mailboxes
) -> None:
    file = tmp_path / "mailguard.toml"
    file.write_text(file.read_text() + LISTENER.format(port=mailboxes.server_address[1]))
    config = load_config(file)
    stores, hops = open_stores(config), NextHops(config)
    hop = hops.at(config.listeners[0].next_hop)
    judge = FakeJudge(judgement_of(Action.RELAY, Action.RELAY, to=TO))
    ports = ports_of(stores, judge, hop, [])
    sending = Sending(config, stores, load_directory(config))
    message = transaction(to=TO)

    async def release_it(reason: str) -> HeldMessage:
        (held,) = await stores.held.select()
        await release(held.id, by="Pat", reason=reason, ports=review_ports(stores))
        await deliver_released(ports, lambda _: ports, Backoff())
        return await stores.held.by_id(held.id)

    # Ben gets it, Cara's mailbox is full.
    delivery = await hop.open(message.session, message.queue_id)
    for reply in (
        await delivery.mail(message.envelope.sender.argument),
        *[await delivery.rcpt(path.argument) for path in message.envelope.recipients],
    ):
        assert reply.is_positive
    (reply,) = await receive(message, delivery, ports, setting_of(config))
    await delivery.close()
    await sending.send_notices()
    kept = (await stores.held.select())[0]
    # A technician believes that there is room now, and is wrong; then makes some.
    refused = await release_it("mailbox emptied")
    mailboxes.full.clear()
    released = await release_it("now it really is")
    await sending.finish(5)
    await hops.close()
    await stores.close()

    assert reply.is_positive
    assert [(r.address, r.state) for r in kept.recipients] == [(TO[1], State.UNDELIVERABLE)]
    assert len(mailbox.delivered) == 2
    assert (refused.state, refused.is_undelivered) == (State.UNDELIVERABLE, True)
    assert released.state is State.RELEASED
    assert [recipient for recipient, _ in mailboxes.taken] == [*TO]
    assert mailboxes.taken[1][1] == mail()
