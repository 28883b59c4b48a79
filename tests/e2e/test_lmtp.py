"""LMTP on both sides of the real service: what each recipient is told reaches whoever asked."""

import json
import os
import re
import shutil
import smtplib
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mailguard.testing import mail
from mailguard.testing.postfix import Postfix
from mailguard.testing.service import Service, free_port, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("postfix") is None, reason="Postfix is not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="Postfix is started by root"),
]

SAM = "sam@pupils.elmpark.example"
MAX = "max@pupils.elmpark.example"
KHAN = "ms.khan@elmpark.example"
FULL = "full@elmpark.example"
NOBODY = "nobody@elmpark.example"

SERVICES = """
lmtp unix - - n - - lmtp
"""

LISTENERS = """
[[listeners]]
name = "drop"
protocol = "lmtp"
address = "unix:{path}"
origin = "inside"
next_hop = "lmtp://127.0.0.1:{mailboxes}"
[[listeners]]
name = "in"
address = "127.0.0.1:{port}"
origin = "inside"
next_hop = "lmtp://127.0.0.1:{mailboxes}"
"""


@dataclass
class Mailboxes:
    """A server of mailboxes that shares no code with MailGuard. It learns that a mailbox is full,
    or that nobody has that name, only once it has the message."""

    is_full: bool = True
    taken: list[tuple[str, bytes]] = field(default_factory=list)
    """Recipient and message, one for each copy."""

    def word_for(self, recipient: str, data: bytes) -> bytes:
        if recipient == NOBODY:
            return b"550 5.1.1 No such user\r\n"
        if recipient == FULL and self.is_full:
            return b"452 4.2.2 Mailbox full\r\n"
        self.taken.append((recipient, data))
        return b"250 2.1.5 Taken\r\n"

    def copies(self, recipient: str, body: str) -> int:
        """How often this recipient got a message with these words."""
        return sum(to == recipient and body.encode() in data for to, data in self.taken)


def serve(mailboxes: Mailboxes) -> socketserver.ThreadingTCPServer:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            recipients: list[str] = []
            self.wfile.write(b"220 mailboxes.example LMTP\r\n")
            for line in self.rfile:
                verb = line.split(b":")[0].split()[0].upper()
                reply = b"250 Ok\r\n"
                if verb == b"LHLO":
                    reply = b"250-mailboxes.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
                elif verb == b"EHLO":
                    reply = b"500 This is LMTP\r\n"
                elif verb == b"MAIL":
                    recipients.clear()
                elif verb == b"RCPT":
                    recipients.append(line.partition(b"<")[2].partition(b">")[0].decode())
                elif verb == b"DATA":
                    self.wfile.write(b"354 Go on\r\n")
                    lines = iter(self.rfile.readline, b".\r\n")
                    data = b"".join(each.removeprefix(b".") for each in lines)
                    reply = b"".join(mailboxes.word_for(each, data) for each in recipients)
                elif verb == b"QUIT":
                    self.wfile.write(b"221 Bye\r\n")
                    return
                self.wfile.write(reply)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    return Server(("127.0.0.1", 0), Handler)


@pytest.fixture(scope="module")
def mailboxes() -> Iterator[tuple[Mailboxes, int]]:
    boxes = Mailboxes()
    with serve(boxes) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield boxes, server.server_address[1]
        server.shutdown()


@pytest.fixture
def boxes(mailboxes: tuple[Mailboxes, int]) -> Mailboxes:
    mailboxes[0].is_full = True
    return mailboxes[0]


@pytest.fixture(scope="module")
def postfix() -> Iterator[Postfix]:
    """Delivers the school's mail by LMTP to a Unix socket that MailGuard listens on."""
    postfix = Postfix(proxy=free_port(), relay=free_port(), services=SERVICES)
    postfix.extra = (
        f"relay_transport = lmtp:unix:{postfix.folder}/mailguard/lmtp\n"
        "lmtp_send_xforward_command = yes\n"
    )
    folder = postfix.folder / "mailguard"
    folder.mkdir(mode=0o750)
    shutil.chown(folder, group="postfix")
    postfix.start()
    yield postfix
    postfix.stop()


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def service(
    postfix: Postfix,
    mailboxes: tuple[Mailboxes, int],
    port: int,
    tmp_path_factory: pytest.TempPathFactory,
    rule_cache: Path,
) -> Iterator[Service]:
    service = Service(
        folder=tmp_path_factory.mktemp("mailguard"),
        next_hop=postfix.back,
        cache=rule_cache,
        workers=2,
        canary=15,
        extra=LISTENERS.format(
            path=postfix.folder / "mailguard" / "lmtp", mailboxes=mailboxes[1], port=port
        ),
    )
    service.start()
    yield service
    service.stop()


