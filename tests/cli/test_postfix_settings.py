"""Settings of a real Postfix's, as `postconf` says them, that do not go with MailGuard's."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailguard.cli.checks.postfix import judge_postfix
from mailguard.cli.checks.result import Result
from mailguard.cli.postfix import leads_to, read_postfix, seconds_of
from mailguard.cli.postfix_text import compose_lines, find_handovers
from mailguard.config import Config, ListenerSection

pytestmark = pytest.mark.skipif(
    shutil.which("postconf", path="/usr/sbin:/usr/bin") is None, reason="there is no Postfix here"
)

FILTER = {"address": "127.0.0.1:10025", "next_hop": "smtp://127.0.0.1:10026"}
MILTER = {**FILTER, "protocol": "milter", "address": "unix:/var/spool/postfix/mg/milter"}
LMTP = {
    **FILTER,
    "name": "boxes",
    "protocol": "lmtp",
    "next_hop": ["lmtp+unix:/var/spool/postfix/private/dovecot-lmtp"],
}
FRONT = {**FILTER, "name": "mx", "address": "0.0.0.0:25", "public": True, "origin": "outside"}

GIVING = """
smtp inet n - y - 20 smtpd
  -o smtpd_proxy_filter=127.0.0.1:10025
{front}
127.0.0.1:10026 inet n - n - - smtpd
  -o smtpd_proxy_filter=
  -o smtpd_milters=
{back}
"""
SAFE = (
    "myhostname = a.elmpark.example\n"
    "smtpd_forbid_bare_newline = normalize\nsmtpd_authorized_xforward_hosts = 127.0.0.0/8\n"
    "queue_directory = /var/spool/postfix\n"
)
ASKING = "smtpd_milters = unix:mg/milter\nnon_smtpd_milters = unix:mg/milter\n"
TEMPFAIL = "milter_default_action = tempfail\nmilter_protocol = 6\n"

Write = Callable[..., None]


@pytest.fixture
def postfix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a configuration that `postconf` then reads."""

    def write(main: str = "", *, front: str = "", back: str = "", master: str = GIVING) -> None:
        (tmp_path / "main.cf").write_text(f"compatibility_level = 3.6\n{SAFE}{main}\n")
        (tmp_path / "master.cf").write_text(master.format(front=front, back=back))
        # postconf waits until a file is older than a second or two, in case it is being written.
        os.utime(tmp_path / "main.cf", (0, 0))
        monkeypatch.setenv("MAIL_CONFIG", str(tmp_path))

    yield write


def configured(*listeners: dict[str, object]) -> Config:
    return Config(listeners=tuple(ListenerSection(**values) for values in listeners))


def judged(*listeners: dict[str, object]) -> list[Result]:
    """What is said of the Postfix that was written."""
    found = read_postfix()
    assert found is not None
    return list(judge_postfix(found, configured(*(listeners or (FILTER,)))))


def lines(*listeners: dict[str, object]) -> str:
    return compose_lines(configured(*listeners), read_postfix())


@pytest.mark.parametrize(
    ("main", "front", "back", "ok", "words"),
    [
        ("", "", "", True, "MailGuard gets the mail of smtp."),
        ("", "", "  -o smtpd_discard_ehlo_keywords=silent-discard,dsn", False, "(DSN)"),
        ("smtpd_discard_ehlo_keywords = DSN", "", "", True, "MailGuard gets the mail"),
        ("", "  -o smtpd_discard_ehlo_keywords=dsn", "", True, "MailGuard gets the mail"),
        ("", "", "  -o smtputf8_enable=no", False, "(SMTPUTF8)"),
        ("", "  -o smtpd_proxy_options=speed_adjust", "", True, "= speed_adjust"),
        ("", "  -o smtpd_forbid_bare_newline=no", "", True, "SMTP smuggling"),
        ("", "", "  -o smtpd_forbid_bare_newline=no", True, "MailGuard gets the mail"),
        ("", "", "  -o smtpd_authorized_xforward_hosts=", True, "without learning whose it was"),
    ],
    ids=[
        "well",
        "no DSN behind",
        "DSN nowhere",
        "DSN only behind",
        "no SMTPUTF8 behind",
        "speed_adjust",
        "smuggling",
        "what comes back is ours",
        "no XFORWARD",
    ],
)
def test_a_proxy_filter_is_judged_by_both_sides_of_it(
    postfix: Write, main: str, front: str, back: str, ok: bool, words: str
) -> None:
    postfix(main, front=front, back=back)

    results = judged()

    assert words in results[0].what
    assert results[0].ok is ok
    assert results[0].do or results[0].what.startswith("MailGuard gets")


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("milter_content_timeout = 5s", "milter_content_timeout = 5 s, and MailGuard needs 30"),
        ("milter_command_timeout = 1s", "milter_command_timeout = 1 s, and MailGuard needs 10"),
        ("milter_connect_timeout = 0", "milter_connect_timeout = 0 s, and MailGuard needs 10"),
        ("milter_content_timeout = 1m", ""),
    ],
)
def test_a_milter_that_postfix_does_not_wait_for_is_wrong(
    postfix: Write, setting: str, words: str
) -> None:
    postfix(f"{ASKING}{TEMPFAIL}{setting}", master=GIVING.replace("127.0.0.1:10025", ""))

    results = judged(MILTER)

    assert [result.ok for result in results] == [not words]
    assert words in results[0].what


