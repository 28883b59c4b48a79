"""What a next hop refused for some recipients only: kept, sent again or closed, never lost."""

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from mailguard.errors import IllegalTransition, StoreUnavailable
from mailguard.flow.purge import purge
from mailguard.flow.release import Backoff, deliver_released
from mailguard.flow.review import close, confirm, release
from mailguard.flow.setting import Mode, Ports, ReviewPorts, Setting
from mailguard.flow.settle import reconcile
from mailguard.flow.undeliverable import keep_undeliverable
from mailguard.mail.reply import Reply
from mailguard.policy.disposition import Action
from mailguard.quarantine.held import HeldMessage, State
from mailguard.quarantine.retention import Retention
from mailguard.store.audit_log import SqlAuditLog
from mailguard.store.engine import Database
from mailguard.testing import mail, transaction
from mailguard.testing.fakes import (
    GONE_AFTER_DOT,
    FakeDelivery,
    FakeNextHop,
    Step,
    judgement_of,
)
from mailguard.testing.logged import capture_events

TO = ("r0@elmpark.example", "r1@elmpark.example", "r2@elmpark.example")
FULL = Reply.of(552, "5.2.2 Mailbox of r1 is full")
UNKNOWN = Reply.of(550, "5.1.1 No such user")
REFUSED = {1: FULL, 2: UNKNOWN}
AT_ONCE = Retention(flagged=0, dismissed=0, dismissed_flag=0, confirmed=0, ledger=0)


async def keep(
    ports: Ports,
    setting: Setting,
    *actions: Action,
    refused: Mapping[int, Reply] = REFUSED,
    **options: bool,
) -> HeldMessage:
    judgement = judgement_of(*(actions or (Action.RELAY,) * 3), to=TO, **options)
    held_id = await keep_undeliverable(transaction(to=TO), judgement, refused, ports, setting)
    return await ports.held.by_id(held_id)


def reviewing(ports: Ports) -> ReviewPorts:
    return ReviewPorts(held=ports.held, clock=ports.clock)


async def send(ports: Ports, held: HeldMessage, **replies: list[Step]) -> FakeDelivery:
    """Release it, and let the next hop answer so."""
    delivery = FakeDelivery(replies=replies)
    await release(held.id, by="Pat Lind", reason="mailbox emptied", ports=reviewing(ports))
    ports = replace(ports, next_hop=FakeNextHop(deliveries=[delivery]))
    await deliver_released(ports, lambda _: ports, Backoff())
    return delivery


def states(held: HeldMessage) -> list[tuple[str, State, str]]:
    return [(r.address, r.state, r.reply) for r in held.recipients]


async def test_the_refused_copies_are_kept_with_their_replies_and_no_other(
    ports: Ports, setting: Setting
) -> None:
    held = await keep(ports, setting)

    assert states(held) == [
        (TO[1], State.UNDELIVERABLE, "552 5.2.2 Mailbox of r1 is full"),
        (TO[2], State.UNDELIVERABLE, "550 5.1.1 No such user"),
    ]
    assert held.is_undelivered
    assert (await ports.spool.read(held)).head(1 << 20) == mail()


async def test_its_evidence_has_all_facts_and_its_audit_entry_the_codes_alone(
    ports: Ports, setting: Setting, database: Database
) -> None:
    held = await keep(ports, setting, *[Action.FLAG] * 3)

    evidence = json.loads(await ports.spool.evidence(held))
    (entry,) = await SqlAuditLog(database, "Elm Park Primary").entries()
    assert [r["address"] for r in evidence["envelope"]["recipients"]] == [*TO[1:]]
    assert [r["reply"] for r in evidence["held"]["recipients"]] == [str(FULL), str(UNKNOWN)]
    assert [f["symbol"] for f in evidence["findings"]] == ["ABUSE_TEST"]
    assert evidence["session"]["peer"] == "192.0.2.10"
    assert (entry.action, entry.subject) == ("undeliverable", held.id)
    assert entry.detail["replies"] == ["552 5.2.2", "550 5.1.1"]


class Refuses:
    """A store that does not take a row, as when the database is locked; or that dies there."""

    school = "Elm Park Primary"

    def __init__(self, error: BaseException) -> None:
        self.error = error

    async def add(self, *_: object) -> None:
        raise self.error


async def test_what_cannot_be_stored_leaves_nothing_behind(ports: Ports, setting: Setting) -> None:
    broken = replace(ports, held=Refuses(StoreUnavailable("database is locked")))

    with pytest.raises(StoreUnavailable):
        await keep(broken, setting)

    assert await ports.spool.folders() == []
    assert await ports.held.select() == []


class PowerCut(BaseException):
    """Ends a task where a crash would have ended the process."""


