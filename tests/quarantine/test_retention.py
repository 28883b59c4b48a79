from dataclasses import replace
from datetime import timedelta

import pytest

from mailguard.quarantine.held import Act, Decision, State, apply_to
from mailguard.quarantine.retention import Retention, due_for_purge
from mailguard.testing import NOON
from mailguard.testing.quarantine import held_message

CENTURY = timedelta(days=36500)
MOMENT = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("state", "level", "days"),
    [
        (State.DELIVERED, 1, 30),
        (State.RELEASED, 1, 7),
        (State.RELEASED, 2, 30),
        (State.RELEASED, 4, 30),
        (State.CONFIRMED, 1, 90),
        (State.CONFIRMED, 4, 90),
    ],
    ids=["flagged", "dismissed flag", "dismissed", "dismissed L4", "confirmed L1", "confirmed L4"],
)
def test_content_is_due_when_its_days_are_over_and_not_before(
    state: State, level: int, days: int
) -> None:
    held = held_message(states=[state], level=level, exported=True)
    age = timedelta(days=days)

    before, after = (due_for_purge(held, each, Retention()) for each in (age - MOMENT, age))

    assert (before, after) == (False, True)


@pytest.mark.parametrize(
    "state", [State.HELD, State.PENDING, State.RELEASING, State.SEALED, State.PURGED], ids=str
)
def test_some_states_are_never_due(state: State) -> None:
    alone = held_message(states=[state])
    beside = held_message(states=[State.RELEASED, state])

    assert not due_for_purge(alone, CENTURY, Retention())
    assert not due_for_purge(beside, CENTURY, Retention())


@pytest.mark.parametrize(("level", "days"), [(0, 7), (1, 7), (2, 30)])
def test_what_is_undeliverable_goes_like_a_dismissed_message_once_closed_and_never_before(
    level: int, days: int
) -> None:
    held = held_message(states=[State.UNDELIVERABLE] * 2, level=level)
    by_kim = Decision(by="Kim Lee", at=NOON)
    half = apply_to(held, Act.CLOSE, ["r0@elmpark.example"], by_kim)
    closed = apply_to(half, Act.CLOSE, ["r1@elmpark.example"], by_kim)
    age = timedelta(days=days)

    assert not due_for_purge(held, CENTURY, Retention())
    assert not due_for_purge(half, CENTURY, Retention())
    assert [False, True] == [due_for_purge(closed, a, Retention()) for a in (age - MOMENT, age)]


@pytest.mark.parametrize("level", [2, 3, 4])
def test_a_serious_message_that_was_delivered_is_kept_until_somebody_reviewed_it(
    level: int,
) -> None:
    unseen = held_message(states=[State.DELIVERED], level=level)
    seen = held_message(states=[State.DELIVERED, State.RELEASED], level=level)

    due = [due_for_purge(held, timedelta(days=30), Retention()) for held in (unseen, seen)]

    assert due == [False, True]


@pytest.mark.parametrize(("level", "days"), [(1, 7), (2, 30), (4, 30)])
def test_a_delivered_copy_that_was_closed_is_kept_as_long_as_a_dismissed_one(
    level: int, days: int
) -> None:
    held = held_message(states=[State.DELIVERED], level=level)
    closed = apply_to(held, Act.CLOSE, ["r0@elmpark.example"], Decision(by="Kim Lee", at=NOON))

    due = [
        due_for_purge(closed, timedelta(days=days) - gap, Retention())
        for gap in (MOMENT, 0 * MOMENT)
    ]

    assert due == [False, True]


def test_a_sealed_message_is_never_deleted_even_when_it_was_closed() -> None:
    held = held_message(states=[State.SEALED], level=4)
    closed = apply_to(held, Act.CLOSE, ["r0@elmpark.example"], Decision(by="Kim Lee", at=NOON))

    assert not due_for_purge(closed, CENTURY, Retention())


def test_a_confirmed_message_is_kept_until_it_was_exported() -> None:
    held = held_message(states=[State.CONFIRMED])

    assert not due_for_purge(held, CENTURY, Retention())


def test_one_confirmed_copy_keeps_the_whole_message() -> None:
    held = held_message(states=[State.RELEASED, State.CONFIRMED], exported=True)

    due = [due_for_purge(held, timedelta(days=days), Retention()) for days in (30, 90)]

    assert due == [False, True]


def test_commercial_mail_on_hold_is_not_deleted_unreviewed() -> None:
    """The schedule's fortnight gives way to the promise that only a person decides."""
    held = held_message(states=[State.HELD])

    assert not due_for_purge(held, timedelta(days=15), Retention())


def test_a_school_can_choose_its_own_periods() -> None:
    held = held_message(states=[State.RELEASED])

    assert due_for_purge(held, timedelta(days=3), Retention(dismissed=3))


def test_the_shortest_period_is_that_of_a_message_not_of_the_ledger() -> None:
    assert Retention(ledger=1).shortest == 7


@pytest.mark.parametrize(
    ("states", "categories", "days"),
    [
        pytest.param(["returned"], {"credentials": 2}, 14, id="alone"),
        pytest.param(["returned", "delivered"], {"personal_data": 2}, 14, id="delivered to others"),
        pytest.param(["returned", "released"], {"personal_data": 2}, 14, id="released to others"),
        pytest.param(["returned"], {"personal_data": 2, "abuse": 2}, 14, id="abuse, nobody got it"),
    ],
)
def test_what_went_back_is_kept_for_the_authors_week_and_one_more(
    states: list[str], categories: dict[str, int], days: int
) -> None:
    held = replace(held_message(states=[State(state) for state in states]), categories=categories)
    age = timedelta(days=days)

    assert [False, True] == [due_for_purge(held, a, Retention()) for a in (age - MOMENT, age)]


@pytest.mark.parametrize(
    ("states", "categories"),
    [
        pytest.param(["returned", "held"], {"credentials": 2}, id="held for others"),
        pytest.param(["returned", "confirmed"], {"credentials": 2}, id="confirmed, not exported"),
        pytest.param(
            ["returned", "delivered"], {"credentials": 2, "abuse": 2}, id="to be reviewed"
        ),
    ],
)
def test_what_went_back_stays_while_somebody_has_to_look(
    states: list[str], categories: dict[str, int]
) -> None:
    held = replace(held_message(states=[State(state) for state in states]), categories=categories)

    assert not due_for_purge(held, CENTURY, Retention())


def test_the_authors_week_is_never_cut_short() -> None:
    held = held_message(states=[State.RETURNED])
    hasty = Retention(returned=1, flagged=1, dismissed=1, dismissed_flag=1, confirmed=1)

    assert not due_for_purge(held, timedelta(days=8) - MOMENT, hasty)
    assert due_for_purge(held, timedelta(days=8), hasty)
