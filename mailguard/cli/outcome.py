"""What became of the demo's messages, in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mailguard.cli.case import Evidence, read_evidence
from mailguard.cli.envelope import Given, compose_transaction, parse_head
from mailguard.cli.samples import Sample
from mailguard.cli.stores import with_stores
from mailguard.config import load_config
from mailguard.policy.directory import Directory
from mailguard.policy.relationship import identify_author, relate
from mailguard.quarantine.held import HeldMessage, State
from mailguard.service.compose import Stores

DONE, REFUSED = 250, 500
"""Replies to the final dot: taken over, and the first that is for good."""

WORDS: Mapping[State, str] = {
    State.PENDING: "being delivered",
    State.DELIVERED: "delivered",
    State.HELD: "held",
    State.RETURNED: "returned",
    State.UNDELIVERABLE: "refused by the next hop",
    State.SEALED: "sealed",
}
"""The states that a message can be in before anybody has reviewed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A sample, and the code of the reply to its final dot."""

    sample: Sample
    code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What quarantine has of a message."""

    held: HeldMessage
    evidence: Evidence


def read_kept(config_file: Path) -> Mapping[str, Kept]:
    """Everything in quarantine, by the SHA-256 of its message."""

    async def read(stores: Stores) -> dict[str, Kept]:
        kept = {}
        for held in await stores.held.select():
            evidence = read_evidence(await stores.spool.evidence(held))
            kept[held.sha256] = Kept(held=held, evidence=evidence or {})
        return kept

    return with_stores(load_config(config_file), read)


def describe_relationships(sample: Sample, directory: Directory) -> str:
    """Who writes to whom, each group once: ``pupil→staff, pupil``."""
    transaction = compose_transaction(sample.raw, Given(origin=sample.origin), directory.school)
    author = identify_author(transaction, parse_head(sample.raw), directory)
    pairs = [relate(author, address, directory) for address in sample.recipients]
    return f"{pairs[0].author}→{', '.join(dict.fromkeys(pair.recipient for pair in pairs))}"


def describe_outcome(sent: Sent, kept: Kept | None) -> str:
    """What became of a message, for somebody who has never seen MailGuard."""
    if sent.code != DONE:
        return "refused" if sent.code >= REFUSED else "put off"
    if kept is None:
        return "delivered"
    alert = ", alert" if kept.held.alert else ""
    recipients = kept.held.recipients
    if len({recipient.state for recipient in recipients}) > 1:
        each = (f"{r.address.partition('@')[0]}: {WORDS[r.state]}" for r in recipients)
        return "; ".join(each) + alert
    word = WORDS[recipients[0].state]
    return f"{word}{', copy kept' if word == 'delivered' else ''}{alert}"


def describe_reason(kept: Kept | None) -> str:
    """The weightiest of the rules' own sentences."""
    if kept is None:
        return ""
    dispositions = kept.evidence["dispositions"]
    chief = max(dispositions, key=lambda each: int(each["verdict"]["level"]))
    return str(next(iter(chief["verdict"]["reasons"]), ""))
