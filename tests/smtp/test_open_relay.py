"""Nobody but a client sends through us to strangers, however they write the address.

The forms are those that nmap's smtp-open-relay, Postfix's documentation and old mail servers know.
"""

from typing import Any

import pytest

from mailguard.smtp.limits import Limits

MANY = Limits(errors=1000, idle_commands=1000)

SENDERS = [
    b"<>",
    b"<ana@elmpark.example>",
    b"<ana@other.example>",
    b"<ana>",
    b"<ana@[127.0.0.1]>",
    b"<ana@mg.elmpark.example>",
    b"<postmaster@localhost>",
]

RECIPIENTS = [
    b"<x@other.example>",
    b"x@other.example",
    b"<X@OTHER.EXAMPLE>",
    b"<x@other.example.>",
    b"<x%other.example@elmpark.example>",
    b"<x%other.example@[127.0.0.1]>",
    b"<x%other.example@localhost>",
    b"<x%other.example>",
    b'<"x@other.example">',
    b'<"x%other.example">',
    b'<"x@other.example"@elmpark.example>',
    b'<"x@other.example"@[127.0.0.1]>',
    b'<"other.example!x"@elmpark.example>',
    b"<x@other.example@elmpark.example>",
    b"<x@elmpark.example@other.example>",
    b"<@elmpark.example:x@other.example>",
    b"<@[127.0.0.1]:x@other.example>",
    b"<@other.example:x@elmpark.example>",
    b"<@elmpark.example,@other.example:postmaster>",
    b"<other.example!x>",
    b"<other.example!x@elmpark.example>",
    b"<other.example!x@[127.0.0.1]>",
    b"<x@[127.0.0.1]>",
    b"<x@[IPv6:::1]>",
    b"<x@[elmpark.example]>",
    b"<x@127.0.0.1>",
    b"<x@elmpark.example.other.example>",
    b"<x@notelmpark.example>",
    b"<x@.elmpark.example>",
    b"<x@elmpark.example..>",
    b"<x@elmpark.example\x00.other.example>",
    b"<x@elmpark.example>,<x@other.example>",
    b"<x@elmpark.example> <x@other.example>",
    b"<x@elmpark.example,x@other.example>",
    b"<x@elmpark.example;x@other.example>",
    b"<x|sh@elmpark.example>@other.example",
    "<x@ėlmpark.example>".encode(),
    "<x@elmpark․example>".encode(),
    "<x@elmpark。example>".encode(),
    b"<x@xn--lmpark-oye.example>",
    b"<x>",
    b"<root>",
    b"",
]


@pytest.mark.parametrize("sender", SENDERS, ids=repr)
async def test_no_sender_and_no_spelling_of_a_recipient_gets_through(
    start_relay: Any, connect: Any, sink: Any, sender: bytes
) -> None:
    relay = await start_relay(public=True, clients=("192.0.2.0/24",), limits=MANY)
    client = await connect(relay)
    await client.reply()
    await client.ask(b"EHLO stranger.example")
    mail = await client.ask(b"MAIL FROM:" + sender)
    heard = {argument: await client.ask(b"RCPT TO:" + argument) for argument in RECIPIENTS}
    ours = await client.ask(b"RCPT TO:<ben@elmpark.example>")

    assert mail.startswith("250")
    assert ours.startswith("250")
    assert [] == [(a, r) for a, r in heard.items() if not r.startswith(("550 5.7.1", "501 5.1.3"))]
    assert [b"RCPT TO:<ben@elmpark.example>\r\n"] == [c for c in sink.commands if c[:4] == b"RCPT"]
