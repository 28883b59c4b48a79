"""Who is owed which digest, what it covers, and that nobody reads of their own messages."""

import asyncio
import email
import email.policy
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from functools import partial
from pathlib import Path

import pytest

from mailguard.errors import StoreUnavailable
from mailguard.flow.collect import DigestPorts, DigestSetting, Files, collect
from mailguard.flow.digest import owe_digests, owe_for
from mailguard.flow.hold import entry_for
from mailguard.mail.raw import Raw
from mailguard.policy.directory import Person, build_directory
from mailguard.policy.disposition import Action
from mailguard.policy.mail_kind import MailKind
from mailguard.policy.taxonomy import Group
from mailguard.policy.visibility import Chain
from mailguard.ports import CanaryRun
from mailguard.quarantine.evidence import compose_evidence
from mailguard.quarantine.held import Act, HeldMessage, State
from mailguard.report.digest import Digest, Rules, Undelivered
from mailguard.report.own_mail import Kind, OwnMail, Standing
from mailguard.report.reference import reference_of
from mailguard.report.schedule import Schedule
from mailguard.report.words import describe_states
from mailguard.store.canary import SqlCanaryStore
from mailguard.store.elapsed import Uptime
from mailguard.store.engine import Database
from mailguard.store.figures import SqlFigures
from mailguard.store.held_store import SqlHeldStore
from mailguard.store.ledger import SqlLedger
from mailguard.store.own_mail import SqlOwnMailStore
from mailguard.store.spool import DiskSpool
from mailguard.testing import CANARY, SCHOOL, mail, transaction
from mailguard.testing.fakes import FakeClock, judgement_of
from mailguard.testing.quarantine import audit_entry, ledger_row
from mailguard.testing.report import LONDON, TUESDAY, copy_for, held_for

HEAD, DSL, DEPUTY = "head@elmpark.example", "dsl@elmpark.example", "deputy@elmpark.example"
CHAIR = "chair@hills.example"
PUPIL = "ava@pupils.elmpark.example"

DAY = date(2026, 3, 3)
NOW = TUESDAY + timedelta(minutes=1)

SETTING = DigestSetting(
    school=SCHOOL.name,
    school_name="Elm Park Primary",
    sender="mailguard@elmpark.example",
    chain=Chain(headteacher=(HEAD,), dsl=(DSL,), deputy=(DEPUTY,), chair=(CHAIR,)),
    directory=build_directory(
        SCHOOL,
        people=(
            Person(address=HEAD, name="Grace Okafor", group=Group.STAFF),
            Person(address="g.okafor@elmpark.example", name="Grace Okafor", group=Group.STAFF),
        ),
        pupils=("*@pupils.elmpark.example",),
        staff=("*@elmpark.example",),
        helplines=("helpline.example",),
    ),
    schedule=Schedule(zone=LONDON, time=time(7, 30), days=frozenset(range(5))),
    helplines=("In danger now: 999",),
    listeners=("mx",),
)


@pytest.fixture
def ports(tmp_path: Path, database: Database) -> DigestPorts:
    return DigestPorts(
        held=SqlHeldStore(database, SCHOOL.name),
        spool=DiskSpool(tmp_path / "spool", largest_message=1 << 20),
        mails=SqlOwnMailStore(database, SCHOOL.name),
        figures=SqlFigures(database, SCHOOL.name),
        canary=SqlCanaryStore(database, SCHOOL.name, FakeClock()),
        rules=lambda: Rules(count=124, fingerprint="9ab6e165f148d727"),
    )


async def keep(
    ports: DigestPorts, held: HeldMessage, *, from_: str = "", action: str = "hold"
) -> HeldMessage:
    """Put a message into quarantine: files and row."""
    raw = Raw.of(mail(from_=from_ or held.sender))
    held = replace(held, sha256=raw.sha256, size=raw.size)
    evidence = compose_evidence(transaction(), judgement_of(Action.HOLD), held)
    await ports.spool.store(held.id, held.folder, raw, evidence)
    await ports.held.add(held, audit_entry(action, subject=held.id))
    return held


async def digest_for(
    person: str, ports: DigestPorts, setting: DigestSetting = SETTING, now: datetime = NOW
) -> Digest:
    digest, _ = await collect(person, DAY, now, Files(ports=ports, setting=setting))
    return digest


def references(digest: Digest) -> list[str]:
    return [item.reference for items in (digest.today, digest.waiting) for item in items.shown]


