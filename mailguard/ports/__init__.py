"""What flow needs of the world, as protocols. Adapters live in smtp, store and extract."""

from mailguard.ports.carrying import Delivery, NextHop
from mailguard.ports.judging import Extractor, Judge
from mailguard.ports.keeping import (
    AuditEntry,
    AuditLog,
    HeldStore,
    Ledger,
    LedgerRow,
    ReleaseKeys,
    Spool,
    Tickets,
)
from mailguard.ports.machine import Clock, Lock
from mailguard.ports.remembering import Receipts, UnreadReply
from mailguard.ports.telling import CanaryRun, CanaryStore, Counts, Figures, OwnMailStore, Traffic

__all__ = [
    "AuditEntry",
    "AuditLog",
    "CanaryRun",
    "CanaryStore",
    "Clock",
    "Counts",
    "Delivery",
    "Extractor",
    "Figures",
    "HeldStore",
    "Judge",
    "Ledger",
    "LedgerRow",
    "Lock",
    "NextHop",
    "OwnMailStore",
    "Receipts",
    "ReleaseKeys",
    "Spool",
    "Tickets",
    "Traffic",
    "UnreadReply",
]
