"""The processes that judge attachments, below a relay that real clients talk to."""

import os
import signal
import threading
import zipfile
from email.message import EmailMessage
from email.policy import SMTP
from io import BytesIO
from pathlib import Path

from mailguard.extract.patience import processor_time
from mailguard.testing.service import Service, wait_until

ANA, BEN, CEM = "ana@elmpark.example", "ben@elmpark.example", "cem@elmpark.example"

PAGE = b"<p>All is <b>well</b>.</p>\n" * 60_000
"""What takes some tenths of a second to read."""


def letter(sender: str, content: bytes) -> bytes:
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"] = sender, BEN
    message.set_content("See the file.")
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
        writer.writestr("page.html", content)
    message.add_attachment(archive.getvalue(), "application", "zip", filename="page.zip")
    return message.as_bytes()


def below(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def reads(worker: int) -> bool:
    """Whether a process below this judging process has begun to read something."""
    return any(processor_time(child) > 0.05 for zygote in below(worker) for child in below(zygote))


def test_mail_with_attachments_does_not_wait_for_a_slow_file(service: Service) -> None:
    wait_until(lambda: "event=judging_started" in service.log, 20)
    answers: list[str] = []

    def send(name: str, sender: str, content: bytes) -> None:
        code, _ = service.send(letter(sender, content), sender=sender, to=[BEN])
        answers.append(f"{name} {code}")

    slow = threading.Thread(target=send, args=("slow", ANA, PAGE))
    slow.start()
    (worker,) = below(service.pids("relay-1")[0])
    wait_until(lambda: reads(worker), 20)
    os.kill(worker, signal.SIGSTOP)
    send("quick", CEM, b"Football is at four.")
    send("quick", CEM, b"The play is on Friday.")
    os.kill(worker, signal.SIGCONT)

    slow.join()
    assert answers == ["quick 250", "quick 250", "slow 250"]
    assert "seccomp=true" in service.log
