"""People log in at a real Postfix through the real service, within TLS on both sides."""

import base64
import os
import shutil
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

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

NAME, PASSWORD = "ms.khan@elmpark.example", "zq7-correct-horse"

MAIN = """
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {sasl}
smtpd_tls_auth_only = yes
smtpd_tls_security_level = may
smtpd_tls_chain_files = {pem}
smtpd_relay_restrictions = permit_sasl_authenticated, reject
mynetworks = 192.0.2.0/24
"""

LISTENER = """
[[listeners]]
name = "submission"
address = "127.0.0.1:{port}"
origin = "outside"
clients = []
auth = "pass"
tls = "require"
tls_certificate = "mg.pem"
next_hop = "smtp://127.0.0.1:{next_hop}"
next_hop_tls = "require"
"""


class Passwords:
    """The side of Dovecot's authentication protocol that a mail server asks."""

    def __init__(self, path: Path) -> None:
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        path.chmod(0o666)
        self._server.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rw") as stream:
            hello = "VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\n"
            stream.write(hello + "SPID\t1\nCUID\t1\nCOOKIE\t00\nDONE\n")
            stream.flush()
            given: list[str] = []
            for line in stream:
                word, number, *rest = [*line.rstrip("\n").split("\t"), ""]
                if word == "AUTH":
                    given = [rest[-2][5:]] if rest[-2].startswith("resp=") else []
                    wanted = 1 if rest[0] == "PLAIN" else 2
                elif word == "CONT":
                    given.append(rest[0])
                else:
                    continue
                said = [base64.b64decode(each).decode() for each in given]
                if len(said) < wanted:
                    prompt = base64.b64encode((b"Username:", b"Password:")[len(said)]).decode()
                    stream.write(f"CONT\t{number}\t{prompt}\n")
                elif (said[0].split("\0")[1:] if wanted == 1 else said) == [NAME, PASSWORD]:
                    stream.write(f"OK\t{number}\tuser={NAME}\n")
                else:
                    stream.write(f"FAIL\t{number}\tuser={NAME}\n")
                stream.flush()

    def stop(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


@pytest.fixture(scope="module")
def next_hop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Postfix, Sink]]:
    """A Postfix that takes mail from those only who log in, within TLS."""
    folder = tmp_path_factory.mktemp("submission")
    sink = Sink(folder / "maildir")
    sink.start()
    postfix = Postfix(proxy=free_port(), relay=sink.port)
    sasl = postfix.folder / "sasl"
    pem = make_certificate(postfix.folder / "postfix.pem")
    postfix.extra = MAIN.format(sasl=sasl, pem=pem)
    passwords = Passwords(sasl)
    postfix.start()
    yield postfix, sink
    postfix.stop()
    passwords.stop()
    sink.stop()


@pytest.fixture(scope="module")
def submission(
    next_hop: tuple[Postfix, Sink], tmp_path_factory: pytest.TempPathFactory, rule_cache: Path
) -> Iterator[tuple[Service, int]]:
    """The service, and the port at which people log in."""
    folder = tmp_path_factory.mktemp("mailguard")
    make_certificate(folder / "mg.pem")
    port, back = free_port(), next_hop[0].back
    extra = LISTENER.format(port=port, next_hop=back)
    service = Service(folder=folder, next_hop=back, cache=rule_cache, extra=extra)
    service.start()
    yield service, port
    service.stop()


def context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.mark.parametrize("mechanism", ["auth_plain", "auth_login"])
def test_who_logs_in_sends_and_no_password_is_left_behind(
    mechanism: str, submission: tuple[Service, int], next_hop: tuple[Postfix, Sink]
) -> None:
    service, port = submission
    postfix, sink = next_hop
    before = len(sink.messages())
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        client.starttls(context=context())
        client.ehlo("laptop.example")
        offered = client.esmtp_features["auth"]
        client.user, client.password = NAME, PASSWORD
        code, _ = client.auth(mechanism[5:].upper(), getattr(client, mechanism))
        client.sendmail(NAME, ["friend@other.example"], mail("See you on Monday."))
        client.sendmail(NAME, ["friend@other.example"], mail("And on Tuesday."))

    wait_until(lambda: len(sink.messages()) == before + 2)
    files = [path for path in service.folder.rglob("*") if path.is_file()]
    secrets = (PASSWORD.encode(), base64.b64encode(f"\0{NAME}\0{PASSWORD}".encode()))
    assert (code, offered.split()) == (235, ["PLAIN", "LOGIN"])
    assert b"with ESMTPSA id" in sink.messages()[-1]
    assert f"sasl_username={NAME}" in postfix.log
    assert [f.name for f in files for secret in secrets if secret in f.read_bytes()] == []


def test_a_wrong_password_is_postfixs_to_refuse(
    submission: tuple[Service, int], next_hop: tuple[Postfix, Sink]
) -> None:
    with smtplib.SMTP("127.0.0.1", submission[1], timeout=30) as client:
        client.starttls(context=context())
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            client.login(NAME, "guess")
        code, _ = client.mail(NAME)

    assert (refused.value.smtp_code, code) == (535, 530)


def test_a_threat_by_somebody_who_logged_in_is_held_and_names_them(
    submission: tuple[Service, int], next_hop: tuple[Postfix, Sink]
) -> None:
    service, port = submission
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        client.starttls(context=context())
        client.login(NAME, PASSWORD)
        threat = mail("I'm going to stab you tomorrow")
        client.sendmail("sam@pupils.elmpark.example", ["max@pupils.elmpark.example"], threat)

    (evidence,) = service.spool.rglob("evidence.json")
    assert f'"auth": "{NAME}"' in evidence.read_text()
    assert '"origin": "inside"' in evidence.read_text()
    assert '"tls": "TLSv1.3 ' in evidence.read_text()


def test_a_renewed_certificate_is_shown_without_a_restart(submission: tuple[Service, int]) -> None:
    service, port = submission

    def shown() -> bytes:
        with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
            client.starttls(context=context())
            return client.sock.getpeercert(binary_form=True) or b""

    old = [shown(), shown()]
    make_certificate(service.folder / "mg.pem")

    assert old[0] == old[1] != shown()


def test_a_certificate_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    service = Service(folder=tmp_path, next_hop=free_port(), cache=tmp_path / "cache")
    service.config.write_text('[[listeners]]\ntls = "may"\ntls_certificate = "gone.pem"\n')

    done = service.command("serve")

    assert done.returncode == 78
    assert "gone.pem cannot be used for 'mail': No such file" in done.stderr
