"""Releasing and confirming from the command line."""

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
from mailguard.service.compose import open_stores, ports_of
from mailguard.testing.fakes import FakeDelivery, FakeJudge, FakeNextHop, Step, judgement_of

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


@pytest.mark.parametrize("name", ["release", "confirm"])
def test_a_decision_wants_a_reason(mailguard: Mailguard, hold: Hold, name: str) -> None:
    held = hold()

    missing = mailguard("quarantine", name, held.id)
    empty = mailguard("quarantine", name, held.id, "--reason", " ")

    assert (missing.status, empty.status) == (2, 1)
    assert states(mailguard) == {BEN: "held"}


@pytest.mark.parametrize("name", ["release", "confirm"])
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
