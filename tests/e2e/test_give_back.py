"""What becomes of data on its way out: back to its author, and out after all for a reason."""

import email
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from mailguard.testing import CANARY, mail
from mailguard.testing import service as testing
from mailguard.testing.postfix import Postfix
from mailguard.testing.service import Service, free_port, wait_until
from mailguard.testing.sink import Sink

TEACHER = "ms.khan@elmpark.example"
COLLEAGUE = "mr.low@elmpark.example"
PUPIL = "sam@pupils.elmpark.example"
STRANGER, OTHER = "info@hire.example", "friend@play.example"
AGENCY = "referrals@police.uk"
VALUE = "Sunflower-4417"
SECRET = f"The password is {VALUE}, for the hall booking account."

REASON = "The hirer needs it on Saturday morning."


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[Sink]:
    """Where our own mail arrives."""
    sink = Sink(tmp_path / "mailbox")
    sink.start()
    yield sink
    sink.stop()


@pytest.fixture
def returning(
    make_service: Callable[..., Service], sink: Sink, mailbox: Sink
) -> Callable[..., Service]:
    """Starts a service whose own mail arrives."""

    def make(**options: Any) -> Service:
        return make_service(**{"next_hop": sink.port, "own_mail": mailbox.port, **options})

    return make


def write(service: Service, *to: str, sender: str = TEACHER) -> tuple[int, bytes]:
    return service.send(mail(SECRET, from_=sender), sender=sender, to=to)


def answer(service: Service, to: str, text: str, *, sender: str = TEACHER) -> tuple[int, bytes]:
    """The reply to an answer with `text` above the notice."""
    head = f"From: {sender}\r\nTo: {to}\r\nSubject: Re: Your message was not sent\r\n\r\n"
    quoted = f"{text}\r\n\r\nOn Monday, MailGuard wrote:\r\n> Your message was not sent\r\n"
    return service.send((head + quoted).encode(), sender=sender, to=[to])


