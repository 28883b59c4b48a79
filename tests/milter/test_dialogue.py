"""What a session with a mail server comes to: options, origin, and the message byte for byte."""

import ipaddress
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.mail.envelope import Origin, Transaction
from mailguard.mail.reply import SYSTEM_FULL, TOO_BIG
from mailguard.milter import codec
from mailguard.milter.dialogue import WANTED, Dialogue, Refused
from mailguard.milter.frame import BadPacket, Frames
from mailguard.milter.letter import TOO_MANY_RECIPIENTS
from mailguard.testing import mail
from mailguard.testing.fakes import FakeClock
from mailguard.testing.milter import (
    ALL_OPTIONS,
    connect,
    content,
    envelope,
    frame,
    macros,
    negotiation,
    settings_of,
    strings,
)

Make = Callable[..., Dialogue]
HELO = frame(b"H", strings(b"client.example"))
ENVELOPE = envelope(b"<ana@elmpark.example>", [b"<ben@elmpark.example>"])


def say(dialogue: Dialogue, *packets: bytes) -> bytes:
    """All that the dialogue says to them."""
    frames = Frames()
    frames.feed(b"".join(packets))
    said = b""
    while (each := frames.next()) is not None:
        said += dialogue.take(*each)
    return said


def heard(dialogue: Dialogue, *packets: bytes) -> Transaction:
    """The message that came out of them."""
    say(dialogue, *packets)
    assert isinstance(dialogue.complete, Transaction)
    return dialogue.complete


def content_of(transaction: Transaction) -> bytes:
    return transaction.raw.head(transaction.raw.size)


@pytest.fixture
def dialogue(make_dialogue: Make) -> Dialogue:
    """One that has negotiated."""
    made = make_dialogue()
    say(made, negotiation())
    return made


# Negotiation


def test_only_what_is_used_is_asked_for(make_dialogue: Make) -> None:
    said = say(make_dialogue(), negotiation())

    version, actions, options = struct.unpack_from("!III", said, 5)
    assert (version, actions, options) == (6, 0x108, WANTED)
    assert options & 0x7F == 0, "no part of a message may be left out"
    assert options & 0x100000, "leading spaces are kept"


def test_to_change_headers_is_asked_for_where_released_mail_comes_back(make_dialogue: Make) -> None:
    said = say(make_dialogue(removes_keys=True), negotiation())

    assert struct.unpack_from("!III", said, 5) == (6, 0x118, WANTED)


def test_nothing_is_asked_for_that_is_not_offered(make_dialogue: Make) -> None:
    said = say(make_dialogue(), negotiation(version=2, actions=0x3F, options=0x7F))

    assert said == frame(b"O", struct.pack("!III", 2, 0x08, 0))


@pytest.mark.parametrize(
    ("offer", "removes_keys"),
    [
        (negotiation(version=1), False),
        (negotiation(actions=0x1F7), False),
        (negotiation(actions=0x1EF), True),
        (negotiation(actions=0x1F7), True),
    ],
    ids=["too old", "cannot delete a recipient", "cannot change headers", "one of the two"],
)
def test_a_mail_server_that_cannot_do_what_is_needed_is_left(
    make_dialogue: Make, offer: bytes, removes_keys: bool
) -> None:
    with pytest.raises(BadPacket):
        say(make_dialogue(removes_keys=removes_keys), offer)


def test_an_old_mail_server_is_answered_at_every_step(make_dialogue: Make) -> None:
    dialogue = make_dialogue()
    say(dialogue, negotiation(version=2, actions=0x3F, options=0x7F))

    said = say(dialogue, connect(), HELO, ENVELOPE, frame(b"L", strings(b"A", b"b")), frame(b"N"))

    assert said == codec.CONTINUE * 6


def test_where_silence_was_agreed_nothing_is_said(dialogue: Dialogue) -> None:
    assert say(dialogue, connect(), HELO, ENVELOPE, content(mail())) == b""


# The message


def test_the_message_is_as_the_mail_server_has_it(dialogue: Dialogue) -> None:
    raw = mail(
        "caf\xe9 \udcff\r\n.\r\n",
        headers=[("X-Odd", "  two spaces"), ("X-None", ""), ("X-Folded", "a\r\n\tb\r\n c")],
    ).replace(b"X-None: ", b"X-None:")

    transaction = heard(dialogue, connect(), HELO, ENVELOPE, content(raw, piece=7))

    assert content_of(transaction) == raw


