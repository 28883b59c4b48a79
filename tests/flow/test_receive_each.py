"""Where each recipient has a last word of its own: LMTP behind us, before us, or both."""

import asyncio
import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mailguard.errors import NextHopUnavailable, SpoolUnavailable, StoreUnavailable
from mailguard.flow.receive import receive
from mailguard.flow.setting import Mode, Ports, Setting
from mailguard.flow.settle import settle
from mailguard.mail.envelope import Transaction
from mailguard.mail.reply import NEXT_HOP_DOWN, NO_LAST_WORD, REFUSED, Reply
from mailguard.policy.disposition import Action
from mailguard.quarantine.held import State
from mailguard.testing import mail, transaction
from mailguard.testing.fakes import OK, FakeDelivery, FakeJudge, FakeNextHop, judgement_of

Judging = Callable[..., Ports]

FULL = Reply.of(452, "4.2.2 Mailbox full")
UNKNOWN = Reply.of(550, "5.1.1 No such user")
GONE = NextHopUnavailable("closed")
GONE_AFTER_DOT = NextHopUnavailable("closed", may_have_accepted=True)


def sent_to(
    count: int, *, client: str = "smtp", raw: bytes | None = None, queue_id: str = "TESTQUEUEID"
) -> Transaction:
    to = [f"r{i}@elmpark.example" for i in range(count)]
    sent = transaction(raw, to=to, queue_id=queue_id)
    return replace(sent, session=replace(sent.session, protocol=client))


def saying(*replies: Reply) -> FakeDelivery:
    """A next hop that speaks LMTP and takes a message with these replies."""
    return FakeDelivery(each=list(replies))


async def copies(ports: Ports) -> dict[str, str]:
    """What is in quarantine, by recipient."""
    rows = await ports.held.select()
    return {r.address.partition("@")[0]: str(r.state) for row in rows for r in row.recipients}


def remembered(ports: Ports) -> int:
    memory: Any = ports.receipts
    return sum(len(addresses) for addresses in memory.addresses.values())


@pytest.fixture
def logged(log_lines: io.StringIO) -> Callable[[], str]:
    """What was logged since the test began."""
    start = log_lines.tell()
    return lambda: log_lines.getvalue()[start:]


BESIDE = {
    "passed": (Action.RELAY, Action.RELAY),
    "held": (Action.RELAY, Action.RELAY, Action.HOLD),
    "flagged": (Action.FLAG, Action.FLAG),
}
WORDS = {"2xx": OK, "4xx": FULL, "5xx": UNKNOWN, "none": NO_LAST_WORD}
BOTH = {"r0": "delivered", "r1": "delivered"}
FIRST = {"r0": "delivered"}
LAST = {"r2": "held"}
LOST = {"r1": "undeliverable"}

TABLE = [
    # client, beside it, about r1: told, in quarantine, remembered to have it (r0 gets it each time)
    ("smtp", "passed", "2xx", (250,), {}, 0),
    ("smtp", "passed", "4xx", (452,), {}, 1),
    ("smtp", "passed", "5xx", (250,), LOST, 0),
    ("smtp", "passed", "none", (451,), {}, 1),
    ("smtp", "held", "2xx", (250,), BOTH | LAST, 0),
    ("smtp", "held", "4xx", (452,), {}, 1),
    ("smtp", "held", "5xx", (250,), FIRST | LAST | LOST, 0),
    ("smtp", "held", "none", (451,), {}, 1),
    ("smtp", "flagged", "2xx", (250,), BOTH, 0),
    ("smtp", "flagged", "4xx", (452,), FIRST, 1),
    ("smtp", "flagged", "5xx", (250,), FIRST | LOST, 0),
    ("smtp", "flagged", "none", (451,), FIRST, 1),
    ("lmtp", "passed", "2xx", (250, 250), {}, 0),
    ("lmtp", "passed", "4xx", (250, 452), {}, 0),
    ("lmtp", "passed", "5xx", (250, 550), {}, 0),
    ("lmtp", "passed", "none", (250, 451), {}, 0),
    ("lmtp", "held", "2xx", (250, 250, 250), BOTH | LAST, 0),
    ("lmtp", "held", "4xx", (250, 452, 250), FIRST | LAST, 0),
    ("lmtp", "held", "5xx", (250, 550, 250), FIRST | LAST, 0),
    ("lmtp", "held", "none", (250, 451, 250), FIRST | LAST, 0),
    ("lmtp", "flagged", "2xx", (250, 250), BOTH, 0),
    ("lmtp", "flagged", "4xx", (250, 452), FIRST, 0),
    ("lmtp", "flagged", "5xx", (250, 550), FIRST, 0),
    ("lmtp", "flagged", "none", (250, 451), FIRST, 0),
]