def rows(service: Service, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(f"file:{service.folder}/mailguard.db?mode=ro", uri=True) as connection:
        return connection.execute(query).fetchall()


def copies(service: Service) -> dict[str, str]:
    found = rows(service, "SELECT address, state FROM held_recipients ORDER BY held_id, position")
    return {str(address): str(state) for address, state in found}


def notices(mailbox: Sink, number: int) -> list[Message]:
    wait_until(lambda: len(mailbox.messages()) >= number, 15)
    return [email.message_from_bytes(raw) for raw in mailbox.messages()]


def text_of(message: Message) -> str:
    parts = [part for part in message.walk() if part.get_content_maintype() == "text"]
    return "\n".join(str(part.get_payload(decode=True), "utf-8") for part in parts)  # type: ignore[arg-type]


def test_a_returned_message_goes_out_once_its_author_says_why(
    returning: Callable[..., Service], sink: Sink, mailbox: Sink
) -> None:
    service = returning()

    code, _ = write(service, STRANGER, COLLEAGUE)
    write(service, OTHER, sender=PUPIL)
    write(service, AGENCY)
    told = {str(notice["To"]): notice for notice in notices(mailbox, 2)}
    address = told[TEACHER]["Reply-To"]
    machine = mail(REASON, headers=[("Auto-Submitted", "auto-replied")])
    refused = [
        answer(service, address, REASON, sender=COLLEAGUE),
        answer(service, address, ""),
        answer(service, address, "ok"),
        service.send(mail(REASON), sender=TEACHER, to=[address, COLLEAGUE]),
        service.send(mail(REASON), sender=TEACHER, to=[COLLEAGUE, address]),
        service.send(machine, sender=TEACHER, to=[address]),
        answer(service, f"release+{'a' * 32}@elmpark.example", REASON),
    ]
    before = copies(service)
    accepted, said = answer(service, address.upper(), REASON)
    wait_until(lambda: len(sink.messages()) == 3, 20)
    wait_until(lambda: copies(service)[STRANGER] == "released")
    again, _ = answer(service, address, REASON)
    listed = service.command("quarantine", "list", "--json").stdout
    verified = service.command("audit", "verify").returncode
    service.stop()

    assert (250, before) == (
        code,
        {STRANGER: "returned", COLLEAGUE: "delivered", OTHER: "returned", AGENCY: "delivered"},
    )
    assert [550] * 7 == [code for code, _ in refused]
    assert (250, True, 550) == (accepted, b"is sent as it is" in said, again)
    assert mail(SECRET, from_=TEACHER) == sink.messages()[-1]
    ((actor, detail),) = rows(
        service, "SELECT actor, detail FROM audit_entries WHERE action = 'release'"
    )
    assert (TEACHER, REASON, 0) == (actor, json.loads(str(detail))["reason"], verified)
    # An answer is no mail for anybody: only the messages themselves were judged.
    assert [(3,)] == rows(service, "SELECT count(*) FROM ledger_rows")
    check_notices(told[TEACHER], told[PUPIL], mailbox)
    for text in (*map(text_of, told.values()), str(told[TEACHER]["Subject"]), service.log, listed):
        assert VALUE not in text
        assert CANARY not in text
        assert "hall booking" not in text.lower()
    assert REASON not in service.log


def check_notices(adult: Message, child: Message, mailbox: Sink) -> None:
    """They say what is needed, each in its way."""
    assert [""] * 2 == [arrived.sender.address for arrived in mailbox.delivered]
    assert re.fullmatch(r"release\+[a-z2-7]{32}@elmpark\.example", adult["Reply-To"])
    assert ("auto-replied", "<1@elmpark.example>", "<1@elmpark.example>") == (
        adult["Auto-Submitted"],
        adult["In-Reply-To"],
        adult["References"],
    )
    assert "password" in text_of(adult)
    assert STRANGER in text_of(adult)
    assert COLLEAGUE not in text_of(adult)
    assert child["Reply-To"] is None
    assert "You are not in trouble" in text_of(child)
    assert "0800 1111" in text_of(child)
    assert "reply to this mail" not in text_of(child)


def test_who_dies_between_evidence_and_notice_still_tells_the_author(
    returning: Callable[..., Service], sink: Sink, mailbox: Sink
) -> None:
    service = returning(only="relay")
    code, _ = write(service, STRANGER)
    service.kill()

    service.only = ""
    service.start()
    notices(mailbox, 1)
    write(service, "other@hire.example")
    notices(mailbox, 2)
    service.stop()

    to = [re.findall("[a-z]+@hire.example", text_of(notice))[0] for notice in notices(mailbox, 2)]
    assert (250, [STRANGER, "other@hire.example"]) == (code, to)


LEAD = "dpo@elmpark.example"
AVAS_MUM, BENS_DAD = "j.reed@post.example", "t.oak@post.example"
NUMBER = "400 000 0004"
ABOUT_AVA = f"Ava Reed has her NHS number back: {NUMBER}. It goes on her form."
PEOPLE = """address,name,group,year,born,upn,of
ava@pupils.elmpark.example,Ava Reed,pupil,3,2018-05-02,,
ben@pupils.elmpark.example,Ben Oak,pupil,3,2018-06-02,,
j.reed@post.example,Joanna Reed,parent,,,,ava@pupils.elmpark.example
t.oak@post.example,Tom Oak,parent,,,,ben@pupils.elmpark.example
"""


def test_who_may_have_it_who_is_told_and_who_reads_of_it_on_monday(
    returning: Callable[..., Service], sink: Sink, mailbox: Sink, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    named = testing.CONFIG.replace("[people]", f'[people]\ndata_lead = ["{LEAD}"]')
    monkeypatch.setattr(testing, "CONFIG", named)
    (tmp_path / "mailguard").mkdir()
    (tmp_path / "mailguard" / "directory.csv").write_text(PEOPLE)
    anywhere = free_port()
    listener = f'name = "any"\naddress = "127.0.0.1:{anywhere}"\norigin = "any"'
    hop = f'next_hop = "smtp://127.0.0.1:{sink.port}"'
    service = returning(extra=f"[[listeners]]\n{listener}\n{hop}\n")

    about = mail(ABOUT_AVA, from_=TEACHER)
    service.send(about, sender=TEACHER, to=[AVAS_MUM, BENS_DAD, AGENCY])
    machine = mail(SECRET, from_=TEACHER, headers=[("Auto-Submitted", "auto-generated")])
    service.send(machine, sender=TEACHER, to=["shop@hire.example"])
    inside, service.port = service.port, anywhere
    write(service, STRANGER)
    service.port = inside
    (notice,) = notices(mailbox, 1)
    expected = {
        AVAS_MUM: "delivered",
        BENS_DAD: "returned",
        AGENCY: "delivered",
        "shop@hire.example": "held",
        STRANGER: "held",
    }
    after_sending = copies(service)
    service.stop()
    # Two weeks later:
    with sqlite3.connect(f"{service.folder}/mailguard.db") as connection:
        connection.execute("UPDATE held_messages SET received = datetime(received, '-14 days')")
        connection.execute("UPDATE tickets SET issued = issued - 14 * 86400")
    service.start()
    refused = answer(service, notice["Reply-To"], REASON)
    weekly = notices(mailbox, 2)[1]
    service.stop()

    assert expected == after_sending
    assert {AVAS_MUM, AGENCY} == {
        path.address for arrived in sink.delivered for path in arrived.recipients
    }
    assert (BENS_DAD in text_of(notice), AVAS_MUM in text_of(notice)) == (True, False)
    assert (550, True) == (refused[0], b"seven days are over" in refused[1])
    assert (LEAD, 2) == (weekly["To"], text_of(weekly).count("State     held"))
    assert "back with its author for some, delivered for others" in text_of(weekly)
    for text in (text_of(notice), text_of(weekly), service.log):
        assert VALUE not in text
        assert NUMBER not in text
        assert "A message" not in text


ALIASES = """
mydestination = elmpark.example
relay_domains =
recipient_delimiter = +
local_recipient_maps = $alias_maps
alias_maps = inline:{{ {{ release = root }} }}
local_transport = relay:[127.0.0.1]:{port}
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("postfix") is None, reason="Postfix is not installed")
@pytest.mark.skipif(os.geteuid() != 0, reason="Postfix is started by root")
def test_an_alias_is_all_that_postfix_needs_to_have_answers_filtered(
    returning: Callable[..., Service], sink: Sink, mailbox: Sink
) -> None:
    port = free_port()
    postfix = Postfix(proxy=port, relay=sink.port, extra=ALIASES.format(port=sink.port))
    postfix.start()
    try:
        service = returning(port=port, next_hop=postfix.back)
        service.port = postfix.front
        write(service, STRANGER)
        address = notices(mailbox, 1)[0]["Reply-To"]
        unknown, _ = answer(service, "nobody@elmpark.example", REASON)
        refused, why = answer(service, address, "")
        accepted, said = answer(service, address, REASON)
        wait_until(lambda: copies(service)[STRANGER] == "released", 20)
        wait_until(lambda: sink.messages())
    finally:
        postfix.stop()

    assert [550, 550, 250] == [unknown, refused, accepted]
    assert (b"write in the first line why" in why, b"is sent as it is" in said) == (True, True)
    assert [[STRANGER]] == [[path.address for path in d.recipients] for d in sink.delivered]
