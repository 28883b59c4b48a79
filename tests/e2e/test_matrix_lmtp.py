"""Dovecot behind the real service, over LMTP: what it says of each recipient is acted upon."""

import json
import os
import smtplib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mailguard.testing import dovecot as rig
from mailguard.testing import mail
from mailguard.testing.dovecot import Dovecot
from mailguard.testing.postfix import Postfix
from mailguard.testing.service import Service, free_port, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="Dovecot is started by root"),
    pytest.mark.skipif(not rig.LMTP.exists(), reason="Dovecot's LMTP is not installed"),
]

PEOPLE = ("amy", "bob", "cat", "dan", "eve", "fay", "gus", "hal", "ida", "jon")
FULL = "full@elmpark.example"
SMALL = "small@elmpark.example"
SAM = "sam@pupils.elmpark.example"

LISTENERS = """
[[listeners]]
name = "each"
address = "127.0.0.1:{lmtp}"
protocol = "lmtp"
origin = "inside"
next_hop = "lmtp+unix:{socket}"
[[listeners]]
name = "sockets"
address = "unix:{folder}/in"
protocol = "lmtp"
origin = "inside"
next_hop = "lmtp+unix:{socket}"
[[listeners]]
name = "all"
address = "127.0.0.1:{smtp}"
origin = "inside"
next_hop = "lmtp://127.0.0.1:{port}"
"""


@dataclass
class Gateway:
    """The service in front of Dovecot."""

    dovecot: Dovecot
    service: Service
    smtp: int
    lmtp: int

    def send(self, raw: bytes, *to: str, port: int = 0) -> list[int]:
        """Over SMTP: the replies to the RCPTs and to the message."""
        with smtplib.SMTP("127.0.0.1", port or self.smtp, timeout=30) as client:
            client.ehlo("client.example")
            client.mail(SAM)
            codes = [client.rcpt(address)[0] for address in to]
            return [*codes, client.data(raw)[0]]

    def deliver(self, raw: bytes, *to: str, socket: str = "") -> list[int]:
        """Over LMTP: the replies to the RCPTs, and to the message for each that was accepted."""
        with smtplib.LMTP(socket or "127.0.0.1", 0 if socket else self.lmtp) as client:
            client.ehlo("client.example")
            client.mail(SAM)
            codes = [client.rcpt(address)[0] for address in to]
            last = [client.data(raw)[0]]
            last += [client.getreply()[0] for _ in range(codes.count(250) - 1)]
            return [*codes, *last]

    def mailboxes(self, raw: bytes) -> list[str]:
        """Who got this message, as often as they did."""
        return [each.to for each in self.dovecot.arrived() if each.sent == raw]

    def undeliverable(self) -> list[dict[str, Any]]:
        """What the quarantine lists as that."""
        done = self.service.command("quarantine", "list", "--json")
        items = [json.loads(line) for line in done.stdout.splitlines()]
        return [item for item in items if item["state"] == "undeliverable"]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, rule_cache: Path) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("lmtp")
    dovecot = Dovecot(users={**{at(name): 0 for name in PEOPLE}, FULL: 10, SMALL: 10})
    smtp, lmtp = free_port(), free_port()
    service = Service(
        folder=folder,
        next_hop=1,
        cache=rule_cache,
        extra=LISTENERS.format(
            lmtp=lmtp, smtp=smtp, port=dovecot.port, socket=dovecot.socket, folder=folder
        ),
    )
    started: list[Dovecot | Service] = []
    try:
        for each in (dovecot, service):
            started.append(each)
            each.start()
        yield Gateway(dovecot=dovecot, service=service, smtp=smtp, lmtp=lmtp)
    finally:
        for each in reversed(started):
            each.stop()


def at(name: str) -> str:
    return f"{name}@elmpark.example"


def test_an_unknown_user_is_refused_at_once_and_the_others_get_the_message(
    gateway: Gateway,
) -> None:
    raw = mail("Trip letters are due on Monday.")

    assert gateway.send(raw, at("amy"), at("nobody"), at("bob")) == [250, 550, 250, 250]
    assert gateway.mailboxes(raw) == ["amy", "bob"]


def test_a_full_mailbox_among_others_is_kept_as_undeliverable(gateway: Gateway) -> None:
    raw = mail("Trip letters are due on Tuesday.")

    assert gateway.send(raw, at("amy"), FULL, at("bob")) == [250, 250, 250, 250]

    (item,) = (each for each in gateway.undeliverable() if FULL in str(each["recipients"]))
    assert gateway.mailboxes(raw) == ["amy", "bob"]
    assert [each["address"] for each in item["recipients"]] == [FULL]


