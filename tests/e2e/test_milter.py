"""A real Postfix that asks MailGuard as its milter (`smtpd_milters`).

One Postfix, one MailGuard and one next hop serve all tests here; each looks only at what came
since it began.
"""

import base64
import hashlib
import json
import os
import shutil
import smtplib
import socketserver
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

from mailguard.smtp.maildir import Delivered
from mailguard.testing import mail
from mailguard.testing.certificate import make_certificate
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
HEAD = "head@elmpark.example"
CLUB = "chess.club@pupils.elmpark.example"
"""An alias of Postfix's, for several pupils."""

HELD = "wait till break tomorrow, I'm going to stab you"
MIXED = "Everyone hates you. kill yourself, nobody would miss you."
REFUSED = "Replica watches shipped worldwide"
DEFERRED = "Your account has been suspended. Please confirm your details."

UNSENT = "SELECT id FROM own_mails WHERE standing = 'waiting'"
JUDGED = "SELECT outcome FROM ledger_rows WHERE sender = 'mailguard@elmpark.example'"

CONFIG = """
[policy.actions]
commercial = "reject"
phishing = "defer"
[[listeners]]
name = "asked"
protocol = "milter"
address = "unix:{socket}"
clients = ["127.0.0.0/8", "10.20.0.0/16"]
next_hop = "smtp://127.0.0.1:{next_hop}"
"""

POSTFIX = """
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {certificate}
virtual_alias_maps = inline:{{ {{ {alias} = {members} }} }}
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{logins}
smtpd_sasl_security_options = noanonymous
"""


class Logins(socketserver.StreamRequestHandler):
    """Lets in whoever says a name: as much of Dovecot's auth protocol as Postfix needs."""

    def handle(self) -> None:
        self.wfile.write(
            b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t00\nDONE\n"
        )
        for line in self.rfile:
            words = line.rstrip(b"\n").split(b"\t")
            if words[0] == b"AUTH":
                _, _, response = words[-1].partition(b"=")
                name = base64.b64decode(response).split(b"\0")[1]
                self.wfile.write(b"OK\t%s\tuser=%s\n" % (words[1], name))


@dataclass
class Stage:
    """Postfix, which asks MailGuard, and which has a next hop; and what was there before a test."""

    postfix: Postfix
    service: Service
    sink: Sink
    delivered: int = 0
    held: frozenset[str] = frozenset()

    def begin(self) -> None:
        self.delivered, self.held = len(self.sink.delivered), frozenset()
        self.held = frozenset(self.items())

    def arrived(self) -> list[Delivered]:
        """What came out since the test began, once something did."""
        wait_until(lambda: len(self.sink.delivered) > self.delivered, 20)
        return self.sink.delivered[self.delivered :]

    def nothing_arrived(self) -> bool:
        """Nothing came out, though something that was sent later did."""
        marker = f"marker-{time.monotonic_ns()}"
        assert self.send(mail(marker))[0] == 250
        wait_until(lambda: any(marker.encode() in m.file.read_bytes() for m in self.arrived()), 20)
        return len(self.arrived()) == 1

    def items(self) -> dict[str, dict[str, str]]:
        """The states of what is in quarantine since the test began, by id and address."""
        found: dict[str, dict[str, str]] = {}
        with closing(sqlite3.connect(self.service.folder / "mailguard.db", timeout=10)) as database:
            query = "SELECT held_id, address, state FROM held_recipients"
            for held_id, address, state in database.execute(query):
                found.setdefault(held_id, {})[address] = state
        return {held_id: found[held_id] for held_id in found if held_id not in self.held}

    def item(self) -> dict[str, str]:
        """The states of the only one, once nothing of it is open any more."""
        wait_until(lambda: "pending" not in str(self.items()))
        (states,) = self.items().values()
        return states

    def evidence(self) -> tuple[bytes, dict[str, Any]]:
        """The only one's bytes and record."""
        (held_id,) = self.items()
        (file,) = self.service.spool.glob(f"2*/*/*/{held_id}/message.eml")
        return file.read_bytes(), json.loads(file.with_name("evidence.json").read_text())

    def send(
        self,
        raw: bytes,
        *,
        sender: str = PUPIL,
        to: Sequence[str] = (TEACHER,),
        mail_options: tuple[str, ...] = (),
        rcpt_options: tuple[str, ...] = (),
        before: Callable[[smtplib.SMTP], object] = lambda client: None,
    ) -> tuple[int, bytes]:
        """Send one message; the reply to its final dot, or the refusal before."""
        with smtplib.SMTP("127.0.0.1", self.postfix.asking, timeout=60) as client:
            client.ehlo("client.example")
            before(client)
            client.command_encoding = "utf-8"
            code, text = client.mail(sender, mail_options)
            for address in to:
                if code == 250:
                    code, text = client.rcpt(address, rcpt_options)
            return client.data(raw) if code == 250 else (code, text)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, rule_cache: Path) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("asking")
    # Not below the tests' own folder, which Postfix's user cannot reach.
    place = Path(tempfile.mkdtemp(dir="/var/tmp"))
    place.chmod(0o750)
    shutil.chown(place, group="postfix")
    certificate = make_certificate(folder / "postfix.pem", "postfix.elmpark.example")
    sink = Sink(folder / "maildir")
    logins = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Logins)
    logins.daemon_threads = True
    postfix = Postfix(
        proxy=free_port(),
        relay=sink.port,
        milter=f"unix:{place}/milter",
        extra=POSTFIX.format(
            certificate=certificate,
            alias=CLUB,
            members=f"{OTHER}, kim@pupils.elmpark.example",
            logins=logins.server_address[1],
        ),
    )
    service = Service(
        folder=folder / "mailguard",
        next_hop=postfix.back,
        cache=rule_cache,
        extra=CONFIG.format(socket=place / "milter", next_hop=postfix.back),
    )
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, place)
        stack.callback(logins.server_close)
        stack.callback(logins.shutdown)
        threading.Thread(target=logins.serve_forever, daemon=True).start()
        stack.callback(sink.stop)
        sink.start()
        stack.callback(postfix.stop)
        postfix.start()
        stack.callback(service.stop)
        service.start()
        yield Stage(postfix=postfix, service=service, sink=sink)


