"""A client of the real service that has gone before it read the reply, and tries again."""

import socket
import struct
from collections.abc import Callable

import pytest

from mailguard.testing import mail
from mailguard.testing.service import Service, wait_until
from mailguard.testing.sink import Sink

pytestmark = pytest.mark.slow


def send_and_vanish(port: int, raw: bytes) -> None:
    """Break the connection with RST right behind the final dot."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        replies = sock.makefile("rb")
        replies.readline()
        for line in (
            b"HELO client.example",
            b"MAIL FROM:<ana@elmpark.example>",
            b"RCPT TO:<ben@elmpark.example>",
            b"DATA",
        ):
            sock.sendall(line + b"\r\n")
            replies.readline()
        sock.sendall(raw + b".\r\n")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        replies.close()


def test_whichever_worker_is_tried_again_each_message_arrives_once(
    make_service: Callable[..., Service], sink: Sink
) -> None:
    service = make_service(sink.port, workers=2)
    messages = [mail(f"See you on day {day}.") for day in range(8)]
    for count, message in enumerate(messages, start=1):
        send_and_vanish(service.port, message)
        wait_until(lambda count=count: len(sink.delivered) == count)

    replies = {service.send(message)[0] for message in messages}

    assert replies == {250}
    assert len(sink.delivered) == len(messages)
    assert service.log.count("answered_again") == len(messages)
    assert service.send(messages[0])[0] == 250
    assert len(sink.delivered) == len(messages) + 1
