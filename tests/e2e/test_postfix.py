"""A real Postfix as the client (`smtpd_proxy_filter`) and as the next hop."""

import os
import shutil
import smtplib
from collections.abc import Callable, Iterator

import pytest

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
OTHER = "max@pupils.elmpark.example"
TEACHER = "ms.khan@elmpark.example"


@pytest.fixture
def postfix(sink: Sink) -> Iterator[Postfix]:
    postfix = Postfix(proxy=free_port(), relay=sink.port)
    postfix.start()
    yield postfix
    postfix.stop()


@pytest.fixture
def between(postfix: Postfix, make_service: Callable[..., Service]) -> Service:
    """MailGuard where Postfix expects its filter, with Postfix behind it."""
    return make_service(postfix.back, port=postfix.proxy)


def send(
    postfix: Postfix,
    raw: bytes,
    *,
    sender: str = PUPIL,
    to: str = TEACHER,
    mail_options: tuple[str, ...] = (),
    rcpt_options: tuple[str, ...] = (),
) -> tuple[int, bytes]:
    with smtplib.SMTP("127.0.0.1", postfix.front, timeout=30) as client:
        client.ehlo("client.example")
        code, text = client.mail(sender, mail_options)
        if code == 250:
            code, text = client.rcpt(to, rcpt_options)
        return client.data(raw) if code == 250 else (code, text)


def test_mail_passes_postfix_mailguard_postfix_with_its_bytes(
    postfix: Postfix, between: Service, sink: Sink
) -> None:
    raw = mail("Trip letters are due on Friday. Ümläute, 8-bit.\n.\n..dots")

    code, text = send(postfix, raw, mail_options=("BODY=8BITMIME",))

    wait_until(lambda: len(sink.messages()) == 1)
    body = raw.partition(b"\r\n\r\n")[2]
    assert code == 250, text
    assert sink.messages()[0].partition(b"\r\n\r\n")[2] == body
    assert b"(MailGuard)" in sink.messages()[0]


def test_a_threat_through_postfix_is_held(postfix: Postfix, between: Service, sink: Sink) -> None:
    code, _ = send(postfix, mail("I'm going to stab you tomorrow"), to=OTHER)

    listed = between.command("quarantine", "list", "--json")
    assert code == 250
    assert '"state": "held"' in listed.stdout or '"state":"held"' in listed.stdout
    assert sink.messages() == []


def test_the_null_sender_passes(postfix: Postfix, between: Service, sink: Sink) -> None:
    code, text = send(postfix, mail("Your message could not be delivered."), sender="")

    wait_until(lambda: len(sink.messages()) == 1)
    assert code == 250, text
    assert sink.delivered[0].sender.address == ""


def test_dsn_parameters_pass_both_postfixes(postfix: Postfix, between: Service, sink: Sink) -> None:
    code, text = send(
        postfix,
        mail("With a receipt, please."),
        mail_options=("RET=HDRS", "ENVID=QQ+2B314"),
        rcpt_options=("NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;Ms.Khan@elmpark.example"),
    )

    wait_until(lambda: len(sink.messages()) == 1)
    (arrived,) = sink.delivered
    assert code == 250, text
    assert b"ENVID=QQ+2B314" in arrived.sender.argument
    assert b"ORCPT=rfc822;Ms.Khan@elmpark.example" in arrived.recipients[0].argument


def test_an_internationalised_address_passes(
    postfix: Postfix, between: Service, sink: Sink
) -> None:
    with smtplib.SMTP("127.0.0.1", postfix.front, timeout=30) as client:
        client.ehlo("client.example")
        client.command_encoding = "utf-8"
        codes = [
            client.mail("zoë@pupils.elmpark.example", ("SMTPUTF8",))[0],
            client.rcpt(TEACHER)[0],
            client.data(mail("Hello from Zoë."))[0],
        ]

    wait_until(lambda: len(sink.messages()) == 1)
    assert codes == [250, 250, 250]
    assert sink.delivered[0].sender.address == "zoë@pupils.elmpark.example"


def test_the_next_hops_refusal_reaches_the_client(
    postfix: Postfix, make_service: Callable[..., Service]
) -> None:
    service = make_service(postfix.back)

    code, text = service.send(mail(), sender=PUPIL, to=["not-an-address@@x"])

    assert code >= 500, text


def test_mailguard_down_is_a_temporary_failure_for_the_client(postfix: Postfix) -> None:
    code, _ = send(postfix, mail())

    assert code == 451
