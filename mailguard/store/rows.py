"""Between held messages and their rows: what is written for one, and how one is read back."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from mailguard.quarantine.held import Decision, HeldId, HeldMessage, HeldRecipient, State
from mailguard.store.tables import HeldMessages, HeldRecipients

Ids = Select[str]
"""A query for the ids of held messages."""


def message_values(held: HeldMessage) -> dict[str, Any]:
    """The columns of its row in `held_messages`, but for those that only the store knows."""
    return {
        "id": held.id,
        "school": held.school,
        "queue_id": held.queue_id,
        "listener": held.listener,
        "received": held.received,
        "sender": held.sender,
        "sender_argument": held.sender_argument,
        "level": held.level,
        "categories": dict(held.categories),
        "symbols": list(held.symbols),
        "sealed": held.sealed,
        "alert": held.alert,
        "sha256": held.sha256,
        "size": held.size,
        "ruleset": held.ruleset,
        "folder": held.folder,
        "dup_risk": held.dup_risk,
        "exported": held.exported,
    }


def recipient_values(held: HeldMessage) -> list[dict[str, Any]]:
    """The columns of its rows in `held_recipients`."""
    return [
        {
            "held_id": held.id,
            "position": position,
            "school": held.school,
            "address": recipient.address,
            "argument": recipient.argument,
            "relationship": recipient.relationship,
            **standing_values(recipient),
        }
        for position, recipient in enumerate(held.recipients)
    ]


def standing_values(recipient: HeldRecipient) -> dict[str, Any]:
    """The columns of a recipient that an act may change."""
    decision = recipient.decision
    return {
        "state": recipient.state.value,
        "reply": recipient.reply,
        "decided_by": decision.by if decision else None,
        "decided_at": decision.at if decision else None,
        "reason": decision.reason if decision else None,
        "bounced": recipient.bounced,
    }


def load(connection: Connection, ids: Ids) -> Sequence[HeldMessage]:
    """Read the messages that `ids` selects, oldest first."""
    recipients = connection.execute(
        select(HeldRecipients.__table__)
        .where(HeldRecipients.held_id.in_(ids))
        .order_by(HeldRecipients.held_id, HeldRecipients.position)
    )
    copies = {
        held_id: tuple(_recipient(row) for row in rows)
        for held_id, rows in groupby(recipients, key=lambda row: row.held_id)
    }
    messages = connection.execute(
        select(HeldMessages.__table__).where(HeldMessages.id.in_(ids)).order_by(HeldMessages.id)
    )
    return [_message(row, copies[row.id]) for row in messages]


def _message(row: Row[Any], recipients: tuple[HeldRecipient, ...]) -> HeldMessage:
    return HeldMessage(
        id=HeldId(row.id),
        school=row.school,
        queue_id=row.queue_id,
        listener=row.listener,
        received=row.received,
        sender=row.sender,
        sender_argument=row.sender_argument,
        recipients=recipients,
        level=row.level,
        categories=row.categories,
        symbols=tuple(row.symbols),
        sealed=row.sealed,
        alert=row.alert,
        sha256=row.sha256,
        size=row.size,
        ruleset=row.ruleset,
        folder=row.folder,
        dup_risk=row.dup_risk,
        exported=row.exported,
    )


def _recipient(row: Row[Any]) -> HeldRecipient:
    return HeldRecipient(
        address=row.address,
        argument=row.argument,
        relationship=row.relationship,
        state=State(row.state),
        reply=row.reply,
        decision=_decision(row),
        bounced=row.bounced,
    )


def _decision(row: Row[Any]) -> Decision | None:
    if row.decided_by is None:
        return None
    return Decision(by=row.decided_by, at=row.decided_at, reason=row.reason)
