"""The record that lies beside each stored message: why it is here, in a form that outlives us.

``evidence.json`` is canonical JSON (sorted keys, ASCII, two spaces, one newline at the end), so
equal facts give equal bytes. It holds no word of the message: spans are offsets, and sentences are
the rules' own. Its fields are listed in ``quarantine/README.md``.
"""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from mailguard import __version__
from mailguard.errors import EvidenceDamaged
from mailguard.mail.envelope import Path, Session, Transaction
from mailguard.mail.text import Attachment
from mailguard.policy.disposition import Disposition
from mailguard.policy.judge import Judgement
from mailguard.quarantine.held import (
    CROCKFORD,
    HeldId,
    HeldMessage,
    HeldRecipient,
    State,
    folder_for,
)
from mailguard.scan.finding import Finding

FORMAT = 1
"""Version of the document; it grows when a field changes its meaning or goes."""

HELD_ID = re.compile(f"[{CROCKFORD}]{{26}}")

_TOLD = ("name", "via", "ident", "tls", "auth")
"""What a session may say more."""

JsonObject = dict[str, Any]
T = TypeVar("T", str, int, bool, list[Any], JsonObject)


def compose_evidence(
    transaction: Transaction,
    judgement: Judgement,
    held: HeldMessage,
    *,
    attachments: Sequence[Attachment] = (),
) -> bytes:
    """Write down what came in, what was found in it and what was decided, as canonical JSON."""
    document = {
        "format": FORMAT,
        "mailguard": __version__,
        "id": held.id,
        "school": held.school,
        "queue_id": held.queue_id,
        "received": _instant(held.received),
        "sha256": held.sha256,
        "size": held.size,
        "ruleset": held.ruleset,
        "session": _session(transaction.session),
        "envelope": {
            "sender": _path(transaction.envelope.sender),
            "recipients": [_path(path) for path in transaction.envelope.recipients],
        },
        "held": _held(held),
        "dispositions": [_disposition(each) for each in judgement.dispositions],
        "findings": [_finding(each) for each in judgement.report.findings],
        "unscanned": [
            {"part": each.part, "reason": each.reason} for each in judgement.report.unscanned
        ],
        "attachments": [_attachment(each) for each in attachments],
    }
    return json.dumps(document, indent=2, sort_keys=True).encode("ascii") + b"\n"


def held_from_evidence(evidence: bytes) -> HeldMessage:
    """Rebuild the row of a message whose folder has none, in the states it was stored with.

    Raises EvidenceDamaged for anything that :func:`compose_evidence` does not write.
    """
    try:
        return _rebuilt(json.loads(evidence))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise EvidenceDamaged(f"evidence.json cannot be read: {type(error).__name__}") from error


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _bytes(argument: bytes) -> str:
    """One character for each byte (ISO 8859-1): exact, and readable where the bytes are ASCII."""
    return argument.decode("latin-1")


def _path(path: Path) -> JsonObject:
    return {"address": path.address, "argument": _bytes(path.argument)}


def _session(session: Session) -> JsonObject:
    return {
        "listener": session.listener,
        "origin": session.origin,
        "peer": session.peer,
        "peer_port": session.peer_port,
        "helo": session.helo,
        "esmtp": session.esmtp,
        "protocol": session.protocol,
        # Only what is known, so that a plain session is written as it always was.
        **{key: known for key in _TOLD if (known := getattr(session, key))},
    }


def _held(held: HeldMessage) -> JsonObject:
    return {
        "listener": held.listener,
        "sender": {"address": held.sender, "argument": _bytes(held.sender_argument)},
        "recipients": [
            {
                "address": recipient.address,
                "argument": _bytes(recipient.argument),
                "relationship": recipient.relationship,
                "state": recipient.state,
                # Only where there is one: most are asked of nobody yet.
                **({"reply": recipient.reply} if recipient.reply else {}),
            }
            for recipient in held.recipients
        ],
        "level": held.level,
        "categories": dict(held.categories),
        "symbols": list(held.symbols),
        "sealed": held.sealed,
        "alert": held.alert,
        "dup_risk": held.dup_risk,
    }


