"""A held message as its reviewer reads it: who, when, why, and what happened. No content."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from mailguard.cli.output import local_time
from mailguard.ports import AuditEntry
from mailguard.quarantine.held import STANDING, HeldMessage
from mailguard.report.reference import reference_of

Evidence = dict[str, Any]
"""A parsed ``evidence.json``; see quarantine/README.md."""


def to_json(held: HeldMessage) -> dict[str, object]:
    """The keys of docs/design.md §7: a contract."""
    return {
        "id": held.id,
        "received": held.received.isoformat(),
        "state": held.state.value,
        "level": int(held.level),
        "categories": {name: int(level) for name, level in held.categories.items()},
        "from": held.sender,
        "recipients": [{"address": r.address, "state": r.state.value} for r in held.recipients],
        "symbols": list(held.symbols),
        "sha256": held.sha256,
        "listener": held.listener,
    }


def state_of(held: HeldMessage) -> str:
    """Where it stands, in a word, and who closed it."""
    return f"{held.state}, closed by {held.closed.by}" if held.closed else held.state.value


def history_to_json(history: Sequence[AuditEntry]) -> list[dict[str, object]]:
    """What the audit log has about a message, oldest first."""
    return [
        {"at": e.at.isoformat(), "actor": e.actor, "action": e.action, "detail": e.detail}
        for e in history
    ]


def describe(
    held: HeldMessage, evidence: Evidence | None, history: Sequence[AuditEntry], zone: str
) -> Iterator[tuple[str, str]]:
    """Yield what is known as names and values; `evidence` is None when it cannot be read."""
    yield "id", held.id
    yield "reference", reference_of(held.id)
    yield "state", f"The message {STANDING[held.state]}."
    if held.is_undelivered:
        yield "note", "Others got it, and the sender was told that it was accepted for all."
    if held.closed:
        when = local_time(held.closed.at, zone)
        yield "closed", f"Closed by {held.closed.by}, {when}: {held.closed.reason}"
    if held.alert:
        yield "alert", "The safeguarding lead should know of this at once."
    yield "received", _arrival(held, evidence, zone)
    yield "from", held.sender or "<> (an automatic reply or bounce)"
    for recipient in held.recipients:
        reply = f"; the next hop said: {recipient.reply}" if recipient.reply else ""
        closed = f", closed by {recipient.closed.by}" if recipient.closed else ""
        state = f"{recipient.state}{closed}{reply}"
        yield "to", f"{recipient.address} ({recipient.relationship}), {state}"
    yield (
        "level",
        f"L{held.level}{', sealed' if held.sealed else ''}{', alert' if held.alert else ''}",
    )
    if evidence is None:
        yield "evidence", "The files in the spool are missing or damaged; the row is all there is."
    else:
        yield from _reasons(evidence)
    if held.dup_risk:
        yield "note", "It may also have been delivered, or may arrive twice: something broke off."
    yield "bytes", f"{held.size:,}, SHA-256 {held.sha256}"
    yield "queue id", held.queue_id
    yield "folder", held.folder
    for entry in history:
        yield "history", _happening(entry, zone)


def _arrival(held: HeldMessage, evidence: Evidence | None, zone: str) -> str:
    when = f"{local_time(held.received, zone)}, by listener {held.listener}"
    if evidence is None:
        return when
    session = evidence["session"]
    peer = session["peer"] or "an unknown address"
    login = f", logged in as {session['auth']}" if "auth" in session else ""
    via = f", passed on by {session['via']}" if "via" in session else ""
    return f"{when} ({session['origin']}) from {peer}, called {session['helo']}{login}{via}"


def _reasons(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """The rules' own sentences with the clauses they serve, then whatever else weighed."""
    said = {}
    for finding in sorted(evidence["findings"], key=lambda each: -int(each["level"])):
        clauses = ", ".join(finding["clauses"]) or "safeguarding guidance, no policy clause"
        symbol = f"{finding['symbol']} L{finding['level']}; {clauses}"
        said[finding["says"]] = f"{finding['says']}\n{symbol}"
    for disposition in evidence["dispositions"]:
        for reason in disposition["verdict"]["reasons"]:
            said.setdefault(reason, reason)
    for text in said.values():
        yield "why", text
    for unscanned in evidence["unscanned"]:
        part = f"part {unscanned['part']}" if unscanned["part"] else "the message"
        yield "not read", f"{part}: {unscanned['reason']}"
    for attachment in evidence["attachments"]:
        kind = attachment["sniffed"] or attachment["declared"]
        yield "attached", f"part {attachment['part']}: {kind}, {attachment['size']:,} bytes"
    yield "ruleset", f"{evidence['ruleset']}, MailGuard {evidence['mailguard']}"


def _happening(entry: AuditEntry, zone: str) -> str:
    reason = entry.detail.get("reason")
    recipients = entry.detail.get("recipients")
    more = [str(reason)] if reason else []
    if isinstance(recipients, list):
        more.append(f"for {', '.join(recipients)}")
    said = f": {'; '.join(more)}" if more else ""
    return f"{local_time(entry.at, zone)}  {entry.actor}  {entry.action}{said}"


def read_evidence(content: bytes) -> Evidence | None:
    """Parse an ``evidence.json``; None when it is not one."""
    try:
        evidence = json.loads(content)
    except ValueError:
        return None
    return evidence if isinstance(evidence, dict) and "findings" in evidence else None