def send(port: int, raw: bytes, *to: str, sender: str = SAM) -> tuple[int, bytes]:
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        client.ehlo("client.example")
        client.mail(sender)
        for address in to:
            assert client.rcpt(address)[0] == 250
        return client.data(raw)


def listed(service: Service, body: str) -> dict[str, str]:
    """The states of the copies in quarantine of the message with these words."""
    found = {}
    for line in service.command("quarantine", "list", "--json").stdout.splitlines():
        item = json.loads(line)
        if item["from"] != SAM:  # a bounce, which quotes them
            continue
        for file in service.spool.glob(f"*/*/*/{item['id']}/message.eml"):
            if body.encode() in file.read_bytes():
                found |= {each["address"]: each["state"] for each in item["recipients"]}
    return found


def test_postfix_hears_by_lmtp_what_became_of_each_recipients_copy(
    postfix: Postfix, service: Service, boxes: Mailboxes
) -> None:
    words = "I'm going to stab you tomorrow"
    laptop = ("127.0.0.77", 0)
    with smtplib.SMTP("127.0.0.1", postfix.back, timeout=30, source_address=laptop) as client:
        client.sendmail(SAM, [MAX, KHAN, FULL, NOBODY], mail(words, from_=SAM))

    def fates() -> dict[str, str]:
        return dict(re.findall(r"/lmtp\[.* to=<(\S+)>,.*status=(\w+)", postfix.log))

    wait_until(lambda: len(fates()) == 4, 20)
    assert fates() == {MAX: "sent", KHAN: "sent", FULL: "deferred", NOBODY: "bounced"}
    assert [boxes.copies(each, words) for each in (MAX, KHAN, FULL, NOBODY)] == [0, 1, 0, 0]
    # A pupil's words to staff are delivered, and their copy kept until somebody has looked.
    assert listed(service, words) == {MAX: "held", KHAN: "delivered"}
    assert b"(MailGuard) with LMTP id" in boxes.taken[-1][1]
    assert "listener=drop peer=127.0.0.77" in service.log


def test_the_self_test_goes_through_the_unix_socket_and_the_lmtp_next_hop_hears_nothing(
    service: Service, boxes: Mailboxes
) -> None:
    for listener in ("drop", "in"):
        wait_until(lambda name=listener: f"event=canary listener={name} ok=true" in service.log, 20)

    assert not any(b"canary" in data and b"tests itself" in data for _, data in boxes.taken)


def test_an_smtp_client_sends_again_and_nobody_gets_it_twice(
    service: Service, port: int, boxes: Mailboxes
) -> None:
    words = "Trip letters are due on Friday."
    raw = mail(words)

    first = send(port, raw, KHAN, FULL, MAX)
    second = send(port, raw, KHAN, FULL, MAX)
    boxes.is_full = False
    # As from another hop: each writes a line of its own.
    third = send(port, b"Received: from a by b; now\r\n" + raw, KHAN, FULL, MAX)

    assert [code for code, _ in (first, second, third)] == [452, 452, 250]
    assert [boxes.copies(each, words) for each in (KHAN, FULL, MAX)] == [1, 1, 1]


def test_what_a_next_hop_refuses_for_one_of_many_is_kept_as_undeliverable(
    service: Service, port: int, boxes: Mailboxes
) -> None:
    words = "The hall is closed on Monday."

    code, _ = send(port, mail(words), KHAN, NOBODY)

    assert code == 250
    assert boxes.copies(KHAN, words) == 1
    assert listed(service, words) == {NOBODY: "undeliverable"}
