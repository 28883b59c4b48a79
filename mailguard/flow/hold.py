"""Keep a message as evidence: files durable first, then the row, both before anything is said."""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from mailguard import events, metrics
from mailguard.errors import SpoolUnavailable, StoreUnavailable, UnknownItem, UserError
from mailguard.flow.plan import Plan
from mailguard.flow.setting import Ports, Setting, Unsettled
from mailguard.mail.envelope import Transaction
from mailguard.policy.judge import Judgement
from mailguard.ports import AuditEntry, Clock
from mailguard.quarantine.evidence import compose_evidence
from mailguard.quarantine.held import Act, HeldMessage, HeldRecipient, State, folder_for
from mailguard.scan.finding import acting_symbols

SYSTEM = "mailguard"
"""The actor of what no person decided."""

SETTLE_S = 10.0
"""For the row after the next hop has answered: the client is waiting for that answer."""


async def keep(
    held: HeldMessage, transaction: Transaction, judgement: Judgement, plan: Plan, ports: Ports
) -> None:
    """Store a message that :func:`compose` made; on return files and row are durable.

    Raises SpoolUnavailable or StoreUnavailable, and then nothing of it remains that anybody would
    see.
    """
    part = part_for(_listed(judgement, plan), transaction, judgement)
    await store(held, *part, _word(plan), ports)


async def store(
    held: HeldMessage,
    transaction: Transaction,
    judgement: Judgement,
    word: str,
    ports: Ports,
    *,
    codes: Sequence[str] = (),
) -> None:
    """Store `held` as what `word` says, with all facts of this transaction and judgement and, in
    the audit log, the `codes` of the next hop's replies; on return files and row are durable.

    Raises like :func:`keep`.
    """
    started = time.perf_counter()
    evidence = compose_evidence(transaction, judgement, held)
    await ports.spool.store(held.id, held.folder, transaction.raw, evidence)
    # Must: the row comes after the files. A row without files would be evidence of nothing;
    # files without a row are found and adopted at the next start.
    try:
        digest = hashlib.sha256(evidence).hexdigest()
        entry = entry_for(word, held, ports.clock, evidence_sha256=digest)
        if codes:
            entry = replace(entry, detail={**entry.detail, "replies": list(codes)})
        await ports.held.add(held, entry)
    except StoreUnavailable:
        # The sender keeps the message, so this copy is not the only one.
        with contextlib.suppress(SpoolUnavailable):
            await ports.spool.remove(held.folder)
        raise
    metrics.took("keep", time.perf_counter() - started)


async def settle_one(
    held: HeldMessage,
    act: Act | None,
    addresses: tuple[str, ...],
    word: str,
    ports: Ports,
    *,
    can_now: bool = True,
) -> bool:
    """Bring rows to their end, or withdraw them (`act` None; without addresses all of the item);
    later, if not now: then False, and whoever settles more of the item need not try.

    Never raises: the next hop has answered, and that answer is the client's whatever happens here.
    """
    if act is not None and not addresses:
        return can_now
    change = Unsettled(
        held_id=held.id,
        queue_id=held.queue_id,
        act=act,
        addresses=addresses,
        entry=entry_for(word, held, ports.clock),
        folder=held.folder,
    )
    if not can_now:
        ports.unsettled.append(change)
        return False
    try:
        async with asyncio.timeout(SETTLE_S):
            await apply_change(change, ports)
    except (StoreUnavailable, SpoolUnavailable, TimeoutError) as error:
        events.unsettled(held.queue_id, held.id, error)
        ports.unsettled.append(change)
        return False
    except UserError as error:
        # Somebody else ended it, e.g. after the clock jumped: the row is sound as it is.
        events.unsettled(held.queue_id, held.id, error)
    return True


async def apply_change(change: Unsettled, ports: Ports) -> None:
    """Commit one change of a pending row; doing it twice does no harm.

    Raises StoreUnavailable or SpoolUnavailable.
    """
    if change.act is not None:
        await ports.held.act(change.held_id, change.act, change.addresses, change.entry)
        return
    if change.addresses:
        await ports.held.withdraw(change.held_id, change.entry, change.addresses)
        return
    with contextlib.suppress(UnknownItem):
        await ports.held.withdraw(change.held_id, change.entry)
    await ports.spool.remove(change.folder)