@pytest.fixture
def stage(house: Stage) -> Stage:
    house.begin()
    return house


def rows(service: Service, query: str) -> list[Any]:
    with closing(sqlite3.connect(service.folder / "mailguard.db", timeout=10)) as database:
        return database.execute(query).fetchall()


def body_of(raw: bytes) -> bytes:
    return raw.partition(b"\r\n\r\n")[2]


def digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def test_clean_mail_is_delivered_by_the_postfix_that_asked(stage: Stage) -> None:
    raw = mail("Trip letters are due on Friday.\n.\n..dots")

    code, text = stage.send(raw)

    (arrived,) = stage.arrived()
    assert code == 250, text
    assert digest(body_of(arrived.file.read_bytes())) == digest(body_of(raw))
    assert stage.items() == {}


def test_a_threat_is_held_as_it_was_sent_and_the_client_hears_250(stage: Stage) -> None:
    raw = mail(HELD, from_=PUPIL)

    code, text = stage.send(raw, to=[OTHER])

    kept, said = stage.evidence()
    assert code == 250, text
    assert kept == raw
    assert said["session"]["protocol"] == "milter"
    assert f"{said['session']['ident']}: milter-discard" in stage.postfix.log
    assert stage.nothing_arrived()
    assert "event=dup_risk" not in stage.service.log


def test_of_mixed_recipients_only_the_held_ones_get_nothing(stage: Stage) -> None:
    code, text = stage.send(mail(MIXED, from_=PUPIL), to=[OTHER, TEACHER])

    (arrived,) = stage.arrived()
    assert code == 250, text
    assert [path.address for path in arrived.recipients] == [TEACHER]
    assert stage.item() == {OTHER: "held", TEACHER: "delivered"}


@pytest.mark.parametrize(
    ("address", "parameters"),
    [
        ("MAX@Pupils.ElmPark.Example", ()),
        ('"max the second"@pupils.elmpark.example', ()),
        ('"max"@pupils.elmpark.example', ()),
        ("max+games@pupils.elmpark.example", ()),
        ("zoë@pupils.elmpark.example", ()),
        (CLUB, ()),
        (OTHER, ("NOTIFY=FAILURE", "ORCPT=rfc822;Max@elsewhere.example")),
    ],
    ids=[
        "upper case",
        "quoted",
        "needlessly quoted",
        "extension",
        "utf-8",
        "alias",
        "with parameters",
    ],
)
def test_however_an_address_is_written_its_copy_is_held(
    stage: Stage, address: str, parameters: tuple[str, ...]
) -> None:
    code, text = stage.send(
        mail(MIXED, from_=PUPIL),
        to=[address, TEACHER, address],
        mail_options=("SMTPUTF8",),
        rcpt_options=parameters,
    )

    (arrived,) = stage.arrived()
    assert code == 250, text
    assert [path.address for path in arrived.recipients] == [TEACHER]
    assert stage.item() == {address: "held", TEACHER: "delivered"}


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [(REFUSED, 554, b"5.7.1 Message refused"), (DEFERRED, 451, b"4.7.1 Message deferred")],
    ids=["reject", "defer"],
)
def test_the_client_hears_what_policy_says(
    stage: Stage, words: str, code: int, text: bytes
) -> None:
    heard = stage.send(mail(words, from_=PUPIL), to=[OTHER])

    assert heard[0] == code
    assert heard[1].startswith(text)
    assert stage.items() == {}
    assert stage.nothing_arrived()