async def owed(ports: DigestPorts, about: str = "2026-03-03") -> list[str]:
    return [each.recipient for each in await ports.mails.of(Kind.DIGEST, about)]


async def end(
    ports: DigestPorts, about: str = "2026-03-03", standing: Standing = Standing.ACCEPTED
) -> None:
    for each in await ports.mails.of(Kind.DIGEST, about):
        await ports.mails.end(each, standing, "250 2.0.0 Ok", audit_entry("digest"))


def text_of(owed_mail: OwnMail) -> str:
    message = email.message_from_bytes(owed_mail.raw, policy=email.policy.default)
    part = message.get_body(preferencelist=("plain",))
    assert part is not None
    return str(part.get_content())


# Who gets one.


async def test_the_headteacher_gets_one_even_when_there_is_nothing_to_report(
    ports: DigestPorts,
) -> None:
    made = await owe_digests(NOW, ports, SETTING)

    (digest,) = await ports.mails.of(Kind.DIGEST, "2026-03-03")
    assert 1 == made
    assert HEAD == digest.recipient
    assert "Nothing to review." in text_of(digest)


async def test_nothing_is_owed_before_its_time_has_come(ports: DigestPorts) -> None:
    await owe_digests(TUESDAY - timedelta(minutes=1), ports, SETTING)

    assert [] == await owed(ports)
    assert [HEAD] == await owed(ports, "2026-03-02")


async def test_a_day_is_owed_once_however_often_one_looks(ports: DigestPorts) -> None:
    made = [await owe_digests(NOW + timedelta(seconds=20 * n), ports, SETTING) for n in range(5)]

    assert [1, 0, 0, 0, 0] == made


async def test_two_processes_at_once_owe_one(ports: DigestPorts, tmp_path: Path) -> None:
    databases = [Database(f"sqlite:///{tmp_path}/mailguard.db") for _ in range(4)]
    others = [
        replace(ports, mails=SqlOwnMailStore(database, SCHOOL.name)) for database in databases
    ]

    made = await asyncio.gather(*(owe_digests(NOW, other, SETTING) for other in others))

    assert 1 == sum(made)
    assert [HEAD] == await owed(ports)
    await asyncio.gather(*(database.close() for database in databases))


async def test_missed_days_are_caught_up_by_one(ports: DigestPorts) -> None:
    await owe_digests(NOW, ports, SETTING)
    await end(ports)

    made = await owe_digests(NOW + timedelta(days=8), ports, SETTING)

    (digest,) = await ports.mails.of(Kind.DIGEST, "2026-03-11")
    assert 1 == made
    assert digest.covers is not None
    assert NOW == digest.covers.since


async def test_a_clock_that_jumps_back_owes_nothing_again(ports: DigestPorts) -> None:
    for days in (0, 1, 2):
        await owe_digests(NOW + timedelta(days=days), ports, SETTING)

    made = [await owe_digests(NOW + timedelta(days=days), ports, SETTING) for days in (1, 0, 2)]

    assert [0, 0, 0] == made


async def test_without_a_headteacher_the_next_office_gets_it(ports: DigestPorts) -> None:
    setting = replace(SETTING, chain=Chain(dsl=(DSL,), chair=(CHAIR,)))

    await owe_digests(NOW, ports, setting)

    assert [DSL] == await owed(ports)


async def test_where_nobody_is_named_nothing_is_owed(ports: DigestPorts) -> None:
    assert 0 == await owe_digests(NOW, ports, replace(SETTING, chain=Chain()))


async def test_one_person_in_two_offices_gets_one(ports: DigestPorts) -> None:
    chain = Chain(headteacher=(HEAD,), dsl=(HEAD.upper().replace("EXAMPLE", "example"), HEAD))
    await keep(ports, held_for())

    await owe_digests(NOW, ports, replace(SETTING, chain=chain))

    assert [HEAD] == await owed(ports)


async def test_stand_ins_get_one_with_the_others_and_not_later_in_the_day(
    ports: DigestPorts,
) -> None:
    await owe_digests(NOW, ports, SETTING)
    await keep(ports, held_for(sender=HEAD))

    made = await owe_digests(NOW + timedelta(hours=1), ports, SETTING)

    assert 0 == made
    assert [HEAD] == await owed(ports)


async def test_a_person_named_later_in_the_day_gets_theirs(ports: DigestPorts) -> None:
    await owe_digests(NOW, ports, SETTING)
    both = replace(SETTING.chain, headteacher=(HEAD, "new@elmpark.example"))

    await owe_digests(NOW + timedelta(hours=1), ports, replace(SETTING, chain=both))

    assert [HEAD, "new@elmpark.example"] == await owed(ports)


