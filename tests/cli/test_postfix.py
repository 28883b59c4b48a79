"""The lines for a machine's Postfix, from a real `postconf` over a folder of its own."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Mailguard = Callable[..., Any]

pytestmark = pytest.mark.skipif(
    shutil.which("postconf", path="/usr/sbin:/usr/bin") is None, reason="there is no Postfix here"
)

LISTENERS = """
[[listeners]]
name = "mx"
address = "127.0.0.1:10025"
origin = "outside"
next_hop = "smtp://127.0.0.1:10026"
[[listeners]]
name = "submission"
address = "127.0.0.1:10027"
origin = "inside"
next_hop = "smtp://127.0.0.1:10026"
"""

MASTER = """
smtp inet n - y - - smtpd
submission inet n - y - 20 smtpd
  -o smtpd_sasl_auth_enable=yes
pickup unix n - y 60 1 pickup
"""

POSTSCREEN = """
smtp inet n - y - 1 postscreen
smtpd pass - - y - - smtpd
"""

APPLIED = """
smtp inet n - y - 20 smtpd
  -o smtpd_proxy_filter=127.0.0.1:10025
  -o smtpd_proxy_timeout=100s
127.0.0.1:10026 inet n - n - - smtpd
  -o smtpd_proxy_filter=
"""


@pytest.fixture
def postfix(
    tmp_path: Path, config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """Gives Postfix this `master.cf` and `main.cf`, and MailGuard two listeners."""
    text = config_file.read_text().partition("[[listeners]]")
    rest = text[2].partition("[rules]")

    def write(master: str, main: str = "", listeners: str = LISTENERS) -> None:
        config_file.write_text(f"{text[0]}{listeners}[rules]{rest[2]}")
        folder = tmp_path / "postfix"
        folder.mkdir()
        (folder / "main.cf").write_text(f"compatibility_level = 3.6\n{main}\n")
        (folder / "master.cf").write_text(master)
        # postconf waits until a file is older than a second or two, in case it is being written.
        os.utime(folder / "main.cf", (0, 0))
        monkeypatch.setenv("MAIL_CONFIG", str(folder))

    return write


def test_each_service_gets_the_listener_for_its_mail_and_there_is_one_way_back(
    mailguard: Mailguard, postfix: Callable[..., None], tmp_path: Path
) -> None:
    postfix(MASTER)

    done = mailguard("config", "postfix")

    _, back, world, own = re.split(r"^\d\. ", done.out, flags=re.MULTILINE)
    assert "127.0.0.1:10026 inet n - n - - smtpd" in back
    assert "`smtp inet … smtpd`" in world
    assert "-o smtpd_proxy_filter=127.0.0.1:10025" in world
    assert "-o smtpd_proxy_timeout=100s" in world
    assert "column maxproc" in world
    assert "`submission inet … smtpd`" in own
    assert "-o smtpd_proxy_filter=127.0.0.1:10027" in own
    assert "column maxproc" not in own
    assert str(tmp_path / "postfix") in done.out


def test_the_way_back_refuses_recipients_whom_nobody_has(
    mailguard: Mailguard, postfix: Callable[..., None]
) -> None:
    postfix(MASTER)

    assert "no_unknown_recipient_checks" not in mailguard("config", "postfix").out


def test_a_listener_that_no_service_hands_mail_to_is_named(
    mailguard: Mailguard, postfix: Callable[..., None]
) -> None:
    postfix(MASTER.partition("submission")[0])

    done = mailguard("config", "postfix")

    assert "Nothing is handed to the listener submission" in done.out
    assert "counts as\nfrom the world" in done.out


def test_behind_postscreen_it_is_the_smtpd_service(
    mailguard: Mailguard, postfix: Callable[..., None]
) -> None:
    postfix(POSTSCREEN)

    done = mailguard("config", "postfix")

    assert "`smtpd pass … smtpd`" in done.out
    assert "`smtp inet" not in done.out


def test_what_is_there_already_is_said_and_used(
    mailguard: Mailguard, postfix: Callable[..., None]
) -> None:
    postfix(APPLIED)

    lines = mailguard("config", "postfix")
    used = mailguard("config", "postfix", "--used")

    assert "127.0.0.1:10026 takes mail back already" in lines.out
    assert "hands its mail to 127.0.0.1:10025 already" in lines.out
    assert (used.status, used.out) == (
        1,
        "smtp/inet: -o smtpd_proxy_filter=127.0.0.1:10025\n",
    )


@pytest.mark.parametrize(
    ("main", "status"),
    [
        ("smtpd_proxy_filter = inet:localhost:10025", 1),
        ("content_filter = smtp:[127.0.0.1]:10027", 1),
        ("content_filter = smtp:[127.0.0.1]:10024", 0),
        ("smtpd_proxy_filter = 192.0.2.7:10025", 0),
        ("", 0),
    ],
)
def test_a_handover_is_found_however_it_is_written(
    mailguard: Mailguard, postfix: Callable[..., None], main: str, status: int
) -> None:
    postfix(MASTER, main)

    assert mailguard("config", "postfix", "--used").status == status


def test_milters_that_would_see_no_content_are_named(
    mailguard: Mailguard, postfix: Callable[..., None]
) -> None:
    postfix(MASTER, "smtpd_milters = inet:127.0.0.1:8891")

    assert "smtpd_milters is set" in mailguard("config", "postfix").out


MILTER = """
[[listeners]]
name = "asked"
protocol = "milter"
address = "{address}"
next_hop = "smtp://127.0.0.1:10026"
"""

WAY_BACK = """
smtp inet n - y - - smtpd
127.0.0.1:10026 inet n - n - - smtpd
  -o smtpd_milters=