def test_what_was_undeliverable_is_delivered_once_there_is_room(gateway: Gateway) -> None:
    raw = mail("Trip letters are due in May.")
    assert gateway.send(raw, at("amy"), SMALL) == [250, 250, 250]
    (item,) = (each for each in gateway.undeliverable() if SMALL in str(each["recipients"]))

    gateway.dovecot.allow({**gateway.dovecot.users, SMALL: 1_000_000})
    done = gateway.service.command(
        *("quarantine", "release", item["id"], "--reason", "there is room now", "--wait", "20")
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert gateway.mailboxes(raw) == ["amy", "small"]


def test_a_full_mailbox_alone_is_refused(gateway: Gateway) -> None:
    assert gateway.send(mail("Trip letters are due on Wednesday."), FULL) == [250, 552]


def test_a_retry_goes_only_to_whom_was_deferred(gateway: Gateway) -> None:
    raw = mail("Trip letters are due on Thursday.")
    gateway.dovecot.break_mailbox("cat")

    assert gateway.send(raw, at("amy"), at("cat"), at("bob")) == [250, 250, 250, 451]
    assert gateway.send(raw, at("amy"), at("cat"), at("bob")) == [250, 250, 250, 451]
    gateway.dovecot.mend_mailbox("cat")
    assert gateway.send(raw, at("amy"), at("cat"), at("bob")) == [250, 250, 250, 250]

    assert gateway.mailboxes(raw) == ["amy", "bob", "cat"]


def test_a_mail_server_that_retries_through_us_delivers_to_each_once(gateway: Gateway) -> None:
    raw = mail("Trip letters are due at noon.")
    front = free_port()
    postfix = Postfix(
        proxy=free_port(),
        relay=free_port(),
        extra="local_header_rewrite_clients =\n",
        services=f"127.0.0.1:{front} inet n - n - 20 smtpd "
        f"-o content_filter=smtp:[127.0.0.1]:{gateway.smtp}\n",
    )
    postfix.start()
    gateway.dovecot.break_mailbox("dan")
    try:
        assert gateway.send(raw, at("eve"), at("dan"), port=front) == [250, 250, 250]
        wait_until(lambda: "status=deferred" in postfix.log)
        gateway.dovecot.mend_mailbox("dan")
        postfix.run("flush")
        wait_until(lambda: len(gateway.mailboxes(raw)) == 2, 20)
        wait_until(lambda: ": removed" in postfix.log)
        assert gateway.mailboxes(raw) == ["dan", "eve"]
    finally:
        postfix.stop()


def test_an_lmtp_client_gets_each_recipients_own_reply(gateway: Gateway) -> None:
    raw = mail("Trip letters are due on Friday.")
    gateway.dovecot.break_mailbox("fay")

    codes = gateway.deliver(raw, at("gus"), FULL, at("fay"), at("nobody"), at("hal"))

    assert codes == [250, 250, 250, 550, 250, 250, 552, 451, 250]
    assert gateway.mailboxes(raw) == ["gus", "hal"]
    assert "each" not in [item["listener"] for item in gateway.undeliverable()]


def test_mail_passes_over_unix_sockets_on_both_sides(gateway: Gateway) -> None:
    raw = mail("Trip letters are due on Saturday.\n.\nÜmläute")

    assert gateway.deliver(raw, at("ida"), socket=str(gateway.service.folder / "in")) == [250, 250]
    assert gateway.mailboxes(raw) == ["ida"]


def test_postfix_delivers_through_us_over_lmtp(gateway: Gateway) -> None:
    raw = mail("Trip letters are due at one.")
    front = free_port()
    postfix = Postfix(
        proxy=free_port(),
        relay=free_port(),
        extra="local_header_rewrite_clients =\n",
        services="lmtp unix - - n - - lmtp\n"
        f"127.0.0.1:{front} inet n - n - 20 smtpd "
        f"-o content_filter=lmtp:[127.0.0.1]:{gateway.lmtp}\n",
    )
    postfix.start()
    try:
        assert gateway.send(raw, at("jon"), FULL, port=front) == [250, 250, 250]
        wait_until(lambda: f"to=<{FULL}>" in postfix.log and "status=sent" in postfix.log)
        assert gateway.mailboxes(raw) == ["jon"]
        assert "552 5.2.2" in postfix.log
    finally:
        postfix.stop()
