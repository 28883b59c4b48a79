"""The Received line, and the hop count."""

import email
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.mail.envelope import Origin, QueueId, Session
from mailguard.mail.headers import count_received, received_line
from mailguard.testing import NOON, path


def session(
    helo: str = "client.example",
    peer: str = "192.0.2.10",
    esmtp: bool = True,
    tls: str = "",
    auth: str = "",
) -> Session:
    return Session(
        listener="mail",
        origin=Origin.ANY,
        peer=peer,
        peer_port=4000,
        helo=helo,
        esmtp=esmtp,
        tls=tls,
        auth=auth,
    )


def line(*recipients: str, **changes: object) -> bytes:
    return received_line(
        session(**changes),
        QueueId("06EASQR603GLG7OT"),
        [path(recipient) for recipient in recipients],
        hostname="mg.elmpark.example",
        now=NOON,
    )


def test_one_recipient_is_named() -> None:
    assert line("ben@elmpark.example") == (
        b"Received: from client.example ([192.0.2.10])\r\n"
        b"\tby mg.elmpark.example (MailGuard) with ESMTP id 06EASQR603GLG7OT\r\n"
        b"\tfor <ben@elmpark.example>;\r\n"
        b"\tMon, 02 Mar 2026 12:00:00 +0000\r\n"
    )


def test_of_several_recipients_none_is_named() -> None:
    assert line("ben@elmpark.example", "cy@elmpark.example") == (
        b"Received: from client.example ([192.0.2.10])\r\n"
        b"\tby mg.elmpark.example (MailGuard) with ESMTP id 06EASQR603GLG7OT;\r\n"
        b"\tMon, 02 Mar 2026 12:00:00 +0000\r\n"
    )


@pytest.mark.parametrize(
    "recipient", ["zoë@elmpark.example", "zo\\xeb\x7f@b.example", "a" * 300 + "@b.example"]
)
def test_a_recipient_that_does_not_fit_the_line_is_left_out(recipient: str) -> None:
    assert b"for <" not in line(recipient)


def test_helo_is_smtp_and_an_ipv6_peer_is_tagged() -> None:
    first, second = line(peer="2001:db8::1", esmtp=False).split(b"\r\n")[:2]

    assert first == b"Received: from client.example ([IPv6:2001:db8::1])"
    assert b"with SMTP id" in second


@pytest.mark.parametrize(
    ("helo", "written"),
    [
        ("[192.0.2.1]", b"[192.0.2.1]"),
        ("[IPv6:2001:db8::1]", b"[IPv6:2001:db8::1]"),
        ("under_score", b"under_score"),
        ("a\r\nX-Injected: yes", b"a??X-Injected:?yes"),
        ("a (b) ; c", b"a??b????c"),
        ("caf\\xc3", b"caf?xc3"),
        ("", b"unknown"),
    ],
)
def test_a_helo_can_write_nothing_but_its_name(helo: str, written: bytes) -> None:
    first = line(helo=helo).split(b"\r\n")[0]

    assert b"Received: from " + written + b" ([192.0.2.10])" == first


@given(helo=st.text(), recipient=st.text())
def test_no_input_makes_two_headers_of_one(helo: str, recipient: str) -> None:
    written = line(recipient, helo=helo)

    assert [li.split()[0] for li in written.split(b"\r\n") if li[:1].strip()] == [b"Received:"]
    assert all(32 <= c < 127 or c in b"\r\n\t" for c in written)
    assert all(len(li) <= 998 for li in written.split(b"\r\n"))
    assert email.message_from_bytes(written).keys() == ["Received"]


@pytest.mark.parametrize(
    ("changes", "protocol"),
    [
        ({"tls": "TLSv1.3 X"}, b"with ESMTPS id"),
        ({"auth": "ana"}, b"with ESMTPA id"),
        ({"tls": "TLSv1.3 X", "auth": "ana"}, b"with ESMTPSA id"),
        ({"tls": "TLSv1.3 X", "esmtp": False}, b"with SMTP id"),
    ],
)
def test_tls_and_login_are_said_as_rfc_3848_has_it(
    changes: dict[str, object], protocol: bytes
) -> None:
    written = line(**changes)

    assert protocol in written
    assert b"ana" not in written


def test_a_client_that_nobody_knows_is_unknown() -> None:
    assert line(peer="").startswith(b"Received: from client.example (unknown)\r\n")


def test_the_date_is_in_its_own_zone() -> None:
    written = received_line(
        session(), QueueId("Q"), [], hostname="h", now=datetime(2026, 7, 1, 9, 5, tzinfo=UTC)
    )

    assert written.endswith(b";\r\n\tWed, 01 Jul 2026 09:05:00 +0000\r\n")


@pytest.mark.parametrize(
    ("head", "hops"),
    [
        pytest.param(b"", 0, id="empty"),
        pytest.param(b"Subject: a\r\n\r\n", 0, id="none"),
        pytest.param(b"Received: a\r\nreceived: b\r\nRECEIVED: c\r\n\r\n", 3, id="any case"),
        pytest.param(b"Received: a\r\n\r\nReceived: b\r\n", 1, id="none in the body"),
        pytest.param(b"X-Received: a\r\nReceived-SPF: b\r\n\r\n", 0, id="other headers"),
        pytest.param(b"Subject: a\r\n Received: b\r\n\r\n", 0, id="none in a folded line"),
        pytest.param(b"Received: a\r\nReceived: b", 2, id="no end of headers"),
        pytest.param(b"\r\nReceived: a\r\n", 0, id="an empty line first"),
    ],
)
def test_hops_are_counted_in_the_header_block(head: bytes, hops: int) -> None:
    assert hops == count_received(head)
