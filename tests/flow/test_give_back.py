"""A message that goes back to its author: what is kept, who is told, and how often."""

import email
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from email.message import Message
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from mailguard.flow.advise import Advice, advise
from mailguard.flow.give_back import GiveBackPorts, GiveBackSetting, owe_given_back
from mailguard.flow.own_mail import Attempt, OwnMailPorts, Progress, send_waiting
from mailguard.flow.receive import receive
from mailguard.flow.review import confirm
from mailguard.flow.setting import Mode, Ports, ReviewPorts, Setting
from mailguard.flow.settle import reconcile
from mailguard.mail.envelope import Transaction
from mailguard.mail.reply import Reply
from mailguard.policy.directory import build_directory
from mailguard.policy.disposition import Action
from mailguard.policy.judge import Judgement
from mailguard.policy.relationship import Group, Relationship
from mailguard.quarantine.held import HeldId, HeldMessage
from mailguard.report.own_mail import Kind, OwnMail, Standing
from mailguard.store.audit_log import SqlAuditLog
from mailguard.store.engine import Database
from mailguard.store.own_mail import SqlOwnMailStore
from mailguard.store.spool import DiskSpool
from mailguard.store.tables import Tickets
from mailguard.store.tickets import SqlTickets
from mailguard.testing import CANARY, SCHOOL, mail, transaction
from mailguard.testing.fakes import FakeClock, FakeDelivery, FakeJudge, FakeNextHop, judgement_of

TEACHER, PUPIL = "ms.khan@elmpark.example", "sam@pupils.elmpark.example"
SAYS = "The message gives away a password."
SETTING = GiveBackSetting(
    school="Elm Park Primary",
    school_name="Elm Park Primary",
    zone=ZoneInfo("Europe/London"),
    sender="mailguard@elmpark.example",
    domain="elmpark.example",
    directory=build_directory(
        SCHOOL, pupils=("*@pupils.elmpark.example",), staff=("*@elmpark.example",)
    ),
    helplines=("Childline: 0800 1111",),
)


def judged(*actions: Action, author: Group = Group.STAFF) -> Judgement:
    """A judgement on a grown-up's message to strangers, in which a password was found."""
    judgement = judgement_of(*actions)
    relationship = Relationship(author=author, recipient=Group.OUTSIDE)
    return replace(
        judgement,
        dispositions=tuple(
            replace(
                each,
                relationship=relationship,
                verdict=replace(each.verdict, relationship=relationship, leaks=(SAYS,)),
            )
            for each in judgement.dispositions
        ),
    )


def sent(count: int, *, sender: str = TEACHER, protocol: str = "smtp") -> Transaction:
    found = transaction(
        mail(from_=sender), sender=sender, to=[f"r{i}@elmpark.example" for i in range(count)]
    )
    return replace(found, session=replace(found.session, protocol=protocol))


async def states(ports: Ports) -> list[str]:
    return [str(r.state) for held in await ports.held.select() for r in held.recipients]


@dataclass
class Office:
    """The school's own mail about what went back."""

    ports: Ports
    mails: SqlOwnMailStore
    tickets: SqlTickets
    setting: GiveBackSetting = SETTING
    told: set[HeldId] = field(default_factory=set)

    async def gives_back(
        self, *actions: Action, sender: str = TEACHER, author: Group = Group.STAFF
    ) -> HeldMessage:
        """A message comes in, and these are the dispositions of its recipients."""
        judgement = judged(*(actions or (Action.RETURN,)), author=author)
        ports = replace(self.ports, judge=FakeJudge(judgement))
        setting = Setting(school=SETTING.school)
        await receive(sent(len(actions) or 1, sender=sender), FakeDelivery(), ports, setting)
        return (await self.ports.held.select())[-1]

    async def owe(self) -> Sequence[OwnMail]:
        ports = GiveBackPorts(
            mails=self.mails,
            held=self.ports.held,
            spool=self.ports.spool,
            tickets=self.tickets,
            clock=self.ports.clock,
        )
        await owe_given_back(ports, self.setting, self.told)
        return [mail for mail in await self.mails.waiting() if mail.kind is Kind.RETURN]

    async def send(self, reply: Reply, command: str = "DATA") -> tuple[Attempt, FakeDelivery]:
        delivery = FakeDelivery(replies={command: [reply]})
        ports = OwnMailPorts(
            mails=self.mails, clock=self.ports.clock, next_hop=FakeNextHop([delivery])
        )
        (attempt,) = await send_waiting(ports, Kind.RETURN, sender="", progress=Progress())
        return attempt, delivery


@pytest.fixture
def office(ports: Ports, database: Database) -> Office:
    return Office(
        ports=ports,
        mails=SqlOwnMailStore(database, SETTING.school),
        tickets=SqlTickets(database, SETTING.school),
    )


