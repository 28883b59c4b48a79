"""Whatever a client says in whatever order, it gets no right that it was not given."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

LINES = st.sampled_from(
    [
        b"EHLO client.example",
        b"HELO client.example",
        b"XFORWARD ADDR=10.1.2.3 NAME=trusted.example SOURCE=LOCAL",
        b"XFORWARD ADDR=127.0.0.1 PROTO=ESMTP HELO=trusted.example",
        b"XFORWARD LOGIN=head",
        b"XCLIENT ADDR=10.1.2.3 LOGIN=head",
        b"XCLIENT LOGIN=head",
        b"PROXY TCP4 10.1.2.3 10.1.2.3 1 2",
        b"AUTH PLAIN AGFuYQBwdw==",
        b"AUTH PLAIN",
        b"AGFuYQBwdw==",
        b"*",
        b"RSET",
        b"MAIL FROM:<ana@elmpark.example> AUTH=head",
        b"MAIL FROM:<> X-LOGIN=head",
        b"RCPT TO:<ben@elmpark.example>",
        b"NOOP",
        b"",
        b"\x00\xff=",
    ]
) | st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"").replace(b"\r", b""))

ENDS = {b"QUIT", b"GET", b"PUT", b"HEAD", b"POST", b"OPTIONS", b"CONNECT", b"DATA", b"STARTTLS"}
"""What ends the connection, or is followed by other than commands."""


SESSION = st.lists(LINES, max_size=6).filter(
    lambda lines: not any(line.split(b" ")[0].upper() in ENDS for line in lines)
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    before=SESSION,
    after=SESSION,
    cut=st.sampled_from([1, 5, 1000]),
    passes_auth=st.booleans(),
)
def test_no_order_of_commands_makes_a_stranger_a_client(
    say_lines: Any, before: list[bytes], after: list[bytes], cut: int, passes_auth: bool
) -> None:
    last = [b"MAIL FROM:<ana@elmpark.example>", b"RCPT TO:<x@other.example>"]

    replies, sink = say_lines(
        [*before, b"RSET", b"EHLO x.example", *after, *last], cut, passes_auth
    )

    assert not [reply for reply in replies if reply.startswith("451 4.3.0")]
    assert replies[-1].split()[0] in ("550", "503")
    assert not [line for line in sink.commands if b"other.example" in line]