async def test_a_database_that_fails_amid_it_leaves_nothing_owed(
    ports: DigestPorts, tmp_path: Path
) -> None:
    await keep(ports, held_for(sender=HEAD))
    closed = SqlFigures(Database(f"sqlite:///{tmp_path}/gone.db"), SCHOOL.name)

    with pytest.raises(StoreUnavailable):
        await owe_digests(NOW, replace(ports, figures=closed), SETTING)

    assert [] == await owed(ports)


async def test_another_copy_has_a_name_of_its_own_and_covers_the_same_time(
    ports: DigestPorts,
) -> None:
    await owe_digests(NOW, ports, SETTING)
    await end(ports)
    await owe_digests(NOW + timedelta(days=1), ports, SETTING)
    await end(ports, "2026-03-04")
    wednesday = date(2026, 3, 4)

    for _ in range(2):
        await owe_for(wednesday, NOW + timedelta(days=1), ports, SETTING, again=True)

    (first,) = await ports.mails.of(Kind.DIGEST, "2026-03-04")
    (second,) = await ports.mails.of(Kind.DIGEST, "2026-03-04/2")
    (third,) = await ports.mails.of(Kind.DIGEST, "2026-03-04/3")
    assert 3 == len({first.message_id, second.message_id, third.message_id})
    assert first.covers is not None
    assert second.covers is not None
    assert NOW == first.covers.since == second.covers.since


async def test_another_copy_of_what_was_never_made_is_the_first(ports: DigestPorts) -> None:
    await owe_for(DAY, NOW, ports, SETTING, again=True)

    assert [HEAD] == [each.recipient for each in await ports.mails.of(Kind.DIGEST, "2026-03-03")]
    assert 0 == await owe_digests(NOW, ports, SETTING)


async def test_another_spelling_of_an_address_begins_no_new_count(ports: DigestPorts) -> None:
    await owe_digests(NOW, ports, SETTING)
    await end(ports)
    respelt = replace(SETTING, chain=replace(SETTING.chain, headteacher=("Head@ElmPark.example",)))

    await owe_digests(NOW + timedelta(days=1), ports, respelt)

    (second,) = await ports.mails.of(Kind.DIGEST, "2026-03-04")
    assert second.covers is not None
    assert NOW == second.covers.since


# Whose line it is.


@pytest.mark.parametrize(
    ("held", "from_", "expected"),
    [
        pytest.param(held_for(), "", HEAD, id="nobody of the line has a part"),
        pytest.param(held_for(sender=HEAD), "", DSL, id="the head wrote it"),
        pytest.param(held_for(copy_for(HEAD)), "", DSL, id="the head received it"),
        pytest.param(held_for(copy_for("Head+x@ELMPARK.example")), "", DSL, id="spelt otherwise"),
        pytest.param(
            held_for(copy_for("g.okafor@elmpark.example")),
            "",
            DSL,
            id="at the head's other address",
        ),
        pytest.param(held_for(), HEAD, DSL, id="the head stands in From"),
        pytest.param(held_for(copy_for(DSL), sender=HEAD), "", DEPUTY, id="head and DSL"),
        pytest.param(
            held_for(copy_for(DSL), copy_for(DEPUTY), sender=HEAD),
            "",
            CHAIR,
            id="all but the chair",
        ),
        pytest.param(
            held_for(copy_for(PUPIL, "governor→pupil"), sender="gov@hills.example"),
            "",
            CHAIR,
            id="a governor wrote it",
        ),
        pytest.param(
            held_for(copy_for(), copy_for("a@helpline.example", "pupil→helpline")),
            "",
            DSL,
            id="a helpline has a part",
        ),
    ],
)
async def test_a_line_goes_to_the_first_who_has_no_part_and_to_nobody_else(
    ports: DigestPorts, held: HeldMessage, from_: str, expected: str
) -> None:
    kept = await keep(ports, held, from_=from_)

    seen = {person: references(await digest_for(person, ports)) for person in SETTING.people}

    assert {expected: [reference_of(kept.id)]} == {who: what for who, what in seen.items() if what}


async def test_a_line_that_nobody_may_see_is_in_no_digest(ports: DigestPorts) -> None:
    everybody = [copy_for(person) for person in (HEAD, DSL, DEPUTY, CHAIR)]
    await keep(ports, held_for(*everybody))

    seen = [references(await digest_for(person, ports)) for person in SETTING.people]

    assert [[], [], [], []] == seen