def entry_for(
    action: str, held: HeldMessage, clock: Clock, *, actor: str = SYSTEM, **more: str | list[str]
) -> AuditEntry:
    """An audit entry about `held` that says which bytes it is about, and `more`."""
    return AuditEntry(
        at=clock.now(),
        actor=actor,
        action=action,
        subject=held.id,
        detail={
            "queue_id": held.queue_id,
            "sha256": held.sha256,
            "level": held.level,
            "symbols": list(held.symbols),
            **more,
        },
    )


def part_for(
    positions: Iterable[int], transaction: Transaction, judgement: Judgement
) -> tuple[Transaction, Judgement]:
    """What concerns the recipients at these positions in the envelope, and no other."""
    kept = sorted(positions)
    envelope = transaction.envelope
    return (
        replace(
            transaction,
            envelope=replace(envelope, recipients=tuple(envelope.recipients[i] for i in kept)),
        ),
        replace(judgement, dispositions=tuple(judgement.dispositions[i] for i in kept)),
    )


def _listed(judgement: Judgement, plan: Plan) -> list[int]:
    """The positions of the recipients that may be named."""
    return [
        i
        for i, disposition in enumerate(judgement.dispositions)
        if i in plan.held or not disposition.unlisted
    ]


def _word(plan: Plan) -> str:
    if plan.sealed:
        return "seal"
    if plan.taken:
        return "hold"
    return "return" if plan.returned else "flag"


def compose(
    transaction: Transaction, judgement: Judgement, plan: Plan, ports: Ports, setting: Setting
) -> HeldMessage:
    """The row of a message to keep.

    Its recipients are `held`, `returned` or `sealed` when nothing is to be passed on, else
    `pending`. Who may not be named is left out: a helpline that gets its copy of a message held for
    others.
    """
    state = State.PENDING if plan.passed else State.SEALED if plan.sealed else State.HELD
    listed = _listed(judgement, plan)
    part = part_for(listed, transaction, judgement)
    row = compose_row(*part, state, ports, setting, sealed=plan.sealed)
    if state is not State.HELD or not plan.returned:
        return row
    return replace(
        row,
        recipients=tuple(
            replace(recipient, state=State.RETURNED) if i in plan.returned else recipient
            for i, recipient in zip(listed, row.recipients, strict=True)
        ),
    )


def compose_row(
    transaction: Transaction,
    judgement: Judgement,
    state: State,
    ports: Ports,
    setting: Setting,
    *,
    sealed: bool = False,
) -> HeldMessage:
    """The row of a message of which each recipient's copy is in `state`."""
    held_id = ports.new_id()
    verdicts = [disposition.verdict for disposition in judgement.dispositions]
    categories: dict[str, int] = {}
    for verdict in verdicts:
        for category, level in verdict.levels:
            categories[category] = max(categories.get(category, 0), level)
    return HeldMessage(
        id=held_id,
        school=setting.school,
        queue_id=transaction.queue_id,
        listener=transaction.session.listener,
        received=transaction.received,
        sender=transaction.envelope.sender.address,
        sender_argument=transaction.envelope.sender.argument,
        recipients=tuple(
            HeldRecipient(
                address=path.address,
                argument=path.argument,
                relationship=str(disposition.relationship),
                state=state,
            )
            for path, disposition in zip(
                transaction.envelope.recipients, judgement.dispositions, strict=True
            )
        ),
        level=max(verdict.level for verdict in verdicts),
        categories=categories,
        symbols=acting_symbols(judgement.report),
        sealed=sealed,
        alert=any(disposition.alert for disposition in judgement.dispositions),
        sha256=transaction.raw.sha256,
        size=transaction.raw.size,
        ruleset=judgement.report.ruleset,
        folder=folder_for(held_id, transaction.received),
    )
