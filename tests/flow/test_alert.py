"""Who is told of an alert, once, and never somebody who has a part in the message."""

import email
import io
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from email.message import Message
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from mailguard.errors import SpoolUnavailable, StoreUnavailable
from mailguard.flow.advise import advise
from mailguard.flow.alert import AlertPorts, AlertSetting, Known, owe_alerts, owe_unkept
from mailguard.flow.receive import receive
from mailguard.flow.setting import Mode, Ports, Setting, Unkept
from mailguard.mail.envelope import Transaction
from mailguard.policy.directory import Directory, build_directory, read_directory
from mailguard.policy.disposition import Action
from mailguard.policy.visibility import Chain, Parties
from mailguard.ports import Spool
from mailguard.quarantine.held import HeldMessage
from mailguard.report.alert import Place
from mailguard.report.own_mail import Kind, OwnMail
from mailguard.report.reference import reference_of
from mailguard.store.audit_log import SqlAuditLog
from mailguard.store.engine import Database
from mailguard.store.own_mail import SqlOwnMailStore
from mailguard.testing import CANARY, NOON, SCHOOL, mail, transaction
from mailguard.testing.fakes import FakeDelivery

Judging = Callable[..., Ports]

HEAD, DSL, DEPUTY = "head@elmpark.example", "dsl@elmpark.example", "deputy@elmpark.example"
CHAIR = "gwen@law.example"
CHAIN = Chain(headteacher=(HEAD,), dsl=(DSL,), deputy=(DEPUTY,), chair=(CHAIR,))
PUPIL = "ana@pupils.elmpark.example"
PEOPLE = """address,name,group
dsl@elmpark.example,Dee Ash,staff
d.ash@elmpark.example,Dee Ash,staff
"""
OUR_DIGEST = OwnMail(
    school="Elm Park Primary",
    kind=Kind.DIGEST,
    about="2026-03-02",
    recipient=HEAD,
    message_id=f"<{'0123456789abcdef' * 2}@elmpark.example>",
    created=NOON,
    raw=b"x",
)


@pytest.fixture(scope="session")
def directory() -> Directory:
    return build_directory(SCHOOL, people=read_directory(PEOPLE))


@pytest.fixture
def alerts(directory: Directory) -> AlertSetting:
    return AlertSetting(
        school="Elm Park Primary",
        place=Place(
            name="Elm Park Primary", zone=ZoneInfo("Europe/London"), helplines=("Childline: 0800",)
        ),
        sender="mailguard@elmpark.example",
        chain=CHAIN,
        directory=directory,
    )


@dataclass
class School:
    """A school into which messages with alerts come."""

    ports: Ports
    mails: SqlOwnMailStore
    setting: Setting
    alerts: AlertSetting
    known: Known

    @property
    def alert_ports(self) -> AlertPorts:
        return AlertPorts(
            mails=self.mails,
            held=self.ports.held,
            spool=self.ports.spool,
            clock=self.ports.clock,
        )

    async def take(self, message: Transaction) -> HeldMessage:
        await receive(message, FakeDelivery(), self.ports, self.setting)
        return (await self.ports.held.select())[-1]

    async def tell(self) -> Sequence[OwnMail]:
        await owe_alerts(self.alert_ports, self.alerts, self.known)
        return await self.mails.waiting()

    async def told(self) -> list[str]:
        return [own.recipient for own in await self.tell()]


@pytest.fixture
def make_school(
    judging: Judging, setting: Setting, database: Database, alerts: AlertSetting
) -> Callable[..., School]:
    def make(*actions: Action, **options: object) -> School:
        return School(
            ports=judging(*actions, alert=True, **options),
            mails=SqlOwnMailStore(database, "Elm Park Primary"),
            setting=setting,
            alerts=alerts,
            known=Known(),
        )

    return make


@pytest.fixture
def school(make_school: Callable[..., School]) -> School:
    return make_school(Action.HOLD)


def message_of(own: OwnMail) -> Message:
    return email.message_from_bytes(own.raw)


def text_of(own: OwnMail, subtype: str = "plain") -> str:
    part = next(p for p in message_of(own).walk() if p.get_content_subtype() == subtype)
    return part.get_payload(decode=True).decode().replace("\r\n", "\n")


