"""Our own mail from the real service: alerts at once, through a real Postfix, and back again."""

import email
import json
import os
import re
import shutil
import signal
import smtplib
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from email.header import decode_header, make_header
from email.message import Message
from pathlib import Path
from typing import BinaryIO

import pytest

from mailguard.smtp.server import listen
from mailguard.testing import CANARY, mail
from mailguard.testing.postfix import Postfix
from mailguard.testing.service import Service, free_port, wait_until
from mailguard.testing.sink import Sink

PUPIL = "sam@pupils.elmpark.example"
OTHER = "max@pupils.elmpark.example"
HEAD = "head@elmpark.example"
SENDER = "mailguard@elmpark.example"
URGENT = "Everyone hates you. kill yourself, nobody would miss you."
EVERY_DAY = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

needs_postfix = pytest.mark.skipif(
    shutil.which("postfix") is None or os.geteuid() != 0,
    reason="Postfix is not installed, or there is no root to start it",
)


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[Sink]:
    """Where our own mail arrives."""
    sink = Sink(tmp_path / "mailbox")
    sink.start()
    yield sink
    sink.stop()


def send_urgent(service: Service) -> None:
    code, text = service.send(mail(URGENT, from_=PUPIL), sender=PUPIL, to=[OTHER])
    assert code == 250, text


def parsed(sink: Sink) -> list[Message]:
    return [email.message_from_bytes(raw) for raw in sink.messages()]


def subject_of(message: Message) -> str:
    return str(make_header(decode_header(message["Subject"])))


def text_of(message: Message, subtype: str) -> str:
    (part,) = (part for part in message.walk() if part.get_content_subtype() == subtype)
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content.decode("utf-8")


def standings(service: Service) -> list[str]:
    """Of all our own mail, oldest first."""
    with sqlite3.connect(f"file:{service.folder}/mailguard.db?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT standing FROM own_mails ORDER BY id").fetchall()
    return [standing for (standing,) in rows]


def test_an_alert_is_there_within_seconds(
    make_service: Callable[..., Service], sink: Sink, mailbox: Sink
) -> None:
    service = make_service(sink.port, own_mail=mailbox.port)

    send_urgent(service)

    wait_until(lambda: len(mailbox.messages()) == 1, 10)
    (arrived,) = mailbox.delivered
    assert [path.address for path in arrived.recipients] == [HEAD]
    assert arrived.sender.address == SENDER
    assert CANARY.encode() not in mailbox.messages()[0]
    assert "event=alert_owed" in service.log
    assert sink.messages() == []
    wait_until(lambda: standings(service) == ["accepted"])
    with sqlite3.connect(f"file:{service.folder}/mailguard.db?mode=ro", uri=True) as connection:
        ((detail,),) = connection.execute(
            "SELECT detail FROM audit_entries WHERE action = 'alert'"
        ).fetchall()
    assert json.loads(detail)["standing"] == "accepted"
    assert json.loads(detail)["reply"].startswith("250")
    assert service.command("audit", "verify").returncode == 0


def test_an_alert_waits_for_a_next_hop_that_is_down(
    make_service: Callable[..., Service], sink: Sink, tmp_path: Path
) -> None:
    port = free_port()
    service = make_service(sink.port, own_mail=port)
    send_urgent(service)
    wait_until(lambda: "event=own_mail_delayed kind=alert" in service.log)

    mailbox = Sink(tmp_path / "late", port)
    mailbox.start()

    wait_until(lambda: standings(service) == ["accepted"], 20)
    assert len(mailbox.messages()) == 1
    mailbox.stop()


def test_two_services_on_one_store_send_one_copy(
    make_service: Callable[..., Service], sink: Sink, mailbox: Sink
) -> None:
    service = make_service(sink.port, own_mail=mailbox.port, digest_days=EVERY_DAY)
    rival = Service(
        folder=service.folder,
        next_hop=sink.port,
        cache=service.cache,
        port=service.port,
        own_mail=mailbox.port,
        digest_days=EVERY_DAY,
        only="jobs",
    )
    rival.start()

    for _ in range(5):
        send_urgent(service)
    by_hand = [
        subprocess.Popen(
            [sys.executable, "-m", "mailguard", "digest", "send", "--config", str(service.config)],
            stdout=subprocess.DEVNULL,
        )
        for _ in range(2)
    ]
    for process in by_hand:
        process.wait(60)
    wait_until(lambda: standings(service) == ["accepted"] * 6, 20)
    assert rival.stop() == 0

    identities = [message["Message-ID"] for message in parsed(mailbox)]
    assert len(identities) == len(set(identities)) == 6