async def test_the_headteachers_digest_is_the_same_whether_or_not_they_are_a_party(
    ports: DigestPorts,
) -> None:
    before = await digest_for(HEAD, ports)
    await keep(ports, held_for(sender=HEAD, number=1))
    await keep(ports, held_for(copy_for("a@helpline.example", "pupil→helpline"), number=2))
    flagged = held_for(copy_for(HEAD, state=State.DELIVERED), number=3, level=1)
    await keep(ports, flagged, action="flag")

    after = await digest_for(HEAD, ports)

    assert before == after


async def test_what_a_governor_wrote_is_counted_for_the_headteacher_as_being_elsewhere(
    ports: DigestPorts,
) -> None:
    await keep(ports, held_for(copy_for(PUPIL, "governor→pupil"), sender="gov@hills.example"))

    digest = await digest_for(HEAD, ports)

    assert (1, 0) == (digest.changes.elsewhere, digest.changes.held)


async def test_a_stand_in_gets_their_lines_and_no_others(ports: DigestPorts) -> None:
    await keep(ports, held_for(number=1))
    kept = await keep(ports, held_for(sender=HEAD, number=2))

    await owe_digests(NOW, ports, SETTING)

    head, dsl = await ports.mails.of(Kind.DIGEST, "2026-03-03")
    assert (HEAD, DSL) == (head.recipient, dsl.recipient)
    assert reference_of(kept.id) in text_of(dsl)
    assert reference_of(kept.id) not in text_of(head)
    assert "It goes to dsl@elmpark.example because" in text_of(dsl)


@pytest.mark.parametrize("name", ["message.eml", "evidence.json"])
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"\0")])
async def test_missing_or_damaged_evidence_is_said_and_stops_no_digest(
    ports: DigestPorts, tmp_path: Path, name: str, damage: Callable[[Path], object]
) -> None:
    kept = await keep(ports, held_for())
    damage(tmp_path / "spool" / kept.folder / name)

    made = await owe_digests(NOW, ports, SETTING)

    (digest,) = await ports.mails.of(Kind.DIGEST, "2026-03-03")
    assert 1 == made
    assert "evidence is missing or damaged" in " ".join(text_of(digest).split())


# What it says.


async def test_what_was_decided_is_no_line_any_more_but_is_counted(ports: DigestPorts) -> None:
    clock = FakeClock()
    delivered = copy_for(state=State.DELIVERED)
    for number, copy, act in (
        (1, copy_for(), Act.RELEASE),
        (2, copy_for(), Act.CONFIRM),
        (3, delivered, Act.CLOSE),
    ):
        held = await keep(ports, held_for(copy, number=number))
        entry = entry_for(str(act), held, clock, actor="Grace Okafor")
        await ports.held.act(held.id, act, [PUPIL], entry)

    digest = await digest_for(HEAD, ports)

    changes = digest.changes
    assert 0 == digest.to_review
    assert (1, 1, 1) == (changes.released, changes.confirmed, changes.closed)
    assert 3 == changes.held


async def test_minor_flags_have_no_line_and_are_counted(ports: DigestPorts) -> None:
    for number in (1, 2):
        held = held_for(copy_for(state=State.DELIVERED), level=number, number=number)
        await keep(ports, held, action="flag")

    digest = await digest_for(HEAD, ports)

    assert (2, 1) == (digest.changes.flagged, digest.changes.minor)
    assert 1 == digest.to_review


async def test_a_message_whose_content_was_deleted_still_counts_as_decided(
    ports: DigestPorts, tmp_path: Path
) -> None:
    held = await keep(ports, held_for())
    entry = entry_for("release", held, FakeClock(), actor="Grace Okafor")
    await ports.held.act(held.id, Act.RELEASE, [PUPIL], entry)
    await ports.held.act(held.id, Act.SENT, [PUPIL], audit_entry("released", subject=held.id))
    await ports.held.act(held.id, Act.EXPIRE, [PUPIL], audit_entry("purge", subject=held.id))
    await ports.spool.remove(held.folder)

    assert 1 == (await digest_for(HEAD, ports)).changes.released