@pytest.mark.parametrize(
    ("client", "beside", "word", "codes", "kept", "memory"),
    TABLE,
    ids=["-".join(row[:3]) for row in TABLE],
)
async def test_what_one_recipient_is_told_spoils_nothing_for_the_others(
    judging: Judging,
    setting: Setting,
    client: str,
    beside: str,
    word: str,
    codes: tuple[int, ...],
    kept: dict[str, str],
    memory: int,
) -> None:
    ports = judging(*BESIDE[beside])
    sent = sent_to(len(BESIDE[beside]), client=client)

    replies = await receive(sent, saying(OK, WORDS[word]), ports, setting)

    assert tuple(reply.code for reply in replies) == codes
    assert await copies(ports) == kept
    assert remembered(ports) == memory
    assert len(await ports.spool.folders()) == len(await ports.held.select())
    assert ports.unsettled == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((UNKNOWN, UNKNOWN), UNKNOWN),
        ((FULL, NO_LAST_WORD), FULL),
        ((UNKNOWN, FULL), FULL),
        ((NO_LAST_WORD, UNKNOWN), NO_LAST_WORD),
    ],
)
@pytest.mark.parametrize("actions", [(Action.RELAY,) * 2, (Action.FLAG,) * 2])
async def test_where_nobody_got_it_it_is_refused_for_good_only_if_by_all(
    judging: Judging,
    setting: Setting,
    words: tuple[Reply, Reply],
    told: Reply,
    actions: tuple[Action, ...],
) -> None:
    ports = judging(*actions)

    replies = await receive(sent_to(2), saying(*words), ports, setting)

    assert replies == (told.naming("TESTQUEUEID"),)
    assert await copies(ports) == {}
    assert remembered(ports) == 0