async def test_an_orphan_of_a_crash_is_undeliverable_again_and_marked(
    ports: Ports, setting: Setting
) -> None:
    with pytest.raises(PowerCut):
        await keep(replace(ports, held=Refuses(PowerCut())), setting)

    found = await reconcile(ports)

    (held,) = await ports.held.select()
    assert (found.adopted, found.settled) == (1, 0)
    assert states(held) == [
        (TO[1], State.UNDELIVERABLE, str(FULL)),
        (TO[2], State.UNDELIVERABLE, str(UNKNOWN)),
    ]
    assert held.dup_risk
    assert all(recipient.bounced for recipient in held.recipients)


async def test_what_the_next_hop_takes_at_last_goes_to_the_refused_alone(
    ports: Ports, setting: Setting
) -> None:
    held = await keep(ports, setting)

    delivery = await send(ports, held)

    assert delivery.commands[1:4] == [f"RCPT <{TO[1]}>", f"RCPT <{TO[2]}>", "DATA"]
    assert delivery.taken == [mail()]
    assert (await ports.held.by_id(held.id)).state is State.RELEASED


async def test_what_is_refused_again_is_undeliverable_again_and_open(
    ports: Ports, setting: Setting
) -> None:
    held = await keep(ports, setting)

    await send(ports, held, RCPT=[Reply.of(250, "2.1.5 Ok"), UNKNOWN])

    after = await ports.held.by_id(held.id)
    assert [r.state for r in after.recipients] == [State.RELEASED, State.UNDELIVERABLE]
    assert after.recipients[1].decision is None
    assert after.is_undelivered
    await send(ports, after, RCPT=[UNKNOWN])
    assert (await ports.held.by_id(held.id)).is_undelivered


async def test_a_release_without_a_last_word_is_undeliverable_again_and_marked(
    ports: Ports, setting: Setting
) -> None:
    held = await keep(ports, setting)

    await send(ports, held, DATA=[GONE_AFTER_DOT])

    after = await ports.held.by_id(held.id)
    assert (after.state, after.dup_risk) == (State.UNDELIVERABLE, True)
    assert after.recipients[0].reply.startswith("451 4.4.2")


async def test_closing_ends_it_and_confirming_is_refused_in_words(
    ports: Ports, setting: Setting
) -> None:
    held = await keep(ports, setting)

    with pytest.raises(IllegalTransition, match=r"cannot be confirmed\. Release or close it\.$"):
        await confirm(held.id, by="Pat Lind", reason="no", ports=reviewing(ports))
    closed = await close(held.id, by="Pat Lind", reason="has left", ports=reviewing(ports))

    assert (closed.state, closed.is_undelivered) == (State.UNDELIVERABLE, False)
    assert closed.closed is not None


async def test_an_open_one_is_never_purged_and_a_closed_one_is(
    ports: Ports, setting: Setting
) -> None:
    held = await keep(ports, setting)

    assert await purge(ports, AT_ONCE) == 0
    await close(held.id, by="Pat Lind", reason="has left", ports=reviewing(ports))
    assert await purge(ports, AT_ONCE) == 1
    assert await ports.spool.folders() == []


async def test_a_refused_helpline_is_named_but_not_what_was_found(
    ports: Ports, setting: Setting
) -> None:
    held = await keep(ports, setting, *[Action.FLAG] * 3, unlisted=True, alert=True)

    evidence = json.loads(await ports.spool.evidence(held))
    assert [r.address for r in held.recipients] == [*TO[1:]]
    assert (held.level, held.categories, held.symbols, held.alert) == (0, {}, (), False)
    assert evidence["findings"] == []
    assert all(not d["verdict"]["reasons"] for d in evidence["dispositions"])


async def test_a_call_for_help_that_did_not_arrive_still_alerts_but_not_in_observe_mode(
    ports: Ports, setting: Setting
) -> None:
    flags = [Action.FLAG] * 3

    told = await keep(ports, setting, *flags, alert=True)
    observed = await keep(ports, replace(setting, mode=Mode.OBSERVE), *flags, alert=True)

    assert (told.alert, observed.alert) == (True, False)


async def test_what_would_have_been_sealed_is_sent_to_nobody_and_never_purged(
    ports: Ports, setting: Setting
) -> None:
    observing = replace(setting, mode=Mode.OBSERVE)
    held = await keep(ports, observing, *[Action.SEAL] * 3)

    with pytest.raises(IllegalTransition, match="sealed: nobody may open, release or confirm"):
        await release(held.id, by="Pat Lind", reason="no", ports=reviewing(ports))
    await close(held.id, by="Pat Lind", reason="the police know", ports=reviewing(ports))

    assert held.sealed
    assert await purge(ports, AT_ONCE) == 0


async def test_the_log_has_numbers_and_codes_but_no_address_and_no_reply_text(
    ports: Ports, setting: Setting
) -> None:
    with capture_events() as logged:
        held = await keep(ports, setting)

    (line,) = [each for each in logged if each["event"] == "undeliverable"]
    assert line == {
        "event": "undeliverable",
        "log_level": "warning",
        "queue_id": held.queue_id,
        "held_id": held.id,
        "listener": "mail",
        "recipients": 2,
        "replies": ["550 5.1.1", "552 5.2.2"],
    }
