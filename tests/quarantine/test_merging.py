from dataclasses import replace

import pytest

from mailguard.quarantine.held import Decision, State
from mailguard.quarantine.merging import is_undecided, waits
from mailguard.testing import NOON
from mailguard.testing.quarantine import held_message

CLOSED = Decision(by="Dee", at=NOON, reason="seen")


@pytest.mark.parametrize(
    ("states", "undecided", "waiting"),
    [
        ("held", True, True),
        ("held held", True, True),
        ("pending", True, True),
        ("delivered", True, False),
        ("held delivered", True, True),
        ("undeliverable", True, True),
        ("held released", False, True),
        ("confirmed", False, False),
        ("releasing", False, False),
        ("sealed", False, False),
        ("purged", False, False),
    ],
)
def test_the_same_message_is_not_kept_twice_while_nobody_has_decided(
    states: str, undecided: bool, waiting: bool
) -> None:
    held = held_message()
    copies = tuple(replace(held.recipients[0], state=State(state)) for state in states.split())
    held = replace(held, recipients=copies)

    assert (is_undecided(held), waits(held)) == (undecided, waiting)


@pytest.mark.parametrize(("state", "undecided"), [("delivered", True), ("undeliverable", False)])
def test_closing_decides_about_what_was_not_delivered(state: str, undecided: bool) -> None:
    held = held_message()
    copy = replace(held.recipients[0], state=State(state), decision=CLOSED)

    assert is_undecided(replace(held, recipients=(copy,))) is undecided