class Killer:
    """A next hop that kills a process when a command comes, or after its reply went out."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.plan: tuple[str, bool] | None = None
        self.kill: Callable[[], None] = lambda: None
        self._socket = listen("127.0.0.1", 0)
        self._socket.setblocking(True)
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._run, name="killer", daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as stream:
                try:
                    self._serve(stream)
                except OSError:
                    continue

    def _serve(self, stream: BinaryIO) -> None:
        self._say(stream, "", b"220 here\r\n")
        while line := stream.readline():
            command = line.strip().upper().split(b" ")[0].decode()
            if command == "DATA":
                self._say(stream, command, b"354 go on\r\n")
                raw = b""
                while not raw.endswith(b"\r\n.\r\n"):
                    line = stream.readline()
                    if not line:
                        return
                    raw += line
                self.taken.append(raw)
                command = "DOT"
            self._say(stream, command, b"250 2.0.0 Ok\r\n")

    def _say(self, stream: BinaryIO, command: str, reply: bytes) -> None:
        is_deadly = self.plan is not None and self.plan[0] == command
        after = self.plan is not None and self.plan[1]
        if is_deadly and not after:
            self.plan = None
            self.kill()
        stream.write(reply)
        stream.flush()
        if is_deadly and after:
            self.plan = None
            self.kill()


@pytest.fixture
def killer() -> Iterator[Killer]:
    killer = Killer()
    yield killer
    killer.close()


@pytest.mark.slow
def test_kill_of_the_jobs_amid_an_alert_repeats_it_only_after_the_dot(
    make_service: Callable[..., Service], sink: Sink, killer: Killer
) -> None:
    service = make_service(sink.port, own_mail=killer.port)

    greeted = deaths(service, killer, "EHLO", after=True)
    began = deaths(service, killer, "DATA", after=False)
    taken = deaths(service, killer, "DOT", after=False)
    told = deaths(service, killer, "DOT", after=True)

    assert service.log.count("event=process_died process=jobs status=-9") == 4
    assert (greeted, began, taken) == (1, 1, 2)
    assert told in (1, 2)


def deaths(service: Service, killer: Killer, command: str, *, after: bool) -> int:
    """Kill the jobs at this command of sending an alert; return how often it arrived in the end,
    always under one Message-ID."""
    wait_until(lambda: service.pids("jobs"))
    (pid,) = service.pids("jobs")
    number = len(standings(service)) + 1
    killer.taken.clear()
    killer.kill = lambda: os.kill(pid, signal.SIGKILL)
    killer.plan = (command, after)
    send_urgent(service)
    wait_until(lambda: service.pids("jobs") not in ([], [pid]), 20)
    wait_until(lambda: standings(service) == ["accepted"] * number, 30)
    identities = re.findall(rb"^Message-ID: (\S+)", b"".join(killer.taken), re.M)
    assert len(set(identities)) == 1
    return len(identities)


@pytest.fixture
def postfix(mailbox: Sink) -> Iterator[Postfix]:
    postfix = Postfix(proxy=free_port(), relay=mailbox.port)
    postfix.start()
    yield postfix
    postfix.stop()


@pytest.mark.slow
@needs_postfix
def test_digest_and_alert_go_through_a_real_postfix_into_a_mailbox(
    make_service: Callable[..., Service], postfix: Postfix, mailbox: Sink
) -> None:
    service = make_service(
        postfix.back, port=postfix.proxy, own_mail=postfix.back, digest_days=EVERY_DAY
    )

    send_urgent(service)

    wait_until(lambda: len(mailbox.messages()) == 2, 20)
    by_subject = {subject_of(message).split(" – ")[0]: message for message in parsed(mailbox)}
    assert set(by_subject) == {"MailGuard daily summary", "MailGuard alert"}
    for message in by_subject.values():
        assert message.get_content_type() == "multipart/alternative"
        assert message["Auto-Submitted"] == "auto-generated"
        assert message["To"] == HEAD
        assert re.fullmatch(r"v=1; t=\d+; m=[0-9a-f]{64}", message["X-MailGuard-Key"])
        assert message.defects == []
        assert "Childline" in text_of(message, "plain")
        assert text_of(message, "html").rstrip().endswith("</html>")
    assert "mailguard quarantine show MG-" in text_of(by_subject["MailGuard alert"], "plain")


@pytest.mark.slow
@needs_postfix
def test_own_mail_that_comes_back_through_our_own_filter_passes_unjudged_once(
    make_service: Callable[..., Service], postfix: Postfix, mailbox: Sink
) -> None:
    """Its way out is a Postfix whose filter is MailGuard itself."""
    service = make_service(
        postfix.back, port=postfix.proxy, own_mail=postfix.front, digest_days=EVERY_DAY
    )
    wait_until(lambda: len(mailbox.messages()) == 1, 20)
    assert service.log.count("event=own_mail_passed") == 1
    assert "event=concluded" not in service.log

    with smtplib.SMTP("127.0.0.1", postfix.front, timeout=30) as client:
        client.sendmail(SENDER, [HEAD], mailbox.messages()[0])

    wait_until(lambda: len(mailbox.messages()) == 2, 20)
    assert service.log.count("event=own_mail_passed") == 1
    assert service.log.count("event=concluded") == 1