ODD_HEADERS = [
    ("X-Spaces", "   three in front, two behind  "),
    ("X-Folded", "one\r\n\ttwo\r\n   three"),
    ("X-Empty", ""),
    ("X-Utf8", "Grüße, \u4f60\u597d"),
    ("X-Bytes", "caf\udce9"),
    ("X-Same", "first"),
    ("x-same", "second"),
    ("X-Long", "y" * 900),
]


@pytest.mark.parametrize(
    "options", [("BODY=8BITMIME",), ("SMTPUTF8", "BODY=8BITMIME")], ids=["8bit", "utf8"]
)
def test_odd_headers_are_kept_byte_for_byte(stage: Stage, options: tuple[str, ...]) -> None:
    raw = mail(f"{HELD}. Grüße \udcff", from_=PUPIL, headers=ODD_HEADERS)

    code, text = stage.send(raw, to=[OTHER], mail_options=options)

    kept, said = stage.evidence()
    assert code == 250, text
    assert digest(kept) == digest(raw)
    assert said["envelope"]["sender"]["argument"].split(" ")[1:] == [*options]


def test_a_header_without_a_space_is_kept_so(stage: Stage) -> None:
    raw = mail(HELD, from_=PUPIL).replace(b"Subject: ", b"Subject:")

    stage.send(raw, to=[OTHER])

    assert digest(stage.evidence()[0]) == digest(raw)


def test_a_large_message_is_kept_byte_for_byte(stage: Stage) -> None:
    lines = "".join(f"{number:06} and so on, and so on\n" for number in range(200_000))
    raw = mail(f"{HELD}\n{lines}", from_=PUPIL)

    code, text = stage.send(raw, to=[OTHER])

    assert code == 250, text
    assert len(raw) > 5 << 20
    assert digest(stage.evidence()[0]) == digest(raw)


def test_the_null_sender_is_asked_about_too(stage: Stage) -> None:
    code, text = stage.send(mail("Your message could not be delivered."), sender="")

    (arrived,) = stage.arrived()
    assert code == 250, text
    assert arrived.sender.address == ""


def xclient(attributes: str) -> Callable[[smtplib.SMTP], object]:
    def say(client: smtplib.SMTP) -> None:
        code, text = client.docmd("XCLIENT", attributes)
        assert code == 220, text
        client.ehlo("client.example")

    return say


@pytest.mark.parametrize(
    ("address", "origin"),
    [("192.0.2.9", "outside"), ("10.20.3.4", "inside")],
    ids=["world", "school"],
)
def test_where_mail_comes_from_is_read_off_the_client(
    stage: Stage, address: str, origin: str
) -> None:
    stage.send(
        mail(HELD, from_="x@elsewhere.example"),
        sender="x@elsewhere.example",
        to=[OTHER],
        before=xclient(f"ADDR={address} NAME=client.elsewhere.example PORT=4711"),
    )

    session = stage.evidence()[1]["session"]
    assert session["origin"] == origin
    assert session["peer"] == address
    assert session["peer_port"] == 4711
    assert session["name"] == "client.elsewhere.example"


def test_who_has_logged_in_is_inside_wherever_they_are(stage: Stage) -> None:
    def log_in(client: smtplib.SMTP) -> None:
        xclient("ADDR=192.0.2.9 NAME=[UNAVAILABLE]")(client)
        client.login("sam", "secret")

    stage.send(mail(HELD, from_=PUPIL), to=[OTHER], before=log_in)

    session = stage.evidence()[1]["session"]
    assert session["auth"] == "sam"
    assert session["origin"] == "inside"


def test_tls_is_in_the_evidence(stage: Stage) -> None:
    def start_tls(client: smtplib.SMTP) -> None:
        client.starttls()
        client.ehlo("client.example")

    stage.send(mail(HELD, from_=PUPIL), to=[OTHER], before=start_tls)

    assert stage.evidence()[1]["session"]["tls"].startswith("TLSv1.")