def read(mail: OwnMail) -> tuple[Message, str]:
    message = email.message_from_bytes(mail.raw)
    parts = (part for part in message.walk() if part.get_content_maintype() == "text")
    return message, "\n".join(part.get_payload(decode=True).decode() for part in parts)  # type: ignore[union-attr]


RETURN, HOLD, RELAY, FLAG = Action.RETURN, Action.HOLD, Action.RELAY, Action.FLAG


@pytest.mark.parametrize("protocol", ["smtp", "lmtp"])
@pytest.mark.parametrize(
    ("actions", "kept", "passed", "outcome", "word"),
    [
        pytest.param((RETURN,), ["returned"], 0, "returned", "return", id="alone"),
        pytest.param((RETURN,) * 2, ["returned"] * 2, 0, "returned", "return", id="all"),
        pytest.param(
            (RETURN, RELAY), ["returned", "delivered"], 1, "returned", "return", id="passed beside"
        ),
        pytest.param(
            (FLAG, RETURN), ["delivered", "returned"], 1, "returned", "return", id="flagged beside"
        ),
        pytest.param((RETURN, HOLD), ["returned", "held"], 0, "held", "hold", id="held beside"),
        pytest.param(
            (RELAY, HOLD, RETURN), ["delivered", "held", "returned"], 1, "held", "hold", id="each"
        ),
    ],
)
async def test_each_copy_goes_its_own_way(
    ports: Ports,
    setting: Setting,
    database: Database,
    actions: tuple[Action, ...],
    kept: list[str],
    passed: int,
    outcome: str,
    word: str,
    protocol: str,
) -> None:
    ports = replace(ports, judge=FakeJudge(judged(*actions)))
    delivery = FakeDelivery()

    replies = await receive(sent(len(actions), protocol=protocol), delivery, ports, setting)

    assert {250} == {reply.code for reply in replies}
    assert kept == await states(ports)
    assert passed == len(delivery.taken)
    (held,) = await ports.held.select()
    first, *_ = await SqlAuditLog(database, held.school).entries(subject=held.id)
    assert word == first.action
    assert [outcome] == [row.outcome for row in ports.ledger.rows]  # type: ignore[attr-defined]


async def test_nothing_is_kept_where_the_rest_was_refused(ports: Ports, setting: Setting) -> None:
    ports = replace(ports, judge=FakeJudge(judged(RELAY, RETURN)))
    refusing = FakeDelivery(replies={"DATA": [Reply.of(552, "5.2.2 Full")]})

    (reply,) = await receive(sent(2), refusing, ports, setting)

    assert (552, []) == (reply.code, await states(ports))


async def test_where_we_only_observe_it_goes_on(ports: Ports, setting: Setting) -> None:
    ports = replace(ports, judge=FakeJudge(judged(RETURN)))
    delivery = FakeDelivery()

    await receive(sent(1), delivery, ports, replace(setting, mode=Mode.OBSERVE))

    assert (1, []) == (len(delivery.taken), await states(ports))
    assert ["return"] == [row.disposition for row in ports.ledger.rows]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("actions", "expected", "kept"),
    [
        ((RETURN,), (True, ()), ["returned"]),
        ((RETURN, RELAY), (False, ("r0@elmpark.example",)), ["returned", "delivered"]),
        ((RETURN, HOLD), (True, ()), ["returned", "held"]),
    ],
)
async def test_a_mail_server_that_asks_forgets_what_went_back(
    ports: Ports,
    setting: Setting,
    actions: tuple[Action, ...],
    expected: tuple[bool, tuple[str, ...]],
    kept: list[str],
) -> None:
    ports = replace(ports, judge=FakeJudge(judged(*actions)))
    heard: list[Advice] = []

    def give(advice: Advice) -> bool:
        heard.append(advice)
        return True

    await advise(sent(len(actions)), give, ports, setting)

    (advice,) = heard
    assert expected == (advice.discard, tuple(path.address for path in advice.without))
    assert kept == await states(ports)


async def test_who_dies_amid_a_mixed_message_leaves_a_held_copy(
    ports: Ports, setting: Setting
) -> None:
    class Died(BaseException):
        pass

    class Dying(FakeDelivery):
        async def data(self, head: bytes, raw: object) -> tuple[Reply, ...]:
            raise Died

    ports = replace(ports, judge=FakeJudge(judged(RELAY, RETURN)))
    stored = replace(ports, held=_Kept(ports.held))  # type: ignore[arg-type]
    with pytest.raises(Died):
        await receive(sent(2), Dying(), stored, setting)
    await reconcile(ports)

    assert ["held", "held"] == await states(ports)


class _Kept:
    """A store whose rows nobody withdraws any more: its process is dead by then."""

    def __init__(self, held: object) -> None:
        self._held = held

    def __getattr__(self, name: str) -> object:
        return getattr(self._held, name)

    async def withdraw(self, *_: object, **__: object) -> None:
        pass