async def test_each_covers_what_came_after_the_last_that_was_accepted(ports: DigestPorts) -> None:
    await keep(ports, held_for(number=1))
    await owe_digests(NOW, ports, SETTING)
    await end(ports)
    await keep(ports, held_for(number=2))
    wednesday = date(2026, 3, 4)

    await owe_for(wednesday, NOW + timedelta(days=1), ports, SETTING)
    await end(ports, "2026-03-04", Standing.REFUSED)
    await keep(ports, held_for(number=3))
    files = Files(ports=ports, setting=SETTING)
    digest, covers = await collect(HEAD, date(2026, 3, 5), NOW + timedelta(days=2), files)

    assert 2 == digest.changes.held
    assert NOW == covers.since == digest.since
    assert 3 == digest.to_review


async def test_a_digest_that_was_not_accepted_is_in_the_next_with_its_code_only(
    ports: DigestPorts,
) -> None:
    await owe_digests(NOW, ports, SETTING)
    (first,) = await ports.mails.of(Kind.DIGEST, "2026-03-03")
    await ports.mails.end(
        first, Standing.REFUSED, f"550 5.1.1 no {CANARY} here", audit_entry("digest")
    )

    await owe_digests(NOW + timedelta(days=1), ports, SETTING)

    (second,) = await ports.mails.of(Kind.DIGEST, "2026-03-04")
    text = " ".join(text_of(second).split())
    assert "The summary of Tue 3 Mar was not taken by the mail server: it said 550 5.1.1." in text
    assert CANARY not in text


async def test_a_digest_of_which_nobody_knows_whether_it_arrived_is_in_the_next(
    ports: DigestPorts,
) -> None:
    await owe_digests(NOW, ports, SETTING)
    await end(ports, standing=Standing.UNKNOWN)

    await owe_digests(NOW + timedelta(days=1), ports, SETTING)

    (second,) = await ports.mails.of(Kind.DIGEST, "2026-03-04")
    text = " ".join(text_of(second).split())
    assert "Nobody knows whether the summary of Tue 3 Mar arrived" in text


async def test_a_digest_that_still_waits_is_given_up_for_the_next(ports: DigestPorts) -> None:
    await owe_digests(NOW, ports, SETTING)

    await owe_digests(NOW + timedelta(days=1), ports, SETTING)

    (first,) = await ports.mails.of(Kind.DIGEST, "2026-03-03")
    (second,) = await ports.mails.of(Kind.DIGEST, "2026-03-04")
    assert Standing.SUPERSEDED == first.standing
    assert "The summary of Tue 3 Mar was not taken" in text_of(second)
    assert "tried again" not in text_of(second)


async def test_an_alert_that_is_not_accepted_is_in_the_digest_of_who_may_know(
    ports: DigestPorts,
) -> None:
    mine = await keep(ports, held_for(level=4, alert=True, number=1))
    theirs = await keep(ports, held_for(level=4, alert=True, number=2, sender=HEAD))
    for held in (mine, theirs):
        alert = OwnMail(
            school=SCHOOL.name,
            kind=Kind.ALERT,
            about=held.id,
            recipient=DSL,
            message_id=f"<{held.id}@elmpark.example>",
            created=NOW,
            raw=b"x",
        )
        await ports.mails.owe([alert])
        await ports.mails.note_failure(alert, "451 4.4.1 later")

    missed = (await digest_for(HEAD, ports)).system.missed

    assert [("alert", reference_of(mine.id), "451 4.4.1", Standing.WAITING)] == [
        (each.what, each.about, each.reply, each.standing) for each in missed
    ]


async def test_the_system_section_has_the_figures_of_the_tables(ports: DigestPorts) -> None:
    await ports.canary.note(CanaryRun(at=NOW, listener="mx", failure="No reply within 30 s."))
    await ports.canary.note(CanaryRun(at=NOW, listener="mx"))

    system = (await digest_for(HEAD, ports)).system

    assert (2, 1) == (system.tests, system.failed_tests)
    assert [("mx", "")] == [(test.listener, test.failure) for test in system.self_tests]
    assert Rules(count=124, fingerprint="9ab6e165f148d727") == system.rules


async def test_what_was_not_seen_for_a_week_is_told_unless_it_cannot_be_seen(
    database: Database, ports: DigestPorts
) -> None:
    for days, relationship in ((0, "pupil→staff"), (10, "outside→staff")):
        uptime = Uptime(boot="", seconds=days * 86400)
        ledger = SqlLedger(database, stopwatch=partial(replace, uptime))
        ledger.record(replace(ledger_row(), relationship=relationship))
        await ledger.close()

    blind = replace(SETTING, blind_to=(MailKind.OUTBOUND,))
    system = (await digest_for(HEAD, ports, blind)).system

    assert (MailKind.INTERNAL,) == system.unseen
    assert (MailKind.OUTBOUND,) == system.blind_to