def _disposition(disposition: Disposition) -> JsonObject:
    verdict = disposition.verdict
    return {
        "address": disposition.address,
        "relationship": str(disposition.relationship),
        "action": disposition.action,
        "alert": disposition.alert,
        "unlisted": disposition.unlisted,
        "verdict": {
            "relationship": str(verdict.relationship),
            "level": verdict.level,
            "levels": dict(verdict.levels),
            "delivered": sorted(verdict.delivered),
            "sealed": verdict.sealed,
            "reasons": list(verdict.reasons),
            # Only where data may not go on: what its author is told.
            **({"leaks": list(verdict.leaks)} if verdict.leaks else {}),
        },
    }


def _finding(finding: Finding) -> JsonObject:
    return {
        "symbol": finding.symbol.name,
        "category": finding.symbol.category,
        "level": finding.level,
        "status": finding.symbol.status,
        "says": finding.symbol.says,
        "clauses": list(finding.symbol.clauses),
        "part": finding.part,
        "where": finding.where,
        "count": finding.count,
        "spans": [
            {"part": span.part, "where": span.where, "start": span.start, "end": span.end}
            for span in finding.spans
        ],
    }


def _attachment(attachment: Attachment) -> JsonObject:
    return {
        "part": attachment.part,
        "filename": attachment.filename,
        "declared": attachment.declared,
        "sniffed": attachment.sniffed,
        "size": attachment.size,
        "sha256": attachment.sha256,
    }


def _rebuilt(document: object) -> HeldMessage:
    top = _checked(document, dict)
    if top["format"] != FORMAT:
        raise ValueError("format")
    held = _field(top, "held", dict)
    sender = _field(held, "sender", dict)
    received = _moment(_field(top, "received", str))
    held_id = _held_id(_field(top, "id", str))
    return HeldMessage(
        id=held_id,
        school=_field(top, "school", str),
        queue_id=_field(top, "queue_id", str),
        listener=_field(held, "listener", str),
        received=received,
        sender=_field(sender, "address", str),
        sender_argument=_field(sender, "argument", str).encode("latin-1"),
        recipients=_recipients(_field(held, "recipients", list)),
        level=_field(held, "level", int),
        categories={
            name: _checked(level, int) for name, level in _field(held, "categories", dict).items()
        },
        symbols=tuple(_checked(each, str) for each in _field(held, "symbols", list)),
        sealed=_field(held, "sealed", bool),
        alert=_field(held, "alert", bool),
        sha256=_field(top, "sha256", str),
        size=_field(top, "size", int),
        ruleset=_field(top, "ruleset", str),
        folder=folder_for(held_id, received),
        dup_risk=_field(held, "dup_risk", bool),
    )


def _held_id(text: str) -> HeldId:
    # It becomes part of a path.
    if not HELD_ID.fullmatch(text):
        raise ValueError("id")
    return HeldId(text)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    # Without its offset it would be read in the time zone of this machine.
    if moment.tzinfo is None:
        raise ValueError("received")
    return moment.astimezone(UTC)


def _recipients(nodes: list[Any]) -> tuple[HeldRecipient, ...]:
    # A message without one has no state.
    if not nodes:
        raise ValueError("recipients")
    return tuple(_recipient(node) for node in nodes)


def _recipient(node: object) -> HeldRecipient:
    recipient = _checked(node, dict)
    state = State(_field(recipient, "state", str))
    return HeldRecipient(
        address=_field(recipient, "address", str),
        argument=_field(recipient, "argument", str).encode("latin-1"),
        relationship=_field(recipient, "relationship", str),
        state=state,
        reply=_field(recipient, "reply", str) if "reply" in recipient else "",
        bounced=state is State.UNDELIVERABLE,
    )


def _field(node: JsonObject, key: str, kind: type[T]) -> T:
    return _checked(node[key], kind)


def _checked(value: object, kind: type[T]) -> T:
    # Not isinstance: True is an int to Python, and never a size or a level.
    if type(value) is not kind:
        raise TypeError(kind.__name__)
    return value