async def test_the_safeguarding_lead_is_told_of_the_reference_and_what_to_do(
    school: School,
) -> None:
    held = await school.take(transaction(sender=PUPIL))

    (own,) = await school.tell()

    reference = reference_of(held.id)
    subject = str(email.header.make_header(email.header.decode_header(message_of(own)["Subject"])))
    assert (own.kind, own.about, own.recipient) == (Kind.ALERT, held.id, DSL)
    assert subject == f"MailGuard alert – {reference} – look at it now"
    assert message_of(own)["Auto-Submitted"] == "auto-generated"
    assert message_of(own)["Message-ID"] == own.message_id
    assert f"mailguard quarantine show {reference}" in text_of(own)
    for subtype in ("plain", "html"):
        assert reference in text_of(own, subtype)
        assert "Childline: 0800" in text_of(own, subtype)
        assert "It is held: nobody got it." in text_of(own, subtype)


async def test_no_content_name_or_category_is_in_an_alert(school: School) -> None:
    await school.take(transaction(mail(from_=f"Ana Reed <{PUPIL}>"), sender=PUPIL))

    (own,) = await school.tell()

    everything = (own.raw.decode() + text_of(own) + text_of(own, "html")).lower()
    for word in (CANARY, "ana", "reed", "ben@", "pupil", "abuse", "a sentence."):
        assert word not in everything


async def test_an_alert_is_owed_once(school: School) -> None:
    await school.take(transaction())

    await school.tell()
    again = await school.tell()
    elsewhere = await replace(school, known=Known()).tell()

    assert len(again) == len(elsewhere) == 1


async def test_a_message_without_an_alert_is_told_to_nobody(
    make_school: Callable[..., School], judging: Judging
) -> None:
    school = replace(make_school(), ports=judging(Action.HOLD))
    await school.take(transaction())

    assert await school.told() == []


@pytest.mark.parametrize(
    ("sender", "to", "chain", "expected"),
    [
        (PUPIL, "ben@elmpark.example", CHAIN, DSL),
        (DSL, "ben@elmpark.example", CHAIN, HEAD),
        ("d.ash@elmpark.example", "ben@elmpark.example", CHAIN, HEAD),
        (PUPIL, "DSL+x@ElmPark.example", CHAIN, HEAD),
        (DSL, HEAD, CHAIN, DEPUTY),
        (PUPIL, "ben@elmpark.example", replace(CHAIN, dsl=()), HEAD),
        (HEAD, DSL, replace(CHAIN, deputy=()), CHAIR),
    ],
    ids=["lead", "wrote", "other address", "received", "both", "no lead", "chair"],
)
async def test_an_alert_goes_to_the_next_in_line_who_has_no_part_in_it(
    school: School, sender: str, to: str, chain: Chain, expected: str
) -> None:
    school.alerts = replace(school.alerts, chain=chain)
    await school.take(transaction(mail(from_=sender), sender=sender, to=[to]))

    assert await school.told() == [expected]


async def test_somebody_named_in_from_is_not_told(school: School) -> None:
    await school.take(transaction(mail(from_=DSL), sender=PUPIL))

    assert await school.told() == [HEAD]


async def test_everybody_of_an_office_who_may_is_told(school: School) -> None:
    school.alerts = replace(
        school.alerts, chain=replace(CHAIN, dsl=(DSL, "dsl2@elmpark.example", DEPUTY, DSL))
    )
    await school.take(transaction(sender=DEPUTY))

    assert await school.told() == [DSL, "dsl2@elmpark.example"]


async def test_nobody_left_to_tell_is_said_once_and_told_once_somebody_is_named(
    school: School, log_lines: io.StringIO
) -> None:
    start = log_lines.tell()
    school.alerts = replace(school.alerts, chain=Chain(headteacher=(HEAD,)))
    await school.take(transaction(sender=HEAD))

    await school.tell()
    assert await school.tell() == []
    assert log_lines.getvalue()[start:].count("event=alert_to_nobody") == 1

    named = replace(school, alerts=replace(school.alerts, chain=CHAIN), known=Known())
    assert await named.told() == [DSL]


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        ([Action.FLAG], "It was delivered: whoever"),
        ([Action.HOLD], "It is held"),
        ([Action.HOLD, Action.FLAG], "held for the others"),
        ([Action.SEAL], "It is sealed"),
    ],
    ids=["delivered", "held", "both", "sealed"],
)
async def test_it_says_where_the_message_is(
    make_school: Callable[..., School], actions: list[Action], expected: str
) -> None:
    school = make_school(*actions)
    await school.take(transaction(to=[f"r{i}@elmpark.example" for i in range(len(actions))]))

    (own,) = await school.tell()

    assert expected in text_of(own).replace("\n", " ").replace("  ", "")