def test_without_leading_spaces_one_is_put_there(make_dialogue: Make) -> None:
    dialogue = make_dialogue()
    say(dialogue, negotiation(options=ALL_OPTIONS & ~0x100000))

    transaction = heard(
        dialogue, connect(), HELO, ENVELOPE, frame(b"L", strings(b"Subject", b"Hi")), frame(b"E")
    )

    assert content_of(transaction) == b"Subject: Hi\r\n\r\n"


def test_the_end_may_bring_the_last_of_the_body(dialogue: Dialogue) -> None:
    transaction = heard(
        dialogue, connect(), HELO, ENVELOPE, frame(b"B", b"one\r\n"), frame(b"E", b"two\r\n")
    )

    assert content_of(transaction) == b"\r\none\r\ntwo\r\n"


def test_a_message_of_nothing_is_an_empty_header(dialogue: Dialogue) -> None:
    assert content_of(heard(dialogue, connect(), HELO, ENVELOPE, frame(b"E"))) == b"\r\n"


def test_the_envelope_keeps_every_parameter(dialogue: Dialogue) -> None:
    transaction = heard(
        dialogue,
        connect(),
        HELO,
        frame(b"M", strings(b"<>", b"SIZE=100", b"BODY=8BITMIME")),
        frame(b"R", strings(b'<"b en"@elmpark.example>', b"NOTIFY=NEVER")),
        frame(b"R", strings("<zoë@elmpark.example>".encode())),
        content(mail()),
    )

    envelope = transaction.envelope
    assert envelope.sender.argument == b"<> SIZE=100 BODY=8BITMIME"
    assert envelope.sender.address == ""
    assert [path.address for path in envelope.recipients] == [
        '"b en"@elmpark.example',
        "zoë@elmpark.example",
    ]
    assert dialogue.named[b'<"b en"@elmpark.example> NOTIFY=NEVER'] == b'<"b en"@elmpark.example>'


def test_an_address_that_only_the_mail_server_understands_is_judged_all_the_same(
    dialogue: Dialogue,
) -> None:
    transaction = heard(
        dialogue, connect(), HELO, envelope(b"<a@b@c.example>", [b"<x y>"]), content(mail())
    )

    assert transaction.envelope.sender.address == "a@b@c.example"
    assert transaction.envelope.recipients[0].address == "x y"
    assert dialogue.named == {b"<x y>": b"<x y>"}


@pytest.mark.parametrize("command", [b"M", b"R"])
def test_a_control_character_in_an_address_ends_it(dialogue: Dialogue, command: bytes) -> None:
    say(dialogue, connect(), HELO, ENVELOPE)

    with pytest.raises(BadPacket):
        say(dialogue, frame(command, strings(b"<a\r\nRCPT TO:<b@c.example>")))


# The session


def session_of(dialogue: Dialogue, *packets: bytes):
    return heard(dialogue, *packets, content(mail())).session


def test_the_session_says_what_the_mail_server_knows(dialogue: Dialogue) -> None:
    session = session_of(
        dialogue,
        connect(b"192.0.2.7", 40001),
        macros(b"H", tls_version=b"TLSv1.3", cipher=b"TLS_AES_256_GCM_SHA384"),
        HELO,
        macros(b"M", auth_authen="zoë".encode()),
        ENVELOPE,
        macros(b"E", i=b"4F5XYZ"),
    )

    assert (session.peer, session.peer_port, session.name) == ("192.0.2.7", 40001, "client.example")
    assert session.helo == "client.example"
    assert session.tls == "TLSv1.3 TLS_AES_256_GCM_SHA384"
    assert session.auth == r"zo\xc3\xab"
    assert session.ident == "4F5XYZ"
    assert session.via == "127.0.0.1"
    assert session.protocol == "milter"


@pytest.mark.parametrize(
    ("client", "peer"),
    [
        (connect(b"2001:db8::7", family=b"6"), "2001:db8::7"),
        (connect(b"IPv6:2001:db8::7", family=b"6"), "2001:db8::7"),
        (connect(b"::ffff:192.0.2.7", family=b"6"), "192.0.2.7"),
        (connect(b"/run/submit", family=b"L"), ""),
        (connect(family=b"U"), ""),
        (connect(b"nonsense"), ""),
    ],
    ids=["v6", "v6 as Sendmail says", "mapped", "unix", "unknown", "nonsense"],
)
def test_the_clients_address_is_written_as_everywhere(
    dialogue: Dialogue, client: bytes, peer: str
) -> None:
    assert session_of(dialogue, client, HELO, ENVELOPE).peer == peer


