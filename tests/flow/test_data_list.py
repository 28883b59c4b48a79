"""The data protection lead's list: what is in it, who gets it, when; and what a digest has."""

import email
import email.policy
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from mailguard.flow.collect import DigestPorts, DigestSetting, Files, collect, open_for_nobody
from mailguard.flow.data_list import collect_data, owe_data_lists
from mailguard.flow.hold import entry_for
from mailguard.mail.raw import Raw
from mailguard.policy.directory import Person, build_directory
from mailguard.policy.disposition import Action
from mailguard.policy.taxonomy import Group
from mailguard.policy.visibility import Chain
from mailguard.quarantine.evidence import compose_evidence
from mailguard.quarantine.held import Act, HeldMessage, State
from mailguard.report.data_list import DataList
from mailguard.report.digest import Digest
from mailguard.report.own_mail import Kind, OwnMail, Standing
from mailguard.report.reference import reference_of
from mailguard.report.render import render_text
from mailguard.report.schedule import Schedule
from mailguard.report.summary import compose_page
from mailguard.store.canary import SqlCanaryStore
from mailguard.store.engine import Database
from mailguard.store.figures import SqlFigures
from mailguard.store.held_store import SqlHeldStore
from mailguard.store.own_mail import SqlOwnMailStore
from mailguard.store.spool import DiskSpool
from mailguard.testing import CANARY, SCHOOL, mail, transaction
from mailguard.testing.fakes import FakeClock, judgement_of
from mailguard.testing.quarantine import audit_entry, held_message

HEAD, LEAD, ANA = "head@elmpark.example", "dpo@elmpark.example", "ana@elmpark.example"
MONDAY = date(2026, 3, 9)
DUE = datetime(2026, 3, 9, 7, 30, tzinfo=UTC)
BEFORE = DUE - timedelta(days=4)
REASON = "The hirer needs it on Saturday."

SETTING = DigestSetting(
    school=SCHOOL.name,
    school_name="Elm Park Primary",
    sender="mailguard@elmpark.example",
    chain=Chain(headteacher=(HEAD,)),
    directory=build_directory(
        SCHOOL,
        people=(Person(address=ANA, name="Ana Reed", group=Group.STAFF),),
        staff=("*@elmpark.example",),
    ),
    # The digest has its own days.
    schedule=Schedule(zone=ZoneInfo("Europe/London"), time=time(7, 30), days=frozenset({4})),
    data_leads=(LEAD,),
)


@dataclass
class Office:
    """A school's quarantine, and its lists."""

    ports: DigestPorts
    setting: DigestSetting = SETTING
    empty: set[date] = field(default_factory=set)

    async def keep(
        self,
        number: int,
        *states: State,
        action: str = "return",
        received: datetime = BEFORE,
        categories: dict[str, int] | None = None,
        sender: str = ANA,
    ) -> HeldMessage:
        raw = Raw.of(mail(from_=sender))
        held = replace(
            held_message(number, states=states or (State.RETURNED,), received=received),
            categories=categories or {"personal_data": 2},
            sender=sender,
            sha256=raw.sha256,
            size=raw.size,
        )
        held = replace(
            held,
            recipients=tuple(replace(r, relationship="staff→outside") for r in held.recipients),
        )
        evidence = compose_evidence(transaction(), judgement_of(Action.HOLD), held)
        await self.ports.spool.store(held.id, held.folder, raw, evidence)
        await self.ports.held.add(held, audit_entry(action, subject=held.id))
        return held

    async def answer(self, held: HeldMessage, *, at: datetime = BEFORE, by: str = ANA) -> None:
        entry = entry_for("release", held, FakeClock(at), actor=by, reason=REASON)
        addresses = [r.address for r in held.recipients]
        await self.ports.held.act(held.id, Act.RELEASE, addresses, entry)

    async def owe(self, now: datetime = DUE) -> Sequence[OwnMail]:
        await owe_data_lists(now, self.ports, self.setting, self.empty)
        return [mail for mail in await self.ports.mails.waiting() if mail.kind is Kind.DATA]

    async def look(self, now: datetime = DUE, person: str = LEAD) -> DataList:
        files = Files(ports=self.ports, setting=self.setting)
        return (await collect_data(person, MONDAY, now, files))[0]

    async def digest(self, now: datetime = DUE) -> Digest:
        files = Files(ports=self.ports, setting=self.setting)
        return (await collect(HEAD, MONDAY, now, files))[0]

    async def accept(self, mail: OwnMail) -> None:
        entry = audit_entry("data", subject=mail.about, at=mail.created)
        await self.ports.mails.end(mail, Standing.ACCEPTED, "250", entry)


@pytest.fixture
def office(tmp_path: Path, database: Database) -> Office:
    return Office(
        DigestPorts(
            held=SqlHeldStore(database, SCHOOL.name),
            spool=DiskSpool(tmp_path / "spool", largest_message=1 << 20),
            mails=SqlOwnMailStore(database, SCHOOL.name),
            figures=SqlFigures(database, SCHOOL.name),
            canary=SqlCanaryStore(database, SCHOOL.name, FakeClock()),
        )
    )