async def test_of_what_is_sealed_it_says_not_to_look_for_it(
    make_school: Callable[..., School],
) -> None:
    school = make_school(Action.SEAL)
    await school.take(transaction())

    (own,) = await school.tell()

    assert "Do not look for it anywhere else" in text_of(own)


async def test_damaged_evidence_keeps_nobody_from_being_told(
    school: School, tmp_path: Path
) -> None:
    held = await school.take(transaction(sender=PUPIL))
    (tmp_path / "spool" / held.folder / "message.eml").write_bytes(b"other bytes")

    assert await school.told() == [DSL]


async def test_in_observe_mode_nobody_is_told(make_school: Callable[..., School]) -> None:
    school = make_school(Action.HOLD)
    observing = replace(school.setting, mode=Mode.OBSERVE)

    await receive(transaction(), FakeDelivery(), school.ports, observing)

    assert await school.told() == []
    assert school.ports.unkept == []


async def storm(school: School, number: int) -> None:
    for _ in range(number):
        await school.take(transaction(sender=PUPIL))


async def test_a_storm_of_alerts_is_gathered_and_none_is_lost(school: School) -> None:
    await storm(school, 25)

    one_by_one = await school.tell()
    school.ports.clock.advance(minutes=14)
    too_soon = await school.tell()
    school.ports.clock.advance(minutes=2)
    await storm(school, 2)
    *_, gathered = await school.tell()

    assert (len(one_by_one), len(too_soon)) == (20, 20)
    assert "7 messages" in str(
        email.header.make_header(email.header.decode_header(message_of(gathered)["Subject"]))
    )
    assert "mailguard quarantine list" in text_of(gathered)
    text = "".join(text_of(own) for own in await school.mails.waiting())
    for held in await school.ports.held.select():
        assert reference_of(held.id) in text
    assert await school.mails.untold() == []


async def test_after_an_hour_alerts_come_one_by_one_again(school: School) -> None:
    await storm(school, 20)
    await school.tell()
    school.ports.clock.advance(minutes=61)

    await storm(school, 2)

    assert len(await school.tell()) == 22


async def test_a_clock_that_jumps_back_delays_no_alert(school: School) -> None:
    await storm(school, 21)
    await school.tell()

    school.ports.clock.at -= timedelta(days=365)

    assert len(await school.tell()) == 21


async def test_one_persons_storm_delays_nobody_elses_alert(school: School) -> None:
    await storm(school, 25)
    await school.tell()

    await school.take(transaction(sender=DSL))

    assert (await school.told())[-1] == HEAD


ANSWER = [("Auto-Submitted", "auto-replied"), ("In-Reply-To", OUR_DIGEST.message_id)]


@pytest.mark.parametrize(
    ("raw", "sender"),
    [
        (mail(headers=ANSWER), HEAD),
        (mail(f"Your mail\nMessage-ID: {OUR_DIGEST.message_id}\ncould not be delivered"), ""),
    ],
    ids=["out of office", "bounce"],
)
async def test_an_automatic_answer_to_our_mail_is_never_answered(
    school: School, database: Database, raw: bytes, sender: str
) -> None:
    await school.mails.owe([OUR_DIGEST])
    held = await school.take(transaction(raw, sender=sender, to=["MailGuard@elmpark.example"]))

    assert await school.told() == [HEAD]  # the digest itself

    assert await school.mails.untold() == []
    (*_, entry) = await SqlAuditLog(database, "Elm Park Primary").entries(subject=held.id)
    assert (entry.action, entry.detail["why"]) == ("alert", "answers our own mail")


@pytest.mark.parametrize(
    ("raw", "sender"),
    [
        (mail(headers=[("Auto-Submitted", "auto-replied")]), PUPIL),
        (mail(headers=[("In-Reply-To", OUR_DIGEST.message_id)]), PUPIL),
        (mail(headers=[("Auto-Submitted", "no"), ANSWER[1]]), PUPIL),
        (mail(headers=[ANSWER[0], ("In-Reply-To", f"<{'0' * 32}@elmpark.example>")]), PUPIL),
        (mail(headers=[("X-MailGuard-Alert", "no"), ("Precedence", "bulk")]), PUPIL),
        (mail(), ""),
    ],
    ids=["auto", "a person's answer", "not auto", "invented id", "our headers", "null sender"],
)
async def test_no_header_alone_silences_an_alert(school: School, raw: bytes, sender: str) -> None:
    await school.mails.owe([OUR_DIGEST])

    await school.take(transaction(raw, sender=sender, to=["mailguard@elmpark.example"]))

    assert DSL in await school.told()


