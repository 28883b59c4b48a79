from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.errors import IllegalTransition, UnknownItem, UserError
from mailguard.quarantine.held import (
    TRANSITIONS,
    Act,
    Decision,
    State,
    apply,
    apply_to,
    folder_for,
    new_held_id,
)
from mailguard.testing import NOON
from mailguard.testing.quarantine import held_message

ALLOWED = {
    ("pending", "take"): "held",
    ("pending", "deliver"): "delivered",
    ("pending", "return"): "returned",
    ("returned", "release"): "releasing",
    ("returned", "confirm"): "confirmed",
    ("returned", "expire"): "purged",
    ("held", "release"): "releasing",
    ("held", "confirm"): "confirmed",
    ("delivered", "confirm"): "confirmed",
    ("delivered", "close"): "delivered",
    ("sealed", "close"): "sealed",
    ("undeliverable", "release"): "releasing",
    ("undeliverable", "close"): "undeliverable",
    ("undeliverable", "expire"): "purged",
    ("delivered", "expire"): "purged",
    ("releasing", "sent"): "released",
    ("releasing", "refuse"): "held",
    ("releasing", "bounce"): "undeliverable",
    ("released", "expire"): "purged",
    ("confirmed", "expire"): "purged",
}
FORBIDDEN = [(s, a) for s in State for a in Act if (s, a) not in ALLOWED]

BY_KIM = Decision(by="Kim Lee", at=NOON, reason="a joke between friends")
BY_SAM = Decision(by="Sam Roe", at=NOON + timedelta(hours=1), reason="a threat")
TIMES = st.datetimes(
    min_value=datetime(1970, 1, 2), max_value=datetime(9000, 1, 1), timezones=st.just(UTC)
)
RANDOM = st.binary(min_size=10, max_size=10)


@pytest.mark.parametrize(
    ("state", "act", "after"),
    [(*pair, after) for pair, after in ALLOWED.items()],
    ids=[f"{state} {act}" for state, act in ALLOWED],
)
def test_what_the_table_allows_leads_on(state: str, act: str, after: str) -> None:
    assert State(after) == apply(State(state), Act(act))


@pytest.mark.parametrize(("state", "act"), FORBIDDEN, ids=[f"{s} {a}" for s, a in FORBIDDEN])
def test_what_the_table_does_not_allow_is_refused_in_words(state: State, act: Act) -> None:
    with pytest.raises(IllegalTransition, match=r"^The message .+, so it cannot be .+\.$"):
        apply(state, act)


def test_nothing_leads_out_of_sealed() -> None:
    after = {after for (state, _), after in TRANSITIONS.items() if state is State.SEALED}

    assert after == {State.SEALED}


def test_what_nobody_reviewed_never_expires() -> None:
    assert (State.HELD, Act.EXPIRE) not in TRANSITIONS


def test_an_act_changes_the_named_recipients_only() -> None:
    held = held_message(states=[State.HELD, State.HELD])

    after = apply_to(held, Act.CONFIRM, ["r1@elmpark.example"], BY_KIM)

    assert held.recipients[0] == after.recipients[0]
    assert after.recipients[1].state == State.CONFIRMED


def test_a_decision_leaves_name_time_and_reason() -> None:
    held = held_message()

    after = apply_to(held, Act.RELEASE, ["r0@elmpark.example"], BY_KIM)

    assert after.recipients[0].decision == BY_KIM


def test_a_result_keeps_the_decision_and_the_next_hops_reply() -> None:
    held = apply_to(held_message(), Act.RELEASE, ["r0@elmpark.example"], BY_KIM)

    after = apply_to(
        held, Act.SENT, ["r0@elmpark.example"], Decision(by="mailguard", at=NOON), reply="250 Ok"
    )

    assert (after.recipients[0].decision, after.recipients[0].reply) == (BY_KIM, "250 Ok")


def test_an_act_without_a_reply_keeps_the_last_one() -> None:
    refused = replace(held_message().recipients[0], reply="550 no such user")
    held = replace(held_message(), recipients=(refused,))

    after = apply_to(held, Act.CONFIRM, ["r0@elmpark.example"], BY_KIM)

    assert after.recipients[0].reply == "550 no such user"