def test_many_messages_in_one_session_are_each_asked_about(stage: Stage) -> None:
    with smtplib.SMTP("127.0.0.1", stage.postfix.asking, timeout=60) as client:
        for words in ("one", HELD, "two", REFUSED, "three"):
            try:
                client.sendmail(PUPIL, [OTHER], mail(words, from_=PUPIL))
            except smtplib.SMTPDataError as error:
                assert error.smtp_code == 554
            client.rset()

    wait_until(lambda: len(stage.arrived()) == 3)
    assert len(stage.items()) == 1


def test_twenty_clients_at_once_are_each_asked_about(stage: Stage) -> None:
    def send(number: int) -> int:
        words = HELD if number % 2 else f"clean {number}"
        return stage.send(mail(words, from_=PUPIL), to=[OTHER])[0]

    with ThreadPoolExecutor(20) as clients:
        codes = list(clients.map(send, range(40)))

    wait_until(lambda: len(stage.arrived()) == 20, 20)
    assert set(codes) == {250}
    assert len(stage.items()) == 20


def test_a_released_message_arrives_once_and_is_not_asked_about_again(stage: Stage) -> None:
    raw = mail(HELD, from_=PUPIL)
    stage.send(raw, to=[OTHER])
    (held_id,) = stage.items()

    done = stage.service.command(
        *("quarantine", "release", held_id, "--reason", "drama", "--wait", "20")
    )

    (arrived,) = stage.arrived()
    assert done.returncode == 0, done.stderr
    assert body_of(arrived.file.read_bytes()) == body_of(raw)
    assert stage.item() == {OTHER: "released"}


def send_own_mail_to(port: int, service: Service) -> None:
    service.stop()
    service.own_mail = port
    service.start()


def test_our_own_mail_whose_way_out_asks_us_passes_unjudged_once(stage: Stage) -> None:
    nobody = stage.service.own_mail
    send_own_mail_to(stage.postfix.asking, stage.service)
    try:
        stage.send(mail(MIXED, from_=PUPIL), to=[OTHER])
        wait_until(lambda: rows(stage.service, UNSENT) == [] and stage.arrived() != [], 20)
        alerts = stage.arrived()
        passed = stage.service.log.count("event=own_mail_passed")
        unjudged = rows(stage.service, JUDGED)

        stage.send(alerts[0].file.read_bytes(), sender=alerts[0].sender.address, to=[HEAD])
        wait_until(lambda: rows(stage.service, JUDGED) != [])
    finally:
        send_own_mail_to(nobody, stage.service)

    assert {path.address for alert in alerts for path in alert.recipients} == {HEAD}
    assert passed >= len(alerts)
    assert (unjudged, len(rows(stage.service, JUDGED))) == ([], 1)


def test_a_stopped_milter_is_a_temporary_failure_for_the_client(stage: Stage) -> None:
    stage.service.stop()
    try:
        code, text = stage.send(mail())
    finally:
        stage.service.start()

    assert code == 451, text
    assert stage.nothing_arrived()


def test_what_went_back_is_sent_once_its_author_answers_why(stage: Stage) -> None:
    raw = mail("The password is Sunflower-4417, for the hall booking account.", from_=TEACHER)
    stage.send(raw, sender=TEACHER, to=["info@hire.example"])
    returned = stage.item()
    (held_id,) = stage.items()
    query = f"SELECT raw FROM own_mails WHERE kind = 'return' AND about = '{held_id}'"
    wait_until(lambda: rows(stage.service, query))
    address = message_from_bytes(rows(stage.service, query)[0][0])["Reply-To"]

    def answer(text: str) -> tuple[int, bytes]:
        quoted = f"From: {TEACHER}\r\nSubject: Re: x\r\n\r\n{text}\r\n\r\n> Take the data out\r\n"
        return stage.send(quoted.encode(), sender=TEACHER, to=[address])

    refused, accepted, again = answer(""), answer("The hirer needs it today."), answer("Once more")

    (arrived,) = stage.arrived()
    assert {"info@hire.example": "returned"} == returned
    assert [550, 250, 550] == [code for code, _ in (refused, accepted, again)]
    assert b"write in the first line why" in refused[1]
    assert ["info@hire.example"] == [path.address for path in arrived.recipients]
    assert body_of(arrived.file.read_bytes()) == body_of(raw)
