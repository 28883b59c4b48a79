"""Which technician is told of mail that could not be delivered to everybody: each, and once."""

import email
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email.header import decode_header, make_header
from email.message import Message
from zoneinfo import ZoneInfo

import pytest

from mailguard.flow.notice import NoticePorts, NoticeSetting, owe_notices
from mailguard.flow.own_mail import Attempt, OwnMailPorts, Progress, send_waiting
from mailguard.flow.review import close, release
from mailguard.flow.setting import ReviewPorts
from mailguard.mail.reply import Reply
from mailguard.quarantine.held import HeldId, HeldMessage, State
from mailguard.report.own_mail import Kind, OwnMail, Standing
from mailguard.report.reference import reference_of
from mailguard.store.audit_log import SqlAuditLog
from mailguard.store.engine import Database
from mailguard.store.held_store import SqlHeldStore
from mailguard.store.own_mail import SqlOwnMailStore
from mailguard.testing import CANARY, NOON
from mailguard.testing.fakes import GONE_AFTER_DOT, FakeClock, FakeDelivery, FakeNextHop
from mailguard.testing.quarantine import audit_entry, held_message

SCHOOL = "Elm Park Primary"
PAT, SAM = "pat@it.example", "sam@it.example"
REFUSAL = Reply.of(550, f"5.1.1 <kim@elmpark.example>: {CANARY}")
SETTING = NoticeSetting(
    school=SCHOOL,
    school_name=SCHOOL,
    zone=ZoneInfo("Europe/London"),
    sender="mailguard@elmpark.example",
    technicians=(PAT,),
)


@dataclass
class Office:
    """The technicians of a school, and what comes to them."""

    held: SqlHeldStore
    mails: SqlOwnMailStore
    clock: FakeClock = field(default_factory=FakeClock)
    setting: NoticeSetting = SETTING
    told: set[HeldId] = field(default_factory=set)

    async def fails(self, *numbers: int) -> list[HeldMessage]:
        """These messages of the day could not be delivered to everybody."""
        made = [undelivered(number) for number in numbers]
        for held in made:
            await self.held.add(held, audit_entry("undeliverable", subject=held.id))
        return made

    async def owe(self) -> Sequence[OwnMail]:
        """Look once; the notices that wait then."""
        ports = NoticePorts(mails=self.mails, held=self.held, clock=self.clock)
        await owe_notices(ports, self.setting, self.told)
        return [mail for mail in await self.mails.waiting() if mail.kind is Kind.NOTICE]

    async def send(
        self, *replies: Reply | Exception, progress: Progress | None = None
    ) -> Sequence[Attempt]:
        """Send what waits to a next hop that says this to DATA."""
        hop = FakeNextHop([FakeDelivery(replies={"DATA": [reply]}) for reply in replies])
        ports = OwnMailPorts(mails=self.mails, clock=self.clock, next_hop=hop)
        return await send_waiting(
            ports, Kind.NOTICE, sender=self.setting.sender, progress=progress or Progress()
        )

    @property
    def review(self) -> ReviewPorts:
        return ReviewPorts(held=self.held, clock=self.clock)


def undelivered(number: int) -> HeldMessage:
    held = held_message(number, states=[State.UNDELIVERABLE] * 2, school=SCHOOL, level=0)
    return replace(
        held,
        recipients=tuple(replace(r, reply=str(REFUSAL), bounced=True) for r in held.recipients),
    )


@pytest.fixture
def office(database: Database) -> Office:
    return Office(held=SqlHeldStore(database, SCHOOL), mails=SqlOwnMailStore(database, SCHOOL))


def message_of(mail: OwnMail) -> Message:
    return email.message_from_bytes(mail.raw)


def text_of(mail: OwnMail, subtype: str = "plain") -> str:
    part = next(p for p in message_of(mail).walk() if p.get_content_subtype() == subtype)
    return part.get_payload(decode=True).decode().replace("\r\n", "\n")


async def test_the_technician_is_told_of_reference_number_code_and_what_to_do(
    office: Office,
) -> None:
    (held,) = await office.fails(1)

    (notice,) = await office.owe()

    said = text_of(notice)
    reference = reference_of(held.id)
    assert (notice.kind, notice.about, notice.recipient) == (Kind.NOTICE, held.id, PAT)
    assert message_of(notice)["To"] == PAT
    assert "2 recipients" in said
    assert "550 5.1.1" in said
    for command in ("show", "release", "close"):
        assert f"mailguard quarantine {command} {reference}" in said
    assert reference in str(make_header(decode_header(message_of(notice)["Subject"])))


@pytest.mark.parametrize("subtype", ["plain", "html"])
async def test_no_address_no_reply_text_and_nothing_of_the_message_is_in_it(
    office: Office, subtype: str
) -> None:
    await office.fails(1)

    (notice,) = await office.owe()

    said = text_of(notice, subtype)
    for secret in (CANARY, "kim@", "ana@", "r0@", "r1@", "THREAT", "threat"):
        assert secret not in said
        assert secret not in str(message_of(notice)["Subject"])


