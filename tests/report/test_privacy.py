"""Promise 5: no content, subject, file name, matched word or outside address is in any digest."""

import email
import email.policy
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mailguard.mail.text import Attachment
from mailguard.policy.disposition import Action
from mailguard.policy.taxonomy import Group
from mailguard.quarantine.evidence import compose_evidence
from mailguard.quarantine.held import HeldMessage, HeldRecipient, State
from mailguard.report.case import read_case
from mailguard.report.digest import NAMEABLE, Digest, compose_item
from mailguard.report.message import compose_message
from mailguard.report.render import render_html, render_text
from mailguard.report.summary import compose_page, compose_subject
from mailguard.scan.finding import Category
from mailguard.testing import CANARY, mail, transaction
from mailguard.testing.fakes import judgement_of
from mailguard.testing.report import (
    DIRECTORY,
    SCHEDULE,
    TUESDAY,
    copy_for,
    digest_of,
    held_for,
)

OUTSIDE = f"{CANARY}.stranger@far.example"

OURS = ("ava@pupils.elmpark.example", "ben@pupils.elmpark.example", "office@elmpark.example")

NAMES = (*OURS, "Ava Reed", "Ben Cole", "Joanna Reed")

addresses = st.sampled_from(
    (*OURS, OUTSIDE, "j.reed@post.example", f'"{CANARY}"@elmpark.example', "")
)
groups = st.sampled_from(Group)
copies: st.SearchStrategy[HeldRecipient] = st.builds(
    copy_for,
    addresses,
    st.builds("{}→{}".format, groups, groups),
    state=st.sampled_from(State),
    reply=st.sampled_from(("", f"550 5.7.1 {CANARY} is refused")),
    decided=st.booleans(),
)
messages: st.SearchStrategy[HeldMessage] = st.builds(
    lambda recipients, **values: held_for(*recipients, **values),
    st.lists(copies, min_size=1, max_size=4),
    number=st.integers(1, 99),
    level=st.integers(0, 4),
    hours=st.floats(0, 500),
    alert=st.booleans(),
    sealed=st.booleans(),
    dup_risk=st.booleans(),
    sender=addresses,
    categories=st.dictionaries(st.sampled_from(Category), st.integers(0, 4), min_size=1),
)


def evidence_of(held: HeldMessage) -> bytes:
    """What was written down about a message whose every part has the word."""
    raw = mail(f"{CANARY} and more", subject=CANARY, from_=f"{CANARY} <{OUTSIDE}>")
    attachment = Attachment(
        part="2",
        filename=f"{CANARY}.docx",
        declared="text/plain",
        sniffed="text/plain",
        size=1,
        sha256="0" * 64,
    )
    received = transaction(raw, sender=held.sender)
    return compose_evidence(received, judgement_of(Action.HOLD), held, attachments=(attachment,))


def digest_about(*messages: HeldMessage) -> Digest:
    return digest_of(
        *(
            compose_item(
                read_case(held, evidence_of(held)),
                until=TUESDAY,
                schedule=SCHEDULE,
                detail="people",
                directory=DIRECTORY,
            )
            for held in messages
        )
    )


def everything_in(digest: Digest) -> str:
    """Subject, text and HTML, and the message as it goes out, decoded."""
    page = compose_page(digest)
    raw = compose_message(
        sender="mailguard@elmpark.example",
        school_name=digest.school_name,
        recipient=digest.recipient,
        subject=compose_subject(digest),
        text=render_text(page),
        html=render_html(page),
        message_id="<1@elmpark.example>",
        at=TUESDAY,
    )
    message = email.message_from_bytes(raw, policy=email.policy.default)
    parts = (part.get_content() for part in message.walk() if not part.is_multipart())
    return "\n".join((repr(page), str(message.items()), *parts))


@given(st.lists(messages, max_size=5))
def test_nothing_of_a_message_is_in_a_digest(held: list[HeldMessage]) -> None:
    text = everything_in(digest_about(*held))

    assert CANARY not in text
    assert "far.example" not in text
    assert "post.example" not in text
    assert "Joanna" not in text


@given(messages, st.sampled_from(sorted({*Category} - NAMEABLE)))
def test_no_name_and_no_address_is_in_a_delicate_line(
    held: HeldMessage, category: Category
) -> None:
    delicate = replace(held, categories={**held.categories, category: 0})

    text = everything_in(digest_about(delicate))

    assert [] == [name for name in NAMES if name in text]


@given(st.lists(messages, max_size=5))
def test_the_subject_line_has_no_name_and_no_category(held: list[HeldMessage]) -> None:
    subject = compose_subject(digest_about(*held))

    words = subject.replace("MailGuard daily summary – Tue 3 Mar – ", "")
    assert set(words.replace("(", "").replace(")", "").split()) - {"to", "review", "today"} <= {
        "nothing",
        *map(str, range(6)),
    }


def test_the_search_would_find_a_word_that_got_in() -> None:
    digest = replace(digest_about(held_for()), school_name=CANARY)

    assert CANARY in everything_in(digest)
    assert "Ben Cole" in everything_in(digest)
