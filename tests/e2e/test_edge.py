"""The relay between two real Postfixes: what the one says about its client reaches the other."""

import os
import shutil
import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailguard.smtp.maildir import Delivered
from mailguard.testing import mail
from mailguard.testing.postfix import Postfix
from mailguard.testing.service import Service, free_port, wait_until
from mailguard.testing.sink import Sink

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("postfix") is None, reason="Postfix is not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="Postfix is started by root"),
]

PUPIL = "sam@pupils.elmpark.example"
TEACHER = "ms.khan@elmpark.example"


# The second Postfix's own next hop knows nothing of DSN, so it makes the notices itself.
EXTRA = """
smtp_discard_ehlo_keywords = dsn
"""


@pytest.fixture(scope="module")
def sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sink]:
    sink = Sink(tmp_path_factory.mktemp("edge") / "maildir")
    sink.start()
    yield sink
    sink.stop()


@pytest.fixture(scope="module")
def postfix(sink: Sink) -> Iterator[Postfix]:
    postfix = Postfix(proxy=free_port(), relay=sink.port, extra=EXTRA)
    postfix.start()
    yield postfix
    postfix.stop()


@pytest.fixture(scope="module")
def between(
    postfix: Postfix, tmp_path_factory: pytest.TempPathFactory, rule_cache: Path
) -> Iterator[Service]:
    """MailGuard where Postfix expects its filter, with Postfix behind it."""
    folder = tmp_path_factory.mktemp("mailguard")
    service = Service(folder=folder, next_hop=postfix.back, cache=rule_cache, port=postfix.proxy)
    service.start()
    yield service
    service.stop()


def arrived(sink: Sink, before: int, count: int = 1) -> list[Delivered]:
    """What came since there were `before`, once it is `count`."""
    wait_until(lambda: len(sink.delivered) == before + count, 20)
    return sink.delivered[before:]


def test_the_client_of_the_first_postfix_is_known_to_mailguard_and_to_the_second(
    postfix: Postfix, between: Service, sink: Sink
) -> None:
    before = len(sink.delivered)
    with smtplib.SMTP("127.0.0.1", postfix.front, source_address=("127.0.0.77", 0)) as client:
        client.ehlo("school-laptop.example")
        client.sendmail(PUPIL, [TEACHER], mail("Trip letters are due on Friday."))

    (came,) = arrived(sink, before)
    assert b"from school-laptop.example ([127.0.0.77])\r\n\tby " in came.file.read_bytes()
    assert "peer=127.0.0.77" in between.log
    assert "client=unknown[127.0.0.77]" in _lines(postfix, "/smtpd", "orig_client")


def send(
    postfix: Postfix,
    mail_argument: bytes,
    rcpt_argument: bytes,
    raw: bytes | None = None,
) -> list[int]:
    """The reply codes to MAIL, RCPT and the message, all of it bytes as given."""
    with smtplib.SMTP("127.0.0.1", postfix.front, timeout=30) as client:
        client.command_encoding = "latin-1"
        client.ehlo("client.example")
        return [
            client.docmd("MAIL", "FROM:" + mail_argument.decode("latin-1"))[0],
            client.docmd("RCPT", "TO:" + rcpt_argument.decode("latin-1"))[0],
            client.data(raw or mail("Trip letters are due on Friday."))[0],
        ]


def test_a_receipt_asked_for_through_both_postfixes_comes(
    postfix: Postfix, between: Service, sink: Sink
) -> None:
    before = len(sink.delivered)
    codes = send(
        postfix,
        b"<sam@pupils.elmpark.example> RET=HDRS ENVID=QQ+2B314",
        b"<ms.khan@elmpark.example> NOTIFY=SUCCESS ORCPT=rfc822;Ms.Khan@Elmpark.example",
    )

    both = arrived(sink, before, 2)
    (receipt,) = (each for each in both if each.sender.address == "")
    notice = receipt.file.read_bytes()
    assert codes == [250, 250, 250]
    assert receipt.recipients[0].address == PUPIL
    assert b"Original-Envelope-Id: QQ+314" in notice
    assert b"Original-Recipient: rfc822;Ms.Khan@Elmpark.example" in notice
    assert b"Action: relayed" in notice


@pytest.mark.parametrize(
    ("mail_argument", "sender", "rcpt_argument", "recipient"),
    [
        pytest.param(b"<>", "", b"<ms.khan@elmpark.example>", TEACHER, id="null sender"),
        pytest.param(
            b'<"sam reed"@pupils.elmpark.example> BODY=8BITMIME',
            '"sam reed"@pupils.elmpark.example',
            b'<"ms..khan"@elmpark.example> NOTIFY=NEVER',
            '"ms..khan"@elmpark.example',
            id="quoted",
        ),
        pytest.param(
            "<zoë@pupils.elmpark.example> SMTPUTF8 SIZE=500".encode(),
            "zoë@pupils.elmpark.example",
            "<frau.müller@elmpark.example>".encode(),
            "frau.müller@elmpark.example",
            id="UTF-8",
        ),
    ],
)
def test_odd_addresses_pass_both_postfixes(
    postfix: Postfix,
    between: Service,
    sink: Sink,
    mail_argument: bytes,
    sender: str,
    rcpt_argument: bytes,
    recipient: str,
) -> None:
    before = len(sink.delivered)
    codes = send(postfix, mail_argument, rcpt_argument)

    (came,) = arrived(sink, before)
    assert codes == [250, 250, 250]
    assert (came.sender.address, came.recipients[0].address) == (sender, recipient)


def _lines(postfix: Postfix, *words: str) -> str:
    return "".join(
        line for line in postfix.log.splitlines(True) if all(word in line for word in words)
    )