def test_a_release_forgets_what_the_next_hop_said_before() -> None:
    refused = replace(held_message().recipients[0], reply="550 no such user")
    held = replace(held_message(), recipients=(refused,))

    after = apply_to(held, Act.RELEASE, ["r0@elmpark.example"], BY_KIM)

    assert after.recipients[0].reply == ""


def test_an_act_that_one_recipient_forbids_is_refused_for_all() -> None:
    held = held_message(states=[State.HELD, State.RELEASED])

    with pytest.raises(IllegalTransition, match=r"r1@elmpark\.example was released"):
        apply_to(held, Act.CONFIRM, ["r0@elmpark.example", "r1@elmpark.example"], BY_KIM)


def test_a_refusal_names_who_decided_what_and_when() -> None:
    held = apply_to(held_message(), Act.CONFIRM, ["r0@elmpark.example"], BY_KIM)

    with pytest.raises(IllegalTransition) as refusal:
        apply_to(held, Act.RELEASE, ["r0@elmpark.example"], BY_SAM)

    assert str(refusal.value) == (
        "The message to r0@elmpark.example was confirmed (Kim Lee, 2 March 2026, 12:00 UTC), "
        "so it cannot be released."
    )


def test_a_refusal_does_not_name_a_release_that_the_next_hop_refused() -> None:
    held = apply_to(held_message(), Act.RELEASE, ["r0@elmpark.example"], BY_KIM)
    held = apply_to(held, Act.REFUSE, ["r0@elmpark.example"], BY_KIM)

    with pytest.raises(IllegalTransition) as refusal:
        apply_to(held, Act.SENT, ["r0@elmpark.example"], BY_SAM)

    assert "Kim Lee" not in str(refusal.value)


def test_an_address_that_is_no_recipient_is_unknown() -> None:
    with pytest.raises(UnknownItem, match=r"eve@elmpark\.example"):
        apply_to(held_message(), Act.RELEASE, ["eve@elmpark.example"], BY_KIM)


@pytest.mark.parametrize("state", [State.DELIVERED, State.SEALED, State.UNDELIVERABLE])
def test_closing_leaves_the_message_where_it_is_with_name_time_and_reason(state: State) -> None:
    held = held_message(states=[state])

    after = apply_to(held, Act.CLOSE, ["r0@elmpark.example"], BY_KIM)

    assert (held.closed, after.closed) == (None, BY_KIM)
    assert after.state is state


def test_a_second_closing_is_told_who_made_the_first_and_when() -> None:
    held = held_message(states=[State.DELIVERED])
    closed = apply_to(held, Act.CLOSE, ["r0@elmpark.example"], BY_KIM)

    with pytest.raises(IllegalTransition) as refusal:
        apply_to(closed, Act.CLOSE, ["r0@elmpark.example"], BY_SAM)

    assert str(refusal.value) == (
        "The message to r0@elmpark.example was delivered and closed "
        "(Kim Lee, 2 March 2026, 12:00 UTC), so it cannot be closed."
    )


def test_a_held_message_is_not_closed_but_decided() -> None:
    with pytest.raises(IllegalTransition, match=r"cannot be closed\. Release or confirm it\.$"):
        apply_to(held_message(), Act.CLOSE, ["r0@elmpark.example"], BY_KIM)


def test_a_message_is_closed_when_every_copy_is_and_none_waits() -> None:
    two = held_message(states=[State.DELIVERED, State.DELIVERED])
    mixed = held_message(states=[State.DELIVERED, State.HELD])

    half = apply_to(two, Act.CLOSE, ["r0@elmpark.example"], BY_KIM)
    whole = apply_to(half, Act.CLOSE, ["r1@elmpark.example"], BY_SAM)
    beside_held = apply_to(mixed, Act.CLOSE, ["r0@elmpark.example"], BY_KIM)

    assert (half.closed, whole.closed, beside_held.closed) == (None, BY_SAM, None)


def test_what_is_undeliverable_cannot_be_confirmed_but_released_or_closed() -> None:
    held = held_message(states=[State.UNDELIVERABLE])

    with pytest.raises(IllegalTransition) as refusal:
        apply_to(held, Act.CONFIRM, ["r0@elmpark.example"], BY_KIM)

    assert str(refusal.value) == (
        "The message to r0@elmpark.example was refused by the next hop, so it cannot be confirmed. "
        "Release or close it."
    )


