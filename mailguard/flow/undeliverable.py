"""What the next hop refused for some recipients, after it had taken the message for others.

The client has one reply and cannot be told of both, so it is told 250; the refused copies are kept,
and the technician is told (:mod:`mailguard.flow.notice`).
"""

from collections.abc import Mapping
from dataclasses import replace

from mailguard import events
from mailguard.flow.hold import compose_row, part_for, store
from mailguard.flow.setting import Mode, Ports, Setting
from mailguard.mail.envelope import Transaction
from mailguard.mail.reply import Reply
from mailguard.policy.judge import Judgement
from mailguard.policy.verdict import Verdict
from mailguard.quarantine.held import HeldId, HeldMessage, State
from mailguard.report.digest import code_of


async def keep_undeliverable(
    transaction: Transaction,
    judgement: Judgement,
    refused: Mapping[int, Reply],
    ports: Ports,
    setting: Setting,
) -> HeldId:
    """Store the message for the recipients at the positions in `refused`, each with the reply that
    refused it; on return files and row are durable, and the client may be told 250.

    It is `undeliverable` from the start and never `pending`, since nothing about it is open. Who
    dies before the row leaves a folder whose evidence says so, and which the next start adopts as
    that; the client was not answered and sends the message again.

    Only the refused are named, and they have to be, or nobody could send it again: also a helpline,
    though then without a word about what was found. In `observe` mode it is kept as well, because
    nobody else has it. Raises SpoolUnavailable or StoreUnavailable, and then nothing of it remains.
    """
    transaction, judgement = part_for(refused, transaction, judgement)
    if any(disposition.unlisted for disposition in judgement.dispositions):
        judgement = _without_findings(judgement)
    replies = [refused[position] for position in sorted(refused)]
    # Where we only observe, even this was passed on; still nobody may open or send it here.
    sealed = any(disposition.verdict.sealed for disposition in judgement.dispositions)
    row = compose_row(transaction, judgement, State.UNDELIVERABLE, ports, setting, sealed=sealed)
    held = _with_replies(row, replies)
    if setting.mode is Mode.OBSERVE:
        held = replace(held, alert=False)
    codes = [code_of(str(reply)) for reply in replies]
    await store(held, transaction, judgement, "undeliverable", ports, codes=codes)
    events.undeliverable(held.queue_id, held.id, held.listener, replies)
    return held.id


def _with_replies(held: HeldMessage, replies: list[Reply]) -> HeldMessage:
    return replace(
        held,
        recipients=tuple(
            replace(recipient, reply=str(reply), bounced=True)
            for recipient, reply in zip(held.recipients, replies, strict=True)
        ),
    )


def _without_findings(judgement: Judgement) -> Judgement:
    """Nothing of what was found: whoever sees to the delivery need not know what a child asks a
    helpline."""
    return replace(
        judgement,
        report=replace(judgement.report, findings=()),
        dispositions=tuple(
            replace(each, verdict=_without_reasons(each.verdict), alert=False)
            for each in judgement.dispositions
        ),
    )


def _without_reasons(verdict: Verdict) -> Verdict:
    return replace(verdict, levels=(), reasons=(), delivered=frozenset())