"""

SOCKET = MILTER.format(address="unix:/var/spool/postfix/mailguard/milter")
PORT = MILTER.format(address="127.0.0.1:10027")


@pytest.mark.parametrize(
    ("listener", "entry"),
    [(SOCKET, "unix:mailguard/milter"), (PORT, "inet:127.0.0.1:10027")],
    ids=["socket", "port"],
)
def test_for_a_milter_the_lines_make_postfix_ask_it_and_not_about_what_is_released(
    mailguard: Mailguard, postfix: Callable[..., None], listener: str, entry: str
) -> None:
    postfix(MASTER, "smtpd_milters = inet:127.0.0.1:8891", listener)

    out = mailguard("config", "postfix").out

    _, back, asking = re.split(r"^\d\. ", out, flags=re.MULTILINE)
    assert "127.0.0.1:10026 inet n - n - - smtpd" in back
    assert "    -o smtpd_milters=\n" in back
    assert f"    smtpd_milters = inet:127.0.0.1:8891, {entry}\n" in asking
    assert f"    non_smtpd_milters = {entry}\n" in asking
    assert "    milter_default_action = tempfail\n" in asking
    assert "    milter_protocol = 6\n" in asking
    assert "-o smtpd_proxy_filter=127" not in out
    assert "remove it from the smtpd_milters and non_smtpd_milters lines" in asking


@pytest.mark.parametrize(
    ("listener", "written"),
    [
        (SOCKET, "unix:mailguard/milter"),
        (SOCKET, "inet:127.0.0.1:8891, unix:/mailguard/milter"),
        (SOCKET, "{ unix:/var/spool/postfix/mailguard/milter, connect_timeout=10s }"),
        (PORT, "inet:localhost:10027"),
    ],
)
def test_a_milter_that_postfix_asks_already_is_found_however_it_is_written(
    mailguard: Mailguard, postfix: Callable[..., None], listener: str, written: str
) -> None:
    queue = "queue_directory = /var/spool/postfix\n"
    main = f"{queue}smtpd_milters = {written}\nnon_smtpd_milters = {written}"
    postfix(WAY_BACK, main, listener)

    lines = mailguard("config", "postfix")
    used = mailguard("config", "postfix", "--used")

    assert "127.0.0.1:10026 takes mail back already" in lines.out
    assert "is asked about all mail already" in lines.out
    assert (used.status, used.out.count("milters = ")) == (1, 2)


def test_another_milter_is_not_taken_for_ours(
    mailguard: Mailguard, postfix: Callable[..., None]
) -> None:
    postfix(WAY_BACK, "smtpd_milters = inet:127.0.0.1:8891, unix:other/milter", SOCKET)

    assert mailguard("config", "postfix", "--used").status == 0


def test_a_socket_that_a_chroot_hides_is_named(
    mailguard: Mailguard, postfix: Callable[..., None]
) -> None:
    postfix(MASTER, listeners=MILTER.format(address="unix:/run/mailguard/milter"))

    out = mailguard("config", "postfix").out

    assert "smtpd_milters = unix:/run/mailguard/milter\n" in out
    assert "column chroot does not see /run/mailguard/milter" in out


def test_where_people_log_in_through_us_nothing_is_handed_over(
    mailguard: Mailguard, postfix: Callable[..., None], tmp_path: Path
) -> None:
    outside, own = LISTENERS.split("[[listeners]]")[1:]
    own = own.replace("10026", "10587") + 'auth = "pass"\ntls = "require"\n'
    own += 'tls_certificate = "mg.pem"\n'
    postfix(MASTER, listeners=f"[[listeners]]{outside}[[listeners]]{own}")

    out = mailguard("config", "postfix").out

    assert "come to the listener submission (127.0.0.1:10027), and log in" in out
    assert "smtpd_proxy_filter=127.0.0.1:10025" in out
    assert "smtpd_proxy_filter=127.0.0.1:10027" not in out
    assert "127.0.0.1:10587 inet" not in out
    assert "that mail is not checked" not in out