@pytest.mark.parametrize("to", [[PUPIL], ["mailguard@elmpark.example", PUPIL]])
async def test_who_gets_our_mail_cannot_silence_an_alert_about_what_they_write_to_a_child(
    make_school: Callable[..., School], to: list[str]
) -> None:
    school = make_school(*[Action.HOLD] * len(to))
    await school.mails.owe([OUR_DIGEST])

    await school.take(transaction(mail(headers=ANSWER), sender=HEAD, to=to))

    assert DSL in await school.told()


async def refuse(school: School, *people: str, reply: str = "550 5.1.1 no such user") -> None:
    for own in await school.mails.waiting():
        if own.recipient in people:
            await school.mails.note_failure(own, reply)


async def test_an_alert_that_is_refused_for_good_goes_to_the_next_in_line_too(
    school: School,
) -> None:
    held = await school.take(transaction(sender=PUPIL))
    await school.tell()

    await refuse(school, DSL)
    told = [await school.told() for _ in range(2)]
    await refuse(school, DSL, HEAD)

    assert told == [[DSL, HEAD]] * 2
    assert await school.told() == [DSL, HEAD, DEPUTY]
    assert reference_of(held.id) in text_of((await school.tell())[-1])


async def test_a_refused_alert_is_passed_on_to_nobody_who_has_a_part_in_the_message(
    school: School,
) -> None:
    await school.take(transaction(sender=PUPIL, to=[HEAD]))
    await school.tell()

    await refuse(school, DSL)

    assert await school.told() == [DSL, DEPUTY]


@pytest.mark.parametrize(
    ("people", "reply"), [((DSL,), "550 5.1.1 gone"), ((DSL, "dsl2@elmpark.example"), "451 later")]
)
async def test_while_somebody_of_the_office_may_get_it_an_alert_is_not_passed_on(
    school: School, people: tuple[str, ...], reply: str
) -> None:
    school.alerts = replace(school.alerts, chain=replace(CHAIN, dsl=(DSL, "dsl2@elmpark.example")))
    await school.take(transaction(sender=PUPIL))
    await school.tell()

    await refuse(school, *people, reply=reply)

    assert await school.told() == [DSL, "dsl2@elmpark.example"]


async def test_a_corrected_address_gets_the_alerts_that_the_wrong_one_did_not(
    school: School,
) -> None:
    wrong = "dls@elmpark.example"
    school.alerts = replace(school.alerts, chain=replace(CHAIN, dsl=(wrong,)))
    await school.take(transaction(sender=PUPIL))
    await school.tell()
    await refuse(school, wrong)
    assert await school.told() == [wrong, HEAD]

    corrected = replace(school, alerts=replace(school.alerts, chain=CHAIN), known=Known())

    assert await corrected.told() == [HEAD, DSL]
    assert await corrected.told() == [HEAD, DSL]


async def test_a_storm_whose_reader_is_refused_reaches_the_next_in_line_whole(
    school: School,
) -> None:
    await storm(school, 25)
    await school.tell()
    await refuse(school, DSL)
    await school.tell()
    school.ports.clock.advance(minutes=16)

    mails = await school.tell()

    text = "".join(text_of(own) for own in mails if own.recipient == HEAD)
    for held in await school.ports.held.select():
        assert reference_of(held.id) in text


async def test_an_alert_without_a_copy_goes_past_those_who_are_refused(school: School) -> None:
    await school.take(transaction(sender=PUPIL))
    await school.tell()
    await refuse(school, DSL)
    unkept = [
        Unkept(
            queue_id="06H0E4HH5I34C8MP",
            held_id=None,
            received=NOON,
            level=4,
            parties=Parties(addresses=(PUPIL,)),
        )
    ]

    await owe_unkept(unkept, school.alert_ports, school.alerts)

    about = await school.mails.of(Kind.ALERT, "06H0E4HH5I34C8MP")
    assert [own.recipient for own in about] == [DSL, HEAD]