def test_a_bounce_is_remembered_and_says_where_a_refused_release_goes_back_to() -> None:
    sending = held_message(states=[State.RELEASING, State.HELD])
    us = Decision(by="mailguard", at=NOON)

    after = apply_to(sending, Act.BOUNCE, ["r0@elmpark.example"], us, reply="550 full")

    assert [r.refusal for r in after.recipients] == [Act.BOUNCE, Act.REFUSE]
    assert (after.recipients[0].reply, after.is_undelivered) == ("550 full", True)
    assert (after.is_bounced, sending.is_undelivered) == (False, False)


def test_a_release_that_the_next_hop_refused_again_is_open_and_not_taken_for_a_closing() -> None:
    bounced = replace(held_message(states=[State.UNDELIVERABLE]).recipients[0], bounced=True)
    held = replace(held_message(), recipients=(bounced,))
    released = apply_to(held, Act.RELEASE, ["r0@elmpark.example"], BY_KIM)

    again = apply_to(released, Act.BOUNCE, ["r0@elmpark.example"], Decision(by="us", at=NOON))
    closed = apply_to(again, Act.CLOSE, ["r0@elmpark.example"], BY_SAM)

    assert (again.state, again.closed, again.is_undelivered) == (State.UNDELIVERABLE, None, True)
    assert (closed.closed, closed.is_undelivered) == (BY_SAM, False)


def test_what_was_closed_may_still_be_confirmed() -> None:
    held = apply_to(
        held_message(states=[State.DELIVERED]), Act.CLOSE, ["r0@elmpark.example"], BY_KIM
    )

    after = apply_to(held, Act.CONFIRM, ["r0@elmpark.example"], BY_SAM)

    assert (after.state, after.closed) == (State.CONFIRMED, None)


def test_an_act_on_nobody_is_refused() -> None:
    with pytest.raises(UserError, match="at least one recipient"):
        apply_to(held_message(), Act.RELEASE, [], BY_KIM)


def test_an_address_given_twice_in_the_envelope_is_acted_on_twice() -> None:
    recipient = held_message().recipients[0]
    held = replace(held_message(), recipients=(recipient, recipient))

    after = apply_to(held, Act.CONFIRM, [recipient.address], BY_KIM)

    assert [each.state for each in after.recipients] == [State.CONFIRMED, State.CONFIRMED]


@pytest.mark.parametrize(
    ("states", "whole"),
    [
        ([State.DELIVERED, State.HELD], State.HELD),
        ([State.RELEASED, State.RELEASING], State.RELEASING),
        ([State.PURGED, State.DELIVERED], State.DELIVERED),
        ([State.HELD, State.SEALED], State.SEALED),
    ],
    ids=["held", "releasing", "delivered", "sealed"],
)
def test_a_message_stands_where_it_most_needs_attention(states: list[State], whole: State) -> None:
    assert whole == held_message(states=states).state


def test_an_id_is_the_ulid_of_its_time_and_randomness() -> None:
    held_id = new_held_id(datetime.fromtimestamp(1469918176.385, UTC), b"\0" * 9 + b"\x1f")

    assert held_id == "01ARYZ6S41000000000000000Z"


@given(earlier=TIMES, gap=st.integers(1, 10**9), first=RANDOM, second=RANDOM)
def test_ids_sort_by_time(earlier: datetime, gap: int, first: bytes, second: bytes) -> None:
    later = earlier + timedelta(milliseconds=gap)

    assert new_held_id(earlier, first) < new_held_id(later, second)


@given(now=TIMES, first=RANDOM, second=RANDOM)
def test_ids_of_one_moment_differ_where_their_randomness_does(
    now: datetime, first: bytes, second: bytes
) -> None:
    assert (first == second) == (new_held_id(now, first) == new_held_id(now, second))


def test_a_clock_before_1970_still_gives_an_id() -> None:
    assert new_held_id(datetime(1969, 1, 1, tzinfo=UTC), bytes(10)) == "0" * 26


@pytest.mark.parametrize("count", [0, 9, 11])
def test_an_id_wants_exactly_ten_random_bytes(count: int) -> None:
    with pytest.raises(ValueError, match="10 random bytes"):
        new_held_id(NOON, bytes(count))


def test_the_folder_is_the_day_in_utc() -> None:
    held_id = held_message().id
    received = datetime(2026, 3, 3, 0, 30, tzinfo=timezone(timedelta(hours=1)))

    assert f"2026/03/02/{held_id}" == folder_for(held_id, received)
