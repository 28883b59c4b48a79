"""The finished message, read back by Python's own parser."""

import email
import email.policy
import re
from datetime import datetime, timedelta
from email.header import decode_header, make_header
from email.message import EmailMessage

from hypothesis import given
from hypothesis import strategies as st

from mailguard.report.message import compose_message
from mailguard.testing.report import LONDON, TUESDAY

SUBJECT = "MailGuard daily summary – Tue 3 Mar – 3 to review (1 today)"


def composed(**values: object) -> bytes:
    arguments: dict[str, object] = {
        "sender": "mailguard@elmpark.example",
        "school_name": "Elm Park Primary",
        "recipient": "head@elmpark.example",
        "subject": SUBJECT,
        "text": "One line – and\n.\nFrom the other\n",
        "html": "<p>One line – and another</p>\n",
        "message_id": "<0123456789abcdef@elmpark.example>",
        "at": TUESDAY.astimezone(LONDON),
    }
    return compose_message(**{**arguments, **values})


def read(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_it_is_read_back_as_it_was_meant() -> None:
    message = read(composed())

    assert SUBJECT == message["Subject"]
    assert "MailGuard at Elm Park Primary <mailguard@elmpark.example>" == message["From"]
    assert "head@elmpark.example" == message["To"]
    assert TUESDAY == message["Date"].datetime
    assert "<0123456789abcdef@elmpark.example>" == message["Message-ID"]
    assert "auto-generated" == message["Auto-Submitted"]
    assert "multipart/alternative" == message.get_content_type()
    assert [] == message.defects


def test_plain_text_comes_first_and_html_last() -> None:
    parts = list(read(composed()).iter_parts())

    assert ["text/plain", "text/html"] == [part.get_content_type() for part in parts]
    assert "One line – and\n.\nFrom the other\n" == parts[0].get_content().replace("\r\n", "\n")
    assert "<p>One line – and another</p>\n" == parts[1].get_content().replace("\r\n", "\n")


def test_the_same_arguments_give_the_same_bytes() -> None:
    assert composed() == composed()
    assert composed() != composed(at=TUESDAY + timedelta(seconds=1))


def test_every_header_stands_once() -> None:
    names = [name.lower() for name in read(composed()).keys()]  # noqa: SIM118  duplicates too

    assert sorted(set(names)) == sorted(names)


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=3000),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
    st.datetimes(timezones=st.just(LONDON)),
)
def test_whatever_the_words_it_is_fit_for_every_server(text: str, name: str, at: datetime) -> None:
    raw = composed(text=text, html=text, school_name=name, subject=name, at=at)

    lines = raw.split(b"\r\n")
    assert raw.isascii()
    assert not re.search(rb"[^\r]\n|\r[^\n]", raw)
    assert max(map(len, lines)) <= 998
    head = raw.partition(b"\r\n\r\n")[0]
    assert 10 == len(re.findall(rb"^[A-Za-z-]+:", head, re.MULTILINE))
    assert 1 == head.count(b"\r\nSubject:")


def test_a_name_cannot_begin_another_header() -> None:
    message = read(composed(school_name="Elm\r\nBcc: all@elmpark.example\r\n\r\nPark"))

    assert message["Bcc"] is None
    assert "mailguard@elmpark.example" == message["From"].addresses[0].addr_spec


def test_an_international_address_is_written_so_that_every_server_takes_it() -> None:
    domain = read(composed(recipient="head@schüle.example"))
    local = read(composed(recipient="schülerin@elmpark.example"))

    assert "head@xn--schle-mva.example" == domain["To"]
    assert "undisclosed-recipients:;" == local["To"]


def test_a_long_name_in_another_alphabet_becomes_words_that_a_header_may_hold() -> None:
    name = "St Joseph’s Roman Catholic Voluntary Academy and Nursery, Bryn Mawr a’r Cylch"

    raw = composed(school_name=name)

    sender = email.message_from_bytes(raw)["From"]
    assert all(len(word) <= 75 for word in sender.split())
    said = str(make_header(decode_header(sender)))
    assert f"MailGuard at {name} <mailguard@elmpark.example>" == said