class TestRetry:
    """The client was told to come again, because one of its recipients could not get it."""

    async def test_goes_to_those_who_have_not_got_it(
        self, judging: Judging, setting: Setting
    ) -> None:
        ports, again = judging(*(Action.RELAY,) * 3), saying(OK, OK)
        await receive(sent_to(3), saying(FULL, OK, FULL), ports, setting)

        (reply,) = await receive(sent_to(3), again, ports, setting)

        assert reply == OK.naming("TESTQUEUEID")
        assert again.commands == [
            "RSET",
            "MAIL <ana@elmpark.example>",
            "RCPT <r0@elmpark.example>",
            "RCPT <r2@elmpark.example>",
            "DATA",
        ]
        assert remembered(ports) == 0

    async def test_is_the_same_message_though_another_hop_wrote_its_line(
        self, judging: Judging, setting: Setting
    ) -> None:
        ports, again = judging(Action.RELAY, Action.RELAY), saying(OK)
        await receive(sent_to(2), saying(OK, FULL), ports, setting)

        later = b"Received: from a by b;\r\n\tlater\r\n" + mail()
        await receive(sent_to(2, raw=later), again, ports, setting)

        assert "RCPT <r0@elmpark.example>" not in again.commands

    async def test_is_250_when_nobody_is_left(self, judging: Judging, setting: Setting) -> None:
        ports, again = judging(Action.RELAY, Action.RELAY), saying()
        await receive(sent_to(2), saying(OK, FULL), ports, setting)
        only = transaction(to=["r0@elmpark.example"])
        ports = replace(ports, judge=judging(Action.RELAY).judge)

        (reply,) = await receive(only, again, ports, setting)

        assert reply.code == 250
        assert again.commands == []
        assert remembered(ports) == 0

    async def test_whose_rest_is_refused_again_is_told_so_and_nothing_is_forgotten(
        self, judging: Judging, setting: Setting
    ) -> None:
        ports = judging(*(Action.RELAY,) * 3)
        await receive(sent_to(3), saying(OK, FULL, FULL), ports, setting)

        (second,) = await receive(sent_to(3), saying(FULL, OK), ports, setting)
        (third,) = await receive(sent_to(3), saying(FULL), ports, setting)

        assert (second, third) == (FULL.naming("TESTQUEUEID"),) * 2
        assert remembered(ports) == 2

    async def test_whose_rest_is_refused_for_good_keeps_it_as_undeliverable(
        self, judging: Judging, setting: Setting
    ) -> None:
        ports = judging(Action.RELAY, Action.RELAY)
        await receive(sent_to(2), saying(OK, FULL), ports, setting)

        (reply,) = await receive(sent_to(2), saying(UNKNOWN), ports, setting)

        assert reply.code == 250
        assert await copies(ports) == {"r1": "undeliverable"}
        assert remembered(ports) == 0

    async def test_whose_rest_is_held_now_is_kept(self, judging: Judging, setting: Setting) -> None:
        ports = judging(Action.RELAY, Action.RELAY)
        await receive(sent_to(2), saying(OK, FULL), ports, setting)
        ports = replace(ports, judge=judging(Action.HOLD, Action.HOLD).judge)

        (reply,) = await receive(sent_to(2), saying(), ports, setting)

        assert reply.code == 250
        assert await copies(ports) == {"r0": "delivered", "r1": "held"}
        assert remembered(ports) == 0

    async def test_names_in_its_row_who_has_it_already(
        self, judging: Judging, setting: Setting
    ) -> None:
        """Nobody is shown a case about a message that they received."""
        ports = judging(Action.HOLD, Action.RELAY, Action.RELAY)
        await receive(sent_to(3), saying(OK, FULL), ports, setting)
        before = await copies(ports)

        (reply,) = await receive(sent_to(3), saying(OK), ports, setting)

        assert before == {}
        assert reply.code == 250
        assert await copies(ports) == {"r0": "held", "r1": "delivered", "r2": "delivered"}

    async def test_keeps_a_flagged_copy_each_time(self, judging: Judging, setting: Setting) -> None:
        ports = judging(Action.FLAG, Action.FLAG)
        await receive(sent_to(2), saying(OK, FULL), ports, setting)

        await receive(sent_to(2), saying(OK), ports, setting)

        rows = await ports.held.select()
        assert [[r.address for r in row.recipients] for row in rows] == [
            ["r0@elmpark.example"],
            ["r0@elmpark.example", "r1@elmpark.example"],
        ]
        assert {row.state for row in rows} == {State.DELIVERED}

    async def test_that_is_sealed_now_is_sealed_for_all(
        self, judging: Judging, setting: Setting
    ) -> None:
        ports, again = judging(Action.RELAY, Action.RELAY), saying()
        await receive(sent_to(2), saying(OK, FULL), ports, setting)
        ports = replace(ports, judge=judging(Action.SEAL, Action.RELAY).judge)

        (reply,) = await receive(sent_to(2), again, ports, setting)

        assert reply.code == 250
        assert again.commands == []
        assert await copies(ports) == {"r0": "sealed", "r1": "sealed"}

    async def test_of_another_message_goes_to_everybody(
        self, judging: Judging, setting: Setting
    ) -> None:
        ports, other = judging(Action.RELAY, Action.RELAY), saying(OK, OK)
        await receive(sent_to(2), saying(OK, FULL), ports, setting)

        await receive(sent_to(2, raw=mail("Another one.")), other, ports, setting)

        assert other.commands == ["DATA"]
        assert remembered(ports) == 1

    async def test_that_comes_in_two_parts_forgets_nobody_after_the_first(
        self, judging: Judging, setting: Setting
    ) -> None:
        """A mail server may send what is left of its queue to fewer recipients at a time."""
        ports, again = judging(*(Action.RELAY,) * 3), saying(OK)
        await receive(sent_to(3), saying(OK, OK, FULL), ports, setting)
        first = transaction(to=["r0@elmpark.example"])
        second = transaction(to=["r1@elmpark.example", "r2@elmpark.example"])

        ports = replace(ports, judge=judging(Action.RELAY).judge)
        await receive(first, saying(), ports, setting)
        ports = replace(ports, judge=judging(Action.RELAY, Action.RELAY).judge)
        await receive(second, again, ports, setting)

        assert again.commands[2:] == ["RCPT <r2@elmpark.example>", "DATA"]
        assert remembered(ports) == 0

    async def test_to_an_smtp_host_of_the_same_list_goes_to_those_who_have_not_got_it(
        self, judging: Judging, setting: Setting
    ) -> None:
        ports, again = judging(Action.RELAY, Action.RELAY), FakeDelivery()
        await receive(sent_to(2), saying(OK, FULL), ports, setting)

        await receive(sent_to(2), again, ports, setting)

        assert again.commands[2:] == ["RCPT <r1@elmpark.example>", "DATA"]

    async def test_through_another_listener_goes_to_everybody(
        self, judging: Judging, setting: Setting
    ) -> None:
        ports, other = judging(Action.RELAY, Action.RELAY), saying(OK, OK)
        await receive(sent_to(2), saying(OK, FULL), ports, setting)
        elsewhere = sent_to(2)
        session = replace(elsewhere.session, listener="submission")

        await receive(replace(elsewhere, session=session), other, ports, setting)

        assert other.commands == ["DATA"]
        assert remembered(ports) == 1

    async def test_of_a_large_message_is_known_too(
        self, judging: Judging, setting: Setting
    ) -> None:
        ports, again = judging(Action.RELAY, Action.RELAY), saying(OK)
        raw = mail("x" * 60 + "\r\n" + "y" * (2 << 20))
        await receive(sent_to(2, raw=raw), saying(OK, FULL), ports, setting)

        await receive(sent_to(2, raw=raw), again, ports, setting)

        assert again.commands[2:] == ["RCPT <r1@elmpark.example>", "DATA"]


