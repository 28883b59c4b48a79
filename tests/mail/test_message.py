"""From bytes to parts, whatever the bytes are."""

import base64
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailguard.mail.message import (
    MAILBOXES,
    Defect,
    Limits,
    Mailbox,
    Message,
    Part,
    Unread,
    parse,
)
from mailguard.testing import CANARY, mail

MIXED = 'Content-Type: multipart/mixed; boundary="a"\n\n'


def read(text: str, **limits: int) -> Message:
    """Parse `text`, written with LF, as a message with CRLF."""
    return parse(text.replace("\n", "\r\n").encode(), Limits(**limits))


def numbered(message: Message) -> list[tuple[str, str, bytes]]:
    return [(part.number, part.content_type, part.data) for part in message.parts]


def test_a_plain_message_has_its_fields_and_one_part() -> None:
    raw = mail("Zoë is here.", from_='"Finch, Ana" <ana@elmpark.example>', subject="Hi")

    actual = parse(raw)

    assert f"Hi {CANARY}" == actual.subject
    assert (Mailbox(name="Finch, Ana", address="ana@elmpark.example"),) == actual.from_
    assert (Mailbox(name="", address="ben@elmpark.example"),) == actual.to
    assert "<1@elmpark.example>" == actual.message_id
    assert "1.0" == actual.header("mime-version")
    part = Part(
        number="1",
        content_type="text/plain",
        charset="utf-8",
        is_attachment=False,
        filename="",
        data=f"Zoë is here.\r\n{CANARY}\r\n".encode(),
    )
    assert ((part,), (), ()) == (actual.parts, actual.defects, actual.unread)


def test_encoded_and_folded_headers_are_decoded() -> None:
    actual = read("Subject: =?utf-8?q?caf=C3=A9?=\n =?utf-8?q?_menu?=\nX-One: a\n b\n\n")

    assert (("Subject", "café menu"), ("X-One", "a b")) == actual.headers


def test_to_and_cc_are_one_list_and_every_field_counts() -> None:
    actual = read("Cc: c@x.example\nTo: a@x.example\nTo: b@x.example\n\n")

    assert ["a@x.example", "b@x.example", "c@x.example"] == [to.address for to in actual.to]


def test_too_many_mailboxes_are_cut_and_noted() -> None:
    actual = read("To: " + "a@x.example, " * (MAILBOXES + 5) + "\n\n")

    assert MAILBOXES == len(actual.to)
    assert (Defect(part="", name="too_many_mailboxes"),) == actual.defects


def test_parts_are_numbered_as_in_imap() -> None:
    actual = read(
        MIXED
        + '--a\nContent-Type: multipart/alternative; boundary="b"\n\n'
        + "--b\n\none\n--b\nContent-Type: text/html\n\ntwo\n--b--\n"
        + "--a\nContent-Type: image/png\n\nthree\n--a--\n"
    )

    assert [
        ("1.1", "text/plain", b"one"),
        ("1.2", "text/html", b"two"),
        ("2", "image/png", b"three"),
    ] == numbered(actual)


def test_an_enclosed_message_gives_its_subject_and_its_parts_as_attachments() -> None:
    actual = read(
        MIXED
        + "--a\n\none\n--a\n"
        + 'Content-Type: message/rfc822\nContent-Disposition: attachment; filename="x.eml"\n\n'
        + "Subject: =?utf-8?q?caf=C3=A9?=\n\ntwo\n--a--\n"
    )

    assert [
        ("1", "text/plain", b"one"),
        ("2.0", "text/plain", "café".encode()),
        ("2.1", "text/plain", b"two"),
    ] == numbered(actual)
    assert [False, True, True] == [part.is_attachment for part in actual.parts]
    assert ["", "x.eml", ""] == [part.filename for part in actual.parts]


def test_parts_of_an_enclosed_multipart_continue_the_number() -> None:
    enclosed = 'Content-Type: multipart/mixed; boundary="b"\n\n--b\n\ntwo\n--b\n\nthree\n--b--'

    actual = read(f"Content-Type: message/rfc822\n\nSubject: x\n{enclosed}\n")

    assert [
        ("1.0", "text/plain", b"x"),
        ("1.1", "text/plain", b"two"),
        ("1.2", "text/plain", b"three"),
    ] == numbered(actual)