async def test_the_author_is_told_once_however_many_look(
    office: Office, database: Database
) -> None:
    held = await office.gives_back()

    (first,) = await office.owe()
    office.told.clear()
    (second,) = await office.owe()

    tickets = await database.read(
        lambda connection: connection.scalars(select(Tickets.held_id)).all()
    )
    assert (first, [held.id]) == (second, tickets)
    assert (held.id, TEACHER) == (first.about, first.recipient)


async def test_the_notice_says_what_and_to_whom_but_nothing_of_the_message(office: Office) -> None:
    held = await office.gives_back(RETURN, RELAY)

    (mail,) = await office.owe()

    message, text = read(mail)
    assert SAYS in text
    assert "r0@elmpark.example" in text
    assert "r1@elmpark.example" not in text
    assert CANARY not in mail.raw.decode()
    assert CANARY not in str(message["Subject"])
    assert ("auto-replied", "<1@elmpark.example>") == (
        message["Auto-Submitted"],
        message["In-Reply-To"],
    )
    token = message["Reply-To"].partition("+")[2].partition("@")[0]
    ticket = await office.tickets.find(token)
    assert ticket is not None
    assert (held.id, TEACHER) == (ticket.held_id, ticket.author)


async def test_a_message_id_that_is_none_is_not_repeated(office: Office, ports: Ports) -> None:
    raw = mail(from_=TEACHER).replace(b"<1@elmpark.example>", b"<a@b> (wait till break)")
    ports = replace(ports, judge=FakeJudge(judged(RETURN)))
    odd = transaction(raw, sender=TEACHER, to=["r0@elmpark.example"])
    await receive(odd, FakeDelivery(), ports, Setting(school=SETTING.school))

    (notice,) = await office.owe()

    message, text = read(notice)
    assert (None, False) == (message["In-Reply-To"], "wait till break" in text)


@pytest.mark.parametrize(
    ("sender", "author"),
    [
        pytest.param(PUPIL, Group.PUPIL, id="a pupil"),
        pytest.param(PUPIL, Group.STAFF, id="a pupil under a teacher's name"),
        pytest.param(TEACHER, Group.PUPIL, id="a teacher under a pupil's name"),
    ],
)
async def test_only_grown_ups_may_have_it_sent(office: Office, sender: str, author: Group) -> None:
    await office.gives_back(sender=sender, author=author)

    (mail,) = await office.owe()

    message, text = read(mail)
    assert message["Reply-To"] is None
    assert "reply to this mail" not in text


async def test_a_child_is_told_kindly(office: Office) -> None:
    await office.gives_back(sender=PUPIL, author=Group.PUPIL)

    (mail,) = await office.owe()

    _, text = read(mail)
    assert "You are not in trouble." in text
    assert "Childline: 0800 1111" in text
    assert "data protection" not in text


async def test_a_school_without_a_domain_takes_no_answers(office: Office) -> None:
    office.setting = replace(SETTING, domain="")
    await office.gives_back()

    (mail,) = await office.owe()

    assert read(mail)[0]["Reply-To"] is None


async def test_it_comes_from_nobody_so_that_no_machine_answers(office: Office) -> None:
    await office.gives_back()
    await office.owe()

    attempt, delivery = await office.send(Reply.of(250, "2.0.0 Ok"))

    assert (Standing.ACCEPTED, "MAIL <>") == (attempt.standing, delivery.commands[0])


@pytest.mark.parametrize(
    ("code", "command", "standing"),
    [
        (451, "DATA", Standing.WAITING),
        (550, "RCPT", Standing.REFUSED),
        (554, "DATA", Standing.REFUSED),
    ],
)
async def test_an_author_without_a_mailbox_is_given_up(
    office: Office, code: int, command: str, standing: Standing
) -> None:
    await office.gives_back()
    await office.owe()

    attempt, _ = await office.send(Reply.of(code, "No"), command)
    office.told.clear()
    waiting = await office.owe()

    assert standing == attempt.standing
    assert (standing is Standing.WAITING) == bool(waiting)
    assert ["returned"] == await states(office.ports)


async def test_nobody_is_told_of_what_somebody_has_decided_about(office: Office) -> None:
    early, late = await office.gives_back(), await office.gives_back()
    review = ReviewPorts(held=office.ports.held, clock=FakeClock())
    await confirm(early.id, by="Kim Lee", reason="right so", ports=review)

    (mail,) = await office.owe()
    await confirm(late.id, by="Kim Lee", reason="right so", ports=review)
    waiting = await office.owe()

    assert (late.id, []) == (mail.about, list(waiting))


async def test_without_its_evidence_the_author_is_told_all_the_same(
    office: Office, tmp_path: Path
) -> None:
    held = await office.gives_back()
    await DiskSpool(tmp_path / "spool", largest_message=1 << 20).remove(held.folder)

    (mail,) = await office.owe()

    assert "It has personal data or a password in it." in read(mail)[1]