class Broken:
    """A memory that the database keeps from working."""

    async def has_any_delivered(self) -> bool:
        return True

    async def delivered(self, _: str) -> frozenset[str]:
        raise StoreUnavailable("locked")

    async def note_delivered(self, *_: object) -> None:
        raise StoreUnavailable("locked")


async def test_without_a_memory_mail_goes_on_and_what_may_double_is_logged(
    judging: Judging, setting: Setting, logged: Callable[[], str]
) -> None:
    ports = replace(judging(Action.RELAY, Action.RELAY), receipts=Broken())

    (first,) = await receive(sent_to(2), saying(OK, FULL), ports, setting)
    (second,) = await receive(sent_to(2), saying(OK, OK), ports, setting)

    assert (first.code, second.code) == (452, 250)
    assert logged().count("event=dup_risk") == 3


async def test_the_memory_holds_no_address(judging: Judging, setting: Setting) -> None:
    ports = judging(Action.RELAY, Action.RELAY)

    await receive(sent_to(2), saying(OK, FULL), ports, setting)

    memory: Any = ports.receipts
    assert "elmpark" not in str(memory.addresses)
    assert remembered(ports) == 1


async def test_refused_copies_that_cannot_be_kept_come_again_and_alone(
    judging: Judging, setting: Setting
) -> None:
    class Full:
        async def store(self, *_: object) -> None:
            raise SpoolUnavailable("no space left on device")

    ports, again = judging(Action.RELAY, Action.RELAY), saying(OK)

    (reply,) = await receive(sent_to(2), saying(OK, UNKNOWN), replace(ports, spool=Full()), setting)
    await receive(sent_to(2), again, ports, setting)

    assert reply.code == 451
    assert again.commands[2:] == ["RCPT <r1@elmpark.example>", "DATA"]


async def test_the_budget_ends_with_the_next_hops_word(judging: Judging, setting: Setting) -> None:
    class Slow:
        async def store(self, *_: object) -> None:
            await asyncio.sleep(0.5)
            raise SpoolUnavailable("no space left on device")

    ports = replace(judging(Action.RELAY, Action.RELAY), spool=Slow())

    (reply,) = await receive(sent_to(2), saying(OK, UNKNOWN), ports, replace(setting, answer_s=0.3))

    assert reply.code == 451
    assert remembered(ports) == 1


async def test_a_store_that_fails_after_the_next_hops_word_is_settled_later(
    judging: Judging, setting: Setting
) -> None:
    ports = judging(Action.FLAG, Action.FLAG)
    real = ports.held

    class Failing:
        add = staticmethod(real.add)

        async def act(self, *_: object, **__: object) -> None:
            raise StoreUnavailable("locked")

        withdraw = act

    await receive(
        sent_to(2, client="lmtp"), saying(OK, FULL), replace(ports, held=Failing()), setting
    )

    assert await copies(ports) == {"r0": "pending", "r1": "pending"}
    await settle(ports)
    assert await copies(ports) == {"r0": "delivered"}
    assert ports.unsettled == []