def test_an_encoded_enclosed_message_is_read_too() -> None:
    enclosed = base64.encodebytes(b"Subject: x\r\n\r\nhello").decode()

    actual = read(
        f"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n{enclosed}\n"
    )

    assert [("1.0", "text/plain", b"x"), ("1.1", "text/plain", b"hello")] == numbered(actual)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param("Content-Type: text/plain", (False, ""), id="text"),
        pytest.param("Content-Type: text/html", (False, ""), id="page"),
        pytest.param("Content-Type: text/plain; name=a.txt", (False, "a.txt"), id="named text"),
        pytest.param("Content-Type: text/csv", (True, ""), id="table"),
        pytest.param("Content-Type: text/calendar", (True, ""), id="invitation"),
        pytest.param("Content-Type: image/png; name=a.png", (True, "a.png"), id="picture"),
        pytest.param("Content-Disposition: attachment", (True, ""), id="attachment"),
        pytest.param("Content-Disposition: inline; filename=a", (False, "a"), id="inline"),
        pytest.param(
            "Content-Disposition: attachment; filename*=utf-8''caf%C3%A9.txt",
            (True, "café.txt"),
            id="RFC 2231",
        ),
        pytest.param(
            'Content-Disposition: attachment; filename="=?utf-8?q?caf=C3=A9?="',
            (True, "café"),
            id="RFC 2047",
        ),
        pytest.param(
            'Content-Disposition: attachment; filename="café"', (True, "café"), id="raw 8-bit"
        ),
        pytest.param(
            "Content-Type: text/plain; name=b\nContent-Disposition: attachment; filename=a",
            (True, "a"),
            id="two names",
        ),
    ],
)
def test_attachments_and_their_names_are_recognised(
    fields: str, expected: tuple[bool, str]
) -> None:
    part = read(f"{fields}\n\nhello").parts[0]

    assert expected == (part.is_attachment, part.filename)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "Content-Transfer-Encoding: base64\n\naGVsbG8xM",
            Defect(part="1", name="broken_base64"),
            id="base64",
        ),
        pytest.param(
            "Content-Disposition: attachment; filename=a.txt; filename*=''a.exe\n\nx",
            Defect(part="1", name="two_filenames"),
            id="two file names",
        ),
        pytest.param(MIXED + "--a\n\nx", Defect(part="", name="no_close_boundary"), id="multipart"),
    ],
)
def test_what_is_wrong_is_noted(text: str, expected: Defect) -> None:
    actual = read(text).defects

    assert expected == actual[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "Content-Type: application/pkcs7-mime; smime-type=enveloped-data\n\nx",
            Unread(part="1", reason="encrypted"),
            id="S/MIME",
        ),
        pytest.param(
            'Content-Type: application/octet-stream; name="smime.p7m"\n\nx',
            Unread(part="1", reason="encrypted"),
            id="S/MIME by name",
        ),
        pytest.param(
            'Content-Type: multipart/encrypted; boundary="a"\n\n'
            "--a\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n"
            "--a\nContent-Type: application/octet-stream\n\nx\n--a--\n",
            Unread(part="2", reason="encrypted"),
            id="PGP/MIME",
        ),
        pytest.param(
            "\nHi\n-----BEGIN PGP MESSAGE-----\n\nhQ==\n-----END PGP MESSAGE-----\n",
            Unread(part="1", reason="encrypted"),
            id="PGP in text",
        ),
        pytest.param(
            "Content-Type: message/partial; id=x; number=1\n\nx",
            Unread(part="1", reason="partial"),
            id="message/partial",
        ),
        pytest.param(
            "Content-Type: message/external-body; access-type=url\n\nx",
            Unread(part="1", reason="external"),
            id="message/external-body",
        ),
    ],
)
def test_what_only_the_recipient_can_read_is_unread(text: str, expected: Unread) -> None:
    actual = read(text).unread

    assert (expected,) == actual


def test_a_signed_message_is_not_taken_for_an_encrypted_one() -> None:
    actual = read("Content-Type: application/pkcs7-mime; smime-type=signed-data\n\nx").unread

    assert () == actual


