"""Who may connect, and the open-relay tricks."""

import ipaddress
from collections import Counter
from typing import Any

import pytest

from mailguard.mail.address import parse_path
from mailguard.mail.envelope import Origin
from mailguard.smtp.gate import Gate, is_for_school, plain_address
from mailguard.smtp.limits import Limits, ListenerSettings
from mailguard.smtp.replies import TOO_MANY_CONNECTIONS
from mailguard.testing import SCHOOL


def settings(**changes: Any) -> ListenerSettings:
    return ListenerSettings(
        name="mail",
        origin=Origin.OUTSIDE,
        hostname="mg.example",
        school=SCHOOL,
        clients=(ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("2001:db8::/32")),
        **changes,
    )


@pytest.mark.parametrize(
    ("peer", "plain"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_an_address_has_one_spelling(peer: str, plain: str) -> None:
    assert plain == plain_address(peer)


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [("10.1.2.3", True), ("10.2.0.1", False), ("2001:db8::9", True), ("2001:db9::9", False)],
)
def test_clients_are_known_by_their_network(peer: str, trusted: bool) -> None:
    assert trusted == Gate(settings(), Counter()).trusts(peer)


@pytest.mark.parametrize(
    ("peer", "public", "is_refused"),
    [
        ("10.1.2.3", False, False),
        ("10.1.2.3", True, False),
        ("192.0.2.7", True, False),
        ("192.0.2.7", False, True),
        ("", False, True),
    ],
)
def test_strangers_may_only_connect_to_public_listeners(
    peer: str, public: bool, is_refused: bool
) -> None:
    refusal = Gate(settings(public=public), Counter()).enter(peer)

    assert is_refused == (refusal is not None)


def test_listeners_of_one_process_count_together() -> None:
    connections: Counter[str] = Counter()
    limits = Limits(connections=2)
    first = Gate(settings(limits=limits), connections)
    second = Gate(settings(limits=limits), connections)

    refusals = [gate.enter("10.1.2.3") for gate in (first, second, first, second)]

    assert refusals == [None, None, TOO_MANY_CONNECTIONS, TOO_MANY_CONNECTIONS]


def test_who_left_is_not_counted() -> None:
    connections: Counter[str] = Counter()
    gate = Gate(settings(), connections)

    gate.enter("10.1.2.3")
    gate.leave("10.1.2.3")

    assert connections == {}


@pytest.mark.parametrize(
    "argument",
    [
        b"<ben@elmpark.example>",
        b"<BEN@ELMPARK.EXAMPLE>",
        b"<ben@elmpark.example.>",
        b"<ben@pupils.elmpark.example>",
        b"<ben@new.elmpark.example>",
        b'<"ben b"@elmpark.example>',
        b"<ben+x@elmpark.example> NOTIFY=NEVER",
        b"<ben@elmpark.example>  ORCPT=rfc822;<x@other.example> X-NEW ",
        b"ben@elmpark.example",
        b"<postmaster>",
        b"<PostMaster>",
    ],
)
def test_mail_for_the_school_is_for_the_school(argument: bytes) -> None:
    parsed = parse_path(argument)

    assert parsed is not None
    assert is_for_school(parsed, SCHOOL)


@pytest.mark.parametrize(
    "argument",
    [
        b"<x@other.example>",
        b"<x@notelmpark.example>",
        b"<x@elmpark.example.other.example>",
        b"<x@elmpark.example..>",
        b"<x@.elmpark.example>",
        b"<x@new..elmpark.example>",
        b"<ben@elmpark.example> <x@other.example>",
        b"<ben@elmpark.example> NOTIFY=NEVER ,x@other.example",
        b"<x%other.example@elmpark.example>",
        b"<other.example!x@elmpark.example>",
        b"<other.example!x>",
        b"<x%other.example>",
        b"<@elmpark.example:x@other.example>",
        b"<@elmpark.example:ben@elmpark.example>",
        b"<@elmpark.example:postmaster>",
        b'<"x@other.example"@elmpark.example>',
        b'<"x%other.example"@elmpark.example>',
        b'<"x@other.example">',
        b"<x@[127.0.0.1]>",
        b"<x@[elmpark.example]>",
        b"<x>",
        b"<root>",
        "<x@ėlmpark.example>".encode(),
        b"<x@xn--lmpark-oye.example>",
    ],
)
def test_no_spelling_makes_us_an_open_relay(argument: bytes) -> None:
    parsed = parse_path(argument)

    assert parsed is not None
    assert not is_for_school(parsed, SCHOOL)


@pytest.mark.parametrize("argument", [b"<x@elmpark.example@other.example>", b"<x@a@b>"])
def test_two_at_signs_are_no_path_at_all(argument: bytes) -> None:
    assert parse_path(argument) is None
