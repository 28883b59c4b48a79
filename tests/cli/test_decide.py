"""Releasing, confirming and closing from the command line, by id or by reference."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from mailguard.config import Config
from mailguard.flow.release import Backoff, deliver_released
from mailguard.mail.reply import Reply
from mailguard.policy.disposition import Action
from mailguard.quarantine.held import Act, HeldMessage
from mailguard.service.compose import open_stores, ports_of
from mailguard.testing.fakes import FakeDelivery, FakeJudge, FakeNextHop, Step, judgement_of
from mailguard.testing.quarantine import audit_entry

Mailguard = Callable[..., Any]
Hold = Callable[..., Any]

BEN, CARA = "ben@pupils.elmpark.example", "cara@pupils.elmpark.example"


@contextmanager
def sending(config: Config, *replies: Step) -> Iterator[None]:
    """The jobs of the service, in a thread, with a next hop that says this to DATA."""
    stop = threading.Event()

    async def send() -> None:
        stores = open_stores(config)
        hop = FakeNextHop([FakeDelivery(replies={"DATA": [reply]}) for reply in replies])
        ports = ports_of(stores, FakeJudge(judgement_of(Action.HOLD)), hop, [])
        backoff = Backoff()
        while not stop.is_set():
            await deliver_released(ports, lambda listener: ports, backoff)
            await asyncio.sleep(0.02)
        await stores.close()

    thread = threading.Thread(target=lambda: asyncio.run(send()))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def deliver(held: HeldMessage, config: Config) -> None:
    """Note that the next hop took it, as the relay does."""

    async def note() -> None:
        stores = open_stores(config)
        await stores.held.act(held.id, Act.DELIVER, [BEN], audit_entry("deliver"))
        await stores.close()

    asyncio.run(note())


def states(mailguard: Mailguard) -> dict[str, str]:
    (row,) = mailguard("quarantine", "list", "--json").json
    return {recipient["address"]: recipient["state"] for recipient in row["recipients"]}


def test_release_hands_over_to_the_service_and_says_when_that_is_not_running(
    mailguard: Mailguard, hold: Hold
) -> None:
    held = hold()

    done = mailguard("quarantine", "release", held.id, "--reason", "a joke")

    assert done.status == 0
    assert done.out == f"{held.id}: will be sent to {BEN}\n"
    assert "`mailguard serve` is not running" in done.err
    assert states(mailguard) == {BEN: "releasing"}


def test_release_that_waits_tells_that_the_next_hop_took_it(
    mailguard: Mailguard, hold: Hold, config: Config
) -> None:
    held = hold()

    with sending(config):
        done = mailguard("quarantine", "release", held.id, "--reason", "a joke", "--wait", "20")

    assert done.status == 0
    assert done.out == f"{held.id}: released to {BEN}: 250 2.0.0 Ok: queued as NEXT\n"


def test_release_that_waits_tells_that_the_next_hop_refused(
    mailguard: Mailguard, hold: Hold, config: Config
) -> None:
    held = hold()

    with sending(config, Reply.of(554, "5.7.1 No thanks")):
        done = mailguard("quarantine", "release", held.id, "--reason", "a joke", "--wait", "20")

    assert done.status == 1
    assert "refused by the next hop" in done.out
    assert "held again: 554 5.7.1 No thanks" in done.out
    assert states(mailguard) == {BEN: "held"}


def test_release_that_waits_tells_that_the_next_hop_puts_it_off(
    mailguard: Mailguard, hold: Hold, config: Config
) -> None:
    held = hold()

    with sending(config, Reply.of(451, "4.3.2 Not now")):
        done = mailguard("quarantine", "release", held.id, "--reason", "a joke", "--wait", "1")

    assert done.status == 1
    assert "is tried again; the next hop said: 451 4.3.2 Not now" in done.out


def test_release_that_waits_in_vain_is_1_and_stays_ordered(
    mailguard: Mailguard, hold: Hold
) -> None:
    held = hold()

    done = mailguard("quarantine", "release", held.id, "--reason", "a joke", "--wait", "0.2")

    assert done.status == 1
    assert "no answer in time" in done.out
    assert states(mailguard) == {BEN: "releasing"}


def test_release_may_be_for_one_recipient(mailguard: Mailguard, hold: Hold) -> None:
    held = hold(Action.HOLD, Action.HOLD, to=(BEN, CARA))

    mailguard("quarantine", "release", held.id, "--reason", "fine", "--recipient", CARA)

    assert states(mailguard) == {BEN: "held", CARA: "releasing"}


def test_confirm_keeps_the_message_and_who_did_it_and_why(mailguard: Mailguard, hold: Hold) -> None:
    held = hold()

    done = mailguard("quarantine", "confirm", held.id, "--reason", "bullying", "--by", "G. Okafor")

    *_, entry = mailguard("audit", "list", "--json").json
    assert (done.status, done.out) == (0, f"{held.id}: confirmed\n")
    assert states(mailguard) == {BEN: "confirmed"}
    assert (entry["actor"], entry["action"]) == ("G. Okafor", "confirm")
    assert entry["detail"]["reason"] == "bullying"


def test_the_second_decision_is_told_who_made_the_first(mailguard: Mailguard, hold: Hold) -> None:
    held = hold()
    mailguard("quarantine", "confirm", held.id, "--reason", "bullying", "--by", "G. Okafor")

    done = mailguard("quarantine", "release", held.id, "--reason", "a joke", "--by", "P. Lane")

    assert (done.status, done.out) == (1, "")
    assert "G. Okafor" in done.err
    assert "confirmed" in done.err


def test_one_message_that_cannot_be_decided_keeps_no_other_from_it(
    mailguard: Mailguard, hold: Hold
) -> None:
    held = hold()

    done = mailguard(
        "quarantine", "confirm", "01ARZ3NDEKTSV4RRFFQ69G5FAV", held.id, "--reason", "x"
    )

    assert done.status == 1
    assert done.out == f"{held.id}: confirmed\n"
    assert "01ARZ3NDEKTSV4RRFFQ69G5FAV" in done.err


@pytest.mark.parametrize("name", ["release", "confirm", "close"])
def test_a_decision_wants_a_reason(mailguard: Mailguard, hold: Hold, name: str) -> None:
    held = hold()

    missing = mailguard("quarantine", name, held.id)
    empty = mailguard("quarantine", name, held.id, "--reason", " ")

    assert (missing.status, empty.status) == (2, 1)
    assert states(mailguard) == {BEN: "held"}


@pytest.mark.parametrize("name", ["release", "confirm", "close"])
def test_nobody_decides_about_what_they_have_a_part_in(
    mailguard: Mailguard, hold: Hold, name: str
) -> None:
    held = hold()

    done = mailguard("quarantine", name, held.id, "--reason", "fine", "--as", BEN)

    assert done.status == 1
    assert states(mailguard) == {BEN: "held"}


def test_the_person_behind_sudo_decides(
    mailguard: Mailguard, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = hold()
    monkeypatch.setenv("SUDO_USER", "priya")

    mailguard("quarantine", "confirm", held.id, "--reason", "bullying")

    *_, entry = mailguard("audit", "list", "--json").json
    assert entry["actor"] == "priya"


def test_closing_keeps_who_looked_and_why_and_everybody_sees_it(
    mailguard: Mailguard, hold: Hold, config: Config
) -> None:
    held = hold(Action.FLAG)
    deliver(held, config)

    done = mailguard("quarantine", "close", held.id, "--reason", "spoke to both", "--by", "P. Lane")

    *_, entry = mailguard("audit", "list", "--json").json
    assert (done.status, done.out) == (0, f"{held.id}: closed\n")
    assert (entry["actor"], entry["action"]) == ("P. Lane", "close")
    assert entry["detail"]["reason"] == "spoke to both"
    assert states(mailguard) == {BEN: "delivered"}
    assert "delivered, closed by P. Lane" in mailguard("quarantine", "list").out
    assert "Closed by P. Lane" in mailguard("quarantine", "show", held.id).out


def test_a_sealed_message_can_be_closed_and_stays_sealed(mailguard: Mailguard, hold: Hold) -> None:
    held = hold(Action.SEAL)

    done = mailguard("quarantine", "close", held.id, "--reason", "the police have it")

    assert done.status == 0
    assert states(mailguard) == {BEN: "sealed"}


def test_a_second_closing_is_told_who_was_first(mailguard: Mailguard, hold: Hold) -> None:
    held = hold(Action.SEAL)
    mailguard("quarantine", "close", held.id, "--reason", "seen", "--by", "P. Lane")

    done = mailguard("quarantine", "close", held.id, "--reason", "seen", "--by", "G. Okafor")

    assert (done.status, done.out) == (1, "")
    assert "closed (P. Lane" in done.err


def test_a_held_message_cannot_be_closed(mailguard: Mailguard, hold: Hold) -> None:
    held = hold()

    done = mailguard("quarantine", "close", held.id, "--reason", "seen")

    assert done.status == 1
    assert "Release or confirm it." in done.err


@pytest.mark.parametrize(
    "typed",
    [
        lambda i: i[-6:],
        lambda i: f"MG-{i[-6:]}",
        lambda i: f"mg-{i[-6:].lower()}",
        lambda i: i[-9:],
    ],
    ids=["six", "as in a digest", "in small letters", "nine"],
)
@pytest.mark.parametrize("words", [("show",), ("confirm", "--reason", "bullying")], ids="-".join)
def test_a_short_reference_means_the_message_whose_id_ends_so(
    mailguard: Mailguard, hold: Hold, typed: Callable[[str], str], words: tuple[str, ...]
) -> None:
    held = hold()

    done = mailguard("quarantine", *words, typed(held.id))

    assert done.status == 0
    assert held.id in done.out


def test_a_reference_is_shown_in_the_list(mailguard: Mailguard, hold: Hold) -> None:
    held = hold()

    assert f"MG-{held.id[-6:]}" in mailguard("quarantine", "list").out


def test_letters_that_no_id_has_are_read_as_the_digits_they_look_like(
    mailguard: Mailguard, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secrets.token_bytes", lambda count: bytes(count - 1) + b"\x01")
    held = hold()

    done = mailguard("quarantine", "show", "MG-OOOOOL")

    assert held.id.endswith("000001")
    assert held.id in done.out


def test_a_reference_that_several_messages_have_is_refused_with_their_ids(
    mailguard: Mailguard, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = iter(range(9))
    monkeypatch.setattr("secrets.token_bytes", lambda n: next(count).to_bytes(n - 8) + bytes(8))
    one, other = hold(), hold()

    done = mailguard("quarantine", "confirm", "000000", "--reason", "bullying")

    assert done.status == 1
    assert one.id in done.err
    assert other.id in done.err
    assert [row["state"] for row in mailguard("quarantine", "list", "--json").json] == ["held"] * 2


@pytest.mark.parametrize("typed", ["ZZZZZZ", "FM", "no such thing", "%%%%%%"])
def test_a_reference_of_nothing_is_1(mailguard: Mailguard, hold: Hold, typed: str) -> None:
    hold()

    done = mailguard("quarantine", "confirm", typed, "--reason", "bullying")

    assert (done.status, done.out) == (1, "")


Undeliver = Callable[..., HeldMessage]


def test_what_is_undeliverable_is_listed_and_shown_with_the_next_hops_words(
    mailguard: Mailguard, undeliver: Undeliver
) -> None:
    held = undeliver()

    (row,) = mailguard("quarantine", "list", "--state", "undeliverable", "--json").json
    shown = mailguard("quarantine", "show", held.id).out

    assert (row["id"], row["state"]) == (held.id, "undeliverable")
    assert row["recipients"] == [{"address": CARA, "state": "undeliverable"}]
    assert "The message was refused by the next hop." in shown
    assert "the sender was told that it was accepted for all" in shown
    assert "undeliverable; the next hop said: 552 5.2.2 Mailbox full" in shown
    assert BEN not in shown


def test_release_that_waits_tells_that_the_next_hop_took_what_was_undeliverable(
    mailguard: Mailguard, undeliver: Undeliver, config: Config
) -> None:
    held = undeliver()

    with sending(config):
        done = mailguard("quarantine", "release", held.id, "--reason", "emptied", "--wait", "20")

    assert (done.status, done.out) == (
        0,
        f"{held.id}: released to {CARA}: 250 2.0.0 Ok: queued as NEXT\n",
    )


def test_release_that_waits_tells_that_the_next_hop_refused_it_again(
    mailguard: Mailguard, undeliver: Undeliver, config: Config
) -> None:
    held = undeliver()

    with sending(config, Reply.of(552, "5.2.2 Still full")):
        done = mailguard("quarantine", "release", held.id, "--reason", "emptied", "--wait", "20")

    assert done.status == 1
    assert f"refused again by the next hop for {CARA}, undeliverable: 552 5.2.2" in done.out
    assert states(mailguard) == {CARA: "undeliverable"}


def test_what_is_undeliverable_is_closed_but_not_confirmed(
    mailguard: Mailguard, undeliver: Undeliver
) -> None:
    held = undeliver()

    confirmed = mailguard("quarantine", "confirm", held.id, "--reason", "no")
    closed = mailguard("quarantine", "close", held.id, "--reason", "has left", "--by", "P. Lane")

    (line,) = mailguard("quarantine", "list").out.splitlines()[-1:]
    assert confirmed.status == 1
    assert "so it cannot be confirmed. Release or close it." in confirmed.err
    assert (closed.status, closed.out) == (0, f"{held.id}: closed\n")
    assert "undeliverable, closed by P. Lane" in line