async def test_each_technician_is_told_once_also_after_a_restart(office: Office) -> None:
    office.setting = replace(SETTING, technicians=(PAT, SAM))
    await office.fails(1, 2)

    first = await office.owe()
    office.told.clear()
    second = await office.owe()

    assert len(first) == len(second) == 4
    assert {mail.recipient for mail in first} == {PAT, SAM}


async def test_a_technician_who_is_named_later_is_told_of_what_is_still_open(
    office: Office,
) -> None:
    open_one, closed = await office.fails(1, 2)
    office.setting = replace(SETTING, technicians=())
    assert await office.owe() == []
    await close(closed.id, by="Pat", reason="has left", ports=office.review)

    # The configuration is read when the service starts.
    office.setting, office.told = SETTING, set()
    (notice,) = await office.owe()

    assert notice.about == open_one.id


async def test_nobody_is_told_again_of_what_was_refused_again(office: Office) -> None:
    (held,) = await office.fails(1)
    await office.owe()
    await office.send(Reply.of(250, "2.0.0 Ok"))
    await release(held.id, by="Pat", reason="put right", ports=office.review)
    addresses = [recipient.address for recipient in held.recipients]
    await office.held.act(held.id, held.recipients[0].refusal, addresses, audit_entry("refused"))

    assert await office.owe() == []


async def test_a_flood_is_gathered_and_each_message_is_named_once(office: Office) -> None:
    await office.fails(*range(1, 26))

    at_first = await office.owe()
    office.clock.advance(minutes=14)
    too_early = await office.owe()
    office.clock.advance(minutes=2)
    office.told.clear()
    waiting = await office.owe()
    again = await office.owe()

    gathered = waiting[-1]
    said = text_of(gathered)
    assert (len(at_first), len(too_early), len(waiting), len(again)) == (20, 20, 21, 21)
    rest = [reference_of(undelivered(number).id) for number in range(21, 26)]
    assert all(reference in said for reference in rest)
    assert "5 more messages could not be delivered to everybody" in said
    named = [(await office.mails.of(Kind.NOTICE, undelivered(n).id))[0] for n in range(22, 26)]
    assert {mail.standing for mail in named} == {Standing.SUPERSEDED}


async def test_messages_that_one_mail_named_do_not_have_later_ones_gathered(
    office: Office,
) -> None:
    await office.fails(*range(1, 46))
    await office.owe()
    office.clock.advance(minutes=16)
    before = await office.owe()
    office.clock.advance(minutes=46)
    await office.fails(50, 51)

    after = await office.owe()

    assert (len(before), len(after)) == (21, 23)


async def test_a_notice_is_tried_again_until_it_is_taken(
    office: Office, database: Database
) -> None:
    await office.fails(1)
    await office.owe()
    progress = Progress()

    for reply in (Reply.of(550, "5.7.1 No"), GONE_AFTER_DOT, Reply.of(250, "2.0.0 Ok")):
        (attempt,) = await office.send(reply, progress=progress)
        office.clock.advance(minutes=6)

    *_, entry = await SqlAuditLog(database, SCHOOL).entries(subject=attempt.mail.about)
    assert attempt.standing is Standing.ACCEPTED
    assert (entry.action, entry.detail["standing"]) == ("notice", "accepted")


async def test_a_notice_is_not_tried_before_an_alert_that_waits(office: Office) -> None:
    await office.fails(1)
    (notice,) = await office.owe()
    alert = replace(notice, kind=Kind.ALERT, about="01HELD", message_id="<alert@elmpark.example>")
    await office.mails.owe([alert])

    before = await office.send()
    await office.mails.note_failure(alert, "451 4.4.1 Next hop does not answer")
    after = await office.send()

    assert before == ()
    assert [attempt.mail.about for attempt in after] == [notice.about]


async def test_a_notice_that_nobody_needs_any_more_is_given_up(office: Office) -> None:
    (held,) = await office.fails(1)
    await office.owe()
    await close(held.id, by="Pat", reason="has left", ports=office.review)

    assert await office.owe() == []
    (ended,) = await office.mails.of(Kind.NOTICE, held.id)
    assert (ended.standing, ended.raw) == (Standing.SUPERSEDED, b"")


async def test_a_wrong_address_that_was_corrected_is_given_up_and_the_right_one_told(
    office: Office,
) -> None:
    await office.fails(1)
    await office.owe()
    await office.send(Reply.of(550, "5.1.1 No such user"))

    office.setting, office.told = replace(SETTING, technicians=(SAM,)), set()
    waiting = await office.owe()

    assert [mail.recipient for mail in waiting] == [SAM]


async def test_a_clock_that_was_set_back_delays_no_notice(office: Office) -> None:
    await office.fails(*range(1, 22))
    await office.owe()
    office.clock.at = NOON - timedelta(days=1)

    assert len(await office.owe()) == 21
