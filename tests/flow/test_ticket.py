"""Who may have a returned message sent, when, and for which words."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from mailguard.errors import StoreUnavailable
from mailguard.flow.advise import Advice
from mailguard.flow.review import confirm
from mailguard.flow.setting import ReviewPorts
from mailguard.flow.ticket import (
    ALONE,
    BY_MACHINE,
    DECIDED,
    NO_REASON,
    NOT_INSIDE,
    OTHER_AUTHOR,
    TOO_LATE,
    UNKNOWN,
    TicketPorts,
    advise_answer,
    read_reason,
    receive_answer,
)
from mailguard.mail.envelope import Origin, Transaction
from mailguard.mail.message import parse
from mailguard.mail.reply import LOCAL_ERROR, Replies, Reply
from mailguard.policy.directory import Person, build_directory
from mailguard.policy.taxonomy import Group
from mailguard.ports import Delivery
from mailguard.quarantine.held import HeldMessage, State
from mailguard.quarantine.ticket import address_for
from mailguard.store.audit_log import SqlAuditLog
from mailguard.store.elapsed import Uptime
from mailguard.store.engine import Database
from mailguard.store.held_store import SqlHeldStore
from mailguard.store.tickets import SqlTickets
from mailguard.testing import SCHOOL, mail, transaction
from mailguard.testing.fakes import OK, FakeClock, FakeDelivery
from mailguard.testing.quarantine import audit_entry, held_message

ANA, BEN = "ana@elmpark.example", "ben@elmpark.example"
REASON = "The hirer needs it on Saturday."
DIRECTORY = build_directory(
    SCHOOL,
    people=(
        Person(address=ANA, name="Ana Reed", group=Group.STAFF),
        Person(address="a.reed@elmpark.example", name="Ana Reed", group=Group.STAFF),
    ),
    staff=("*@elmpark.example",),
)


@dataclass
class Desk:
    """Where answers come in, and one message that its author was told of."""

    ports: TicketPorts
    held: HeldMessage
    address: str
    seconds: list[int]
    passed: list[Transaction] = field(default_factory=list)

    def answer(
        self, body: str = REASON, *, sender: str = ANA, to: tuple[str, ...] = (), **headers: str
    ) -> Transaction:
        raw = mail(
            body, from_=sender, headers=[(k.replace("_", "-"), v) for k, v in headers.items()]
        )
        # Without the line that all our mails for tests have.
        raw = raw.rpartition(b"\r\n")[0].rpartition(b"\r\n")[0] + b"\r\n"
        return transaction(raw, sender=sender, to=to or (self.address,))

    async def hear(self, answer: Transaction) -> Reply:
        async def otherwise(transaction: Transaction, delivery: Delivery) -> Replies:
            self.passed.append(transaction)
            return (OK,)

        delivery = FakeDelivery()
        (reply,) = await receive_answer(answer, delivery, otherwise=otherwise, ports=self.ports)
        assert delivery.commands == []
        return reply

    async def states(self) -> list[str]:
        held = await self.ports.held.by_id(self.held.id)
        return [str(recipient.state) for recipient in held.recipients]


@pytest.fixture
async def desk(database: Database) -> Desk:
    seconds = [1000]

    def stopwatch() -> Uptime:
        return Uptime(boot="first", seconds=seconds[0])

    store = SqlHeldStore(database, SCHOOL.name, stopwatch=stopwatch)
    tickets = SqlTickets(database, SCHOOL.name, stopwatch=stopwatch)
    held = held_message(states=[State.RETURNED, State.DELIVERED, State.HELD])
    await store.add(held, audit_entry("return", subject=held.id))
    token = await tickets.issue(held.id, ANA)
    ports = TicketPorts(
        tickets=tickets,
        held=store,
        clock=FakeClock(),
        directory=DIRECTORY,
        domain="elmpark.example",
    )
    address = address_for(token, "elmpark.example")
    return Desk(ports=ports, held=held, address=address, seconds=seconds)


def is_(expected: Reply, heard: Reply) -> bool:
    return expected.naming("TESTQUEUEID") == heard


async def test_a_reason_releases_what_went_back_and_nothing_else(
    desk: Desk, database: Database
) -> None:
    reply = await desk.hear(desk.answer())

    entries = await SqlAuditLog(database, SCHOOL.name).entries(subject=desk.held.id)
    assert (250, True) == (reply.code, "is sent as it is" in str(reply))
    assert ["releasing", "delivered", "held"] == await desk.states()
    assert ("release", ANA, REASON) == (
        entries[-1].action,
        entries[-1].actor,
        entries[-1].detail["reason"],
    )


async def test_it_is_good_once(desk: Desk) -> None:
    first, second = await asyncio.gather(
        desk.hear(desk.answer()), desk.hear(desk.answer("And another reason."))
    )
    third = await desk.hear(desk.answer())

    assert [250, 550] == sorted([first.code, second.code])
    assert is_(DECIDED, third)


Spoil = Callable[[Desk, Transaction], Transaction]


def from_outside(_: Desk, answer: Transaction) -> Transaction:
    return replace(answer, session=replace(answer.session, origin=Origin.OUTSIDE))


def logged_in_as(name: str) -> Spoil:
    def spoil(_: Desk, answer: Transaction) -> Transaction:
        return replace(answer, session=replace(answer.session, auth=name))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        pytest.param(lambda d, _: d.answer(sender=BEN), OTHER_AUTHOR, id="another author"),
        pytest.param(lambda d, _: d.answer(sender=""), OTHER_AUTHOR, id="the null sender"),
        pytest.param(logged_in_as(BEN), OTHER_AUTHOR, id="another's login"),
        pytest.param(
            lambda d, _: d.answer(Auto_Submitted="auto-replied"), BY_MACHINE, id="a machine"
        ),
        pytest.param(lambda d, _: d.answer(Precedence="bulk"), BY_MACHINE, id="a list"),
        pytest.param(lambda d, _: d.answer(""), NO_REASON, id="no word"),
        pytest.param(lambda d, _: d.answer("ok"), NO_REASON, id="too few letters"),
        pytest.param(lambda d, _: d.answer("> " + REASON), NO_REASON, id="only quoted"),
        pytest.param(lambda d, _: d.answer("-- \nAna Reed, office"), NO_REASON, id="a signature"),
        pytest.param(
            lambda d, _: d.answer(to=(address_for("a" * 32, "elmpark.example"),)),
            UNKNOWN,
            id="another token",
        ),
        pytest.param(lambda d, _: d.answer(to=(d.address, BEN)), ALONE, id="not alone"),
        pytest.param(from_outside, NOT_INSIDE, id="from outside"),
    ],
)
async def test_what_releases_nothing_is_answered_in_words(
    desk: Desk, spoil: Spoil, expected: Reply
) -> None:
    heard = await desk.hear(spoil(desk, desk.answer()))

    assert is_(expected, heard)
    assert ["returned", "delivered", "held"] == await desk.states()
    assert [] == desk.passed


@pytest.mark.parametrize("login", ["", "ana", "?", ANA, "A.Reed@elmpark.example", "ana@ms.example"])
async def test_who_has_logged_in_as_the_author_may(desk: Desk, login: str) -> None:
    reply = await desk.hear(logged_in_as(login)(desk, desk.answer()))

    assert 250 == reply.code


async def test_seven_days_are_the_time_there_is(desk: Desk) -> None:
    desk.seconds[0] += 7 * 86400 + 61

    heard = await desk.hear(desk.answer())

    assert is_(TOO_LATE, heard)
    assert ["returned", "delivered", "held"] == await desk.states()


async def test_what_a_person_has_decided_stands(desk: Desk) -> None:
    review = ReviewPorts(held=desk.ports.held, clock=FakeClock())
    await confirm(
        desk.held.id, by="Kim", reason="right", recipients=["r0@elmpark.example"], ports=review
    )

    assert is_(DECIDED, await desk.hear(desk.answer()))


async def test_while_the_database_is_down_the_answer_is_to_come_again(desk: Desk) -> None:
    class Down:
        async def find(self, token: str) -> None:
            raise StoreUnavailable("locked")

    desk.ports = replace(desk.ports, tickets=Down())  # type: ignore[arg-type]

    assert is_(LOCAL_ERROR, await desk.hear(desk.answer()))


async def test_all_other_mail_goes_on(desk: Desk) -> None:
    reply = await desk.hear(desk.answer(to=(BEN,)))

    assert (OK, 1) == (reply, len(desk.passed))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(REASON, Advice(discard=True), id="a reason"),
        pytest.param("", Advice(refusal=NO_REASON.naming("TESTQUEUEID")), id="none"),
    ],
)
async def test_a_mail_server_that_asks_forgets_an_answer_or_refuses_it(
    desk: Desk, body: str, expected: Advice
) -> None:
    heard: list[Advice] = []

    async def otherwise(*_: object) -> None:
        raise AssertionError

    def give(advice: Advice) -> bool:
        heard.append(advice)
        return True

    await advise_answer(desk.answer(body), give, otherwise=otherwise, ports=desk.ports)

    assert [expected] == heard


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("text/plain", "It is   urgent.\nSecond line", "It is urgent."),
        ("text/plain", "\n\n  Wegen der Prüfung\n", "Wegen der Prüfung"),
        ("text/plain", "On Mon, 2 Mar 2026, MailGuard wrote:\n> Take the data out", ""),
        ("text/plain", "> Take the data out\n\nThe council asked", "The council asked"),
        ("text/plain", "123 456", ""),
        ("text/plain", "x" * 500, "x" * 200),
        ("text/html", "<p>It <b>is</b>.</p><blockquote type=cite>No</blockquote>", "It is."),
        ("text/html", "<blockquote type=cite>Take it out</blockquote>", ""),
        ("application/pdf", "Because", ""),
        ("text/plain", "Sent from my iPhone", ""),
    ],
)  # fmt: skip
def test_the_reason_is_the_first_line_of_the_authors_own(
    content_type: str, body: str, expected: str
) -> None:
    raw = f"From: {ANA}\r\nContent-Type: {content_type}; charset=utf-8\r\n\r\n{body}\r\n"

    assert expected == read_reason(parse(raw.replace("\r\n", "\n").replace("\n", "\r\n").encode()))
