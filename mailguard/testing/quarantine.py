"""Builders of held messages and of what is written down about them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from mailguard.ports import AuditEntry, LedgerRow
from mailguard.quarantine.held import (
    HeldMessage,
    HeldRecipient,
    State,
    folder_for,
    new_held_id,
)
from mailguard.testing import NOON, SCHOOL


def held_message(
    number: int = 1,
    *,
    states: Sequence[State] = (State.HELD,),
    level: int = 2,
    received: datetime = NOON,
    school: str = SCHOOL.name,
    sha256: str = "0" * 64,
    exported: bool = False,
) -> HeldMessage:
    """The `number`-th message of the day, with one recipient (``r0@…``, ``r1@…``) for each state.

    A higher number is a later message with a later id.
    """
    held_id = new_held_id(received + timedelta(seconds=number), number.to_bytes(10))
    return HeldMessage(
        id=held_id,
        school=school,
        queue_id=f"QUEUE{number}",
        listener="mail",
        received=received,
        sender="ana@elmpark.example",
        sender_argument=b"<ana@elmpark.example> SIZE=100",
        recipients=tuple(
            HeldRecipient(
                address=f"r{position}@elmpark.example",
                argument=b"<r%d@elmpark.example>" % position,
                relationship="pupil→pupil",
                state=state,
            )
            for position, state in enumerate(states)
        ),
        level=level,
        categories={"threat": level},
        symbols=("THREAT_TEST",),
        sealed=State.SEALED in states,
        alert=False,
        sha256=sha256,
        size=100,
        ruleset="0123456789abcdef",
        folder=folder_for(held_id, received),
        exported=exported,
    )


def audit_entry(
    action: str = "hold",
    *,
    subject: str = "",
    actor: str = "mailguard",
    at: datetime = NOON,
    reason: str = "",
) -> AuditEntry:
    """One line of the audit log."""
    return AuditEntry(
        at=at,
        actor=actor,
        action=action,
        subject=subject,
        detail={"reason": reason, "level": 2, "symbols": ["THREAT_TEST"]},
    )


def ledger_row(number: int = 1, *, school: str = SCHOOL.name) -> LedgerRow:
    """A row about a message that passed."""
    return LedgerRow(
        queue_id=f"QUEUE{number}",
        school=school,
        received=NOON,
        listener="mail",
        sender="ana@elmpark.example",
        recipients=("ben@elmpark.example", "kim@elmpark.example"),
        relationship="pupil→pupil",
        level=0,
        categories=(),
        symbols=(),
        disposition="relay",
        outcome="relayed",
        unscanned=("format",),
        size=100,
        ms=3,
        ident="4cSh2W1xYz",
    )