@pytest.mark.parametrize("name", [b"sch\xc3\xbcle", b"a" * 300, b"a..b", b"[192.0.2.1]", b""])
def test_any_helo_is_taken(dialogue: Dialogue, name: bytes) -> None:
    session = session_of(dialogue, connect(), frame(b"H", strings(name)), ENVELOPE)

    assert session.helo.isprintable()
    assert session.helo.isascii()


LOGIN = macros(b"M", auth_authen=b"ana")


@pytest.mark.parametrize(
    ("configured", "packets", "origin"),
    [
        (Origin.ANY, (connect(b"192.0.2.7"), HELO), Origin.OUTSIDE),
        (Origin.ANY, (connect(b"192.0.2.7"), HELO, LOGIN), Origin.INSIDE),
        (Origin.ANY, (connect(b"10.20.1.1"), HELO), Origin.INSIDE),
        (Origin.ANY, (connect(b"/run/x", family=b"L"), HELO), Origin.INSIDE),
        (Origin.ANY, (connect(family=b"U"), HELO), Origin.OUTSIDE),
        (Origin.ANY, (connect(b"10.20.1.1 x"), HELO), Origin.OUTSIDE),
        (Origin.OUTSIDE, (connect(b"10.20.1.1"), HELO, LOGIN), Origin.OUTSIDE),
        (Origin.INSIDE, (connect(b"192.0.2.7"), HELO), Origin.INSIDE),
    ],
    ids=["world", "login", "network", "local", "unknown", "nonsense", "as told", "as told, inside"],
)
def test_origin_is_decided_by_login_or_network(
    make_dialogue: Make, configured: Origin, packets: tuple[bytes, ...], origin: Origin
) -> None:
    dialogue = make_dialogue(origin=configured, inside=(ipaddress.ip_network("10.20.0.0/16"),))
    say(dialogue, negotiation())

    assert session_of(dialogue, *packets, ENVELOPE).origin == origin


def test_a_login_is_not_the_next_clients(dialogue: Dialogue) -> None:
    tls = macros(b"H", tls_version=b"TLSv1.3", cipher=b"X")
    session_of(dialogue, connect(b"192.0.2.7"), tls, HELO, LOGIN, ENVELOPE)

    session = session_of(dialogue, frame(b"K"), connect(b"192.0.2.8"), HELO, ENVELOPE)

    assert (session.auth, session.tls, session.peer) == ("", "", "192.0.2.8")
    assert session.origin is Origin.OUTSIDE


def test_a_login_is_not_the_next_messages(dialogue: Dialogue) -> None:
    session_of(dialogue, connect(b"192.0.2.7"), HELO, LOGIN, ENVELOPE)

    assert session_of(dialogue, ENVELOPE).auth == ""


# The order of things


def test_an_aborted_message_leaves_nothing_for_the_next(dialogue: Dialogue) -> None:
    say(dialogue, connect(), HELO, ENVELOPE, frame(b"L", strings(b"X", b" first")), frame(b"A"))

    transaction = heard(
        dialogue, envelope(b"<cy@elmpark.example>", [b"<di@elmpark.example>"]), content(mail())
    )

    assert dialogue.is_idle
    assert content_of(transaction) == mail()
    assert [path.address for path in transaction.envelope.recipients] == ["di@elmpark.example"]


def test_mail_without_abort_begins_anew(dialogue: Dialogue) -> None:
    say(dialogue, connect(), HELO, ENVELOPE, macros(b"R", i=b"OLD"))

    transaction = heard(dialogue, ENVELOPE, content(mail()))

    assert len(transaction.envelope.recipients) == 1
    assert transaction.session.ident == ""


def test_quit_is_the_end(dialogue: Dialogue) -> None:
    say(dialogue, connect(), HELO, ENVELOPE, frame(b"Q"))

    assert dialogue.is_over
    assert dialogue.is_idle


@pytest.mark.parametrize(
    "packets",
    [
        (negotiation(),),
        (HELO,),
        (ENVELOPE,),
        (connect(), connect()),
        (connect(), HELO, frame(b"R", strings(b"<a@b.example>"))),
        (connect(), HELO, frame(b"L", strings(b"A", b"b"))),
        (connect(), HELO, frame(b"B", b"x")),
        (connect(), HELO, frame(b"E")),
        (connect(), HELO, frame(b"M", strings(b"<a@b.example>")), frame(b"E")),
        (connect(), HELO, ENVELOPE, frame(b"B", b"x"), frame(b"L", strings(b"A", b"b"))),
        (frame(b"?"),),
        (frame(b"\xff", b"x"),),
    ],
    ids=[
        "second negotiation",
        "HELO of nobody",
        "MAIL of nobody",
        "second client",
        "RCPT without MAIL",
        "header without MAIL",
        "body without MAIL",
        "end without MAIL",
        "end without RCPT",
        "header after body",
        "unknown",
        "byte",
    ],
)
def test_what_comes_out_of_turn_ends_the_connection(
    dialogue: Dialogue, packets: tuple[bytes, ...]
) -> None:
    with pytest.raises(BadPacket):
        say(dialogue, *packets)


