"""Make rows and files agree again: changes the database did not take, and what a crash left."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, auto

from mailguard import events
from mailguard.errors import (
    EvidenceDamaged,
    IllegalTransition,
    MailGuardError,
    SpoolUnavailable,
    StoreUnavailable,
    UnknownItem,
)
from mailguard.flow.hold import apply_change, entry_for
from mailguard.flow.setting import Ports
from mailguard.quarantine.evidence import held_from_evidence
from mailguard.quarantine.held import TEST_SCHOOL, Act, HeldId, HeldMessage, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What :func:`reconcile` found."""

    adopted: int
    """Folders without a row, which now have one."""

    settled: int
    """Rows whose transaction never ended, now held."""

    missing: tuple[str, ...]
    """Ids of rows without evidence."""

    leftovers: int
    """Half-written files and folders of purged messages and of self-tests, deleted."""


async def settle(ports: Ports) -> None:
    """Try again what the database could not take when its transaction ended."""
    for change in list(ports.unsettled):
        try:
            await apply_change(change, ports)
        except (StoreUnavailable, SpoolUnavailable) as error:
            events.unsettled(change.queue_id, change.held_id, error)
            continue
        except (UnknownItem, IllegalTransition):
            # It got through the first time, and only the answer was lost.
            pass
        ports.unsettled.remove(change)


async def reconcile(ports: Ports, *, before: datetime | None = None) -> Reconciled:
    """Compare spool and rows both ways: all of it at start, before any listener accepts; while
    others work, only what was received `before` and cannot be under way any more.

    A folder without a row belongs to a sender who never got its 250 and has sent, or will send, it
    again; a `pending` row to a transaction whose end nobody knows. Both are kept, held and marked
    `dup_risk`: a reviewer loses nothing and is told that it may have arrived as well. What the
    evidence says is undeliverable becomes that again.
    """
    leftovers = await ports.spool.sweep() if before is None else 0
    known, folders = await ports.held.inventory(), set(await ports.spool.folders())
    adopted = 0
    for folder in sorted(folders - known.keys()):
        match await _look_at(folder, before, ports):
            case _Orphan.ADOPTED:
                adopted += 1
            case _Orphan.PURGED:
                leftovers += 1
    pending = await ports.held.select(states=[State.PENDING])
    settled = [held for held in pending if await _settle_pending(held, before, ports)]
    lacking = [known[folder] for folder in sorted(known.keys() - folders)]
    missing = tuple([held_id for held_id in lacking if await _is_missing(held_id, ports)])
    found = Reconciled(adopted=adopted, settled=len(settled), missing=missing, leftovers=leftovers)
    events.reconciled(
        adopted=found.adopted, settled=found.settled, missing=len(missing), leftovers=leftovers
    )
    return found


class _Orphan(Enum):
    """What became of a folder without a row that needs it."""

    ADOPTED = auto()
    PURGED = auto()
    LEFT = auto()


async def _look_at(folder: str, before: datetime | None, ports: Ports) -> _Orphan:
    try:
        try:
            held = held_from_evidence(await ports.spool.evidence_at(folder))
        except EvidenceDamaged as error:
            # A poisoned folder stops nothing else, now or at the next start.
            if await ports.spool.set_aside(folder):
                events.evidence_set_aside(folder, error)
            return _Orphan.LEFT
        if held.school not in (ports.held.school, TEST_SCHOOL):
            # Adopting it here would put it where that school's reviewers do not look.
            raise EvidenceDamaged(f"belongs to the school with the id {held.school!r}")
        if before is not None and held.received >= before:
            return _Orphan.LEFT
        if held.school == TEST_SCHOOL or await _is_purged(held, ports):
            await ports.spool.remove(folder)
            return _Orphan.PURGED
        await _adopt(held, ports)
    except StoreUnavailable:
        raise
    except MailGuardError as error:
        # One folder that cannot be dealt with now stops no other.
        events.evidence_unreadable(folder, error)
        return _Orphan.LEFT
    return _Orphan.ADOPTED


async def _is_missing(held_id: HeldId, ports: Ports) -> bool:
    """Whether a row without evidence should have some: others may have deleted both meanwhile."""
    try:
        held = await ports.held.by_id(held_id)
    except UnknownItem:
        return False
    if held.state is State.PURGED:
        return False
    events.evidence_missing(held.queue_id, held.id)
    return True


async def _is_purged(held: HeldMessage, ports: Ports) -> bool:
    try:
        return (await ports.held.by_id(held.id)).state is State.PURGED
    except UnknownItem:
        return False


async def _adopt(held: HeldMessage, ports: Ports) -> None:
    await ports.held.add(replace(held, dup_risk=True), entry_for("adopt", held, ports.clock))
    events.dup_risk(held.queue_id, held.id, "stopped between evidence and row")
    await _settle_pending(held, None, ports)


async def _settle_pending(held: HeldMessage, before: datetime | None, ports: Ports) -> bool:
    addresses = [r.address for r in held.recipients if r.state is State.PENDING]
    if not addresses or (before is not None and held.received >= before):
        return False
    entry = entry_for("take", held, ports.clock)
    await ports.held.act(held.id, Act.TAKE, addresses, entry, dup_risk=True)
    events.dup_risk(held.queue_id, held.id, "stopped before the transaction ended")
    return True
