"""A self-test: judged and carried out like any other message, and nothing of it is left."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from mailguard.config.model import SchoolSection
from mailguard.errors import NextHopUnavailable, StoreUnavailable
from mailguard.flow import canary
from mailguard.flow.advise import Advice
from mailguard.flow.canary import (
    Admission,
    CanarySink,
    CanaryTester,
    advise_test,
    compose_test,
    is_test,
    receive_test,
)
from mailguard.flow.hold import compose
from mailguard.flow.plan import plan_for
from mailguard.flow.setting import Mode, Ports, Setting
from mailguard.flow.settle import reconcile
from mailguard.mail.canary import SINK, Sort, make_sender
from mailguard.mail.envelope import Transaction
from mailguard.mail.message import Message, parse
from mailguard.policy.disposition import Action
from mailguard.policy.judge import Judgement, conclude, judge
from mailguard.quarantine.evidence import compose_evidence
from mailguard.quarantine.held import TEST_SCHOOL
from mailguard.scan.finding import Level, Status
from mailguard.scan.registry import Ruleset
from mailguard.service.canary import default_policy
from mailguard.store.canary import SqlCanaryStore
from mailguard.store.engine import Database
from mailguard.testing import NOON, transaction
from mailguard.testing.fakes import FakeClock, FakeJudge, FakeLedger, FakeNextHop, judgement_of

Judging = Callable[..., Ports]
KEY = bytes(32)
NONCE = b"abcdef"


async def key() -> bytes:
    return KEY


@pytest.fixture
def store(database: Database) -> SqlCanaryStore:
    return SqlCanaryStore(database, "Elm Park Primary", FakeClock())


@pytest.fixture
def tester(store: SqlCanaryStore) -> CanaryTester:
    return CanaryTester(store=store, clock=FakeClock(), key=key, make_nonce=lambda: NONCE)


@pytest.fixture
def admission(store: SqlCanaryStore) -> Admission:
    return Admission(key=key, clock=FakeClock(), store=store)


def make_test(sort: Sort) -> Transaction:
    sender = make_sender(KEY, "mail", sort, NOON, NONCE)
    return transaction(compose_test(sort, sender, NONCE.hex(), NOON), sender=sender, to=[SINK])


def spooled(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "spool").rglob("*") if path.is_file()]


async def test_a_held_test_is_marked_and_leaves_no_row_file_or_ledger_row(
    judging: Judging, setting: Setting, store: SqlCanaryStore, tmp_path: Path
) -> None:
    ports = judging(Action.HOLD, to=(SINK,))

    (reply,) = await receive_test(make_test(Sort.BAD), CanarySink("n", store), ports, setting)

    assert reply.code == 250
    assert await store.take_marks("n") == ["held"]
    assert await ports.held.select() == []
    assert spooled(tmp_path) == []
    assert isinstance(ports.ledger, FakeLedger)
    assert ports.ledger.rows == []


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize(
    ("action", "mark", "is_discarded"),
    [
        (Action.HOLD, "held", True),
        (Action.SEAL, "held", True),
        (Action.RELAY, "came out", False),
        (Action.FLAG, "came out", False),
    ],
)
async def test_a_milters_test_is_marked_before_its_answer_and_leaves_nothing_else(
    judging: Judging,
    setting: Setting,
    store: SqlCanaryStore,
    tmp_path: Path,
    action: Action,
    mark: str,
    is_discarded: bool,
    is_there: bool,
) -> None:
    ports, heard = judging(action, to=(SINK,)), []

    def give(advice: Advice) -> bool:
        heard.append(advice.discard)
        return is_there

    observing = replace(setting, mode=Mode.OBSERVE)
    await advise_test(make_test(Sort.BAD), CanarySink("n", store), give, ports, observing)

    assert heard == [is_discarded]
    assert await store.take_marks("n") == [mark]
    assert (await ports.held.select(), spooled(tmp_path)) == ([], [])
    assert isinstance(ports.ledger, FakeLedger)
    assert ports.ledger.rows == []


def test_a_milter_takes_for_a_test_only_what_goes_from_a_tests_sender_to_the_sink_alone() -> None:
    test = make_test(Sort.BAD)
    sender = test.envelope.sender.address

    assert is_test(test)
    assert not is_test(transaction(sender=sender, to=[SINK, "ben@elmpark.example"]))
    assert not is_test(transaction(sender=sender, to=["ben@elmpark.example"]))
    assert not is_test(transaction(sender="ana@elmpark.example", to=[SINK]))


@pytest.mark.parametrize("action", [Action.RELAY, Action.FLAG])
async def test_a_test_that_passes_ends_in_the_sink_and_no_next_hop_is_asked(
    judging: Judging, setting: Setting, store: SqlCanaryStore, action: Action, tmp_path: Path
) -> None:
    ports = judging(action, to=(SINK,))

    (reply,) = await receive_test(make_test(Sort.GOOD), CanarySink("n", store), ports, setting)

    assert reply.code == 250
    assert await store.take_marks("n") == ["came out"]
    assert isinstance(ports.next_hop, FakeNextHop)
    assert ports.next_hop.opened == []
    assert (await ports.held.select(), spooled(tmp_path)) == ([], [])


async def test_a_test_is_held_though_the_school_only_observes(
    judging: Judging, setting: Setting, store: SqlCanaryStore
) -> None:
    observing = replace(setting, mode=Mode.OBSERVE)

    await receive_test(
        make_test(Sort.BAD), CanarySink("n", store), judging(Action.HOLD, to=(SINK,)), observing
    )

    assert await store.take_marks("n") == ["held"]


async def test_a_test_whose_mark_cannot_be_written_is_no_success(
    judging: Judging, setting: Setting, store: SqlCanaryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(token: str, event: str) -> None:
        raise StoreUnavailable("database: locked")

    monkeypatch.setattr(store, "mark", fail)

    with pytest.raises(StoreUnavailable):
        await receive_test(
            make_test(Sort.BAD), CanarySink("n", store), judging(Action.HOLD, to=(SINK,)), setting
        )


async def test_the_sink_takes_nothing_for_anybody_else(store: SqlCanaryStore) -> None:
    sink = CanarySink("n", store)

    replies = [await sink.rcpt(f"<{to}>".encode()) for to in (SINK, "ben@elmpark.example")]

    assert [reply.code for reply in replies] == [250, 550]


async def test_a_test_is_admitted_once(admission: Admission) -> None:
    sender = make_sender(KEY, "mail", Sort.BAD, NOON, NONCE)

    first, second = [await admission.admit("mail", sender) for _ in range(2)]

    assert first is not None
    assert second is None


@pytest.mark.parametrize(
    "sender",
    [
        make_sender(bytes(31) + b"x", "mail", Sort.BAD, NOON, NONCE),
        make_sender(KEY, "other", Sort.BAD, NOON, NONCE),
        "bad.1.2.3@canary.mailguard.invalid",
        "",
    ],
    ids=["another key", "another listener", "made up", "null"],
)
async def test_what_is_not_ours_is_ordinary_mail(admission: Admission, sender: str) -> None:
    assert await admission.admit("mail", sender) is None


async def test_the_memory_of_used_tests_does_not_grow(
    admission: Admission, store: SqlCanaryStore
) -> None:
    clock = admission.clock
    assert isinstance(clock, FakeClock)
    for number in range(50):
        nonce = number.to_bytes(6)
        await admission.admit("mail", make_sender(KEY, "mail", Sort.BAD, clock.now(), nonce))
        clock.advance(minutes=1)

    assert len(admission._used) <= 5


@pytest.mark.parametrize(
    ("marks", "problem", "failure"),
    [
        ({"bad": ["held"], "good": ["came out"]}, "", ""),
        ({"bad": ["came out"]}, "", "A message that must be held came out."),
        ({"bad": ["came out"]}, "It broke.", "A message that must be held came out."),
        ({"bad": ["held"], "good": ["held"]}, "", "A harmless message was held."),
        ({"bad": ["held"]}, "", "A message was taken, and is neither held nor did it come out."),
        ({}, "No reply within 30 s.", "No reply within 30 s."),
    ],
    ids=["well", "came out", "came out and broke off", "held", "lost", "silent"],
)
async def test_a_run_says_what_went_wrong(
    tester: CanaryTester,
    store: SqlCanaryStore,
    marks: dict[str, list[str]],
    problem: str,
    failure: str,
) -> None:
    async def send(sender: str, raw: bytes) -> str:
        sort, _, nonce, _ = sender.partition("@")[0].split(".")
        for mark in marks.get(sort, []):
            await store.mark(nonce, mark)
        return problem

    run = await tester.test("mail", send)

    assert (run.listener, run.failure) == ("mail", failure)


async def test_a_school_that_switched_off_every_rule_concerned_is_told_so(
    tester: CanaryTester, store: SqlCanaryStore
) -> None:
    async def send(sender: str, raw: bytes) -> str:
        await store.mark(NONCE.hex(), "came out")
        return ""

    blinded = replace(tester, disabled=frozenset(canary.BAD_SYMBOLS))
    run = await blinded.test("mail", send)

    assert "rules.disable switches off every rule" in run.failure
    assert "THREAT_ASSAULT_INTENT" in run.failure


def judged(sort: Sort, ruleset: Ruleset) -> tuple[Judgement, Transaction, Message]:
    test = make_test(sort)
    message = parse(bytes(test.raw.buffer))
    return judge(test, message, (), ruleset, default_policy()), test, message


def test_each_rule_alone_holds_the_bad_message_and_they_are_of_several_categories(
    ruleset: Ruleset,
) -> None:
    judgement, test, message = judged(Sort.BAD, ruleset)

    strong = [f for f in judgement.report.findings if f.level >= Level.HOLD]
    alone = [
        conclude(replace(judgement.report, findings=(finding,)), test, message, default_policy())
        for finding in strong
    ]
    assert tuple(sorted(f.symbol.name for f in strong)) == canary.BAD_SYMBOLS
    assert {f.symbol.status for f in strong} == {Status.STABLE}
    assert {each.dispositions[0].action for each in alone} == {Action.HOLD}
    assert len({f.symbol.category for f in strong}) >= 3


def test_no_rule_has_a_word_to_say_about_the_good_message(ruleset: Ruleset) -> None:
    judgement, _, _ = judged(Sort.GOOD, ruleset)

    assert judgement.report.findings == ()
    assert judgement.dispositions[0].action is Action.RELAY


async def test_what_a_killed_test_left_in_the_spool_is_swept_and_never_adopted(
    judging: Judging, setting: Setting, tmp_path: Path
) -> None:
    ports = judging(Action.HOLD, to=(SINK,))
    test = make_test(Sort.BAD)
    judgement = judgement_of(Action.HOLD, to=(SINK,))
    plan = plan_for(judgement, setting.mode)
    held = compose(test, judgement, plan, ports, replace(setting, school=TEST_SCHOOL))
    evidence = compose_evidence(test, judgement, held)
    await ports.spool.store(held.id, held.folder, test.raw, evidence)

    found = await reconcile(ports)

    assert (found.adopted, found.leftovers) == (0, 1)
    assert await ports.held.select() == []
    assert spooled(tmp_path) == []


async def test_a_test_under_way_is_left_alone_while_others_work(
    judging: Judging, setting: Setting, tmp_path: Path
) -> None:
    ports = judging(Action.HOLD, to=(SINK,))
    test = make_test(Sort.BAD)
    judgement = judgement_of(Action.HOLD, to=(SINK,))
    plan = plan_for(judgement, setting.mode)
    held = compose(test, judgement, plan, ports, replace(setting, school=TEST_SCHOOL))
    await ports.spool.store(held.id, held.folder, test.raw, compose_evidence(test, judgement, held))

    await reconcile(ports, before=NOON)

    assert len(spooled(tmp_path)) == 2


def test_no_school_can_have_the_id_of_the_tests() -> None:
    with pytest.raises(ValidationError):
        SchoolSection(id=TEST_SCHOOL)


async def test_a_next_hop_is_never_opened_for_a_test(
    judging: Judging, setting: Setting, store: SqlCanaryStore
) -> None:
    class Gone(CanarySink):
        async def data(self, head: bytes, raw: object) -> object:  # type: ignore[override]
            raise NextHopUnavailable("closed")

    ports = judging(Action.RELAY, to=(SINK,))

    with pytest.raises(NextHopUnavailable):
        await receive_test(make_test(Sort.GOOD), Gone("n", store), ports, setting)

    assert isinstance(ports.next_hop, FakeNextHop)
    assert ports.next_hop.opened == []
    assert isinstance(ports.judge, FakeJudge)