async def test_a_store_that_hangs_after_the_next_hops_word_is_waited_for_once(
    judging: Judging, setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailguard.flow.hold.SETTLE_S", 0.3)
    ports = judging(Action.FLAG, Action.HOLD, Action.FLAG)
    real = ports.held

    class Hanging:
        add = staticmethod(real.add)

        async def act(self, *_: object, **__: object) -> None:
            await asyncio.sleep(60)

        withdraw = act

    started = asyncio.get_running_loop().time()
    await receive(
        sent_to(3, client="lmtp"), saying(OK, FULL), replace(ports, held=Hanging()), setting
    )

    assert asyncio.get_running_loop().time() - started < 0.6
    assert len(ports.unsettled) == 3
    await settle(ports)
    assert await copies(ports) == {"r0": "delivered", "r1": "held"}


class TestLmtpClient:
    """It hears a reply for each recipient, in the order of its RCPTs (RFC 2033 §4.2)."""

    async def test_each_copy_is_held_refused_deferred_or_passed_by_itself(
        self, judging: Judging, setting: Setting
    ) -> None:
        ports = judging(Action.REJECT, Action.RELAY, Action.DEFER, Action.HOLD, Action.RELAY)
        delivery = saying(OK, UNKNOWN)

        replies = await receive(sent_to(5, client="lmtp"), delivery, ports, setting)

        assert [reply.code for reply in replies] == [554, 250, 451, 250, 550]
        assert all(str(reply).endswith("TESTQUEUEID)") for reply in (*replies[:3], replies[4]))
        assert delivery.commands[2:] == [
            "RCPT <r1@elmpark.example>",
            "RCPT <r4@elmpark.example>",
            "DATA",
        ]
        assert await copies(ports) == {"r1": "delivered", "r3": "held"}
        (row,) = ports.ledger.rows
        assert (row.outcome, row.disposition) == ("held", "reject")

    @pytest.mark.parametrize(
        ("actions", "words", "outcome"),
        [
            ((Action.RELAY, Action.RELAY), (UNKNOWN, OK), "relayed"),
            ((Action.RELAY, Action.REJECT), (FULL,), "deferred"),
            ((Action.RELAY, Action.REJECT), (UNKNOWN,), "refused"),
            ((Action.REJECT, Action.DEFER), (), "deferred"),
            ((Action.REJECT, Action.REJECT), (), "refused"),
            ((Action.HOLD, Action.RELAY), (OK,), "held"),
        ],
    )
    async def test_the_ledger_has_one_row_with_the_weightiest_outcome(
        self,
        judging: Judging,
        setting: Setting,
        actions: tuple[Action, ...],
        words: tuple[Reply, ...],
        outcome: str,
    ) -> None:
        ports = judging(*actions)

        await receive(sent_to(2, client="lmtp"), saying(*words), ports, setting)

        (row,) = ports.ledger.rows
        assert row.outcome == outcome

    async def test_what_is_sealed_is_sealed_for_all_who_would_get_it(
        self, judging: Judging, setting: Setting
    ) -> None:
        ports, delivery = judging(Action.SEAL, Action.RELAY, Action.DEFER), saying()

        replies = await receive(sent_to(3, client="lmtp"), delivery, ports, setting)

        assert [reply.code for reply in replies] == [250, 250, 451]
        assert await copies(ports) == {"r0": "sealed", "r1": "sealed"}
        assert delivery.commands == []

    async def test_all_held_is_250_for_each(self, judging: Judging, setting: Setting) -> None:
        ports = judging(Action.HOLD, Action.HOLD)

        replies = await receive(sent_to(2, client="lmtp"), saying(), ports, setting)

        assert [str(reply) for reply in replies] == ["250 2.0.0 Ok: queued as TESTQUEUEID"] * 2

    async def test_one_word_of_an_smtp_next_hop_is_for_all_that_passed(
        self, judging: Judging, setting: Setting
    ) -> None:
        ports = judging(Action.RELAY, Action.HOLD, Action.RELAY)
        delivery = FakeDelivery(replies={"DATA": [UNKNOWN]})

        replies = await receive(sent_to(3, client="lmtp"), delivery, ports, setting)

        assert [reply.code for reply in replies] == [550, 250, 550]
        assert await copies(ports) == {"r1": "held"}

    @pytest.mark.parametrize(
        ("error", "told"), [(GONE, NEXT_HOP_DOWN), (GONE_AFTER_DOT, NO_LAST_WORD)]
    )
    async def test_a_next_hop_that_breaks_spoils_nothing_for_who_is_held(
        self,
        judging: Judging,
        setting: Setting,
        logged: Callable[[], str],
        error: NextHopUnavailable,
        told: Reply,
    ) -> None:
        ports = judging(Action.HOLD, Action.RELAY)
        second = FakeDelivery(replies={"DATA": [GONE]})
        ports = replace(ports, next_hop=FakeNextHop(deliveries=[second]))
        delivery = FakeDelivery(replies={"DATA": [error]})

        replies = await receive(sent_to(2, client="lmtp"), delivery, ports, setting)

        assert replies[0].code == 250
        assert replies[1] == told.naming("TESTQUEUEID")
        assert await copies(ports) == {"r0": "held"}
        assert ("event=dup_risk" in logged()) is error.may_have_accepted

    async def test_what_breaks_here_is_451_for_each(
        self, judging: Judging, setting: Setting
    ) -> None:
        class Full:
            async def store(self, *_: object) -> None:
                raise SpoolUnavailable("no space left on device")

        ports = replace(judging(Action.HOLD, Action.RELAY), spool=Full())
        delivery = saying(OK)

        replies = await receive(sent_to(2, client="lmtp"), delivery, ports, setting)

        assert [reply.code for reply in replies] == [451, 451]
        assert delivery.commands == []

    @pytest.mark.parametrize("stopped", [Action.HOLD, Action.REJECT])
    async def test_a_call_for_help_goes_on_where_the_other_copies_cannot_be_kept(
        self, judging: Judging, setting: Setting, stopped: Action
    ) -> None:
        """Promise 6: its copy stands beside others that must come again, or are refused."""

        class Full:
            async def store(self, *_: object) -> None:
                raise SpoolUnavailable("no space left on device")

        actions = (Action.HOLD, Action.FLAG, stopped)
        ports = replace(judging(*actions, protected=True), spool=Full())
        delivery = saying(OK)

        replies = await receive(sent_to(3, client="lmtp"), delivery, ports, setting)

        assert [r.code for r in replies] == [451, 250, 451 if stopped is Action.HOLD else 554]
        assert delivery.commands[2:] == ["RCPT <r1@elmpark.example>", "DATA"]
        assert await copies(ports) == {}

    async def test_what_is_sealed_goes_on_to_nobody_where_it_cannot_be_kept(
        self, judging: Judging, setting: Setting
    ) -> None:
        class Full:
            async def store(self, *_: object) -> None:
                raise SpoolUnavailable("no space left on device")

        ports = replace(judging(Action.SEAL, Action.FLAG, protected=True), spool=Full())
        delivery = saying(OK)

        replies = await receive(sent_to(2, client="lmtp"), delivery, ports, setting)

        assert ([reply.code for reply in replies], delivery.commands) == ([451, 451], [])

    async def test_observe_relays_to_all(self, judging: Judging, setting: Setting) -> None:
        ports, delivery = judging(Action.REJECT, Action.HOLD, Action.DEFER), saying(OK, OK, OK)

        replies = await receive(
            sent_to(3, client="lmtp"), delivery, ports, replace(setting, mode=Mode.OBSERVE)
        )

        assert [reply.code for reply in replies] == [250, 250, 250]
        assert delivery.commands == ["DATA"]

    async def test_policy_refuses_in_its_own_words(
        self, judging: Judging, setting: Setting
    ) -> None:
        ports = judging(Action.REJECT, Action.RELAY)

        replies = await receive(sent_to(2, client="lmtp"), saying(OK), ports, setting)

        assert replies[0] == REFUSED.naming("TESTQUEUEID")

    async def test_somebody_is_told_of_what_policy_refused_with_an_alert(
        self, judging: Judging, setting: Setting
    ) -> None:
        ports = judging(Action.REJECT, Action.RELAY, alert=True)

        await receive(sent_to(2, client="lmtp"), saying(OK), ports, setting)

        assert sorted(each.is_refused for each in ports.unkept) == [False, True]
        everybody = {"ana@elmpark.example", "r0@elmpark.example", "r1@elmpark.example"}
        (refused,) = (each for each in ports.unkept if each.is_refused)
        assert everybody <= set(refused.parties.addresses)

    async def test_an_alert_about_what_was_delivered_is_none_about_what_was_refused(
        self, judging: Judging, setting: Setting
    ) -> None:
        judgement = judgement_of(Action.REJECT, Action.RELAY, alert=True)
        refused = replace(judgement.dispositions[0], alert=False)
        judgement = replace(judgement, dispositions=(refused, judgement.dispositions[1]))
        ports = replace(judging(Action.RELAY), judge=FakeJudge(judgement))

        await receive(sent_to(2, client="lmtp"), saying(OK), ports, setting)

        assert [each.is_refused for each in ports.unkept] == [False]