def test_nothing_comes_before_the_negotiation(make_dialogue: Make) -> None:
    with pytest.raises(BadPacket):
        say(make_dialogue(), connect())


# Limits


def refusal_of(complete: object) -> str:
    """What is said, without our id at its end."""
    assert isinstance(complete, Refused)
    (line,) = complete.reply.lines
    assert complete.queue_id in line
    return line.removesuffix(f" ({complete.queue_id})")


def test_a_message_beyond_the_limit_is_552_and_the_next_one_is_taken(make_dialogue: Make) -> None:
    dialogue = make_dialogue(message_bytes=2000)
    say(dialogue, negotiation(), connect(), HELO, ENVELOPE, content(mail("x" * 3000)))
    first = dialogue.complete

    second = heard(dialogue, ENVELOPE, content(mail()))

    assert refusal_of(first) == TOO_BIG.lines[0]
    assert content_of(second) == mail()


def test_a_header_beyond_the_limit_is_552(make_dialogue: Make) -> None:
    dialogue = make_dialogue(message_bytes=2000)
    say(dialogue, negotiation(), connect(), HELO, ENVELOPE)
    say(dialogue, *(frame(b"L", strings(b"X", b"y" * 500)) for _ in range(5)), frame(b"E"))

    assert refusal_of(dialogue.complete) == TOO_BIG.lines[0]


def test_recipients_beyond_the_limit_are_452_for_all(make_dialogue: Make) -> None:
    dialogue = make_dialogue(recipients=2)
    paths = [b"<r%d@elmpark.example>" % number for number in range(3)]
    say(dialogue, negotiation(), connect(), HELO, envelope(b"<a@b.example>", paths))
    say(dialogue, content(mail()))

    assert refusal_of(dialogue.complete) == TOO_MANY_RECIPIENTS.lines[0]


def test_a_disk_that_takes_no_large_message_is_452(make_dialogue: Make, tmp_path) -> None:
    dialogue = make_dialogue(temporary=tmp_path / "not there")
    say(dialogue, negotiation(), connect(), HELO, ENVELOPE, content(mail("x" * (1 << 21))))

    assert refusal_of(dialogue.complete) == SYSTEM_FULL.lines[0]


def test_an_address_without_end_ends_the_connection(dialogue: Dialogue) -> None:
    say(dialogue, connect(), HELO, ENVELOPE)

    with pytest.raises(BadPacket):
        say(dialogue, frame(b"R", strings(b"<%s@elmpark.example>" % (b"a" * 5000))))


def test_names_without_end_are_cut(dialogue: Dialogue) -> None:
    endless = b"a" * 100_000

    session = session_of(
        dialogue,
        frame(b"C", endless + b"\x00U"),
        frame(b"H", strings(endless)),
        macros(b"M", auth_authen=endless, i=endless, unread=endless),
        ENVELOPE,
    )

    sizes = {len(session.name), len(session.helo), len(session.auth), len(session.ident)}
    assert sizes == {1000}


# Anything at all

PACKETS = st.one_of(
    st.sampled_from(
        [
            connect(),
            HELO,
            ENVELOPE,
            frame(b"N"),
            frame(b"A"),
            frame(b"E"),
            frame(b"K"),
            frame(b"B", b"body\r\n"),
            frame(b"L", strings(b"Name", b" value")),
            macros(b"M", i=b"1"),
            negotiation(),
        ]
    ),
    st.tuples(
        st.sampled_from([bytes([letter]) for letter in b"CHMRTULNBEAQKDO?"]), st.binary(max_size=30)
    ).map(lambda pair: frame(*pair)),
)


@given(packets=st.lists(PACKETS, max_size=25))
def test_any_packets_in_any_order_give_a_message_a_refusal_or_bad_packet(
    packets: list[bytes],
) -> None:
    dialogue = Dialogue(settings_of(), FakeClock(), via="")
    try:
        say(dialogue, negotiation(), *packets)
    except BadPacket:
        return
    assert isinstance(dialogue.complete, Transaction | Refused | None)