@dataclass
class BrokenSpool:
    """A disk that takes nothing."""

    real: Spool

    def __getattr__(self, name: str) -> object:
        return getattr(self.real, name)

    async def store(self, *_: object) -> None:
        raise SpoolUnavailable("read-only file system")


async def relay(transaction: Transaction, ports: Ports, setting: Setting) -> None:
    await receive(transaction, FakeDelivery(), ports, setting)


async def answer(transaction: Transaction, ports: Ports, setting: Setting) -> None:
    await advise(transaction, lambda advice: True, ports, setting)


Take = Callable[[Transaction, Ports, Setting], Awaitable[None]]
either_way = pytest.mark.parametrize("take", [relay, answer], ids=["relay", "milter"])


@either_way
async def test_a_call_for_help_without_a_copy_raises_the_alert_still(
    make_school: Callable[..., School], take: Take
) -> None:
    school = make_school(Action.FLAG, protected=True)
    broken = replace(school.ports, spool=BrokenSpool(school.ports.spool))

    await take(transaction(sender=PUPIL), broken, school.setting)
    await owe_unkept(school.ports.unkept, school.alert_ports, school.alerts)

    (own,) = await school.mails.waiting()
    assert (own.about, own.recipient) == ("TESTQUEUEID", DSL)
    assert "No copy of it could be kept" in text_of(own)
    assert "It was delivered" in text_of(own)
    assert "quarantine show" not in text_of(own)
    assert school.ports.unkept == []


def unkept(number: int = 0, **fields: object) -> Unkept:
    message = Unkept(
        queue_id=f"QUEUE{number}",
        held_id=None,
        received=NOON,
        level=4,
        parties=Parties(addresses=(PUPIL,)),
    )
    return replace(message, **fields)


@dataclass
class Away:
    """A database that is away until told."""

    real: SqlOwnMailStore
    is_back: bool = False

    def __getattr__(self, name: str) -> object:
        if not self.is_back:
            raise StoreUnavailable("locked")
        return getattr(self.real, name)


async def test_an_alert_without_a_copy_is_kept_in_memory_until_the_database_is_back(
    school: School,
) -> None:
    mails = Away(school.mails)
    ports = replace(school.alert_ports, mails=mails)
    waiting = [unkept(1), unkept(2)]

    with pytest.raises(StoreUnavailable):
        await owe_unkept(waiting, ports, school.alerts)
    assert len(waiting) == 2
    mails.is_back = True
    await owe_unkept(waiting, ports, school.alerts)

    assert waiting == []
    assert [own.about for own in await school.mails.waiting()] == ["QUEUE1", "QUEUE2"]


async def test_what_has_its_row_after_all_is_told_of_once(school: School) -> None:
    held = await school.take(transaction(sender=PUPIL))
    waiting = [unkept(held_id=held.id)]

    await owe_unkept(waiting, school.alert_ports, school.alerts)

    assert waiting == []
    assert await school.told() == [DSL]


async def test_a_storm_without_copies_waits_and_is_told_whole_at_the_end(school: School) -> None:
    waiting = [unkept(number) for number in range(25)]

    await owe_unkept(waiting, school.alert_ports, school.alerts)
    assert len(waiting) == 5
    await owe_unkept(waiting, school.alert_ports, school.alerts, is_last=True)

    *_, gathered = await school.mails.waiting()
    assert waiting == []
    assert "QUEUE24" in text_of(gathered)


@either_way
@pytest.mark.parametrize("action", [Action.RELAY, Action.REJECT])
async def test_an_alert_is_raised_where_the_schools_settings_keep_nothing(
    make_school: Callable[..., School], action: Action, take: Take
) -> None:
    school = make_school(action)

    await take(transaction(sender=PUPIL), school.ports, school.setting)

    (waiting,) = school.ports.unkept
    assert waiting.queue_id == "TESTQUEUEID"
    assert waiting.is_refused is (action is Action.REJECT)


@either_way
async def test_mail_with_a_helpline_is_never_told_of(
    make_school: Callable[..., School], take: Take
) -> None:
    school = make_school(Action.RELAY, unlisted=True)

    await take(transaction(sender=PUPIL), school.ports, school.setting)

    assert school.ports.unkept == []


async def test_a_mail_server_that_has_gone_asks_again_and_only_then_is_somebody_told(
    make_school: Callable[..., School],
) -> None:
    school = make_school(Action.RELAY)

    await advise(transaction(sender=PUPIL), lambda advice: False, school.ports, school.setting)

    assert school.ports.unkept == []