def refused_by_the_next_hop(number: int = 1, **values: object) -> HeldMessage:
    copy = replace(copy_for(state=State.UNDELIVERABLE, reply="552 5.2.2 Full"), bounced=True)
    return held_for(copy, **{"number": number, "level": 0, "categories": {}, **values})


@pytest.mark.parametrize(
    ("technicians", "reply", "told"),
    [
        ((), "", "nobody"),
        (("pat@it.example",), "", "told"),
        (("pat@it.example",), "451 No", "late"),
    ],
    ids=["nobody is named", "told", "not taken"],
)
async def test_what_is_undeliverable_is_counted_and_whether_the_technician_knows(
    ports: DigestPorts, technicians: tuple[str, ...], reply: str, told: str
) -> None:
    held = await keep(ports, refused_by_the_next_hop(), action="undeliverable")
    await ports.mails.owe(
        [
            OwnMail(
                school=SCHOOL.name,
                kind=Kind.NOTICE,
                about=held.id,
                recipient="pat@it.example",
                message_id="<notice@elmpark.example>",
                created=NOW,
                raw=b"x",
                reply=reply,
            )
        ]
    )

    digest = await digest_for(HEAD, ports, replace(SETTING, technicians=technicians))

    assert digest.system.undelivered == Undelivered(count=1, told=told)
    assert digest.to_review == 0


async def test_what_a_technician_did_about_undeliverable_mail_is_no_review_and_ends_the_count(
    ports: DigestPorts,
) -> None:
    held = await keep(ports, refused_by_the_next_hop(), action="undeliverable")
    closing = audit_entry("close", subject=held.id, actor="Pat")
    await ports.held.act(held.id, Act.CLOSE, [held.recipients[0].address], closing)

    digest = await digest_for(HEAD, ports)

    assert (digest.changes.closed, digest.system.undelivered.count) == (0, 0)


async def test_undeliverable_mail_that_is_sent_again_is_nothing_to_the_reviewer(
    ports: DigestPorts,
) -> None:
    held = await keep(ports, refused_by_the_next_hop(), action="undeliverable")
    releasing = audit_entry("release", subject=held.id, actor="Pat")
    await ports.held.act(held.id, Act.RELEASE, [held.recipients[0].address], releasing)
    await ports.held.note_failure(held.id, "451 4.4.1 Not now")

    digest = await digest_for(HEAD, ports)

    assert (digest.to_review, digest.changes.released) == (0, 0)


async def test_a_call_for_help_that_did_not_arrive_is_for_the_reviewer_too(
    ports: DigestPorts,
) -> None:
    await keep(ports, refused_by_the_next_hop(alert=True, level=3, categories={"disclosure": 3}))

    digest = await digest_for(HEAD, ports)

    (item,) = digest.today.shown
    assert describe_states(item) == "refused by the mail server"


async def test_a_listener_that_is_gone_is_no_longer_reported(ports: DigestPorts) -> None:
    await ports.canary.note(CanaryRun(at=NOW, listener="mail", failure="No reply within 30 s."))
    await ports.canary.note(CanaryRun(at=NOW, listener="mx"))

    system = (await digest_for(HEAD, ports)).system

    assert [("mx", "")] == [(test.listener, test.failure) for test in system.self_tests]


async def test_no_content_gets_into_what_is_owed(ports: DigestPorts) -> None:
    await keep(ports, held_for(copy_for("x@far.example", "pupil→outside"), level=3))

    await owe_digests(NOW, ports, SETTING)

    (digest,) = await ports.mails.of(Kind.DIGEST, "2026-03-03")
    message = email.message_from_bytes(digest.raw, policy=email.policy.default)
    said = "".join(part.get_content() for part in message.iter_parts())
    assert "MailGuard daily summary – Tue 3 Mar – 1 to review (1 today)" == message["Subject"]
    assert CANARY not in said
    assert "far.example" not in said


async def test_looking_changes_nothing(ports: DigestPorts, tmp_path: Path) -> None:
    await keep(ports, held_for())
    await owe_digests(NOW, ports, SETTING)

    def state() -> Sequence[str]:
        return [
            hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted((tmp_path / "spool").rglob("*"))
            if file.is_file()
        ]

    before = state(), await ports.held.select(), await ports.mails.recent(Kind.DIGEST, 9)
    await digest_for(HEAD, ports)

    assert before == (state(), await ports.held.select(), await ports.mails.recent(Kind.DIGEST, 9))