def references(data: DataList) -> list[list[str]]:
    parts = (data.held, data.sent, data.returned)
    return [[entry.item.reference for entry in part] for part in parts]


def text_of(mail: OwnMail) -> str:
    message = email.message_from_bytes(mail.raw, policy=email.policy.default)
    return f"{message['Subject']}\n{message.get_body(('plain',)).get_content()}"  # type: ignore[union-attr, attr-defined]


async def test_it_has_what_went_back_what_was_sent_and_what_is_held(office: Office) -> None:
    back, answered = await office.keep(1), await office.keep(2)
    held = await office.keep(3, State.HELD, action="hold")
    await office.keep(4, State.HELD, action="hold", categories={"threat": 2})
    await office.answer(answered)

    data = await office.look()
    (mail,) = await office.owe()

    assert [[reference_of(each.id)] for each in (held, answered, back)] == references(data)
    text = text_of(mail)
    assert "3 messages" in text
    assert REASON in text
    assert "Ana Reed" in text
    assert CANARY not in mail.raw.decode()


async def test_it_comes_on_monday_once_and_only_with_something_in_it(office: Office) -> None:
    early = await office.owe(DUE - timedelta(minutes=1))
    none = await office.owe()
    await office.keep(1, received=DUE + timedelta(hours=2))
    tuesday = await office.owe(DUE + timedelta(days=1))
    office.empty.clear()
    restarted = await office.owe(DUE + timedelta(days=1))
    (mail,) = await office.owe(DUE + timedelta(days=7))
    office.empty.clear()
    again = await office.owe(DUE + timedelta(days=8))

    assert ([], [], [], []) == tuple(map(list, (early, none, tuesday, restarted)))
    assert ("2026-03-16", [mail]) == (mail.about, list(again))


async def test_the_next_one_covers_what_came_since_the_last_that_was_accepted(
    office: Office,
) -> None:
    first = await office.keep(1)
    (mail,) = await office.owe()
    await office.accept(mail)
    second = await office.keep(2, received=DUE + timedelta(days=1))
    await office.answer(first, at=DUE + timedelta(days=2))

    (later,) = await office.owe(DUE + timedelta(days=7))

    text = text_of(later)
    assert text.index(reference_of(first.id)) < text.index(reference_of(second.id))
    assert "2 messages" in text


async def test_nobody_is_listed_what_they_wrote(office: Office) -> None:
    await office.keep(1, sender=LEAD)

    assert ([[], [], []], []) == (references(await office.look()), list(await office.owe()))


async def test_a_reviewers_release_is_no_authors_answer(office: Office) -> None:
    held = await office.keep(1)
    await office.answer(held, by="Kim Lee")

    data = await office.look()

    assert [[], [], [reference_of(held.id)]] == references(data)
    assert "" == data.returned[0].reason


async def test_who_could_not_be_told_is_said(office: Office) -> None:
    held = await office.keep(1)
    notice = OwnMail(
        school=SCHOOL.name,
        kind=Kind.RETURN,
        about=held.id,
        recipient=ANA,
        message_id="<1@x.example>",
        created=DUE,
        raw=b"x",
    )
    await office.ports.mails.owe([notice])
    await office.ports.mails.end(notice, Standing.REFUSED, "550", audit_entry("return"))

    (mail,) = await office.owe()

    assert "could not be told" in text_of(mail)


async def test_without_a_data_lead_there_is_no_list(office: Office) -> None:
    office.setting = replace(SETTING, data_leads=())
    await office.keep(1)

    assert [] == list(await office.owe())


async def test_the_digest_has_a_number_and_no_item(office: Office) -> None:
    await office.keep(1)
    held = await office.keep(2, State.HELD, action="hold")
    await office.keep(3, State.HELD, State.RETURNED, action="hold", categories={"threat": 3})

    digest = await office.digest()
    text = " ".join(render_text(compose_page(digest)).split())
    nobody = await open_for_nobody(Files(ports=office.ports, setting=office.setting))

    assert (1, 1, 1) == (digest.to_review, digest.changes.data.returned, digest.changes.held)
    assert reference_of(held.id) not in text
    assert (
        "1 message went back to its author and 1 is held because of personal data; the data "
        "protection lead gets a list on Mondays" in text
    )
    assert [] == list(nobody)


async def test_without_a_data_lead_the_digest_has_what_is_held(office: Office) -> None:
    office.setting = replace(SETTING, data_leads=())
    await office.keep(1)
    held = await office.keep(2, State.HELD, action="hold")

    digest = await office.digest()
    text = " ".join(render_text(compose_page(digest)).split())

    assert reference_of(held.id) in text
    assert "nobody is named as data protection lead" in text


async def test_an_alert_is_the_digests_whatever_else_it_is_about(office: Office) -> None:
    held = await office.keep(1, State.HELD, action="hold")

    assert held.is_about_data
    assert not replace(held, alert=True).is_about_data
    assert not replace(held, categories={"personal_data": 2, "abuse": 2}).is_about_data
    assert replace(held, categories={"personal_data": 2, "abuse": 1}).is_about_data