def test_what_lies_too_deep_is_kept_as_it_is_and_reported() -> None:
    actual = read("Content-Type: message/rfc822\n\n" * 3 + "Subject: x\n\nhello", depth=2)

    assert (Unread(part="1.1.1", reason="too_deep"),) == actual.unread
    assert ("1.1.1", "message/rfc822", b"Subject: x\r\n\r\nhello") == numbered(actual)[-1]


def test_an_encoded_message_cannot_get_round_the_depth() -> None:
    raw = b"hello"
    for _ in range(5):
        fields = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        raw = fields + base64.encodebytes(raw)

    actual = parse(raw, Limits(depth=2))

    assert Unread(part="1.1.1", reason="too_deep") == actual.unread[0]
    assert {"too_deep"} == {unread.reason for unread in actual.unread}


def test_parts_beyond_the_cap_are_reported() -> None:
    actual = read(MIXED + "--a\n\nx\n" * 5, parts=2)

    assert (Unread(part="", reason="too_many_parts"),) == actual.unread
    assert ["1", "2", "3"] == [part.number for part in actual.parts]


def test_a_header_beyond_the_cap_is_reported_and_the_body_read() -> None:
    actual = read("Subject: x\nX: " + "y" * 100 + "\n\nhello", header_bytes=50)

    assert (Unread(part="1", reason="header_too_big"),) == actual.unread
    assert ("x", b"hello") == (actual.subject, actual.parts[0].data.strip())


def test_a_bare_cr_is_a_line_end() -> None:
    actual = parse(b"Subject: x\rContent-Type: text/html\r\rone\rtwo")

    assert ("x", [("1", "text/html", b"one\r\ntwo")]) == (actual.subject, numbered(actual))


SOUP = st.lists(
    st.sampled_from(
        [
            b"Content-Type: multipart/mixed; boundary=a",
            b"Content-Type: message/rfc822",
            b"Content-Type: text/html; charset=utf-16",
            b"Content-Transfer-Encoding: base64",
            b"Content-Transfer-Encoding: quoted-printable",
            b"Content-Disposition: attachment; filename*0*=x''%; filename*1=\"",
            b'To: "<(,:;=?utf-8?q?',
            b"Subject: =?utf-7?b?+2AA-?= \xff",
            b"--a",
            b"--a--",
            b"QUJD=",
            b"\0\xff\xfe",
            b"",
        ]
    ),
    max_size=25,
)


@given(SOUP, st.sampled_from([b"\r\n", b"\n", b"\r"]), st.binary(max_size=8), st.data())
@settings(max_examples=150)
def test_any_bytes_can_be_parsed(
    lines: list[bytes], end: bytes, junk: bytes, data: st.DataObject
) -> None:
    raw = end.join(lines)
    at = data.draw(st.integers(0, len(raw)))

    actual = parse(raw[:at] + junk, Limits(depth=3, parts=5, header_bytes=100))

    numbers = [part.number for part in actual.parts]
    assert len(set(numbers)) == len(numbers) >= 1


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"To: " + b'"' * 20_000, id="20 KB of quotes in To"),
        pytest.param(b"To: " + b"a@x.example, " * 20_000, id="20,000 mailboxes"),
        pytest.param(b"X: " + b"y" * (1 << 20) + b"\r\n\r\nx", id="1 MB header"),
        pytest.param(b"a: b\r\n" * 200_000, id="200,000 header lines"),
        pytest.param(b"Subject: \xe9\xe9\r\n" * 20_000, id="20,000 8-bit header lines"),
        pytest.param(b"Content-Type: a/b" + b'; c="d"' * 30_000, id="30,000 parameters"),
        pytest.param(MIXED.encode() + b"--a\r\n\r\nx\r\n" * 10_000, id="10,000 parts"),
        pytest.param(MIXED.encode() + b"--ab\n" * 200_000, id="200,000 near delimiters"),
        pytest.param(b"Content-Type: message/rfc822\n\n" * 2_000, id="2,000 enclosed messages"),
        pytest.param(
            b"".join(
                b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n)
                for n in range(5_000)
            ),
            id="5,000 levels",
        ),
        pytest.param(
            b"Content-Transfer-Encoding: base64\n\n" + b"A=" * 1_000_000, id="padding only"
        ),
    ],
)
def test_a_bomb_is_parsed_in_two_seconds(raw: bytes) -> None:
    start = process_time()
    parse(raw)

    assert process_time() - start < 2