def test_a_port_that_asks_again_is_no_mistake_where_it_is_said_to(postfix: Write) -> None:
    again = GIVING.replace("127.0.0.1:10025", "").replace("  -o smtpd_milters=\n", "")
    postfix(ASKING + TEMPFAIL, master=again)

    (wrong, *_) = judged(MILTER)
    (well,) = judged({**MILTER, "next_hop_asks": True})

    assert "asks MailGuard about it again" in wrong.what
    assert well.what == "MailGuard gets the mail of smtp, 127.0.0.1:10026."


def test_port_25_is_known_by_its_name_when_what_is_released_goes_there(postfix: Write) -> None:
    postfix(ASKING + TEMPFAIL, master="smtp inet n - y - - smtpd\n")
    milter = {**MILTER, "next_hop": "smtp://127.0.0.1:25"}
    keyed = {**milter, "next_hop_asks": True}

    (_, wrong, *_) = judged(milter)
    (well,) = judged(keyed)

    assert "or set next_hop_asks = true" in wrong.do
    assert "smtp takes what is released, and asks MailGuard about it again" in wrong.what
    assert well.what == "MailGuard gets the mail of smtp."
    assert "1. smtp takes mail back already." in lines(keyed)
    assert "Add this service" not in lines(milter)
    assert "Give next_hop a port of\nits own" in lines(milter)


def test_port_25_that_takes_back_its_own_mail_is_told_to_use_another_port(postfix: Write) -> None:
    postfix(master="smtp inet n - y - 20 smtpd\n  -o smtpd_proxy_filter=127.0.0.1:10025\n")

    (_, wrong, *_) = judged({**FILTER, "next_hop": "smtp://localhost:25"})

    assert "mail would go round" in wrong.what
    assert wrong.do.startswith("Give next_hop a port of its own")


def test_a_service_with_a_key_must_defer_mail_while_we_are_away_like_any_other(
    postfix: Write,
) -> None:
    postfix(ASKING + "milter_default_action = accept", master="smtp inet n - y - - smtpd\n")

    (wrong, *_) = judged({**MILTER, "next_hop": "smtp://127.0.0.1:25", "next_hop_asks": True})

    assert "passes unread" in wrong.what


def test_a_port_that_does_not_ask_though_it_is_said_to_is_wrong(postfix: Write) -> None:
    postfix(ASKING + TEMPFAIL, master=GIVING.replace("127.0.0.1:10025", ""))

    (wrong,) = judged({**MILTER, "next_hop_asks": True})

    assert not wrong.ok
    assert "X-MailGuard-Release" in wrong.what


@pytest.mark.parametrize(
    ("address", "transport"),
    [
        ("127.0.0.1:10024", "lmtp:inet:127.0.0.1:10024"),
        ("127.0.0.1:10024", "lmtp:[127.0.0.1]:10024"),
        ("unix:/var/spool/postfix/mg/lmtp", "lmtp:unix:mg/lmtp"),
        ("unix:/var/spool/postfix/mg/lmtp", "lmtp:unix:/var/spool/postfix/mg/lmtp"),
    ],
)
def test_delivery_through_an_lmtp_listener_is_known_however_it_is_written(
    postfix: Write, address: str, transport: str
) -> None:
    postfix(f"virtual_transport = {transport}", master="smtp inet n - y - - smtpd\n")
    listener = {**LMTP, "address": address}
    found = read_postfix()

    assert found is not None
    assert [result.what for result in judged(listener)] == [
        "MailGuard gets the mail of virtual_transport."
    ]
    assert "through the listener boxes already" in lines(listener)
    assert find_handovers(configured(listener), found) == [f"virtual_transport = {transport}"]


