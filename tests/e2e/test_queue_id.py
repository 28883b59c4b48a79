"""One name for one transaction: in its log lines, in its `Received:` line, and in the reply."""

import re
import socketserver
import threading
from collections.abc import Callable, Iterator

import pytest

from mailguard.testing import mail
from mailguard.testing.service import Service, wait_until
from mailguard.testing.sink import Sink

POLICY = '[policy]\nactions = { threat = "hold", phishing = "reject", credentials = "defer" }\n'

THREAT = mail(body="wait till break, I'm going to stab you")
PHISHING = mail(body="Verify your password here or your account will be closed.")
PASSWORD = mail(body="Here is the login: username: officeadmin password: Sunflower42")

QUEUE_ID = r"[0-9A-V]{16}"


class _Refusing(socketserver.StreamRequestHandler):
    """Takes everything up to the final dot, and then refuses."""

    taken: list[bytes]

    def handle(self) -> None:
        self.wfile.write(b"220 next.example\r\n")
        for line in self.rfile:
            if line.upper().startswith(b"DATA"):
                self.wfile.write(b"354 Go on\r\n")
                self.taken.append(b"".join(iter(self.rfile.readline, b".\r\n")))
                self.wfile.write(b"550 5.7.1 Not here\r\n")
            else:
                self.wfile.write(b"250 Ok\r\n")


@pytest.fixture
def refusing() -> Iterator[tuple[int, list[bytes]]]:
    """A next hop's port, and the messages that it has refused."""
    taken: list[bytes] = []
    handler = type("Refusing", (_Refusing,), {"taken": taken})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1], taken
        server.shutdown()


@pytest.fixture
def service(make_service: Callable[..., Service], sink: Sink) -> Service:
    return make_service(sink.port, only="relay", extra=POLICY)


def concluded(service: Service) -> str:
    """The queue id of the one transaction that was answered."""
    pattern = rf"event=concluded queue_id=({QUEUE_ID}) "
    wait_until(lambda: re.search(pattern, service.log) is not None)
    (queue_id,) = re.findall(pattern, service.log)
    return str(queue_id)


def received(raw: bytes) -> str:
    """The queue id in the line that MailGuard has put in front."""
    found = re.match(
        rf"Received: .*?\(MailGuard\) with ESMTP id ({QUEUE_ID})\s".encode(), raw, re.S
    )
    assert found is not None
    return found[1].decode()


def test_of_a_message_that_passes(service: Service, sink: Sink) -> None:
    code, text = service.send(mail())

    queue_id = concluded(service)
    assert (250, [queue_id]) == (code, re.findall(QUEUE_ID, text.decode()))
    assert received(sink.messages()[0]) == queue_id


@pytest.mark.parametrize(
    ("raw", "code"),
    [(THREAT, 250), (PHISHING, 554), (PASSWORD, 451)],
    ids=["held", "refused", "deferred"],
)
def test_of_a_message_that_we_answer_for(service: Service, raw: bytes, code: int) -> None:
    replied, text = service.send(raw, to=["temp@agency.example"])

    assert (code, [concluded(service)]) == (replied, re.findall(QUEUE_ID, text.decode()))


def test_of_a_message_that_the_next_hop_refuses(
    make_service: Callable[..., Service], refusing: tuple[int, list[bytes]]
) -> None:
    port, taken = refusing
    service = make_service(port, only="relay")

    code, text = service.send(mail())

    assert (550, f"5.7.1 Not here ({concluded(service)})") == (code, text.decode())
    assert received(taken[0]) == concluded(service)
    assert f"event=refused_command queue_id={concluded(service)}" in service.log


def test_of_a_held_message_from_its_arrival_to_its_release(
    make_service: Callable[..., Service], sink: Sink
) -> None:
    service = make_service(sink.port)
    service.send(THREAT)
    (item,) = service.spool.glob("*/*/*/*")

    done = service.command(
        "quarantine", "release", item.name, "--reason", "a play", "--wait", "10", "--by", "head"
    )

    assert done.returncode == 0, done.stderr
    wait_until(lambda: "event=released" in service.log)
    about = [line for line in service.log.splitlines() if f"held_id={item.name}" in line]
    assert {"concluded", "alert_owed", "released"} <= set(re.findall(r"event=(\w+)", str(about)))
    assert [] == [line for line in about if f"queue_id={concluded(service)} " not in line]
