"""What flow works with: the ports of one listener, and how this school wants things done."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from mailguard.policy.visibility import Parties
from mailguard.ports import (
    AuditEntry,
    Clock,
    HeldStore,
    Judge,
    Ledger,
    NextHop,
    Receipts,
    ReleaseKeys,
    Spool,
)
from mailguard.quarantine.held import Act, HeldId


class Mode(StrEnum):
    """Whether judgements are carried out."""

    ENFORCE = "enforce"
    OBSERVE = "observe"
    """Everything is relayed and nothing kept; the ledger says what would have been done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The school's choices that flow needs."""

    school: str
    mode: Mode = Mode.ENFORCE
    hostname: str = "localhost"
    adds_received: bool = True
    answer_s: float = 80
    """Budget from the final dot to the reply. Postfix waits 100 s for a proxy filter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """A change of a `pending` row that the database has not taken yet."""

    held_id: HeldId
    queue_id: str
    act: Act | None
    """None withdraws the copies of `addresses`, or where none is named the whole message."""

    addresses: tuple[str, ...]
    entry: AuditEntry
    folder: str
    """Of its files, which may be there still when the row is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unkept:
    """A message that somebody must be told about at once, and of which there is no row."""

    queue_id: str
    held_id: HeldId | None
    """The row that it may have after all: whether it was committed in time is not known."""

    received: datetime
    level: int
    parties: Parties
    is_refused: bool = False
    """Policy refused it; otherwise it was delivered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """What makes a released message known again to the milter that held it."""

    keys: ReleaseKeys
    secret: Callable[[], Awaitable[bytes]]
    """What keys are signed under. Raises StoreUnavailable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The world, as one listener's transactions meet it."""

    judge: Judge
    spool: Spool
    held: HeldStore
    ledger: Ledger
    clock: Clock
    next_hop: NextHop
    receipts: Receipts
    new_id: Callable[[], HeldId]
    unsettled: list[Unsettled] = field(default_factory=list)
    """Shared by all listeners of a process; :func:`mailguard.flow.settle.settle` empties it."""

    unkept: list[Unkept] = field(default_factory=list)
    """Shared likewise; :func:`mailguard.flow.alert.owe_unkept` empties it."""

    keyring: Keyring | None = None
    """For what is released; None where the next hop asks no milter of ours about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewPorts:
    """All that a decision needs: it sends nothing itself."""

    held: HeldStore
    clock: Clock