def test_an_lmtp_client_that_does_not_wait_for_us_is_wrong(postfix: Write) -> None:
    postfix("virtual_transport = lmtp:inet:127.0.0.1:10025\nlmtp_data_done_timeout = 80s")

    (result, *_) = judged(LMTP)

    assert not result.ok
    assert "waits 80 s for MailGuard's answer by LMTP" in result.what


def test_the_lines_for_lmtp_name_both_sides(postfix: Write) -> None:
    postfix(master="smtp inet n - y - - smtpd\n")

    text = lines({**LMTP, "address": "unix:/var/spool/postfix/mg/lmtp"})

    assert "    virtual_transport = lmtp:unix:mg/lmtp\n" in text
    assert "goes on by LMTP to /var/spool/postfix/private/dovecot-lmtp" in text
    assert "smtpd_proxy_filter=" not in text
    assert "does not come this way" in text
    assert "put back what virtual_transport or\nmailbox_transport was" in text


def test_a_socket_for_lmtp_that_a_chroot_hides_is_named(postfix: Write) -> None:
    postfix()

    text = lines({**LMTP, "address": "unix:/run/mailguard/lmtp"})

    assert "Postfix does not see /run/mailguard/lmtp" in text


def test_a_filter_on_a_socket_is_written_as_postfix_sees_it(postfix: Write) -> None:
    postfix(master="smtp inet n - y - - smtpd\n")

    text = lines({**FILTER, "address": "unix:/var/spool/postfix/mg/filter"})

    assert "    -o smtpd_proxy_filter=unix:mg/filter\n" in text


def test_a_relay_in_front_takes_port_25_from_postfix(postfix: Write) -> None:
    postfix(master="smtp inet n - y - - smtpd\n")

    text = lines(FRONT)

    assert "The world connects to the listener mx (0.0.0.0:25)" in text
    assert "put a # before `smtp inet … smtpd`" in text
    assert "127.0.0.1:10026 inet n - n - - smtpd" in text
    assert "smtpd_proxy_filter=127" not in text
    assert "that mail is not checked" in text, "what the school's own people send is not seen"


def test_a_relay_in_front_that_passes_clients_on_leaves_the_restrictions(postfix: Write) -> None:
    postfix(master="smtp inet n - y - - smtpd\n")

    text = lines({**FRONT, "next_hop_xclient": True})

    assert "-o smtpd_authorized_xclient_hosts=127.0.0.0/8" in text
    assert "smtpd_recipient_restrictions" not in text


@pytest.mark.parametrize(
    ("hop", "words"),
    [
        ("smtp+mx://elmpark.example", "goes to the MX of elmpark.example"),
        ("smtp+srv://_smtp._tcp.elmpark.example", "goes to the SRV of _smtp._tcp.elmpark.example"),
        ("smtp+unix:/run/mta/smtp", "goes to the socket /run/mta/smtp"),
        ("lmtp://127.0.0.1:24", "goes by LMTP to 127.0.0.1:24"),
        ("smtps://mail.elmpark.example:465", "goes to another machine, mail.elmpark.example:465"),
    ],
)
def test_every_kind_of_next_hop_is_said(postfix: Write, hop: str, words: str) -> None:
    postfix()

    text = lines({**FILTER, "next_hop": [hop, "smtp://127.0.0.1:10026"]})

    assert words in text
    assert "127.0.0.1:10026 takes mail back already" in text


@pytest.mark.parametrize(
    ("target", "address", "expected"),
    [
        ("inet:[::1]:10025", "[::1]:10025", True),
        ("[::1]:10025", "127.0.0.1:10025", False),
        ("192.0.2.7:10025", "0.0.0.0:10025", True),
        ("192.0.2.7:10025", "127.0.0.1:10025", False),
        ("localhost:submission", "0.0.0.0:587", True),
        ("[2001:db8::7]:587", "[::]:587", True),
        ("[smtp.provider.example]:587", "0.0.0.0:587", False),
        ("unix:private/x", "unix:/var/spool/postfix/private/x", True),
        ("unix:private/x", "unix:/run/private/x", False),
        ("private/x", "unix:/var/spool/postfix/private/x", False),
        ("", "unix:/var/spool/postfix", False),
        ("", "127.0.0.1:10025", False),
    ],
)
def test_an_address_is_known_however_postfix_writes_it(
    target: str, address: str, expected: bool
) -> None:
    listener = ListenerSection(address=address)

    assert leads_to(target, listener, "/var/spool/postfix") is expected


@pytest.mark.parametrize(
    ("written", "seconds"), [("100s", 100), ("2m", 120), ("7", 7), ("1h", 3600), ("${x}", 0)]
)
def test_a_time_is_read_as_postfix_writes_it(written: str, seconds: int) -> None:
    assert seconds_of(written) == seconds
