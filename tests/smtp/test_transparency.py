"""What the next hop gets is, byte for byte, what the client sent."""

import hashlib
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailguard.smtp.limits import BareNewline
from mailguard.testing import mail

RoundTrip = Callable[..., tuple[str, Any]]

ODD = {
    "empty message": b"",
    "one empty line": b"\r\n",
    "only headers": b"Subject: a\r\n",
    "no header": b"\r\nHello\r\n",
    "no header and no empty line": b"Hello\r\n",
    "empty body": b"Subject: a\r\n\r\n",
    "a dot": b"\r\n.\r\n",
    "two dots": b"..\r\n",
    "dots all over": b".\r\n..\r\n...\r\n.a\r\na.\r\n.\r\n\r\n.\r\n",
    "ends with a dot line": b"Subject: a\r\n\r\nb\r\n.\r\n",
    "8-bit": bytes(c for c in range(128, 256)) + b"\r\n",
    "NUL": b"Subject: a\x00b\r\n\r\n\x00\x00.\x00\r\n",
    "all bytes but CR and LF": bytes(c for c in range(256) if c not in b"\r\n") + b"\r\n",
    "a line of 5,000": b"x" * 5000 + b"\r\n",
    "a line of 998": b"x" * 998 + b"\r\n",
    "a line of one MiB": b"y" * (1 << 20) + b"\r\n",
    "a header of 100 KB": b"Subject: " + b"z" * 100_000 + b"\r\n\r\n",
    "10,000 empty lines": b"\r\n" * 10_000,
    "10,000 dots": b".\r\n" * 10_000,
    "spaces at line ends": b"Subject: a \r\n\r\n \t \r\n",
    "looks like commands": b"QUIT\r\nRSET\r\nMAIL FROM:<x@y.example>\r\n",
    "looks like a reply": b"250 Ok\r\n354 Go on\r\n",
    "dot on a block's border": b"a" * 65533 + b"\r\n.b\r\n",
    "dot after a block's border": b"a" * 65534 + b"\r\n.b\r\n",
    "CRLF across a block's border": b"a" * 65535 + b"\r\n.b\r\n",
    "beyond memory": (b"." + b"m" * 76 + b"\r\n") * 20_000,
    "an ordinary message": mail(),
}


@pytest.mark.parametrize("content", ODD.values(), ids=ODD.keys())
def test_odd_messages_arrive_byte_for_byte(round_trip: RoundTrip, content: bytes) -> None:
    reply, taken = round_trip(content)

    assert reply == "250 2.0.0 Taken"
    assert hashlib.sha256(content).digest() == hashlib.sha256(taken.data).digest()


CONTENT = st.lists(
    st.one_of(
        st.sampled_from(
            [b"\r\n", b".", b"..", b"\r\n.", b"\x00", b"\xff\xfe", b"Subject: a", b" "]
        ),
        st.binary(max_size=20).map(lambda b: b.replace(b"\r", b"").replace(b"\n", b"")),
    ),
    max_size=30,
).map(lambda parts: b"".join(parts) + b"\r\n")


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=CONTENT)
def test_any_message_of_crlf_lines_arrives_byte_for_byte(
    round_trip: RoundTrip, content: bytes
) -> None:
    reply, taken = round_trip(content)

    assert ("250 2.0.0 Taken", content) == (reply, taken.data)


BARE = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"a"]), max_size=15).map(
    lambda parts: b"".join([b"a\n", *parts, b"\r\n"])
)


@settings(max_examples=60)
@given(content=BARE)
def test_a_message_with_bare_newlines_is_refused_whole(
    round_trip: RoundTrip, content: bytes
) -> None:
    reply, taken = round_trip(content)

    assert reply.startswith("550 5.5.2 ")
    assert taken is None


@settings(max_examples=60)
@given(content=BARE)
def test_where_normalised_a_message_with_bare_newlines_arrives_as_its_crlf_form(
    round_trip: RoundTrip, content: bytes
) -> None:
    reply, taken = round_trip(content, bare=BareNewline.NORMALISE)

    crlf_form = re.sub(rb"\r\n|\r|\n", b"\r\n", content)
    assert ("250 2.0.0 Taken", crlf_form) == (reply, taken.data)


ARGUMENTS = {
    "null sender": (b"<>", b"<ben@elmpark.example>"),
    "DSN": (
        b"<ana@elmpark.example> RET=HDRS ENVID=QQ314159+2Babc",
        b"<ben@elmpark.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Ben+2BX@Elmpark.example",
    ),
    "SIZE and BODY": (b"<ana@elmpark.example> SIZE=1000 BODY=8BITMIME", b"<ben@elmpark.example>"),
    "lower-case parameters": (b"<ana@elmpark.example> size=10 envid=MixedCase", b"<b@c.example>"),
    "AUTH": (b"<ana@elmpark.example> AUTH=e+3Dmc2@elmpark.example", b"<ben@elmpark.example>"),
    "unknown parameters": (b"<ana@elmpark.example> X-NEW=1 FLAG", b"<b@c.example> Y=2"),
    "quoted local part": (b'<"ana b"@elmpark.example>', b'<"b\\"en.."@elmpark.example>'),
    "quoted at sign": (b'<"a@b"@elmpark.example>', b'<"john.doe"@elmpark.example>'),
    "SMTPUTF8": ("<zoë@elmpark.example> SMTPUTF8".encode(), "<müller@elmpark.example>".encode()),
    "8-bit that is no UTF-8": (b"<ana\xff@elmpark.example>", b"<b\xe9n@elmpark.example>"),
    "source route": (
        b"<@relay.example:ana@elmpark.example>",
        b"<@a.example,@b.example:c@d.example>",
    ),
    "address literal": (b"<ana@[192.0.2.1]>", b"<ben@[IPv6:2001:db8::1]>"),
    "no brackets": (b"ana@elmpark.example", b"ben@elmpark.example"),
    "space before the path": (b" <ana@elmpark.example>", b"  <ben@elmpark.example>"),
    "space at the end": (b"<ana@elmpark.example> ", b"<ben@elmpark.example>  "),
    "odd dots": (b"<.ana..b.@elmpark.example>", b"<ben.@elmpark.example.>"),
    "upper case": (b"<ANA@ELMPARK.EXAMPLE>", b"<Ben@ElmPark.Example>"),
    "no domain": (b"<root>", b"<postmaster>"),
    "VERP and SRS": (
        b"<list+ben=c.example@elmpark.example>",
        b"<SRS0=aB=cD=d.example=e@f.example>",
    ),
    "long": (b"<" + b"a" * 300 + b"@elmpark.example> ENVID=" + b"e" * 900, b"<ben@c.example>"),
}


@pytest.mark.parametrize(("sender", "recipient"), ARGUMENTS.values(), ids=ARGUMENTS.keys())
def test_the_arguments_of_mail_and_rcpt_arrive_byte_for_byte(
    round_trip: RoundTrip, sender: bytes, recipient: bytes
) -> None:
    _, taken = round_trip(b"Hello\r\n", mail=sender, rcpt=recipient)

    assert (sender, [recipient]) == (taken.mail, taken.rcpts)
