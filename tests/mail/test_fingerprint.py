import mmap
import tempfile
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.mail.envelope import Envelope
from mailguard.mail.fingerprint import HEAD, fingerprint, has_one_message_id, trace_free
from mailguard.mail.raw import Raw
from mailguard.testing import mail, path

ANA = path("ana@elmpark.example")
ENVELOPE = Envelope(
    sender=ANA, recipients=(path("ben@elmpark.example"), path("kim@elmpark.example"))
)

RECEIVED = st.sampled_from(
    [
        b"Received: from a.example by b.example; Mon, 02 Mar 2026 12:00:00 +0000\r\n",
        b"received: from a.example\r\n\tby b.example\r\n id 17;\r\n\tMon, 02 Mar 2026\r\n",
        b"RECEIVED : folded\r\n \r\n\t\r\n",
        b"Received:\r\n",
    ]
)
OTHER = st.sampled_from(
    [
        b"Subject: Received: not a field\r\n",
        b"Received-SPF: pass\r\n",
        b"X-Received: by a.example\r\n",
        b"To: ben@elmpark.example,\r\n Received: is here a continuation\r\n",
        b"no colon at all\r\n",
    ]
)
BODY = st.binary(max_size=200)
MESSAGE_ID = b"Message-ID: <1@elmpark.example>\r\n"


def mapped(content: bytes) -> Raw:
    """The same as a large message is kept."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        return Raw.of(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def without_trace(head: list[bytes], body: bytes) -> bytes:
    kept = [each for each in head if not each.lower().replace(b" ", b"").startswith(b"received:")]
    return b"".join(kept) + b"\r\n" + body


@given(fields=st.lists(st.one_of(RECEIVED, OTHER), max_size=8), body=BODY, where=st.integers(0, 8))
def test_received_fields_make_no_difference_and_all_else_does(
    fields: list[bytes], body: bytes, where: int
) -> None:
    head = [*fields[:where], MESSAGE_ID, *fields[where:]]
    whole = b"".join(head) + b"\r\n" + body
    bare = without_trace(head, body)

    assert trace_free(ANA, Raw.of(whole)) == trace_free(ANA, Raw.of(bare))
    assert trace_free(ANA, Raw.of(whole + b"x")) != trace_free(ANA, Raw.of(bare))
    assert trace_free(ANA, Raw.of(b"X-A: b\r\n" + whole)) != trace_free(ANA, Raw.of(bare))


@given(content=st.one_of(BODY, BODY.map(lambda body: MESSAGE_ID + b"\r\n" + body)))
def test_where_a_message_lies_makes_no_difference(content: bytes) -> None:
    content = content or b"\r\n"

    assert trace_free(ANA, mapped(content)) == trace_free(ANA, Raw.of(content))
    assert fingerprint(ENVELOPE, mapped(content)) == fingerprint(ENVELOPE, Raw.of(content))


def test_a_message_larger_than_a_chunk_counts_to_its_last_byte() -> None:
    content = mail("x" * 300_000)

    assert trace_free(ANA, mapped(content)) == trace_free(ANA, Raw.of(content))
    assert trace_free(ANA, mapped(content[:-1] + b" ")) != trace_free(ANA, Raw.of(content))


def test_every_part_of_the_envelope_and_its_order_count() -> None:
    raw = Raw.of(mail())
    ben, kim = ENVELOPE.recipients
    others = [
        replace(ENVELOPE, sender=path("kim@elmpark.example")),
        replace(ENVELOPE, sender=path("ana@elmpark.example", "SIZE=10")),
        replace(ENVELOPE, recipients=(kim, ben)),
        replace(ENVELOPE, recipients=(ben,)),
        replace(ENVELOPE, recipients=(ben, kim, kim)),
    ]

    found = {fingerprint(each, raw) for each in (ENVELOPE, *others)}

    assert len(found) == 1 + len(others)


def test_recipients_and_parameters_are_no_part_of_the_one_without_trace() -> None:
    raw = Raw.of(mail())

    assert trace_free(ANA, raw) == trace_free(path("ana@elmpark.example", "SIZE=10"), raw)
    assert trace_free(ANA, raw) != trace_free(path("kim@elmpark.example"), raw)


@pytest.mark.parametrize(
    ("head", "has_one"),
    [
        (b"Message-ID: <1@a.example>\r\n", True),
        (b"From: a@b.example\r\nmessage-id:\r\n <1@a.example>\r\n", True),
        (b"MESSAGE-ID\t: <1@a.example>\r\n", True),
        (b"", False),
        (b"Message-ID: \r\n", False),
        (b"Message-ID\r\n", False),
        (b"Subject: x\r\n Message-ID: <1@a.example>\r\n", False),
        (b"Message-ID: <1@a.example>\r\nMessage-ID: <1@a.example>\r\n", False),
        (b"X-Long: " + b"x" * HEAD + b"\r\nMessage-ID: <1@a.example>\r\n", False),
    ],
)
def test_only_exactly_one_message_id_tells_messages_apart(head: bytes, has_one: bool) -> None:
    raw = Raw.of(head + b"\r\nMessage-ID: <2@a.example>\r\n")

    assert has_one_message_id(raw) is has_one


@pytest.mark.parametrize("head", [b"", b"Message-ID: <1@a.example>\r\n" * 2])
def test_without_a_message_id_a_received_field_makes_a_difference(head: bytes) -> None:
    plain = Raw.of(head + b"\r\nHello\r\n")
    traced = Raw.of(b"Received: from a.example\r\n" + head + b"\r\nHello\r\n")

    assert trace_free(ANA, plain) != trace_free(ANA, traced)


def test_a_header_block_without_an_end_is_read_as_one() -> None:
    plain = Raw.of(MESSAGE_ID)

    assert trace_free(ANA, plain) == trace_free(ANA, Raw.of(b"Received: x\r\n" + MESSAGE_ID))
